// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"

#include "base/clock.h"

#include "check.h"

#include <event2/event.h>
#include <signal.h>
#include <time.h>

struct seen {
    struct pt_loop *loop;
    int stops;
    bool stop_at_once;
};

static void on_stop(void *context)
{
    struct seen *seen = context;
    seen->stops++;
    if (seen->stop_at_once)
        pt_loop_stop(seen->loop);
    else
        raise(SIGINT); // an impatient user
}

static void send_signal(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    raise(*(int *)context);
}

static void run_with_signal(int signal_number, bool stop_at_once, int wanted_stops)
{
    struct seen seen = {.stop_at_once = stop_at_once};
    assert_int_equal(pt_loop_create(&seen.loop, NULL), 0);
    struct timeval now = {0, 0};
    event_base_once(pt_loop_base(seen.loop), -1, EV_TIMEOUT, send_signal, &signal_number, &now);
    assert_int_equal(pt_loop_run(seen.loop, on_stop, &seen, NULL), 0);
    assert_int_equal(seen.stops, wanted_stops);
    pt_loop_destroy(seen.loop);
}

static void a_signal_begins_the_end(void **state)
{
    (void)state;
    run_with_signal(SIGTERM, true, 1);
    run_with_signal(SIGINT, true, 1);
}

static void a_second_signal_ends_at_once(void **state)
{
    (void)state;
    run_with_signal(SIGTERM, false, 1);
}

static void a_broken_pipe_does_not_kill(void **state)
{
    (void)state;
    struct pt_loop *loop;
    assert_int_equal(pt_loop_create(&loop, NULL), 0);
    raise(SIGPIPE);
    pt_loop_destroy(loop);
}

// --- a loop that keeps a pace ---

#define PACE_US 20000
#define TURNS 10

struct turns {
    struct pt_loop *loop;
    struct event *event;
    int left;
    bool skips_rest;
};

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct turns *turns = context;
    struct timeval at_once = {0, 0};
    if (--turns->left == 0) {
        pt_loop_stop(turns->loop);
        return;
    }
    if (turns->skips_rest)
        pt_loop_skip_rest(turns->loop);
    event_add(turns->event, &at_once);
}

// How long TURNS turns take that follow each other at once; *ret_cpu_at_rest_ns is the loop's.
static int64_t run_turns(int pace_us, bool skips_rest, int64_t *ret_cpu_at_rest_ns)
{
    struct turns turns = {.left = TURNS, .skips_rest = skips_rest};
    struct timeval at_once = {0, 0};
    assert_int_equal(pt_loop_create(&turns.loop, NULL), 0);
    pt_loop_set_pace(turns.loop, pace_us);
    turns.event = evtimer_new(pt_loop_base(turns.loop), on_turn, &turns);
    event_add(turns.event, &at_once);
    int64_t began = pt_clock_monotonic_ns(pt_clock_system());
    assert_int_equal(pt_loop_run(turns.loop, NULL, NULL, NULL), 0);
    int64_t taken = pt_clock_monotonic_ns(pt_clock_system()) - began;
    check_int("turns left", turns.left, 0);
    *ret_cpu_at_rest_ns = pt_loop_cpu_at_rest_ns(turns.loop);
    event_free(turns.event);
    pt_loop_destroy(turns.loop);
    return taken;
}

static void a_pace_spreads_turns_unless_there_is_more_to_do(void **state)
{
    (void)state;
    int64_t paced_least = (TURNS - 1) * (PACE_US - 10000) * INT64_C(1000);
    int64_t cpu_ns;
    assert_true(run_turns(PACE_US, false, &cpu_ns) >= paced_least);
    assert_true(run_turns(PACE_US, true, &cpu_ns) < (TURNS - 1) * PACE_US * INT64_C(1000));
    assert_true(run_turns(0, false, &cpu_ns) < (TURNS - 1) * PACE_US * INT64_C(1000));
}

// What follows without a rest belongs together, and its cost is known when the loop rests.
static void cpu_time_is_noted_when_the_loop_rests(void **state)
{
    (void)state;
    int64_t cpu_ns, began_ns = pt_loop_cpu_ns();
    (void)run_turns(PACE_US, false, &cpu_ns);
    assert_in_range(cpu_ns, began_ns, pt_loop_cpu_ns());
    (void)run_turns(PACE_US, true, &cpu_ns);
    check_int("no rest", cpu_ns, 0);
}

// --- the end of a turn ---

#define SHARE_NS (3 * PT_NS_PER_MS)

struct turn {
    struct pt_loop *loop;
    bool works; // else it waits for a core, or whatever else it is that is no work
    bool is_over;
};

static void on_long_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct turn *turn = context;
    const struct timespec pause = {.tv_nsec = SHARE_NS};
    assert_false(pt_loop_turn_is_over(turn->loop));
    int64_t until_ns = pt_loop_cpu_ns() + SHARE_NS;
    while (turn->works && pt_loop_cpu_ns() < until_ns)
        continue;
    if (!turn->works)
        nanosleep(&pause, NULL);
    turn->is_over = pt_loop_turn_is_over(turn->loop);
    pt_loop_stop(turn->loop);
}

static bool is_over_at_the_end(bool works)
{
    struct turn turn = {.works = works};
    const struct timeval at_once = {0, 0};
    assert_int_equal(pt_loop_create(&turn.loop, NULL), 0);
    pt_loop_set_pace(turn.loop, PACE_US);
    event_base_once(pt_loop_base(turn.loop), -1, EV_TIMEOUT, on_long_turn, &turn, &at_once);
    assert_int_equal(pt_loop_run(turn.loop, NULL, NULL, NULL), 0);
    pt_loop_destroy(turn.loop);
    return turn.is_over;
}

static void on_event_that_ends_its_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct turns *turns = context;
    pt_loop_end_turn(turns->loop);
    if (--turns->left == 0)
        pt_loop_stop(turns->loop);
}

// Else a server with much to do would rest most of the time.
static void what_a_turn_leaves_is_gone_on_with_at_once(void **state)
{
    (void)state;
    struct turns turns = {.left = TURNS};
    const struct timeval at_once = {0, 0};
    assert_int_equal(pt_loop_create(&turns.loop, NULL), 0);
    pt_loop_set_pace(turns.loop, PACE_US);
    for (int i = 0; i < TURNS; i++)
        event_base_once(pt_loop_base(turns.loop), -1, EV_TIMEOUT, on_event_that_ends_its_turn,
                        &turns, &at_once);
    assert_int_equal(pt_loop_run(turns.loop, NULL, NULL, NULL), 0);
    check_int("without a rest", pt_loop_cpu_at_rest_ns(turns.loop), 0);
    pt_loop_destroy(turns.loop);
}

static void a_turn_is_over_by_work_and_not_by_waiting_for_a_core(void **state)
{
    (void)state;
    assert_true(is_over_at_the_end(true));
    assert_false(is_over_at_the_end(false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_begins_the_end),
        cmocka_unit_test(a_second_signal_ends_at_once),
        cmocka_unit_test(a_broken_pipe_does_not_kill),
        cmocka_unit_test(a_pace_spreads_turns_unless_there_is_more_to_do),
        cmocka_unit_test(what_a_turn_leaves_is_gone_on_with_at_once),
        cmocka_unit_test(a_turn_is_over_by_work_and_not_by_waiting_for_a_core),
        cmocka_unit_test(cpu_time_is_noted_when_the_loop_rests),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
