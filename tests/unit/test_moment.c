// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/moment.h"

#include "base/clock.h"

#include "check.h"

#define S PT_NS_PER_S

static void orders_what_two_clocks_report(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct pt_moment a, b;
        bool a_is_later;
    } cases[] = {
        {"nothing happened before something", {.at = S}, {.at = 0}, true},
        {"nothing is not later than nothing", {.at = 0}, {.at = 0}, false},
        {"the node's clock decides",
         {.at = 30 * S, .order = 1, .is_of_node = true},
         {.at = 20 * S, .order = 2, .is_of_node = true},
         true},
        {"of one second, what was heard later",
         {.at = 20 * S, .order = 2, .is_of_node = true},
         {.at = 20 * S + 5, .order = 1, .is_of_node = true},
         true},
        {"exact times of one second",
         {.at = 20 * S + 4, .order = 2, .is_of_node = true},
         {.at = 20 * S + 5, .order = 1, .is_of_node = true},
         false},
        {"a state that was heard after an event, whatever the clocks say",
         {.at = 5 * S, .order = 2},
         {.at = 20 * S, .order = 1, .is_of_node = true},
         true},
        {"an event that was heard after a state",
         {.at = 5 * S, .order = 3, .is_of_node = true},
         {.at = 20 * S, .order = 2},
         true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool later = pt_moment_is_later(&cases[i].a, &cases[i].b);
        if (later != cases[i].a_is_later)
            fail_msg("%s: later is %d", cases[i].name, later);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_what_two_clocks_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
