// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"

#include "check.h"

#include <event2/event.h>
#include <signal.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_begins_the_end),
        cmocka_unit_test(a_second_signal_ends_at_once),
        cmocka_unit_test(a_broken_pipe_does_not_kill),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
