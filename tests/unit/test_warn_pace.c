// SPDX-License-Identifier: Apache-2.0
#include "base/warn_pace.h"

#include "check.h"

static void a_warning_a_minute_is_due(void **state)
{
    (void)state;
    static const struct {
        double at_s;
        bool is_due;
    } rows[] = {{0, true}, {0, false}, {59.9, false}, {60, true}, {61, false}, {200, true}};
    struct pt_warn_pace pace = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_int("is due", pt_warn_pace_admits(&pace, (int64_t)(rows[i].at_s * 1e9)),
                  rows[i].is_due);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_warning_a_minute_is_due)};
    return cmocka_run_group_tests_name("warn_pace", tests, NULL, NULL);
}
