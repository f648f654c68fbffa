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
static void replace_with_bytes(const char *bytes, size_t length)
{
    char other[128];
    snprintf(other, sizeof(other), "%s/new", folder);
    FILE *file = fopen(other, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
    assert_int_equal(rename(other, path), 0);
}

static void replace_file(const char *text)
{
    replace_with_bytes(text, strlen(text));
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

// A file of NULs was once trimmed to nothing, and then no token was asked for at all.
static const struct {
    const char *name;
    const char *bytes;
    size_t length;
} no_tokens[] = {
    {"nothing", "", 0},
    {"white space", " \t\r\n", 4},
    {"one NUL", "\0", 1},
    {"a NUL between line ends", "\n\0\n", 3},
    {"a NUL behind a token", "abc\0", 4},
    {"a NUL in a token", "abc\0def", 7},
    {"a line end in a token", "abc\ndef", 7},
    {"an escape character", "abc\x1b[m", 6},
};

static void what_is_no_token_is_refused_in_a_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(no_tokens); i++) {
        struct pt_secret *secret = NULL;
        struct pt_error err;
        replace_with_bytes(no_tokens[i].bytes, no_tokens[i].length);
        check_int(no_tokens[i].name, pt_secret_create("other", path, &secret, &err), -EINVAL);
        assert_null(secret);
        assert_non_null(strstr(err.message, path));
    }
}

static void what_is_no_token_never_replaces_one(void **state)
{
    (void)state;
    struct pt_secret *secret;
    replace_file("good");
    assert_int_equal(pt_secret_create(NULL, path, &secret, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(no_tokens); i++) {
        replace_with_bytes(no_tokens[i].bytes, no_tokens[i].length);
        check_text(no_tokens[i].name, pt_secret_get(secret), "good");
    }
    pt_secret_destroy(secret);
}

static void what_is_no_token_is_refused_in_a_variable(void **state)
{
    (void)state;
    static const char *const texts[] = {"  ", "\n", "abc\ndef", "abc\x7f"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct pt_secret *secret = NULL;
        check_int(texts[i], pt_secret_create(texts[i], "", &secret, NULL), -EINVAL);
        assert_null(secret);
    }
}

static void only_the_whole_text_matches(void **state)
{
    (void)state;
    struct pt_secret *secret;
    char long_text[5001];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    replace_file("a-long-token");
    assert_int_equal(pt_secret_create(NULL, path, &secret, NULL), 0);
    assert_true(pt_secret_matches(secret, "a-long-token"));
    assert_false(pt_secret_matches(secret, "a-long-toke"));
    assert_false(pt_secret_matches(secret, "a-long-tokens"));
    assert_false(pt_secret_matches(secret, ""));
    assert_false(pt_secret_matches(secret, long_text));
    replace_file("a-long");
    pt_secret_get(secret);
    assert_true(pt_secret_matches(secret, "a-long"));
    assert_false(pt_secret_matches(secret, "a-long-token"));
    pt_secret_destroy(secret);
}

// `wanted`: all lines, a bar behind each.
static void check_lines(const char *name, struct pt_secret *secret, const char *wanted)
{
    static const char *const known[] = {"one", "two", "three", "1", "8", "9", ""};
    const char *first = pt_secret_get(secret);
    check_int(name, strncmp(wanted, first, strlen(first)), 0);
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        char line[16], all[64];
        snprintf(line, sizeof(line), "|%s|", known[i]);
        snprintf(all, sizeof(all), "|%s", wanted);
        check_int(name, pt_secret_matches(secret, known[i]), strstr(all, line) != NULL);
    }
}

static void several_tokens_stand_in_lines(void **state)
{
    (void)state;
    struct pt_secret *secret;
    struct pt_error err;
    replace_file("one\n");
    assert_int_equal(pt_secret_create_lines("not this", path, &secret, NULL), 0);
    check_lines("one", secret, "one|");
    replace_file("\n two \r\n\n\tthree");
    check_lines("two", secret, "two|three|");
    replace_file("1\n2\n3\n4\n5\n6\n7\n8\n");
    check_lines("as many as there may be", secret, "1|2|3|4|5|6|7|8|");
    replace_file("1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    check_lines("too many", secret, "1|2|3|4|5|6|7|8|");
    replace_file("one\ntw\x1b[mo");
    check_lines("a control character in the second", secret, "1|2|3|4|5|6|7|8|");
    pt_secret_destroy(secret);
    check_int("from the start", pt_secret_create_lines(NULL, path, &secret, &err), -EINVAL);
    assert_int_equal(pt_secret_create_lines(" \n \n", NULL, &secret, &err), -EINVAL);
    assert_int_equal(pt_secret_create_lines("", NULL, &secret, &err), 0);
    check_lines("none", secret, "|");
    pt_secret_destroy(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_trimmed),
        cmocka_unit_test(a_changed_file_is_read_again),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(what_is_no_token_is_refused_in_a_file),
        cmocka_unit_test(what_is_no_token_never_replaces_one),
        cmocka_unit_test(what_is_no_token_is_refused_in_a_variable),
        cmocka_unit_test(several_tokens_stand_in_lines),
        cmocka_unit_test(only_the_whole_text_matches),
    };
    return cmocka_run_group_tests_name("secret_file", tests, make_folder, remove_folder);
}
