// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include "check.h"

static void knows_valid_from_invalid(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        bool valid;
    } cases[] = {
        {"empty", "", true},
        {"ASCII", "plain", true},
        {"two bytes", "\xc3\xa9", true},
        {"three bytes", "\xe2\x82\xac", true},
        {"four bytes", "\xf0\x9f\x98\x80", true},
        {"last code point", "\xf4\x8f\xbf\xbf", true},
        {"lone continuation", "a\x80", false},
        {"cut short", "\xe2\x82", false},
        {"overlong slash", "\xc0\xaf", false},
        {"overlong three bytes", "\xe0\x80\xaf", false},
        {"surrogate", "\xed\xa0\x80", false},
        {"beyond the last code point", "\xf4\x90\x80\x80", false},
        {"byte that never occurs", "\xff", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_int(cases[i].name, pt_utf8_is_valid(cases[i].text), cases[i].valid);
}

static void cleans_and_cuts(void **state)
{
    (void)state;
    char clean[8];
    assert_int_equal(pt_utf8_clean("a\xff\xc3\xa9", clean, sizeof(clean)), 4);
    assert_string_equal(clean, "a?\xc3\xa9");
    assert_int_equal(pt_utf8_clean("123456\xc3\xa9", clean, sizeof(clean)), 6);
    assert_string_equal(clean, "123456");
    assert_int_equal(pt_utf8_clean("1234567890", clean, sizeof(clean)), 7);
    assert_string_equal(clean, "1234567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_valid_from_invalid),
        cmocka_unit_test(cleans_and_cuts),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
