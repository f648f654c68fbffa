// SPDX-License-Identifier: Apache-2.0
#include "base/timer.h"

#include "base/loop.h"

#include "check.h"

struct fixture {
    struct pt_loop *loop;
    struct pt_clock clock;
    int64_t now_ns;
    struct pt_timer *timer;
    int calls;
    bool destroys_itself;
    bool stops_loop;
};

static int64_t fake_now_ns(void *context)
{
    return ((struct fixture *)context)->now_ns;
}

static void on_due(void *context)
{
    struct fixture *fixture = context;
    fixture->calls++;
    if (fixture->stops_loop)
        pt_loop_stop(fixture->loop);
    if (!fixture->destroys_itself)
        return;
    pt_timer_destroy(fixture->timer);
    fixture->timer = NULL;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.now_ns = 12345};
    fixture.clock = (struct pt_clock){fake_now_ns, fake_now_ns, &fixture};
    assert_int_equal(pt_loop_create(&fixture.loop, NULL), 0);
    fixture.timer = pt_timer_create(pt_loop_base(fixture.loop), &fixture.clock, on_due, &fixture);
    assert_non_null(fixture.timer);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pt_timer_destroy(fixture->timer);
    pt_loop_destroy(fixture->loop);
    return 0;
}

static void pass(struct fixture *fixture, int64_t ms)
{
    fixture->now_ns += ms * PT_NS_PER_MS;
    pt_timer_run_due(fixture->timer);
}

static void it_calls_once_when_the_delay_is_over(void **state)
{
    struct fixture *fixture = *state;
    pass(fixture, 1000);
    check_int("not started", fixture->calls, 0);
    pt_timer_start(fixture->timer, 2500);
    assert_true(pt_timer_is_started(fixture->timer));
    pass(fixture, 2499);
    check_int("a millisecond before", fixture->calls, 0);
    pass(fixture, 1);
    check_int("due", fixture->calls, 1);
    assert_false(pt_timer_is_started(fixture->timer));
    pass(fixture, 10000);
    check_int("later", fixture->calls, 1);
}

static void a_new_start_forgets_the_one_before(void **state)
{
    struct fixture *fixture = *state;
    pt_timer_start(fixture->timer, 100);
    pass(fixture, 50);
    pt_timer_start(fixture->timer, 100);
    pass(fixture, 99);
    check_int("before the second delay is over", fixture->calls, 0);
    pass(fixture, 1);
    check_int("due", fixture->calls, 1);
    pt_timer_start_every(fixture->timer, 10);
    pt_timer_start(fixture->timer, 10);
    pass(fixture, 10);
    pass(fixture, 10);
    check_int("no period is left", fixture->calls, 2);
}

static void a_stopped_timer_stays_silent(void **state)
{
    struct fixture *fixture = *state;
    pt_timer_start(fixture->timer, 100);
    pt_timer_stop(fixture->timer);
    assert_false(pt_timer_is_started(fixture->timer));
    pass(fixture, 1000);
    pt_timer_start_every(fixture->timer, 100);
    pt_timer_stop(fixture->timer);
    pass(fixture, 1000);
    check_int("calls", fixture->calls, 0);
}

static void periods_follow_each_other_and_missed_ones_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    pt_timer_start_every(fixture->timer, 1000);
    pass(fixture, 999);
    check_int("before the first", fixture->calls, 0);
    pass(fixture, 2);
    check_int("the first, a millisecond late", fixture->calls, 1);
    pass(fixture, 998);
    check_int("before the second", fixture->calls, 1);
    pass(fixture, 1);
    check_int("the second in time", fixture->calls, 2);
    pass(fixture, 5500);
    check_int("five were missed", fixture->calls, 3);
    pass(fixture, 999);
    check_int("the next is a whole period later", fixture->calls, 3);
    pass(fixture, 1);
    check_int("and then there", fixture->calls, 4);
}

static void it_may_be_destroyed_by_its_own_call(void **state)
{
    struct fixture *fixture = *state;
    fixture->destroys_itself = true;
    pt_timer_start_every(fixture->timer, 10);
    pass(fixture, 10);
    assert_null(fixture->timer);
    pt_timer_destroy(NULL);
}

static void delays_without_sense_are_cut(void **state)
{
    struct fixture *fixture = *state;
    pt_timer_start(fixture->timer, -5);
    pass(fixture, 0);
    check_int("negative: at once", fixture->calls, 1);
    pt_timer_start(fixture->timer, INT64_MAX);
    pass(fixture, INT64_C(366) * 24 * 3600 * 1000);
    check_int("at most a year", fixture->calls, 2);
}

static void the_loop_calls_it(void **state)
{
    struct fixture *fixture = *state;
    fixture->stops_loop = true;
    pt_timer_start(fixture->timer, 0);
    assert_int_equal(pt_loop_run(fixture->loop, NULL, NULL, NULL), 0);
    check_int("after no delay", fixture->calls, 1);
    pt_timer_start_now(fixture->timer);
    assert_true(pt_timer_is_started(fixture->timer));
    assert_int_equal(pt_loop_run(fixture->loop, NULL, NULL, NULL), 0);
    check_int("in its turn", fixture->calls, 2);
}

static void stop_loop(void *context)
{
    struct fixture *fixture = context;
    pt_loop_stop(fixture->loop);
}

static void the_clock_decides_and_not_the_loop(void **state)
{
    struct fixture *fixture = *state;
    struct pt_timer *end =
        pt_timer_create(pt_loop_base(fixture->loop), pt_clock_system(), stop_loop, fixture);
    assert_non_null(end);
    pt_timer_start(fixture->timer, 25); // the fake clock's hands stand still
    pt_timer_start(end, 60);
    assert_int_equal(pt_loop_run(fixture->loop, NULL, NULL, NULL), 0);
    check_int("calls", fixture->calls, 0);
    assert_true(pt_timer_is_started(fixture->timer));
    pt_timer_destroy(end);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_calls_once_when_the_delay_is_over),
        TEST(a_new_start_forgets_the_one_before),
        TEST(a_stopped_timer_stays_silent),
        TEST(periods_follow_each_other_and_missed_ones_are_left_out),
        TEST(it_may_be_destroyed_by_its_own_call),
        TEST(delays_without_sense_are_cut),
        TEST(the_loop_calls_it),
        TEST(the_clock_decides_and_not_the_loop),
    };
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
