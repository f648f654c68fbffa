// SPDX-License-Identifier: Apache-2.0
#include "base/timer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/time.h>

// The loop reckons from the time at which its turn began, with a coarse clock: it may be early by
// so much.
#define EARLY_NS (20 * PT_NS_PER_MS)
#define MAX_DELAY_MS (INT64_C(366) * 24 * 3600 * 1000)

struct pt_timer {
    const struct pt_clock *clock;
    void (*on_due)(void *context);
    void *context;
    struct event *event;
    int64_t due_ns;    // monotonic
    int64_t period_ms; // 0: once
    bool is_started;
};

static void arm(struct pt_timer *timer, int64_t delay_ms)
{
    struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};
    if (event_add(timer->event, &delay) < 0)
        event_active(timer->event, EV_TIMEOUT, 0);
}

// Periods count from when the timer was due, and from now if the next would be over already.
static void start_next_period(struct pt_timer *timer, int64_t now_ns)
{
    int64_t period_ns = timer->period_ms * PT_NS_PER_MS;
    timer->due_ns += period_ns;
    if (timer->due_ns <= now_ns)
        timer->due_ns = now_ns + period_ns;
    arm(timer, (timer->due_ns - now_ns + PT_NS_PER_MS - 1) / PT_NS_PER_MS);
}

// Nothing is touched behind the call, which may have destroyed the timer.
static void run(struct pt_timer *timer, int64_t now_ns)
{
    if (timer->period_ms > 0)
        start_next_period(timer, now_ns);
    else
        pt_timer_stop(timer);
    timer->on_due(timer->context);
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pt_timer *timer = context;
    int64_t now_ns = pt_clock_monotonic_ns(timer->clock);
    if (now_ns + EARLY_NS >= timer->due_ns)
        run(timer, now_ns);
    else
        arm(timer, (timer->due_ns - now_ns + PT_NS_PER_MS - 1) / PT_NS_PER_MS);
}

struct pt_timer *pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                 void (*on_due)(void *context), void *context)
{
    struct pt_timer *timer = calloc(1, sizeof(*timer));
    if (!timer)
        return NULL;
    *timer = (struct pt_timer){.clock = clock, .on_due = on_due, .context = context};
    timer->event = evtimer_new(base, on_event, timer);
    if (!timer->event) {
        free(timer);
        return NULL;
    }
    return timer;
}

void pt_timer_destroy(struct pt_timer *timer)
{
    if (!timer)
        return;
    event_free(timer->event);
    free(timer);
}

static void start(struct pt_timer *timer, int64_t delay_ms, int64_t period_ms)
{
    delay_ms = delay_ms < 0 ? 0 : delay_ms;
    delay_ms = delay_ms < MAX_DELAY_MS ? delay_ms : MAX_DELAY_MS;
    timer->is_started = true;
    timer->period_ms = period_ms;
    timer->due_ns = pt_clock_monotonic_ns(timer->clock) + delay_ms * PT_NS_PER_MS;
    arm(timer, delay_ms);
}

void pt_timer_start(struct pt_timer *timer, int64_t delay_ms)
{
    start(timer, delay_ms, 0);
}

void pt_timer_start_every(struct pt_timer *timer, int64_t period_ms)
{
    start(timer, period_ms, period_ms);
}

void pt_timer_start_now(struct pt_timer *timer)
{
    timer->is_started = true;
    timer->period_ms = 0;
    timer->due_ns = pt_clock_monotonic_ns(timer->clock);
    event_active(timer->event, EV_TIMEOUT, 0);
}

void pt_timer_stop(struct pt_timer *timer)
{
    timer->is_started = false;
    event_del(timer->event);
}

bool pt_timer_is_started(const struct pt_timer *timer)
{
    return timer->is_started;
}

void pt_timer_run_due(struct pt_timer *timer)
{
    int64_t now_ns = pt_clock_monotonic_ns(timer->clock);
    if (timer->is_started && now_ns >= timer->due_ns)
        run(timer, now_ns);
}
