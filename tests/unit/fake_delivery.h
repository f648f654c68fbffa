// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FAKE_DELIVERY_H
#define PT_TESTS_FAKE_DELIVERY_H

#include "agent/deliver.h"
#include "base/http_client.h"
#include "base/timer.h"
#include "pull/report.h"
#include "track_fixture.h"

#include <stdlib.h>

// A deliverer in a world of fake time: its timer, its clock and the server's answers are the
// test's. The linker puts the functions below in the place of the timer's and the HTTP client's.

struct delivery {
    struct scene scene; // whose tracker it delivers from
    struct pt_deliverer *deliverer;
    struct pt_clock clock;
    int64_t pace_ms;
    int64_t now_ms;
    // its timer
    void (*on_timer)(void *context);
    void *timer_context;
    int64_t timer_ms; // when it fires, 0: not set
    // its request in flight, and what it has sent
    bool is_in_flight;
    struct pt_http_options options;
    char authorization[128];
    struct pt_report report; // the last one, decoded
    unsigned reports;
    int64_t sent_ms[64];   // when the first ones were sent
    const char *heartbeat; // that its answers ask for, in seconds; NULL: none
    unsigned flushed;
};

static struct delivery *delivery; // the one that the linker's functions see

struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context);
void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms);
void __wrap_pt_timer_destroy(struct pt_timer *timer);
int __wrap_pt_http_client_start(struct pt_http_client *client,
                                const struct pt_http_options *options,
                                struct pt_http_request **ret_request, struct pt_error *err);
void __wrap_pt_http_request_cancel(struct pt_http_request *request);

struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context)
{
    (void)base;
    assert_ptr_equal(clock, &delivery->clock);
    delivery->on_timer = on_due;
    delivery->timer_context = context;
    return (struct pt_timer *)&delivery->on_timer;
}

void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms)
{
    (void)timer;
    delivery->timer_ms = delivery->now_ms + delay_ms;
}

void __wrap_pt_timer_destroy(struct pt_timer *timer)
{
    (void)timer;
}

int __wrap_pt_http_client_start(struct pt_http_client *client,
                                const struct pt_http_options *options,
                                struct pt_http_request **ret_request, struct pt_error *err)
{
    (void)client;
    assert_false(delivery->is_in_flight);
    pt_report_finish(&delivery->report);
    assert_int_equal(pt_report_decode(options->body, options->body_length, &delivery->report, err),
                     0);
    delivery->authorization[0] = '\0';
    for (const char *const *header = options->headers; *header; header++) {
        if (strncmp(*header, "Authorization: ", 15) == 0)
            snprintf(delivery->authorization, sizeof(delivery->authorization), "%s", *header + 15);
    }
    if (delivery->reports < COUNT_OF(delivery->sent_ms))
        delivery->sent_ms[delivery->reports] = delivery->now_ms;
    delivery->reports++;
    delivery->options = *options;
    delivery->is_in_flight = true;
    *ret_request = (struct pt_http_request *)&delivery->options;
    return 0;
}

void __wrap_pt_http_request_cancel(struct pt_http_request *request)
{
    assert_ptr_equal(request, &delivery->options);
    delivery->is_in_flight = false;
}

static inline int64_t delivery_now_ns(void *context)
{
    return ((struct delivery *)context)->now_ms * PT_NS_PER_MS;
}

// `identity` is the ServiceAccount's token, `token` the shared one; each may be NULL.
static inline void delivery_begin_with(struct delivery *self, const char *url,
                                       struct pt_secret *identity, struct pt_secret *token)
{
    *self = (struct delivery){.now_ms = 1000000, .pace_ms = 1000};
    delivery = self;
    scene_begin(&self->scene);
    self->clock = (struct pt_clock){delivery_now_ns, delivery_now_ns, self};
    const struct pt_deliverer_options options = {
        .clock = &self->clock,
        .tracker = self->scene.tracker,
        .identity = identity,
        .token = token,
        .server_url = url,
        .node_name = "node",
        .ca_file = "",
    };
    assert_int_equal(pt_deliverer_create(&options, &self->deliverer, NULL), 0);
    observe(&self->scene, 0);
}

static inline void delivery_begin(struct delivery *self, const char *url, struct pt_secret *token)
{
    delivery_begin_with(self, url, NULL, token);
}

static inline void delivery_end(struct delivery *self)
{
    pt_deliverer_destroy(self->deliverer);
    assert_false(self->is_in_flight);
    pt_report_finish(&self->report);
    scene_end(&self->scene);
}

// As the agent does after a look.
static inline void delivery_run(struct delivery *self, bool is_news)
{
    pt_deliverer_run(self->deliverer, is_news, self->pace_ms);
}

// Lets time pass, with its timer.
static inline void delivery_wait(struct delivery *self, int64_t ms)
{
    int64_t end_ms = self->now_ms + ms;
    while (self->timer_ms && self->timer_ms <= end_ms) {
        self->now_ms = self->timer_ms;
        self->timer_ms = 0;
        self->on_timer(self->timer_context);
    }
    self->now_ms = end_ms;
}

// The server answers the report in flight; status 0: it cannot be reached.
static inline void delivery_answer(struct delivery *self, int status, const char *retry_after)
{
    static const char body[] = "{\"error\":\"as the test wants\"}";
    struct pt_http_result result = {.status = status, .message = ""};
    assert_true(self->is_in_flight);
    if (status == 0)
        result = (struct pt_http_result){.error = -ECONNREFUSED, .message = "nobody is there"};
    else if (self->options.on_data(self->options.context, body, strlen(body)) < 0)
        fail();
    if (retry_after)
        self->options.on_header(self->options.context, "retry-after", retry_after);
    if (self->heartbeat)
        self->options.on_header(self->options.context, "pulltrace-heartbeat", self->heartbeat);
    self->is_in_flight = false;
    self->options.on_done(self->options.context, &result);
}

// Whether the last report names a pull with this image.
static inline bool delivery_names(const struct delivery *self, const char *image)
{
    for (size_t i = 0; i < self->report.pull_count; i++) {
        if (strcmp(self->report.pulls[i].image_ref, image) == 0)
            return true;
    }
    return false;
}

#endif
