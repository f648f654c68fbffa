// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/duration.h"

#include "check.h"

static void parses_what_go_writes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns; // -1: refused
    } cases[] = {
        {"0", 0},
        {"500ms", 500 * PT_NS_PER_MS},
        {"30s", 30 * PT_NS_PER_S},
        {"1m30s", 90 * PT_NS_PER_S},
        {"2h", 7200 * PT_NS_PER_S},
        {"1.5h", 5400 * PT_NS_PER_S},
        {".5s", PT_NS_PER_S / 2},
        {"5.s", 5 * PT_NS_PER_S},
        {"10m16.25s", 616 * PT_NS_PER_S + 250 * PT_NS_PER_MS},
        {"7us", 7000},
        {"7\xc2\xb5s", 7000},
        {"7\xce\xbcs", 7000},
        {"9ns", 9},
        {"2562047h47m16.854775s", INT64_C(9223372036854775000)},
        {"", -1},
        {"30", -1},
        {"s", -1},
        {".s", -1},
        {"-1s", -1},
        {"1x", -1},
        {"1s ", -1},
        {"1 s", -1},
        {"1d", -1},
        {"2562048h", -1},
        {"99999999999999999999s", -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ns = -1;
        int r = pt_duration_parse(cases[i].text, strlen(cases[i].text), &ns);
        check_int(cases[i].text, ns, cases[i].ns);
        check_int(cases[i].text, r, cases[i].ns < 0 ? -EINVAL : 0);
    }
}

static void reads_no_further_than_its_length(void **state)
{
    (void)state;
    int64_t ns = 0;
    assert_int_equal(pt_duration_parse("5s and more", 2, &ns), 0);
    assert_int_equal(ns, 5 * PT_NS_PER_S);
}

static void formats_shortest(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {90 * PT_NS_PER_S, "1m30s"},
        {1800 * PT_NS_PER_S, "30m"},
        {3600 * PT_NS_PER_S + 5 * PT_NS_PER_MS, "1h5ms"},
        {INT64_MAX, "2562047h47m16s854ms"},
    };
    char text[PT_DURATION_SIZE];
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(pt_duration_format(cases[i].ns, text), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_what_go_writes),
        cmocka_unit_test(reads_no_further_than_its_length),
        cmocka_unit_test(formats_shortest),
    };
    return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
