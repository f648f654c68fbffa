// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_keys.h"

#include "check.h"

#include <stdio.h>

static const char id[] = "0123456789abcdef";

static void what_keys_look_like(void **state)
{
    (void)state;
    char key[PT_SHARE_KEY_SIZE], claim[PT_SHARE_CLAIM_KEY_SIZE];
    pt_share_key_write("pulltrace", PT_SHARE_KEY_LATEST, key);
    check_text("key", key, "{pulltrace}:latest");
    pt_share_claim_key_write("pulltrace", id, PT_EVENT_PULL_FAILED, 3, claim);
    assert_memory_equal(claim, "{pulltrace}:attempt:0123456789abcdef:", 37);
}

// The longest prefixes that the setting allows, of two clusters, which differ in the last letter:
// cut, they would make one of them.
static void the_longest_prefixes_keep_clusters_apart(void **state)
{
    (void)state;
    char a[PT_LIMIT_SETTING_NAME_BYTES + 1], b[sizeof(a)];
    memset(a, 'x', sizeof(a) - 1);
    a[sizeof(a) - 1] = '\0';
    memcpy(b, a, sizeof(a));
    b[sizeof(b) - 2] = 'y';
    for (int i = 0; i < PT_SHARE_KEY_COUNT; i++) {
        char of_a[PT_SHARE_KEY_SIZE], of_b[PT_SHARE_KEY_SIZE], name[PT_SHARE_KEY_SIZE];
        pt_share_key_write(a, (enum pt_share_key)i, of_a);
        pt_share_key_write(b, (enum pt_share_key)i, of_b);
        pt_share_key_write("", (enum pt_share_key)i, name);
        assert_string_not_equal(of_a, of_b);
        check_text("its end", strchr(of_a, '}'), name + 1);
    }
    char of_a[PT_SHARE_CLAIM_KEY_SIZE], of_b[PT_SHARE_CLAIM_KEY_SIZE];
    char long_id[PT_PULL_ID_SIZE] = {0}, end[64];
    memset(long_id, 'f', sizeof(long_id) - 1);
    pt_share_claim_key_write(a, long_id, PT_EVENT_PULL_FAILED, INT64_MIN, of_a);
    pt_share_claim_key_write(b, long_id, PT_EVENT_PULL_FAILED, INT64_MIN, of_b);
    assert_string_not_equal(of_a, of_b);
    snprintf(end, sizeof(end), ":%d:%lld", (int)PT_EVENT_PULL_FAILED, (long long)INT64_MIN);
    check_text("its end", of_a + strlen(of_a) - strlen(end), end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_keys_look_like),
        cmocka_unit_test(the_longest_prefixes_keep_clusters_apart),
    };
    return cmocka_run_group_tests_name("share_keys", tests, NULL, NULL);
}
