// SPDX-License-Identifier: Apache-2.0
#include "base/query.h"

#include "check.h"

#include <stdio.h>

static void values_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *wanted;
    } cases[] = {
        {"a=1&b=2", "a", "1"},       {"a=1&b=2", "b", "2"},  {"a=1&a=2", "a", "2"},
        {"a=x%20y+z", "a", "x y z"}, {"a=%C3%A4", "a", "ä"}, {"%61=1", "a", "1"},
        {"a=b=c", "a", "b=c"},       {"a", "a", NULL},       {"a=", "a", NULL},
        {"&&a=1&&", "a", "1"},       {"b=1", "a", NULL},     {NULL, "a", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_query query;
        assert_int_equal(pt_query_parse(cases[i].text, &query, NULL), 0);
        check_text(cases[i].text, pt_query_get(&query, cases[i].name), cases[i].wanted);
    }
}

static void what_is_no_query_is_refused(void **state)
{
    (void)state;
    static char many[PT_QUERY_MAX_PARAMETERS * 4 + 16];
    static char large[PT_QUERY_MAX_BYTES + 2];
    for (int i = 0; i <= PT_QUERY_MAX_PARAMETERS; i++)
        strcat(many, "a=1&");
    memset(large, 'a', sizeof(large) - 1);
    const struct {
        const char *text;
        int wanted;
        const char *message;
    } cases[] = {
        {"a=%", -EINVAL, "query: bad escape at \"%\""},
        {"a=%4", -EINVAL, "query: bad escape at \"%4\""},
        {"a=%zz", -EINVAL, "query: bad escape at \"%zz\""},
        {"a=%00", -EINVAL, "query: bad escape at \"%00\""},
        {"a=%ff", -EINVAL, "query: invalid UTF-8"},
        {many, -EMSGSIZE, "query: more than 32 parameters"},
        {large, -EMSGSIZE, "query: longer than 4096 bytes"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_query query;
        struct pt_error err;
        check_int(cases[i].message, pt_query_parse(cases[i].text, &query, &err), cases[i].wanted);
        check_text(cases[i].message, err.message, cases[i].message);
    }
}

static void counts_keep_to_their_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        int64_t wanted;
    } cases[] = {
        {"", 0, 7},           {"n=1", 0, 1},         {"n=100", 0, 100},
        {"n=0", -EINVAL, 0},  {"n=101", -EINVAL, 0}, {"n=+5", -EINVAL, 0},
        {"n=5x", -EINVAL, 0}, {"n=-5", -EINVAL, 0},  {"n=99999999999999999999", -EINVAL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_query query;
        int64_t value = 0;
        assert_int_equal(pt_query_parse(cases[i].text, &query, NULL), 0);
        check_int(cases[i].text, pt_query_get_count(&query, "n", 1, 100, 7, &value, NULL),
                  cases[i].result);
        check_int(cases[i].text, value, cases[i].wanted);
    }
}

static void yes_and_no_have_two_words_each(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        bool wanted;
    } cases[] = {
        {"", 0, true},       {"b=0", 0, false}, {"b=false", 0, false},
        {"b=true", 0, true}, {"b=1", 0, true},  {"b=yes", -EINVAL, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_query query;
        bool value = false;
        assert_int_equal(pt_query_parse(cases[i].text, &query, NULL), 0);
        check_int(cases[i].text, pt_query_get_bool(&query, "b", true, &value, NULL),
                  cases[i].result);
        check_int(cases[i].text, value, cases[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_decoded),
        cmocka_unit_test(what_is_no_query_is_refused),
        cmocka_unit_test(counts_keep_to_their_bounds),
        cmocka_unit_test(yes_and_no_have_two_words_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
