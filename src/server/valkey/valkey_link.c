// SPDX-License-Identifier: Apache-2.0

// libcurl connects, resolves names and speaks TLS; resp.h reads answers; what is between them is
// here: the bytes that wait, who waits for which answer, and when a connection counts as broken.
// Whoever is called back may reset the link or send more, so a fault is noted and the link closed
// only when no callback is on the stack.

#include "server/valkey/valkey_link.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/http_client.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/secret_file.h"
#include "base/timer.h"
#include "server/valkey/resp.h"
#include "server/valkey/valkey_url.h"
#include "server/valkey/valkey_words.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define FIRST_PAUSE_MS 100
#define LONGEST_PAUSE_MS 2000
#define LASTS_NS (10 * PT_NS_PER_S) // a connection that was open for so long was a good one
#define LOOK_MS 500
#define LONGEST_ANSWERS 6 // silences that an answer may take, also when a little comes all the time
#define CHUNK_BYTES (64 * 1024)
#define CHUNKS_IN_A_TURN 8

enum state {
    STATE_CLOSED, // the timer opens it
    STATE_CONNECTING,
    STATE_GREETING,
    STATE_OPEN,
};

struct waiting {
    STAILQ_ENTRY(waiting) link;
    pt_valkey_reply_fn *on_reply;
    void *context;
    int64_t sent_ns;
};

struct pt_valkey_link {
    struct pt_valkey_link_options options;
    struct event_base *base;
    const struct pt_clock *clock;
    enum state state;
    int64_t pause_ms; // the last one; 0: there was none
    int64_t opened_ns;
    bool is_of_use; // as pt_valkey_link_note_use says, of this connection
    struct pt_timer *retry;
    struct pt_timer *look;  // for silence
    struct pt_timer *again; // more can be received, though the socket may not say so
    struct pt_timer *send;  // what the turn's events have to send
    struct pt_http_request *connection;
    struct event *readable, *writable;
    struct evbuffer *out;
    struct pt_resp_reader reader;
    int64_t heard_ns;
    STAILQ_HEAD(, waiting) waiting;
    size_t waiting_count;
    bool is_broken;
    char why[256];
};

static int64_t now_ns(const struct pt_valkey_link *link)
{
    return pt_clock_monotonic_ns(link->clock);
}

static void break_link(struct pt_valkey_link *link, const char *why)
{
    if (link->is_broken)
        return;
    link->is_broken = true;
    snprintf(link->why, sizeof(link->why), "%s", why);
    pt_timer_start_now(link->look);
}

// --- the end of a connection ---

static void free_event(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

static void drop_connection(struct pt_valkey_link *link)
{
    free_event(&link->readable);
    free_event(&link->writable);
    if (link->connection)
        pt_http_request_cancel(link->connection);
    link->connection = NULL;
    pt_resp_reader_finish(&link->reader);
    evbuffer_drain(link->out, evbuffer_get_length(link->out));
    pt_timer_stop(link->again);
    pt_timer_stop(link->send);
}

// Who waits for the next answer; NULL: nobody.
static struct waiting *take_first(struct pt_valkey_link *link)
{
    struct waiting *waiting = STAILQ_FIRST(&link->waiting);
    if (!waiting)
        return NULL;
    STAILQ_REMOVE_HEAD(&link->waiting, link);
    link->waiting_count--;
    return waiting;
}

static void answer_nobody_knows(struct pt_valkey_link *link)
{
    struct waiting *waiting;
    while ((waiting = take_first(link))) {
        (void)!waiting->on_reply(waiting->context, NULL);
        free(waiting);
    }
}

static void close_link(struct pt_valkey_link *link)
{
    bool was_good =
        link->is_of_use || (link->state == STATE_OPEN && now_ns(link) - link->opened_ns > LASTS_NS);
    drop_connection(link);
    link->state = STATE_CLOSED;
    link->is_of_use = false;
    link->pause_ms =
        pt_backoff_next(was_good ? 0 : link->pause_ms, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    answer_nobody_knows(link);
    link->is_broken = false;
    pt_timer_start(link->retry, link->pause_ms);
    link->options.on_closed(link->options.context, link->why);
}

// --- sending ---

static void flush(struct pt_valkey_link *link)
{
    size_t length;
    while (!link->is_broken && (length = evbuffer_get_length(link->out)) > 0) {
        size_t part = length < CHUNK_BYTES ? length : CHUNK_BYTES;
        const void *bytes = evbuffer_pullup(link->out, (ev_ssize_t)part);
        ssize_t sent = bytes ? pt_http_request_send(link->connection, bytes, part) : -ENOMEM;
        if (sent < 0) {
            break_link(link, "the connection broke while commands were sent");
        } else if (sent == 0) {
            event_add(link->writable, NULL);
            return;
        }
        evbuffer_drain(link->out, sent > 0 ? (size_t)sent : 0);
    }
}

static void on_send(void *context)
{
    struct pt_valkey_link *link = context;
    if (link->connection)
        flush(link);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    flush(context);
}

static int send_command(struct pt_valkey_link *link, const struct pt_valkey_argument *arguments,
                        size_t count, pt_valkey_reply_fn *on_reply, void *context)
{
    struct waiting *waiting = malloc(sizeof(*waiting));
    if (!waiting)
        return -ENOMEM;
    bool ok = evbuffer_add_printf(link->out, "*%zu\r\n", count) > 0;
    for (size_t i = 0; ok && i < count; i++)
        ok = evbuffer_add_printf(link->out, "$%zu\r\n", arguments[i].length) > 0 &&
             evbuffer_add(link->out, arguments[i].data, arguments[i].length) == 0 &&
             evbuffer_add(link->out, "\r\n", 2) == 0;
    if (!ok) { // half a command cannot be taken back
        free(waiting);
        break_link(link, "out of memory");
        return -ENOMEM;
    }
    *waiting = (struct waiting){.on_reply = on_reply, .context = context, .sent_ns = now_ns(link)};
    STAILQ_INSERT_TAIL(&link->waiting, waiting, link);
    link->waiting_count++;
    pt_timer_start_now(link->send);
    return 0;
}

// --- the greeting ---

static bool is_error(const struct pt_resp_value *reply)
{
    return reply && reply->kind == PT_RESP_ERROR;
}

static bool on_greeting(void *context, struct pt_resp_value *reply)
{
    if (is_error(reply))
        pt_valkey_link_reset_refused(context, reply->text);
    return false;
}

static bool on_last_greeting(void *context, struct pt_resp_value *reply)
{
    struct pt_valkey_link *link = context;
    (void)on_greeting(context, reply);
    if (reply && !link->is_broken) {
        link->state = STATE_OPEN;
        link->opened_ns = now_ns(link);
        link->options.on_open(link->options.context);
    }
    return false;
}

static void greet(struct pt_valkey_link *link)
{
    const struct pt_valkey_url *url = link->options.url;
    const char *password = pt_secret_get(link->options.password);
    char database[16];
    snprintf(database, sizeof(database), "%d", url->database);
    const struct pt_valkey_argument auth[] = {pt_valkey_text("AUTH"),
                                              pt_valkey_text(*url->user ? url->user : "default"),
                                              pt_valkey_text(password)};
    const struct pt_valkey_argument select[] = {pt_valkey_text("SELECT"), pt_valkey_text(database)};
    int r = 0;
    if (*password)
        r = send_command(link, auth, 3, on_greeting, link);
    if (r == 0)
        r = send_command(link, select, 2, on_last_greeting, link);
    if (r < 0)
        break_link(link, "out of memory");
}

// --- receiving ---

static void hand_out(struct pt_valkey_link *link, struct pt_resp_value *reply)
{
    struct waiting *waiting = take_first(link);
    bool is_kept = false;
    if (waiting) {
        is_kept = waiting->on_reply(waiting->context, reply);
        free(waiting);
    } else {
        break_link(link, is_error(reply) ? reply->text : "it answers what nobody asked");
    }
    if (!is_kept)
        free(reply);
}

// Answers that are whole, each to who waits for it.
static void take_replies(struct pt_valkey_link *link)
{
    struct pt_resp_value *taken;
    int r = 0;
    while (!link->is_broken && (r = pt_resp_reader_next(&link->reader, &taken)) > 0)
        hand_out(link, taken);
    if (r == -EPROTO)
        break_link(link, "what it sends is no answer of this protocol");
    else if (r == -EMSGSIZE)
        break_link(link, "an answer is larger than what was asked for can be");
    else if (r < 0)
        break_link(link, "out of memory");
}

static void receive(struct pt_valkey_link *link)
{
    static char chunk[CHUNK_BYTES];
    for (int i = 0; i < CHUNKS_IN_A_TURN && !link->is_broken; i++) {
        ssize_t received = pt_http_request_receive(link->connection, chunk, sizeof(chunk));
        if (received == 0) {
            if (link->reader.length > 0 && link->options.loop)
                pt_loop_skip_rest(link->options.loop); // the rest of an answer is on its way
            return;
        }
        if (received < 0) {
            break_link(link, "it closed the connection");
            return;
        }
        link->heard_ns = now_ns(link);
        if (pt_resp_reader_feed(&link->reader, chunk, (size_t)received) < 0)
            break_link(link, "out of memory");
        else
            take_replies(link);
    }
    if (link->is_broken)
        return;
    pt_timer_start(link->again, 0);
    if (link->options.loop)
        pt_loop_skip_rest(link->options.loop);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    receive(context);
}

static void on_again(void *context)
{
    receive(context);
}

// --- opening ---

static void on_connected(void *context, int fd)
{
    struct pt_valkey_link *link = context;
    link->state = STATE_GREETING;
    link->heard_ns = now_ns(link);
    link->readable = event_new(link->base, fd, EV_READ | EV_PERSIST, on_readable, link);
    link->writable = event_new(link->base, fd, EV_WRITE, on_writable, link);
    if (!link->readable || !link->writable || event_add(link->readable, NULL) < 0)
        break_link(link, "out of memory");
    else
        greet(link);
}

static void on_not_connected(void *context, const struct pt_http_result *result)
{
    struct pt_valkey_link *link = context;
    link->connection = NULL;
    break_link(link, result->message);
}

static void begin_connecting(struct pt_valkey_link *link)
{
    const struct pt_valkey_url *url = link->options.url;
    struct pt_error err;
    char address[sizeof(url->host) + 32];
    bool is_ipv6 = strchr(url->host, ':');
    snprintf(address, sizeof(address), "%s://%s%s%s:%u", url->tls ? "https" : "http",
             is_ipv6 ? "[" : "", url->host, is_ipv6 ? "]" : "", url->port);
    const struct pt_http_options options = {
        .url = address,
        .ca_file = link->options.ca_file && *link->options.ca_file ? link->options.ca_file : NULL,
        .connect_timeout_ms = link->options.max_silence_ms,
        .on_connected = on_connected,
        .on_done = on_not_connected,
        .context = link,
    };
    link->state = STATE_CONNECTING;
    if (pt_http_client_start(link->options.client, &options, &link->connection, &err) < 0)
        break_link(link, err.message);
}

static void on_retry(void *context)
{
    begin_connecting(context);
}

// Is called at once when the link broke, and else looks for silence.
static void on_look(void *context)
{
    struct pt_valkey_link *link = context;
    const struct waiting *first = STAILQ_FIRST(&link->waiting);
    if (!link->is_broken && first) {
        int64_t since = first->sent_ns > link->heard_ns ? first->sent_ns : link->heard_ns;
        int64_t max_silence_ns = link->options.max_silence_ms * PT_NS_PER_MS;
        if (now_ns(link) - since > max_silence_ns)
            break_link(link, "it does not answer");
        else if (now_ns(link) - first->sent_ns > LONGEST_ANSWERS * max_silence_ns)
            break_link(link, "an answer does not come to its end");
    }
    if (link->is_broken)
        close_link(link);
    pt_timer_start(link->look, LOOK_MS);
}

// --- what the header promises ---

struct pt_valkey_link *pt_valkey_link_create(struct event_base *base, const struct pt_clock *clock,
                                             const struct pt_valkey_link_options *options)
{
    struct pt_valkey_link *link = calloc(1, sizeof(*link));
    if (!link)
        return NULL;
    link->options = *options;
    link->base = base;
    link->clock = clock;
    STAILQ_INIT(&link->waiting);
    pt_resp_reader_init(&link->reader, options->max_reply_bytes, PT_LIMIT_SHARE_ANSWER_VALUES);
    link->out = evbuffer_new();
    link->retry = pt_timer_create(base, clock, on_retry, link);
    link->look = pt_timer_create(base, clock, on_look, link);
    link->again = pt_timer_create(base, clock, on_again, link);
    link->send = pt_timer_create(base, clock, on_send, link);
    if (!link->out || !link->retry || !link->look || !link->again || !link->send) {
        pt_valkey_link_destroy(link);
        return NULL;
    }
    pt_timer_start(link->look, LOOK_MS);
    pt_timer_start(link->retry, 0);
    return link;
}

void pt_valkey_link_destroy(struct pt_valkey_link *link)
{
    if (!link)
        return;
    struct waiting *waiting;
    if (link->out && link->again && link->send)
        drop_connection(link);
    while ((waiting = take_first(link)))
        free(waiting);
    if (link->out)
        evbuffer_free(link->out);
    pt_timer_destroy(link->retry);
    pt_timer_destroy(link->look);
    pt_timer_destroy(link->again);
    pt_timer_destroy(link->send);
    free(link);
}

int pt_valkey_link_send(struct pt_valkey_link *link, const struct pt_valkey_argument *arguments,
                        size_t count, pt_valkey_reply_fn *on_reply, void *context)
{
    if (link->state != STATE_OPEN || link->is_broken)
        return -ENOTCONN;
    size_t bytes = evbuffer_get_length(link->out);
    for (size_t i = 0; i < count; i++)
        bytes += arguments[i].length;
    if (bytes > link->options.max_pending_bytes || link->waiting_count >= PT_LIMIT_SHARE_COMMANDS)
        return -ENOBUFS;
    return send_command(link, arguments, count, on_reply, context);
}

void pt_valkey_link_note_use(struct pt_valkey_link *link)
{
    link->is_of_use = true;
}

void pt_valkey_link_reset(struct pt_valkey_link *link, const char *why)
{
    break_link(link, why);
}

void pt_valkey_link_reset_refused(struct pt_valkey_link *link, const char *error)
{
    char why[sizeof(link->why)];
    pt_valkey_words_write(error, why, sizeof(why));
    break_link(link, why);
}
