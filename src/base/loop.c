// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define REST_FACTOR 4 // how many times a turn's work counts against its rest

struct pt_loop {
    struct event_base *base;
    struct event *signals[2];
    void (*on_stop)(void *context);
    void *context;
    bool stopping;
    int pause_us;
    bool skips_rest;
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

static int64_t used_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static void rest(struct pt_loop *loop, int64_t *worked_ns)
{
    bool skips = loop->skips_rest;
    loop->skips_rest = false;
    int64_t now_ns = used_cpu_ns();
    int64_t pause_ns = loop->pause_us * INT64_C(1000) - REST_FACTOR * (now_ns - *worked_ns);
    *worked_ns = now_ns;
    if (pause_ns > 0 && !skips) {
        struct timespec pause = {.tv_nsec = pause_ns};
        nanosleep(&pause, NULL); // a signal may cut it short
    }
}

int pt_loop_run(struct pt_loop *loop, void (*on_stop)(void *context), void *context,
                struct pt_error *err)
{
    loop->on_stop = on_stop;
    loop->context = context;
    int once = loop->pause_us > 0 ? EVLOOP_ONCE : 0;
    int64_t worked_ns = used_cpu_ns();
    int r = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY | once);
    while (r == 0 && !event_base_got_break(loop->base)) {
        rest(loop, &worked_ns);
        r = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY | once);
    }
    return r < 0 ? pt_error_set(err, EIO, "the event loop failed") : 0;
}

void pt_loop_stop(struct pt_loop *loop)
{
    event_base_loopbreak(loop->base);
}
