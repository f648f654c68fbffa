// SPDX-License-Identifier: Apache-2.0
#include "server/stream/stream_pace.h"

#include "base/clock.h"
#include "check.h"

#define MS PT_NS_PER_MS
#define TURN_MS 16 // in which the loop wakes up for reports

static void a_round_waits_for_what_was_done_since_the_last_one(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t lasted_ns; // until all readers in step had been served
        int64_t cost_ns;   // until the loop rested; below 0: it has not
        int64_t wanted_ns; // from the begin of one to the begin of the next
    } cases[] = {
        {"nobody reads", 0, 0, 0},
        {"twenty readers", MS / 5, MS, 5 * MS},
        {"a hundred readers", MS, 5 * MS, 25 * MS},
        {"thousands of readers", 30 * MS, 40 * MS, 100 * MS},
        {"as dear as can be", 30 * MS, INT64_MAX / 2, 100 * MS},
        {"longer than that", 80 * MS, 70 * MS, 160 * MS},
        {"held up by other programs", 3 * MS, MS / 4, 6 * MS},
        {"a loop that never rests", MS, -5 * MS, 100 * MS},
        {"a loop that never rests, longer", 60 * MS, -5 * MS, 120 * MS},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_stream_pace pace;
        const int64_t began_ns = 7 * PT_NS_PER_S, cpu_began_ns = 3 * PT_NS_PER_S;
        pt_stream_pace_begin(&pace, began_ns, cpu_began_ns);
        pt_stream_pace_end(&pace, began_ns + cases[i].lasted_ns);
        int64_t now_ns = began_ns + cases[i].lasted_ns;
        for (int64_t wait_ns = 1; wait_ns > 0; now_ns += wait_ns)
            wait_ns = pt_stream_pace_wait_ns(&pace, now_ns, cpu_began_ns + cases[i].cost_ns);
        check_int(cases[i].name, now_ns - began_ns, cases[i].wanted_ns);
    }
}

static void what_is_still_being_sent_is_looked_for_again_soon(void **state)
{
    (void)state;
    struct pt_stream_pace pace;
    pt_stream_pace_begin(&pace, PT_NS_PER_S, 9 * MS);
    check_int("not rested", pt_stream_pace_wait_ns(&pace, PT_NS_PER_S, 8 * MS), MS);
    check_int("rested", pt_stream_pace_wait_ns(&pace, PT_NS_PER_S + 2 * MS, 10 * MS), 3 * MS);
    check_int("more work", pt_stream_pace_wait_ns(&pace, PT_NS_PER_S + 5 * MS, 12 * MS), 10 * MS);
}

static void the_first_round_waits_for_nothing(void **state)
{
    (void)state;
    const struct pt_stream_pace pace = {0};
    check_int("first", pt_stream_pace_wait_ns(&pace, PT_NS_PER_S, MS), 0);
}

// Rounds of the second second, with changes that come evenly and cost what they cost.
static int rounds_a_second(int64_t fixed_cost_ns, int64_t cost_a_ms_of_changes_ns)
{
    struct pt_stream_pace pace = {0};
    int64_t cpu_ns = 0, flushed_ns = 0;
    int rounds = 0;
    for (int64_t now_ns = 0; now_ns < 2 * PT_NS_PER_S; now_ns += TURN_MS * MS) {
        if (pt_stream_pace_wait_ns(&pace, now_ns, cpu_ns) > 0)
            continue;
        pt_stream_pace_begin(&pace, now_ns, cpu_ns);
        cpu_ns += fixed_cost_ns + (now_ns - flushed_ns) / MS * cost_a_ms_of_changes_ns;
        flushed_ns = now_ns;
        rounds += now_ns >= PT_NS_PER_S;
    }
    return rounds;
}

static void readers_are_quick_while_they_cost_little(void **state)
{
    (void)state;
    check_int("cheap: each turn", rounds_a_second(MS / 10, MS / 10), 62);
    assert_in_range(rounds_a_second(MS / 10, MS / 2), 8, 10);   // dear changes
    assert_in_range(rounds_a_second(20 * MS, MS / 100), 8, 10); // dear rounds
    assert_in_range(rounds_a_second(2 * MS, MS / 10), 20, 50);  // in between
}

// What was dear is over: the next change but one comes at once again.
static void a_dear_round_is_forgotten_with_the_next(void **state)
{
    (void)state;
    struct pt_stream_pace pace = {0};
    pt_stream_pace_begin(&pace, PT_NS_PER_S, 0);
    check_int("dear", pt_stream_pace_wait_ns(&pace, PT_NS_PER_S, 50 * MS), 100 * MS);
    pt_stream_pace_begin(&pace, 2 * PT_NS_PER_S, 50 * MS);
    check_int("cheap", pt_stream_pace_wait_ns(&pace, 2 * PT_NS_PER_S, 51 * MS), 5 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_waits_for_what_was_done_since_the_last_one),
        cmocka_unit_test(what_is_still_being_sent_is_looked_for_again_soon),
        cmocka_unit_test(the_first_round_waits_for_nothing),
        cmocka_unit_test(readers_are_quick_while_they_cost_little),
        cmocka_unit_test(a_dear_round_is_forgotten_with_the_next),
    };
    return cmocka_run_group_tests_name("stream_pace", tests, NULL, NULL);
}
