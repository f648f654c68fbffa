// SPDX-License-Identifier: Apache-2.0
#include "server/ingest/report_queue.h"

#include "base/loop.h"
#include "base/timer.h"
#include "server/http/http_request.h"
#include "server/http/http_stream.h"
#include "server/store/pull_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define READ_ITEMS 1024 // pulls and layers in one step

enum stage {
    STAGE_WAITING, // only in this one is the request needed
    STAGE_READING,
    STAGE_APPLYING,
};

struct queued_report {
    struct pt_report_queue *queue;
    struct pt_request *request; // NULL: its client has gone
    enum stage stage;
    struct pt_report report;
    struct pt_application *application;
    TAILQ_ENTRY(queued_report) link;
    char node_name[]; // of which it must be; empty: of any
};

struct pt_report_queue {
    struct pt_loop *loop;
    struct pt_pull_store *store;
    pt_report_done_fn *on_done;
    void *context;
    struct pt_timer *timer;
    bool has_yielded;                    // to others, who had used up the turn
    TAILQ_HEAD(, queued_report) reports; // the first one is under way
};

int pt_report_check_node(const struct pt_report *report, const char *node_name,
                         struct pt_error *err)
{
    if (!node_name || strcmp(node_name, report->node_name) == 0)
        return 0;
    return pt_error_set(err, EPERM, "the token speaks for node %.100s, the report is of %.100s",
                        node_name, report->node_name);
}

static void drop(struct queued_report *queued)
{
    struct pt_error err;
    TAILQ_REMOVE(&queued->queue->reports, queued, link);
    if (queued->application)
        (void)!pt_store_apply_end(queued->application, &err);
    if (queued->stage != STAGE_WAITING)
        pt_report_finish(&queued->report);
    free(queued);
}

// What has been read is applied nevertheless: the agent has said it.
static void on_closed(void *context)
{
    struct queued_report *queued = context;
    queued->request = NULL;
    if (queued->stage == STAGE_WAITING)
        drop(queued);
}

static void finish(struct queued_report *queued, int result, const struct pt_error *err)
{
    const struct pt_report_queue *queue = queued->queue;
    struct pt_request *request = queued->request;
    if (request)
        pt_http_stream_forget(request);
    queued->request = NULL;
    queue->on_done(queue->context, request, queued->stage == STAGE_WAITING ? NULL : &queued->report,
                   result, err);
    drop(queued);
}

static void read_head(struct queued_report *queued)
{
    struct pt_error err;
    int r = pt_report_decode_head(queued->request->body, queued->request->body_length,
                                  &queued->report, &err);
    if (r < 0) {
        finish(queued, r, &err);
        return;
    }
    queued->stage = STAGE_READING;
    r = pt_report_check_node(&queued->report, *queued->node_name ? queued->node_name : NULL, &err);
    if (r < 0)
        finish(queued, r, &err);
}

static void begin_to_apply(struct queued_report *queued)
{
    struct pt_error err;
    queued->application = pt_store_apply_begin(queued->queue->store, &queued->report, &err);
    if (queued->application)
        queued->stage = STAGE_APPLYING;
    else
        finish(queued, -err.code, &err);
}

static void end(struct queued_report *queued)
{
    struct pt_error err;
    int r = pt_store_apply_end(queued->application, &err);
    queued->application = NULL;
    finish(queued, r, &err);
}

static void step(struct queued_report *queued)
{
    switch (queued->stage) {
    case STAGE_WAITING:
        read_head(queued);
        break;
    case STAGE_READING:
        if (!pt_report_decode_more(&queued->report, READ_ITEMS))
            begin_to_apply(queued);
        break;
    case STAGE_APPLYING:
        if (!pt_store_apply_step(queued->application))
            end(queued);
        break;
    }
}

static void go_on(struct pt_report_queue *queue)
{
    if (TAILQ_EMPTY(&queue->reports))
        return;
    pt_timer_start(queue->timer, 0);
    pt_loop_skip_rest(queue->loop);
}

// A step may take a millisecond: it is not for the end of a turn, but its turn comes.
static void on_timer(void *context)
{
    struct pt_report_queue *queue = context;
    bool goes_on = !pt_loop_turn_is_over(queue->loop) || queue->has_yielded;
    queue->has_yielded = !goes_on;
    while (goes_on && !TAILQ_EMPTY(&queue->reports)) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        step(TAILQ_FIRST(&queue->reports));
        goes_on = !pt_loop_turn_is_over(queue->loop);
    }
    go_on(queue);
}

struct pt_report_queue *pt_report_queue_create(struct pt_loop *loop, const struct pt_clock *clock,
                                               struct pt_pull_store *store,
                                               pt_report_done_fn *on_done, void *context)
{
    struct pt_report_queue *queue = calloc(1, sizeof(*queue));
    if (!queue)
        return NULL;
    queue->loop = loop;
    queue->store = store;
    queue->on_done = on_done;
    queue->context = context;
    TAILQ_INIT(&queue->reports);
    queue->timer = pt_timer_create(pt_loop_base(loop), clock, on_timer, queue);
    if (!queue->timer) {
        free(queue);
        return NULL;
    }
    return queue;
}

void pt_report_queue_destroy(struct pt_report_queue *queue)
{
    if (!queue)
        return;
    struct queued_report *queued;
    while ((queued = TAILQ_FIRST(&queue->reports))) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        assert(!queued->request);
        drop(queued);
    }
    pt_timer_destroy(queue->timer);
    free(queue);
}

int pt_report_queue_add(struct pt_report_queue *queue, struct pt_request *request,
                        const char *node_name)
{
    size_t length = node_name ? strlen(node_name) : 0;
    struct queued_report *queued = calloc(1, sizeof(*queued) + length + 1);
    if (!queued)
        return -ENOMEM;
    queued->queue = queue;
    queued->request = request;
    if (length > 0)
        memcpy(queued->node_name, node_name, length);
    if (pt_http_stream_wait(request, on_closed, queued) < 0) {
        free(queued);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(&queue->reports, queued, link);
    if (!pt_timer_is_started(queue->timer))
        go_on(queue);
    return 0;
}
