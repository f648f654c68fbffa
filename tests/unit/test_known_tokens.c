// SPDX-License-Identifier: Apache-2.0
#include "server/identity/known_tokens.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

#define HOUR INT64_C(3600)

static void test_a_token_is_known_until_it_expires(void **state)
{
    (void)state;
    struct pt_known_tokens *tokens = pt_known_tokens_create(10, 2);
    assert_null(pt_known_tokens_find(tokens, "a", 0));
    pt_known_tokens_add(tokens, "a", "node-1", HOUR, 0);
    assert_string_equal(pt_known_tokens_find(tokens, "a", HOUR - 1), "node-1");
    assert_null(pt_known_tokens_find(tokens, "a", HOUR));
    assert_int_equal(pt_known_tokens_count(tokens, HOUR), 0);
    pt_known_tokens_destroy(tokens);
}

static void test_a_node_has_two_and_forgets_its_own_only(void **state)
{
    (void)state;
    char key[PT_TOKEN_KEY_SIZE];
    struct pt_known_tokens *tokens = pt_known_tokens_create(10, 2);
    pt_known_tokens_add(tokens, "other", "node-2", HOUR, 0);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        pt_known_tokens_add(tokens, key, "node-1", HOUR, 0);
    }
    assert_int_equal(pt_known_tokens_count(tokens, 0), 3);
    assert_non_null(pt_known_tokens_find(tokens, "99", 0));
    assert_non_null(pt_known_tokens_find(tokens, "98", 0));
    assert_null(pt_known_tokens_find(tokens, "97", 0));
    assert_string_equal(pt_known_tokens_find(tokens, "other", 0), "node-2");
    pt_known_tokens_destroy(tokens);
}

static void test_of_too_many_the_oldest_goes(void **state)
{
    (void)state;
    char key[PT_TOKEN_KEY_SIZE], text[16];
    for (size_t per_text = 0; per_text < 3; per_text++) {
        struct pt_known_tokens *tokens = pt_known_tokens_create(3, per_text);
        for (int i = 0; i < 10; i++) {
            (void)snprintf(key, sizeof(key), "%d", i);
            (void)snprintf(text, sizeof(text), "t%d", i);
            pt_known_tokens_add(tokens, key, text, HOUR, 0);
        }
        assert_int_equal(pt_known_tokens_count(tokens, 0), 3);
        assert_null(pt_known_tokens_find(tokens, "6", 0));
        assert_string_equal(pt_known_tokens_find(tokens, "7", 0), "t7");
        pt_known_tokens_destroy(tokens);
    }
}

static void test_expired_ones_go_with_those_that_come(void **state)
{
    (void)state;
    struct pt_known_tokens *tokens = pt_known_tokens_create(10, 2);
    pt_known_tokens_add(tokens, "a", "node-1", 1, 0);
    pt_known_tokens_add(tokens, "b", "node-2", 1, 0);
    pt_known_tokens_add(tokens, "c", "node-3", HOUR, 2);
    assert_int_equal(pt_known_tokens_count(tokens, 0), 1);
    pt_known_tokens_destroy(tokens);
}

static void test_expired_ones_do_not_count_behind_one_that_lives(void **state)
{
    (void)state;
    char key[PT_TOKEN_KEY_SIZE], text[16];
    struct pt_known_tokens *tokens = pt_known_tokens_create(10000, 2);
    pt_known_tokens_add(tokens, "lives", "node-0", HOUR, 0);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        (void)snprintf(text, sizeof(text), "node-%d", i);
        pt_known_tokens_add(tokens, key, text, 1, 0);
    }
    pt_known_tokens_add(tokens, "too", "node-x", HOUR, 0);
    assert_int_equal(pt_known_tokens_count(tokens, 0), 3002);
    (void)pt_known_tokens_count(tokens, 2);
    (void)pt_known_tokens_count(tokens, 2);
    assert_int_equal(pt_known_tokens_count(tokens, 2), 2);
    assert_string_equal(pt_known_tokens_find(tokens, "lives", 2), "node-0");
    pt_known_tokens_destroy(tokens);
}

static void test_a_token_is_added_anew(void **state)
{
    (void)state;
    struct pt_known_tokens *tokens = pt_known_tokens_create(10, 2);
    pt_known_tokens_add(tokens, "a", "node-1", 1, 0);
    pt_known_tokens_add(tokens, "a", "node-2", HOUR, 0);
    assert_int_equal(pt_known_tokens_count(tokens, 0), 1);
    assert_string_equal(pt_known_tokens_find(tokens, "a", 2), "node-2");
    pt_known_tokens_forget_all(tokens);
    assert_null(pt_known_tokens_find(tokens, "a", 2));
    pt_known_tokens_destroy(tokens);
}

static void test_all_are_forgotten_at_once_and_may_come_again(void **state)
{
    (void)state;
    char key[PT_TOKEN_KEY_SIZE], text[16];
    struct pt_known_tokens *tokens = pt_known_tokens_create(100, 2);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) {
            (void)snprintf(key, sizeof(key), "%d", i);
            (void)snprintf(text, sizeof(text), "node-%d", i);
            pt_known_tokens_add(tokens, key, text, HOUR, 0);
        }
        assert_int_equal(pt_known_tokens_count(tokens, 0), 50);
        assert_string_equal(pt_known_tokens_find(tokens, "7", 1), "node-7");
        pt_known_tokens_forget_all(tokens);
        assert_int_equal(pt_known_tokens_count(tokens, 0), 0);
        assert_null(pt_known_tokens_find(tokens, "7", 1));
    }
    pt_known_tokens_destroy(tokens);
}

static void test_keys_differ_as_tokens_do(void **state)
{
    (void)state;
    char one[PT_TOKEN_KEY_SIZE], same[PT_TOKEN_KEY_SIZE], other[PT_TOKEN_KEY_SIZE];
    assert_int_equal(pt_token_key("abc", 3, one), 0);
    assert_int_equal(pt_token_key("abc", 3, same), 0);
    assert_int_equal(pt_token_key("abd", 3, other), 0);
    // SHA-256 of "abc" (FIPS 180-2, B.1) in base64
    assert_string_equal(one, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_is_known_until_it_expires),
        cmocka_unit_test(test_a_node_has_two_and_forgets_its_own_only),
        cmocka_unit_test(test_of_too_many_the_oldest_goes),
        cmocka_unit_test(test_expired_ones_go_with_those_that_come),
        cmocka_unit_test(test_expired_ones_do_not_count_behind_one_that_lives),
        cmocka_unit_test(test_a_token_is_added_anew),
        cmocka_unit_test(test_all_are_forgotten_at_once_and_may_come_again),
        cmocka_unit_test(test_keys_differ_as_tokens_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
