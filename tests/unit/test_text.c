// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include "check.h"

#include <stdio.h>

static void a_slot_takes_another_text(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        bool changed;
    } steps[] = {
        {"nothing to nothing", NULL, false}, {"to a text", "a", true},   {"the same", "a", false},
        {"to another", "b", true},           {"to nothing", NULL, true},
    };
    const char *slot = NULL;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        bool changed = false;
        assert_int_equal(pt_text_replace(&slot, steps[i].text, &changed), 0);
        check_int(steps[i].name, changed, steps[i].changed);
        check_text(steps[i].name, slot, steps[i].text);
    }
}

// What was longer than the place for it was once logged again each second.
static void what_is_said_again_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        bool is_new;
        const char *kept;
    } steps[] = {
        {"the first", "abc", true, "abc"},
        {"again", "abc", false, "abc"},
        {"a beginning of it", "ab", true, "ab"},
        {"as long as there is room", "1234567", true, "1234567"},
        {"longer than that, cut", "123456789", false, "1234567"},
        {"another long one", "abcdefghijk", true, "abcdefg"},
        {"again", "abcdefghijk", false, "abcdefg"},
        {"nothing", "", true, ""},
        {"still nothing", "", false, ""},
    };
    char last[8] = "";
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        check_int(steps[i].name, pt_text_remember(last, sizeof(last), steps[i].text),
                  steps[i].is_new);
        check_text(steps[i].name, last, steps[i].kept);
    }
}

static void nothing_that_steers_a_terminal_is_clean(void **state)
{
    (void)state;
    for (int code = 0; code < 256; code++) {
        char name[8];
        snprintf(name, sizeof(name), "%02X", (unsigned)code);
        check_int(name, pt_text_clean((char)code), code >= ' ' && code < 0x7f ? code : '?');
    }
}

static void bytes_have_the_units_of_the_dashboard(void **state)
{
    (void)state;
    static const struct {
        double bytes;
        const char *wanted;
    } cases[] = {
        {0, "0 B"},          {999, "999 B"},     {1000, "1.0 KB"},       {1024, "1.0 KB"},
        {101888, "99.5 KB"}, {102349, "100 KB"}, {1048576, "1.0 MB"},    {123456789, "118 MB"},
        {5e9, "4.7 GB"},     {2e12, "1.8 TB"},   {9.2e18, "8367351 TB"},
    };
    char text[PT_TEXT_BYTES_SIZE];
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_text(cases[i].wanted, pt_text_bytes(cases[i].bytes, text), cases[i].wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_steers_a_terminal_is_clean),
        cmocka_unit_test(a_slot_takes_another_text),
        cmocka_unit_test(what_is_said_again_is_known),
        cmocka_unit_test(bytes_have_the_units_of_the_dashboard),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
