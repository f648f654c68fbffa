// SPDX-License-Identifier: Apache-2.0
#include "server/store/node_past.h"

#include "check.h"

#include <math.h>

static void what_a_step_did_is_kept(void **state)
{
    (void)state;
    struct pt_node_past past = {0};
    pt_node_past_note(&past, 5, 1000, 2);
    pt_node_past_note(&past, 5, 500, 1);
    pt_node_past_note_failed(&past, 5);
    check_int("under way", (int64_t)pt_node_past_at(&past, 5).bytes_per_second, 1500);
    pt_node_past_note(&past, 8, 7, 0);
    struct pt_node_past_step step = pt_node_past_at(&past, 5);
    check_int("stalled", step.stalled, 2);
    check_int("failed", step.failed, 1);
    check_int("nothing was noted", (int64_t)pt_node_past_at(&past, 7).bytes_per_second, 0);
    check_int("newest", (int64_t)pt_node_past_at(&past, 8).bytes_per_second, 7);
    check_int("to come", (int64_t)pt_node_past_at(&past, 9).bytes_per_second, 0);
}

static void figures_are_right_to_a_thousandth(void **state)
{
    (void)state;
    static const double figures[] = {0, 1, 1022, 1023.4, 1023.6, 1e6, 123456789, 3e13};
    for (size_t i = 0; i < COUNT_OF(figures); i++) {
        struct pt_node_past past = {0};
        pt_node_past_note(&past, 1, figures[i], 0);
        pt_node_past_note(&past, 2, 0, 0);
        double kept = pt_node_past_at(&past, 1).bytes_per_second;
        if (fabs(kept - figures[i]) > 0.5 + 0.001 * figures[i])
            fail_msg("%f is kept as %f", figures[i], kept);
    }
}

static void half_an_hour_is_kept(void **state)
{
    (void)state;
    struct pt_node_past past = {0};
    pt_node_past_note(&past, 3, 100, 1);
    check_int("is over", pt_node_past_is_over(&past, 62), false);
    check_int("is over", pt_node_past_is_over(&past, 63), true);
    pt_node_past_note_failed(&past, 62);
    check_int("the oldest", (int64_t)pt_node_past_at(&past, 3).bytes_per_second, 100);
    pt_node_past_note_failed(&past, 63);
    check_int("gone", (int64_t)pt_node_past_at(&past, 3).bytes_per_second, 0);
    check_int("the one before", pt_node_past_at(&past, 62).failed, 1);
    pt_node_past_note(&past, 100000, 5, 0); // it was idle for long
    for (uint64_t step = 99941; step < 100000; step++)
        check_int("idle", pt_node_past_at(&past, step).failed, 0);
}

static void what_is_too_much_for_four_bits_counts_as_fifteen(void **state)
{
    (void)state;
    struct pt_node_past past = {0};
    for (int i = 0; i < 100; i++)
        pt_node_past_note_failed(&past, 1);
    pt_node_past_note(&past, 1, 0, 4000);
    check_int("failed", pt_node_past_at(&past, 1).failed, 15);
    check_int("stalled", pt_node_past_at(&past, 1).stalled, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_step_did_is_kept),
        cmocka_unit_test(figures_are_right_to_a_thousandth),
        cmocka_unit_test(half_an_hour_is_kept),
        cmocka_unit_test(what_is_too_much_for_four_bits_counts_as_fifteen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
