// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FAKE_WATCH_H
#define PT_TESTS_FAKE_WATCH_H

// The HTTP client and the timer of one watch, which are the test's or the fuzzer's own. The watch
// either asks or is about to. Who includes it is linked with --wrap for what begins with __wrap
// here.

#include "base/limits.h"
#include "base/timer.h"
#include "kube/kube_client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct fake_watch {
    struct pt_http_options request; // in flight
    bool is_in_flight;
    bool is_list; // what it asks for; else a watch
    char path[1000];
    void (*on_timer)(void *context);
    void *timer_context;
    bool is_timer_set;
    int64_t timer_delay_ms;
    bool (*is_refused)(void); // the memory that a request or a timer takes; NULL: it never is
} fake_watch;

int __wrap_pt_kube_client_start(const struct pt_kube_client *client, const char *path,
                                struct pt_http_options request,
                                struct pt_http_request **ret_request, struct pt_error *err);
void __wrap_pt_http_request_cancel(struct pt_http_request *request);
struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context);
void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms);
void __wrap_pt_timer_destroy(struct pt_timer *timer);

static inline bool fake_watch_refuses(void)
{
    return fake_watch.is_refused && fake_watch.is_refused();
}

int __wrap_pt_kube_client_start(const struct pt_kube_client *client, const char *path,
                                struct pt_http_options request,
                                struct pt_http_request **ret_request, struct pt_error *err)
{
    (void)client;
    assert(!fake_watch.is_in_flight && !fake_watch.is_timer_set);
    if (fake_watch_refuses())
        return pt_error_set(err, ENOMEM, "out of memory");
    if (strlen(path) > PT_LIMIT_KUBE_URL_BYTES)
        return pt_error_set(err, EMSGSIZE, "too long");
    assert(path[0] == '/' && !strpbrk(path, " \r\n\x7f"));
    fake_watch.request = request;
    fake_watch.is_in_flight = true;
    snprintf(fake_watch.path, sizeof(fake_watch.path), "%s", path);
    fake_watch.is_list = strstr(path, "watch=") == NULL;
    *ret_request = (struct pt_http_request *)&fake_watch.request;
    return 0;
}

void __wrap_pt_http_request_cancel(struct pt_http_request *request)
{
    assert(fake_watch.is_in_flight && request == (struct pt_http_request *)&fake_watch.request);
    fake_watch.is_in_flight = false;
}

struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context)
{
    (void)base, (void)clock;
    fake_watch.on_timer = on_due;
    fake_watch.timer_context = context;
    return fake_watch_refuses() ? NULL : (struct pt_timer *)&fake_watch.on_timer;
}

void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms)
{
    (void)timer;
    assert(delay_ms >= 0 && delay_ms <= 3600 * 1000 && !fake_watch.is_in_flight);
    fake_watch.is_timer_set = true;
    fake_watch.timer_delay_ms = delay_ms;
}

void __wrap_pt_timer_destroy(struct pt_timer *timer)
{
    (void)timer;
    fake_watch.is_timer_set = false;
}

static inline void fire_timer(void)
{
    assert(fake_watch.is_timer_set);
    fake_watch.is_timer_set = false;
    fake_watch.on_timer(fake_watch.timer_context);
}

// A part of the answer's body; returns below zero when the watch wants no more of it.
static inline int send_data(const char *text)
{
    return fake_watch.request.on_data(fake_watch.request.context, text, strlen(text));
}

static inline void end_answer(const struct pt_http_result *result)
{
    fake_watch.is_in_flight = false;
    fake_watch.request.on_done(fake_watch.request.context, result);
}

#endif
