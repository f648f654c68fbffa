// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/timestamp.h"

#include "check.h"

#include <time.h>

static void parses_rfc3339(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns; // -1: refused
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T03:04:05Z", INT64_C(1795230245) * PT_NS_PER_S},
        {"2026-11-21T03:04:05.25Z", INT64_C(1795230245) * PT_NS_PER_S + 250 * PT_NS_PER_MS},
        {"2026-11-21T03:04:05.123456789Z", INT64_C(1795230245123456789)},
        {"2026-11-21T03:04:05.1234567899Z", INT64_C(1795230245123456789)},
        {"2026-11-21t03:04:05z", INT64_C(1795230245) * PT_NS_PER_S},
        {"2026-11-21T05:34:05+02:30", INT64_C(1795230245) * PT_NS_PER_S},
        {"2026-11-20T22:04:05-05:00", INT64_C(1795230245) * PT_NS_PER_S},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800) * PT_NS_PER_S},
        {"2100-02-29T00:00:00Z", -1},
        {"2026-02-29T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-00-01T00:00:00Z", -1},
        {"2026-01-32T00:00:00Z", -1},
        {"2026-01-01T24:00:00Z", -1},
        {"2026-01-01T00:60:00Z", -1},
        {"2026-01-01T00:00:00", -1},
        {"2026-01-01T00:00:00.Z", -1},
        {"2026-01-01T00:00:00+2:00", -1},
        {"2026-01-01T00:00:00+24:00", -1},
        {"2026-01-01T00:00:00Zx", -1},
        {"2026-01-01 00:00:00Z", -1},
        {"2026\r01-01T00:00:00Z", -1}, // no hyphen, but for one bit
        {"2026-01-01T00:00:00.1", -1},
        {"2026-01-01T00:00:00-0100", -1},
        {"0001-01-01T00:00:00Z", -1},
        {"2262-01-01T00:00:00Z", -1},
        {"1970-01-01T00:00:00+00:01", -1},
        {"", -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ns = -1;
        int r = pt_timestamp_parse(cases[i].text, strlen(cases[i].text), &ns);
        check_int(cases[i].text, ns, cases[i].ns);
        check_int(cases[i].text, r, cases[i].ns < 0 ? -EINVAL : 0);
    }
}

static void formats_with_milliseconds(void **state)
{
    (void)state;
    char text[PT_TIMESTAMP_SIZE];
    assert_string_equal(pt_timestamp_format(0, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(pt_timestamp_format(INT64_C(1795230245678999999), text),
                        "2026-11-21T03:04:05.678Z");
}

// Every day of four centuries, against the C library's calendar.
static void agrees_with_the_calendar(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 106000; day++) {
        int64_t ns = (day * 86400 + day % 86400) * PT_NS_PER_S;
        time_t seconds = (time_t)(ns / PT_NS_PER_S);
        struct tm parts;
        char wanted[PT_TIMESTAMP_SIZE], got[PT_TIMESTAMP_SIZE];
        strftime(wanted, sizeof(wanted), "%Y-%m-%dT%H:%M:%S.000Z", gmtime_r(&seconds, &parts));
        check_text("day", pt_timestamp_format(ns, got), wanted);
        int64_t back = -1;
        assert_int_equal(pt_timestamp_parse(got, strlen(got), &back), 0);
        check_int(got, back, ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_rfc3339),
        cmocka_unit_test(formats_with_milliseconds),
        cmocka_unit_test(agrees_with_the_calendar),
    };
    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
