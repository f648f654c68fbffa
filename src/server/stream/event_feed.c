// SPDX-License-Identifier: Apache-2.0
#include "server/stream/event_feed.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/timer.h"
#include "server/http/http_reply.h"
#include "server/http/http_request.h"
#include "server/http/http_stream.h"
#include "server/stream/stream_pace.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#define TURNS_TO_SEND 2 // each gives 512 readers what there is
#define LONGEST_WAIT_NS PT_NS_PER_S
#define COPY_BYTES 1024 // a smaller block is cheaper copied than shared

struct feed_client {
    struct pt_event_feed *feed;
    struct pt_request *request;
    struct pt_stream_client *member;
    size_t copied_bytes; // pending, and nobody else's
    TAILQ_ENTRY(feed_client) in_feed;
};

TAILQ_HEAD(feed_client_list, feed_client);

// A report that has ended a pull, to be answered behind the round that sends that end.
struct late_answer {
    struct pt_event_feed *feed;
    struct pt_request *request;
    uint64_t version; // that a round must have reached
    int64_t since;    // monotonic_ns
    int turns_left;   // in which the sockets get what that round has made; 0: it is not over
    TAILQ_ENTRY(late_answer) in_feed;
};

struct pt_event_feed {
    struct pt_loop *loop;
    const struct pt_clock *clock;
    struct pt_event_stream *stream;
    struct pt_memory_share *memory;
    size_t max_clients;
    struct feed_client_list clients;
    TAILQ_HEAD(, late_answer) late; // by version
    struct pt_timer *answers;
    struct pt_timer *round; // begins one
    struct pt_timer *pump;  // goes on with it
    struct pt_timer *heartbeat;
    struct pt_stream_pace pace;
};

static size_t client_pending(void *context)
{
    struct feed_client *client = context;
    return pt_http_stream_pending(client->request);
}

static void release_block(const void *data, size_t length, void *context)
{
    (void)data;
    (void)length;
    pt_stream_block_unref(context);
}

static void set_copied(struct feed_client *client, size_t bytes)
{
    pt_memory_share_add(client->feed->memory, (int64_t)bytes - (int64_t)client->copied_bytes);
    client->copied_bytes = bytes;
}

static bool client_make_room(void *context)
{
    struct feed_client *client = context;
    return pt_http_stream_cut_stalled(client->request);
}

static void client_send(void *context, struct pt_stream_block *block)
{
    struct feed_client *client = context;
    struct evbuffer *output = pt_http_stream_output(client->request);
    bool chunked = pt_http_stream_is_chunked(client->request);
    const char *data = chunked ? block->data : block->data + block->body_offset;
    size_t length = chunked ? block->length : block->body_length;
    if (length < COPY_BYTES) {
        if (evbuffer_add(output, data, length) < 0)
            pt_http_stream_fail(client->request);
        set_copied(client, client->copied_bytes + length);
        pt_stream_block_unref(block);
    } else if (evbuffer_add_reference(output, data, length, release_block, block) < 0) {
        pt_http_stream_fail(client->request);
        pt_stream_block_unref(block);
    }
}

static void schedule_pump(struct pt_event_feed *feed)
{
    pt_timer_start_now(feed->pump);
}

static void on_drained(void *context)
{
    struct feed_client *client = context;
    size_t pending = pt_http_stream_pending(client->request);
    if (client->copied_bytes > pending)
        set_copied(client, pending);
    pt_event_stream_drained(client->member);
    schedule_pump(client->feed);
}

static void on_closed(void *context)
{
    struct feed_client *client = context;
    if (client->member)
        pt_event_stream_leave(client->member);
    set_copied(client, 0);
    TAILQ_REMOVE(&client->feed->clients, client, in_feed);
    free(client);
}

static int64_t wait_ns(const struct pt_event_feed *feed)
{
    return pt_stream_pace_wait_ns(&feed->pace, pt_clock_monotonic_ns(feed->clock),
                                  pt_loop_cpu_at_rest_ns(feed->loop));
}

// A round that may begin at once does so in this turn of the loop, behind the reports at hand.
static void schedule_round(struct pt_event_feed *feed)
{
    if (pt_timer_is_started(feed->round) || !pt_event_stream_has_news(feed->stream) ||
        pt_event_stream_is_busy(feed->stream))
        return;
    int64_t wait = wait_ns(feed);
    if (wait > 0)
        pt_timer_start(feed->round, (wait + PT_NS_PER_MS - 1) / PT_NS_PER_MS);
    else
        pt_timer_start_now(feed->round);
}

// --- answers behind a round ---

static void drop_late(struct late_answer *late)
{
    TAILQ_REMOVE(&late->feed->late, late, in_feed);
    free(late);
}

static void on_late_closed(void *context)
{
    drop_late(context);
}

static void answer_late(struct late_answer *late)
{
    struct pt_request *request = late->request;
    drop_late(late);
    pt_reply_taken(request);
}

static void answer_longest_waiting(struct pt_event_feed *feed)
{
    int64_t now = pt_clock_monotonic_ns(feed->clock);
    struct late_answer *late, *next;
    for (late = TAILQ_FIRST(&feed->late); late && now - late->since >= LONGEST_WAIT_NS;
         late = next) {
        next = TAILQ_NEXT(late, in_feed);
        answer_late(late);
    }
}

static void schedule_answers(struct pt_event_feed *feed)
{
    pt_timer_start(feed->answers, 0);
    pt_loop_skip_rest(feed->loop);
}

// A round is over, or there was nobody to be served.
static void note_round_over(struct pt_event_feed *feed)
{
    struct late_answer *late;
    bool is_any = false;
    TAILQ_FOREACH(late, &feed->late, in_feed)
    {
        if (late->turns_left > 0 || !pt_event_stream_has_sent(feed->stream, late->version))
            continue;
        late->turns_left = TURNS_TO_SEND;
        is_any = true;
    }
    if (is_any)
        schedule_answers(feed);
}

static void on_answers(void *context)
{
    struct pt_event_feed *feed = context;
    struct late_answer *late, *next;
    bool has_more = false;
    for (late = TAILQ_FIRST(&feed->late); late && late->turns_left > 0; late = next) {
        next = TAILQ_NEXT(late, in_feed);
        if (--late->turns_left == 0)
            answer_late(late);
        else
            has_more = true;
    }
    if (has_more)
        schedule_answers(feed);
}

void pt_event_feed_answer(struct pt_event_feed *feed, struct pt_request *request, bool has_ended)
{
    uint64_t version = pt_event_stream_newest(feed->stream);
    bool waits = has_ended && !TAILQ_EMPTY(&feed->clients) &&
                 !pt_event_stream_has_sent(feed->stream, version);
    struct late_answer *late = waits ? calloc(1, sizeof(*late)) : NULL;
    if (!late) {
        pt_reply_taken(request);
        return;
    }
    *late = (struct late_answer){
        .feed = feed,
        .request = request,
        .version = version,
        .since = pt_clock_monotonic_ns(feed->clock),
    };
    TAILQ_INSERT_TAIL(&feed->late, late, in_feed);
    pt_reply_later(request, on_late_closed, late);
}

// --- rounds ---

static void on_pump(void *context)
{
    struct pt_event_feed *feed = context;
    bool was_busy = pt_event_stream_is_busy(feed->stream);
    if (pt_event_stream_pump(feed->stream)) {
        pt_timer_start(feed->pump, 0); // lets the loop look at its sockets in between
        pt_loop_skip_rest(feed->loop);
    }
    if (was_busy && !pt_event_stream_is_busy(feed->stream))
        pt_stream_pace_end(&feed->pace, pt_clock_monotonic_ns(feed->clock));
    note_round_over(feed);
    schedule_round(feed);
}

static void on_round(void *context)
{
    struct pt_event_feed *feed = context;
    if (wait_ns(feed) > 0) { // the loop has worked on meanwhile
        schedule_round(feed);
        return;
    }
    pt_stream_pace_begin(&feed->pace, pt_clock_monotonic_ns(feed->clock), pt_loop_cpu_ns());
    pt_event_stream_flush(feed->stream);
    on_pump(feed);
}

static void on_heartbeat(void *context)
{
    struct pt_event_feed *feed = context;
    pt_event_stream_heartbeat(feed->stream);
    answer_longest_waiting(feed);
    schedule_pump(feed); // who has stalled for long enough may make room by now
}

int pt_event_feed_create(struct pt_loop *loop, const struct pt_clock *clock,
                         const struct pt_pull_store *store, size_t max_clients,
                         struct pt_memory_share *memory, struct pt_event_feed **ret_feed,
                         struct pt_error *err)
{
    static const struct pt_stream_output output = {client_pending, client_send, client_make_room};
    struct pt_event_feed *feed = calloc(1, sizeof(*feed));
    if (!feed)
        return pt_error_set(err, ENOMEM, "out of memory");
    struct event_base *base = pt_loop_base(loop);
    feed->loop = loop;
    feed->max_clients = max_clients;
    feed->memory = memory;
    feed->clock = clock;
    TAILQ_INIT(&feed->clients);
    TAILQ_INIT(&feed->late);
    int r = pt_event_stream_create(store, clock, max_clients, &output, &feed->stream);
    if (r == 0)
        pt_event_stream_set_memory(feed->stream, memory);
    feed->round = pt_timer_create(base, feed->clock, on_round, feed);
    feed->pump = pt_timer_create(base, feed->clock, on_pump, feed);
    feed->heartbeat = pt_timer_create(base, feed->clock, on_heartbeat, feed);
    feed->answers = pt_timer_create(base, feed->clock, on_answers, feed);
    if (r < 0 || !feed->round || !feed->pump || !feed->heartbeat || !feed->answers) {
        pt_event_feed_destroy(feed);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    pt_timer_start_every(feed->heartbeat, 1000);
    *ret_feed = feed;
    return 0;
}

void pt_event_feed_destroy(struct pt_event_feed *feed)
{
    if (!feed)
        return;
    struct feed_client *client, *next;
    for (client = TAILQ_FIRST(&feed->clients); client; client = next) {
        next = TAILQ_NEXT(client, in_feed);
        pt_http_stream_abort(client->request);
    }
    struct late_answer *late;
    while ((late = TAILQ_FIRST(&feed->late)))
        pt_http_stream_abort(late->request); // drops it
    pt_event_stream_destroy(feed->stream);
    pt_timer_destroy(feed->answers);
    pt_timer_destroy(feed->round);
    pt_timer_destroy(feed->pump);
    pt_timer_destroy(feed->heartbeat);
    free(feed);
}

struct pt_event_stream *pt_event_feed_stream(struct pt_event_feed *feed)
{
    return feed->stream;
}

void pt_event_feed_wake(struct pt_event_feed *feed)
{
    schedule_round(feed);
}

static const char content_type[] = "text/event-stream";

// Whether there is room for such a stream, which those that have stalled may have to make.
static int admit(struct pt_event_feed *feed, struct pt_request *request,
                 const struct pt_stream_request *wish, struct pt_error *err)
{
    int r;
    if (!pt_http_stream_has_room(request, true, feed->max_clients))
        return pt_error_set(err, ENOSPC, "this address has its share of event streams");
    while ((r = pt_event_stream_admit(feed->stream, wish, err)) == -ENOBUFS &&
           pt_http_stream_cut_stalled(request)) {
    }
    if (r == -ENOBUFS)
        pt_memory_share_note_refusal(feed->memory);
    return r;
}

static void add_headers(struct pt_request *request)
{
    pt_request_add_reply_header(request, "Cache-Control", "no-store");
    pt_request_add_reply_header(request, "X-Accel-Buffering", "no");
}

int pt_event_feed_add(struct pt_event_feed *feed, struct pt_request *request,
                      const struct pt_stream_request *asked, struct pt_error *err)
{
    static const struct pt_http_stream_events events = {true, on_drained, on_closed};
    struct pt_stream_request wish = *asked;
    wish.address = pt_http_stream_address(request);
    int r = admit(feed, request, &wish, err);
    if (r < 0)
        return r;
    if (request->method == PT_HTTP_HEAD) {
        add_headers(request);
        pt_reply_head(request, content_type);
        return 0;
    }
    struct feed_client *client = calloc(1, sizeof(*client));
    if (!client)
        return pt_error_set(err, ENOMEM, "out of memory");
    client->feed = feed;
    add_headers(request);
    client->request = request;
    pt_http_stream_begin(request, content_type, &events, client);
    TAILQ_INSERT_TAIL(&feed->clients, client, in_feed);
    r = pt_event_stream_join(feed->stream, &wish, client, &client->member, err);
    if (r < 0)
        pt_http_stream_abort(
            client->request); // the answer has begun: all that is left is to end it
    else
        schedule_pump(feed);
    return 0;
}

void pt_event_feed_end(struct pt_event_feed *feed)
{
    struct feed_client *client, *next;
    struct late_answer *late, *next_late;
    pt_event_stream_say_goodbye(feed->stream);
    for (late = TAILQ_FIRST(&feed->late); late; late = next_late) {
        next_late = TAILQ_NEXT(late, in_feed);
        answer_late(late);
    }
    for (client = TAILQ_FIRST(&feed->clients); client; client = next) {
        struct pt_request *request = client->request;
        next = TAILQ_NEXT(client, in_feed);
        on_closed(client);
        pt_http_stream_end(request, true);
    }
}
