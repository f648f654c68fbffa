// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"

#include "base/clock.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define REST_FACTOR 4 // how many times a turn's work counts against its rest
#define TURN_NS (3 * PT_NS_PER_MS)

const double pt_loop_turn_bounds[PT_LOOP_TURN_BOUNDS] = {0.0005, 0.001, 0.002, 0.005,
                                                         0.01,   0.02,  0.05,  0.1};

struct pt_loop {
    struct event_base *base;
    struct event *signals[2];
    void (*on_stop)(void *context);
    void *context;
    bool stopping; // a signal has come
    bool is_stopped;
    int pause_us;
    bool skips_rest;
    int64_t cpu_ns; // when the last turn ended, or the loop began
    int64_t cpu_at_rest_ns;
    int64_t turn_began_ns; // monotonic, as far as anybody has asked; 0: nobody has
    struct pt_loop_turns turns;
};

static void on_signal(evutil_socket_t signal_number, short what, void *context)
{
    (void)signal_number;
    (void)what;
    struct pt_loop *loop = context;
    if (loop->stopping || !loop->on_stop) {
        pt_loop_stop(loop);
        return;
    }
    loop->stopping = true;
    loop->on_stop(loop->context);
}

int pt_loop_create(struct pt_loop **ret_loop, struct pt_error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    struct pt_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return pt_error_set(err, ENOMEM, "out of memory");
    signal(SIGPIPE, SIG_IGN);
    // Changes to what is waited for are given to the kernel once a turn, and those that undo each
    // other not at all.
    struct event_config *config = event_config_new();
    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
        loop->base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    bool ok = loop->base != NULL;
    for (size_t i = 0; ok && i < 2; i++) {
        loop->signals[i] = evsignal_new(loop->base, numbers[i], on_signal, loop);
        ok = loop->signals[i] && event_add(loop->signals[i], NULL) == 0;
    }
    if (!ok) {
        pt_loop_destroy(loop);
        return pt_error_set(err, ENOMEM, "the event loop cannot be set up");
    }
    *ret_loop = loop;
    return 0;
}

void pt_loop_destroy(struct pt_loop *loop)
{
    if (!loop)
        return;
    for (size_t i = 0; i < 2; i++) {
        if (loop->signals[i])
            event_free(loop->signals[i]);
    }
    if (loop->base)
        event_base_free(loop->base);
    free(loop);
}

struct event_base *pt_loop_base(struct pt_loop *loop)
{
    return loop->base;
}

void pt_loop_set_pace(struct pt_loop *loop, int pause_us)
{
    loop->pause_us = pause_us;
}

void pt_loop_skip_rest(struct pt_loop *loop)
{
    loop->skips_rest = true;
}

void pt_loop_note_work(struct pt_loop *loop)
{
    if (loop->turn_began_ns == 0)
        loop->turn_began_ns = pt_clock_monotonic_ns(pt_clock_system());
}

bool pt_loop_turn_is_over(struct pt_loop *loop)
{
    int64_t now_ns = pt_clock_monotonic_ns(pt_clock_system());
    if (loop->turn_began_ns == 0)
        loop->turn_began_ns = now_ns;
    if (now_ns - loop->turn_began_ns < TURN_NS)
        return false;
    int64_t worked_ns = loop->pause_us > 0 ? pt_loop_cpu_ns() - loop->cpu_ns : TURN_NS;
    if (worked_ns >= TURN_NS)
        return true;
    loop->turn_began_ns = now_ns - worked_ns; // it has waited for a core meanwhile
    return false;
}

void pt_loop_end_turn(struct pt_loop *loop)
{
    loop->skips_rest = true;
    event_base_loopbreak(loop->base);
}

// libevent keeps EV_ET in each kind of change until the kernel has it, and takes it for the whole
// descriptor: one without EV_ET, made and unmade, leaves none.
void pt_loop_forget_edges(struct pt_loop *loop, int fd)
{
    struct event event;
    event_assign(&event, loop->base, fd, EV_READ | EV_WRITE | EV_CLOSED, NULL, NULL);
    if (event_add(&event, NULL) == 0)
        event_del(&event);
}

const struct pt_loop_turns *pt_loop_turns(const struct pt_loop *loop)
{
    return &loop->turns;
}

static void count_turn(struct pt_loop_turns *turns, int64_t worked_ns)
{
    double seconds = (double)worked_ns / (double)PT_NS_PER_S;
    size_t i = 0;
    while (i < PT_LOOP_TURN_BOUNDS && seconds > pt_loop_turn_bounds[i])
        i++;
    turns->counts[i]++;
    turns->seconds += seconds;
}

int64_t pt_loop_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * PT_NS_PER_S + used.tv_nsec;
}

int64_t pt_loop_cpu_at_rest_ns(const struct pt_loop *loop)
{
    return loop->cpu_at_rest_ns;
}

static void rest(struct pt_loop *loop)
{
    bool skips = loop->skips_rest;
    loop->skips_rest = false;
    int64_t now_ns = pt_loop_cpu_ns();
    int64_t worked_ns = now_ns - loop->cpu_ns;
    int64_t pause_ns = loop->pause_us * INT64_C(1000) - REST_FACTOR * worked_ns;
    count_turn(&loop->turns, worked_ns);
    loop->cpu_ns = now_ns;
    if (skips)
        return;
    loop->cpu_at_rest_ns = now_ns;
    if (pause_ns > 0) {
        struct timespec pause = {.tv_nsec = pause_ns};
        nanosleep(&pause, NULL); // a signal may cut it short
    }
}

int pt_loop_run(struct pt_loop *loop, void (*on_stop)(void *context), void *context,
                struct pt_error *err)
{
    loop->on_stop = on_stop;
    loop->context = context;
    loop->is_stopped = false;
    int once = loop->pause_us > 0 ? EVLOOP_ONCE : 0;
    loop->cpu_ns = pt_loop_cpu_ns();
    int r = 0;
    while (r == 0 && !loop->is_stopped) {
        loop->turn_began_ns = 0;
        r = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY | once);
        if (once && !loop->is_stopped)
            rest(loop);
    }
    return r < 0 ? pt_error_set(err, EIO, "the event loop failed") : 0;
}

void pt_loop_stop(struct pt_loop *loop)
{
    loop->is_stopped = true;
    event_base_loopbreak(loop->base);
}
