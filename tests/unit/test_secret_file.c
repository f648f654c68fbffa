// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/secret_file.h"

#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];
static char path[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/pulltrace-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/token", folder);
    pt_log_set_descriptor(-1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

// As Kubernetes does it: a new file takes the place of the old one.
static void replace_file(const char *text)
{
    char other[128];
    snprintf(other, sizeof(other), "%s/new", folder);
    FILE *file = fopen(other, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(other, path), 0);
}

static void plain_text_is_trimmed(void **state)
{
    (void)state;
    struct pt_secret *secret;
    assert_int_equal(pt_secret_create(" s3cret\n", "", &secret, NULL), 0);
    assert_string_equal(pt_secret_get(secret), "s3cret");
    pt_secret_destroy(secret);
    assert_int_equal(pt_secret_create(NULL, NULL, &secret, NULL), 0);
    assert_string_equal(pt_secret_get(secret), "");
    pt_secret_destroy(secret);
}

static void a_changed_file_is_read_again(void **state)
{
    (void)state;
    struct pt_secret *secret;
    replace_file("first\n");
    assert_int_equal(pt_secret_create("not this", path, &secret, NULL), 0);
    assert_string_equal(pt_secret_get(secret), "first");
    replace_file("second");
    assert_string_equal(pt_secret_get(secret), "second");
    replace_file(" \n");
    assert_string_equal(pt_secret_get(secret), "second");
    unlink(path);
    assert_string_equal(pt_secret_get(secret), "second");
    replace_file("third");
    assert_string_equal(pt_secret_get(secret), "third");
    pt_secret_destroy(secret);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    struct pt_secret *secret;
    struct pt_error err;
    unlink(path);
    assert_int_equal(pt_secret_create(NULL, path, &secret, &err), -ENOENT);
    assert_non_null(strstr(err.message, path));
    replace_file("");
    assert_int_equal(pt_secret_create(NULL, path, &secret, &err), -EINVAL);
    char *large = malloc(5001);
    memset(large, 'x', 5000);
    large[5000] = '\0';
    replace_file(large);
    free(large);
    assert_int_equal(pt_secret_create(NULL, path, &secret, &err), -EFBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_trimmed),
        cmocka_unit_test(a_changed_file_is_read_again),
        cmocka_unit_test(bad_files_are_refused),
    };
    return cmocka_run_group_tests_name("secret_file", tests, make_folder, remove_folder);
}
