// SPDX-License-Identifier: Apache-2.0
#include "base/name_list.h"

#include "check.h"

#define X63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567890"

static void what_a_list_may_hold(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool of_kubernetes, of_objects, of_containerd, of_hosts;
    } rows[] = {
        {"", true, true, true, true},
        {"k8s.io", false, true, true, true},
        {"team-a,team-b", true, true, true, true},
        {" team-a , team-b ", true, true, true, true},
        {"Team_1", false, false, true, true},
        {"pulls.example.org", false, true, true, true},
        {"a--b", true, true, false, true},
        {"a.b-c_d", false, false, true, true},
        {"a..b", false, true, false, true},
        {"a-.b", false, true, false, true},
        {X63, true, true, true, true},
        {X63 "x", false, true, true, true},
        {X63 X63, false, true, false, true},
        {"a b", false, false, false, false},
        {"a;b", false, false, false, false},
        {"a,", false, false, false, false},
        {",a", false, false, false, false},
        {"a,,b", false, false, false, false},
        {",", false, false, false, false},
        {" ", false, false, false, false},
        {"-a", false, false, false, false},
        {"a-", false, false, false, false},
        {"*", false, false, false, false},
        {"a:80", false, false, false, false},
        {"a\n", false, false, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *list = rows[i].list;
        check_int(list, pt_name_list_is_valid(list, PT_NAME_KUBERNETES), rows[i].of_kubernetes);
        check_int(list, pt_name_list_is_valid(list, PT_NAME_OBJECT), rows[i].of_objects);
        check_int(list, pt_name_list_is_valid(list, PT_NAME_CONTAINERD), rows[i].of_containerd);
        check_int(list, pt_name_list_is_valid(list, PT_NAME_HOST), rows[i].of_hosts);
    }
}

static void names_come_one_after_the_other(void **state)
{
    (void)state;
    static const char list[] = "a, bc ,d e";
    static const char *const names[] = {"a", "bc", "d e"};
    const char *at = list, *name;
    size_t length, count = 0;
    while ((name = pt_name_list_next(&at, &length))) {
        assert_true(count < COUNT_OF(names));
        check_int(names[count], (int)length, (int)strlen(names[count]));
        assert_memory_equal(name, names[count], length);
        count++;
    }
    assert_int_equal(count, COUNT_OF(names));
    assert_int_equal(pt_name_list_count(list), 3);
    assert_int_equal(pt_name_list_count(""), 0);
    assert_int_equal(pt_name_list_count(" , "), 0);
}

static void a_list_has_whole_names(void **state)
{
    (void)state;
    static const struct {
        const char *list, *name;
        bool has;
    } rows[] = {
        {"a,bc", "a", true},   {"a,bc", "bc", true}, {"a, bc ", "bc", true}, {"a,bc", "b", false},
        {"a,bc", "ab", false}, {"a,bc", "", false},  {"", "a", false},       {"", "", false},
        {"abc", "ab", false},  {"ab", "abc", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_int(rows[i].name, pt_name_list_has(rows[i].list, rows[i].name), rows[i].has);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_list_may_hold),
        cmocka_unit_test(names_come_one_after_the_other),
        cmocka_unit_test(a_list_has_whole_names),
    };
    return cmocka_run_group_tests_name("name_list", tests, NULL, NULL);
}
