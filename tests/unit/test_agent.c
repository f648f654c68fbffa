// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/timer.h"
#include "fake_containerd.h"

// The whole agent without a server, on a containerd and a clock of the test. The linker puts the
// functions below in the place of the timer's.

#define INTERVAL_MS 2000
#define STOPPED (-1)

struct fake_timer {
    void (*on_due)(void *context);
    void *context;
    int64_t due_ms; // STOPPED: it is not started
};

// In the order in which they are created: the agent's two, then those of what it is made of.
enum { LOOK, DEADLINE, TIMER_COUNT = 8 };

static struct scene {
    struct pt_containerd world;
    struct pt_clock clock;
    struct pt_loop *loop;
    struct pt_agent *agent;
    struct fake_timer timers[TIMER_COUNT];
    unsigned timer_count;
} scene;

struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context);
void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms);
void __wrap_pt_timer_stop(struct pt_timer *timer);
void __wrap_pt_timer_destroy(struct pt_timer *timer);

static int64_t now_ms(void)
{
    return scene.world.now / PT_NS_PER_MS;
}

struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context)
{
    (void)base, (void)clock;
    assert_in_range(scene.timer_count, 0, TIMER_COUNT - 1);
    struct fake_timer *timer = &scene.timers[scene.timer_count++];
    *timer = (struct fake_timer){.on_due = on_due, .context = context, .due_ms = STOPPED};
    return (struct pt_timer *)timer;
}

void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms)
{
    ((struct fake_timer *)timer)->due_ms = now_ms() + (delay_ms > 0 ? delay_ms : 0);
}

void __wrap_pt_timer_stop(struct pt_timer *timer)
{
    ((struct fake_timer *)timer)->due_ms = STOPPED;
}

void __wrap_pt_timer_destroy(struct pt_timer *timer)
{
    (void)timer;
}

static void begin(void)
{
    scene = (struct scene){.world = {.broken = CALL_COUNT, .now = START + PT_NS_PER_S}};
    scene.clock = (struct pt_clock){fake_now, fake_now, &scene.world};
    containerd_world = &scene.world;
    pt_log_set_descriptor(-1);
    assert_int_equal(pt_loop_create(&scene.loop, NULL), 0);
    const struct pt_agent_options options = {
        .loop = scene.loop,
        .clock = &scene.clock,
        .node_name = "node",
        .server_url = "",
        .containerd_socket = "/run/containerd/containerd.sock",
        .containerd_socket_directories = "/run/containerd",
        .containerd_namespaces = "k8s.io",
        .ca_file = "",
        .interval_ms = INTERVAL_MS,
        .watch_fd = -1,
    };
    assert_int_equal(pt_agent_create(&options, &scene.agent, NULL), 0);
}

static void end(void)
{
    pt_agent_destroy(scene.agent);
    pt_loop_destroy(scene.loop);
}

// How long it is until the next look.
static int64_t wait_ms(void)
{
    return scene.timers[LOOK].due_ms - now_ms();
}

static void pass(int64_t ms)
{
    scene.world.now += ms * PT_NS_PER_MS;
}

// Lets the time pass until the next look is due, which then begins.
static void look(void)
{
    struct fake_timer *timer = &scene.timers[LOOK];
    assert_int_not_equal(timer->due_ms, STOPPED);
    pass(wait_ms());
    timer->due_ms = STOPPED;
    timer->on_due(timer->context);
}

static void begin_connected(void)
{
    begin();
    look();
    answer_version(&scene.world, "1.7.2");
}

static void a_containerd_that_is_away_is_asked_each_second(void **state)
{
    (void)state;
    begin();
    check_int("at once", wait_ms(), 0);
    look();
    check_int("asked", scene.world.versions_asked, 1);
    check_int("nothing more until it answers", scene.timers[LOOK].due_ms, STOPPED);
    refuse_version(&scene.world, "nobody is there");
    check_int("then", wait_ms(), 1000);
    look();
    check_int("asked again", scene.world.versions_asked, 2);
    end();
}

static void it_looks_once_an_interval(void **state)
{
    (void)state;
    begin_connected();
    check_int("after the first look", wait_ms(), INTERVAL_MS);
    look();
    check_int("after the second", wait_ms(), INTERVAL_MS);
    check_int("without asking who is there", scene.world.versions_asked, 1);
    end();
}

static void content_that_is_new_wakes_it(void **state)
{
    (void)state;
    begin_connected();
    pass(20);
    emit_content(&scene.world, D("9"));
    check_int("50 ms after the last look", wait_ms(), 30);
    emit_content(&scene.world, D("8"));
    check_int("not as often as things happen", wait_ms(), 30);
    end();
}

static void what_is_known_waits_for_the_next_look(void **state)
{
    (void)state;
    begin_connected();
    emit_content(&scene.world, LAYER);
    check_int("as it was", wait_ms(), INTERVAL_MS);
    end();
}

static void events_that_break_are_trouble(void **state)
{
    (void)state;
    begin_connected();
    pass(20);
    break_events(&scene.world);
    check_int("a second later", wait_ms(), 1000);
    emit_content(&scene.world, D("9"));
    check_int("nothing wakes it meanwhile", wait_ms(), 1000);
    look();
    check_int("it asks who is there", scene.world.versions_asked, 2);
    answer_version(&scene.world, "1.7.2");
    check_int("and goes on", wait_ms(), INTERVAL_MS);
    end();
}

// The look that was under way goes on, and would want the next one within milliseconds.
static void events_that_break_each_time_are_asked_for_once_a_second(void **state)
{
    (void)state;
    begin();
    const int64_t began_ms = now_ms();
    scene.world.idle_leases = 1;
    while (now_ms() < began_ms + 60000) {
        look();
        scene.world.idle_since = scene.world.now; // a lease that may yet show as a pull
        scene.world.events_break_in = 3;
        answer_version(&scene.world, "1.7.2");
        check_int("broken", scene.world.events_break_in, 0);
    }
    assert_in_range(scene.world.versions_asked, 50, 61);
    end();
}

static void one_that_stops_looks_no_more(void **state)
{
    (void)state;
    begin_connected();
    pt_agent_stop(scene.agent);
    check_int("no look", scene.timers[LOOK].due_ms, STOPPED);
    check_int("the end is near", scene.timers[DEADLINE].due_ms - now_ms(), 2000);
    emit_content(&scene.world, D("9"));
    check_int("whatever happens", scene.timers[LOOK].due_ms, STOPPED);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_containerd_that_is_away_is_asked_each_second),
        cmocka_unit_test(it_looks_once_an_interval),
        cmocka_unit_test(content_that_is_new_wakes_it),
        cmocka_unit_test(what_is_known_waits_for_the_next_look),
        cmocka_unit_test(events_that_break_are_trouble),
        cmocka_unit_test(events_that_break_each_time_are_asked_for_once_a_second),
        cmocka_unit_test(one_that_stops_looks_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
