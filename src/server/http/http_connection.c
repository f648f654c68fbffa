// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_connection.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/timer.h"
#include "server/http/http_connection_state.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>

// A connection serves one request after the other, and its state says how far it is: new, idle,
// reading a request, answering it, sending what the socket has not taken, lingering until the
// client has read the last words. Whatever clients send, a turn of the loop stays short and memory
// bounded:
//
// - Of each connection one request is answered in a turn. What came behind it waits in `ahead`, the
//   connection stands in the list `resumable`, and the next turn goes on with it. While something
//   is ahead, nothing is read, so that a client that sends on and on is held up by its own socket.
// - A body is read only after wants_body has seen the head. A refused request is answered at once,
//   and the rest of it is thrown away while the connection lingers.
// - What is read and not yet answered counts: bodies, heads and `ahead`, each for all connections
//   together. Who reads longest is cut when the heads are too many, who pipelines when `ahead` is.
// - Callbacks may cut any connection, this one too. Whoever touches it afterwards holds it before.

#define ANSWERS_HELD 64 // at most, before they are sent

void pt_connection_enter(struct pt_http_connection *connection, enum pt_connection_state state)
{
    struct pt_connections *connections = connection->connections;
    TAILQ_REMOVE(&connections->by_state[connection->state], connection, in_state);
    TAILQ_INSERT_TAIL(&connections->by_state[state], connection, in_state);
    connections->state_counts[connection->state]--;
    connections->state_counts[state]++;
    connection->state = state;
    connection->since = pt_clock_monotonic_ns(connections->clock);
}

// --- the end of a connection ---

void pt_connection_hold(struct pt_http_connection *connection)
{
    connection->holds++;
}

bool pt_connection_release(struct pt_http_connection *connection)
{
    bool gone = connection->gone;
    if (--connection->holds == 0 && gone)
        free(connection);
    return !gone;
}

static void set_ahead(struct pt_http_connection *connection, size_t length)
{
    connection->connections->ahead_bytes += length - connection->ahead.length;
    pt_buffer_consume(&connection->ahead, connection->ahead.length - length);
}

static void free_ahead(struct pt_http_connection *connection)
{
    if (connection->ahead.capacity == 0)
        return;
    pt_buffer_finish(&connection->ahead);
    pt_connection_count(connection);
}

static void drop_ahead(struct pt_http_connection *connection)
{
    set_ahead(connection, 0);
    free_ahead(connection);
}

static void wait_no_more(struct pt_http_connection *connection)
{
    if (!connection->is_resumable)
        return;
    connection->is_resumable = false;
    connection->connections->resumable_count--;
    TAILQ_REMOVE(&connection->connections->resumable, connection, in_resumable);
}

static void uncount(struct pt_http_connection *connection)
{
    struct pt_connections *connections = connection->connections;
    connections->figures.open--;
    if (connection->is_extra) {
        connections->extra_count--;
        TAILQ_REMOVE(&connections->extras, connection, in_extras);
    }
    pt_peers_remove(&connections->peers, connection->peer);
}

// An answer of a kind of which each peer has a share.
static size_t *held_by_peer(struct pt_http_connection *connection)
{
    switch (connection->kind) {
    case PT_ANSWER_LONG:
        return &connection->peer->long_answers;
    case PT_ANSWER_ENDLESS:
        return &connection->peer->streams;
    case PT_ANSWER_WHOLE:
    case PT_ANSWER_LATER:
        break;
    }
    return NULL;
}

static void set_kind(struct pt_http_connection *connection, enum pt_answer_kind kind)
{
    size_t *held = held_by_peer(connection);
    if (held)
        (*held)--;
    pt_connection_change_kind(connection, kind);
    held = held_by_peer(connection);
    if (held)
        (*held)++;
}

void pt_connection_cut(struct pt_http_connection *connection)
{
    struct pt_connections *connections = connection->connections;
    if (connection->gone)
        return;
    connection->gone = true;
    pt_connection_hold(connection);
    TAILQ_REMOVE(&connections->by_state[connection->state], connection, in_state);
    connections->state_counts[connection->state]--;
    pt_connection_forget_output(connection);
    wait_no_more(connection);
    event_del(&connection->readable);
    event_del(&connection->writable);
    if (!connection->transport.ssl)
        pt_loop_forget_edges(connections->loop, connection->transport.fd);
    pt_connection_note_pending(connection, 0, false);
    set_kind(connection, PT_ANSWER_WHOLE);
    if (connection->on_closed)
        connection->on_closed(connection->context);
    connection->on_drained = NULL;
    uncount(connection);
    evbuffer_free(connection->output);
    pt_request_parser_clear(&connection->parser);
    drop_ahead(connection);
    pt_memory_share_add(connections->memory, -connection->own_bytes);
    pt_transport_finish(&connection->transport);
    pt_connection_release(connection);
}

// --- answering ---

const struct pt_peer *pt_connection_peer(const struct pt_http_connection *connection)
{
    return connection->peer;
}

int64_t pt_connection_wall_ns(const struct pt_http_connection *connection)
{
    return pt_clock_wall_ns(connection->connections->clock);
}

static void forget_request(struct pt_http_connection *connection)
{
    connection->is_whole = true;
    connection->closes = !connection->parser.request->keeps_alive;
    connection->on_drained = connection->on_closed = NULL;
    set_kind(connection, PT_ANSWER_WHOLE);
    pt_request_parser_clear(&connection->parser);
}

void pt_connection_end_answer(struct pt_http_connection *connection)
{
    forget_request(connection);
    pt_connection_flush(connection);
}

void pt_connection_answer_with(struct pt_http_connection *connection, const char *text,
                               size_t length)
{
    struct pt_connections *connections = connection->connections;
    forget_request(connection);
    connection->ready = text;
    connection->ready_length = length;
    if (connections->answered_count++ == 0)
        pt_timer_start_now(connections->answers); // behind what the loop has at hand
    TAILQ_INSERT_TAIL(&connections->answered, connection, in_answered);
}

void pt_connection_watch(struct pt_http_connection *connection, enum pt_answer_kind kind,
                         void (*on_drained)(void *context), void (*on_closed)(void *context),
                         void *context)
{
    set_kind(connection, kind);
    connection->on_drained = on_drained;
    connection->on_closed = on_closed;
    connection->context = context;
}

void pt_connection_forget_head(struct pt_http_connection *connection)
{
    pt_request_parser_forget_head(&connection->parser);
}

int pt_connection_keep_body(struct pt_http_connection *connection)
{
    return pt_request_parser_keep_body(&connection->parser);
}

void pt_connection_fail(struct pt_http_connection *connection)
{
    connection->has_failed = true;
    pt_connection_touch(connection);
}

// --- reading ---

static void ask_for_body(struct pt_http_connection *connection)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (evbuffer_add(pt_connection_output(connection), go_on, sizeof(go_on) - 1) < 0)
        pt_connection_cut(connection);
    else
        pt_connection_touch(connection);
}

// Gives the request to who answers it; one that is refused is the connection's last.
static void hand_over(struct pt_http_connection *connection, int refusal)
{
    struct pt_connections *connections = connection->connections;
    struct pt_request *request = connection->parser.request;
    if (!request) {
        pt_connection_cut(connection); // there is no memory to say why
        return;
    }
    pt_connection_enter(connection, PT_CONNECTION_ANSWERING);
    connection->is_whole = connection->lends = false;
    connection->answer_began = connection->since;
    connection->answer_sent = 0;
    request->connection = connection;
    request->is_extra = connection->is_extra;
    if (refusal || request->body_left_out || request->is_extra)
        request->keeps_alive = false;
    connections->handler.on_request(connections->handler.context, request, refusal);
}

// Whether the request whose head has been read goes on with its body.
static bool goes_on(struct pt_http_connection *connection, bool has_all)
{
    const struct pt_connection_handler *handler = &connection->connections->handler;
    struct pt_request *request = connection->parser.request;
    request->connection = connection;
    request->is_extra = connection->is_extra;
    if (!handler->wants_body(handler->context, request)) {
        request->body_left_out = true;
        hand_over(connection, 0);
        return false;
    }
    if (connection->parser.continue_wanted && has_all)
        ask_for_body(connection);
    return !connection->gone;
}

// Reads up to the end of one request, answers it if it is whole, and returns how many bytes it
// took.
static size_t read_request(struct pt_http_connection *connection, const char *data, size_t length)
{
    struct pt_request_parser *parser = &connection->parser;
    size_t used, head = 0;
    enum pt_parse_result result = pt_request_parser_feed(parser, data, length, &used);
    if (result == PT_PARSE_HEAD) {
        head = used;
        if (!goes_on(connection, head == length))
            return head;
        used = 0;
        result = head == length ? PT_PARSE_MORE
                                : pt_request_parser_feed(parser, data + head, length - head, &used);
    }
    if (result != PT_PARSE_MORE)
        hand_over(connection, result == PT_PARSE_REFUSED ? parser->refusal : 0);
    else if (connection->state < PT_CONNECTION_READING)
        pt_connection_enter(connection, PT_CONNECTION_READING);
    return head + used;
}

static void stop_reading(struct pt_http_connection *connection)
{
    event_del(&connection->readable);
    connection->is_reading = false;
}

static void read_on(struct pt_http_connection *connection)
{
    free_ahead(connection);
    connection->is_reading = true;
    event_add(&connection->readable, NULL);
    // What has come meanwhile may be announced no more.
    event_active(&connection->readable, EV_READ | EV_CLOSED, 0);
}

// What came behind a request waits for its turn, and nothing more is read meanwhile.
static void keep_ahead(struct pt_http_connection *connection, const char *data, size_t length)
{
    struct pt_connections *connections = connection->connections;
    bool fits = connections->ahead_bytes + length <= PT_LIMIT_AHEAD_BYTES &&
                pt_memory_share_has_room(connections->memory, (int64_t)length);
    if (!fits)
        pt_memory_share_note_refusal(connections->memory);
    if (!fits || pt_buffer_append(&connection->ahead, data, length) < 0) {
        pt_connection_cut(connection);
        return;
    }
    connections->ahead_bytes += length;
    pt_connection_count(connection);
    stop_reading(connection);
    if (connection->state <= PT_CONNECTION_READING)
        pt_connection_resume(connection); // it has been answered already
}

static void take(struct pt_http_connection *connection, const char *data, size_t length)
{
    if (connection->state > PT_CONNECTION_READING) {
        if (connection->state != PT_CONNECTION_LINGERING)
            keep_ahead(connection, data, length);
        return;
    }
    size_t used = read_request(connection, data, length);
    if (used < length && !connection->gone && connection->state != PT_CONNECTION_LINGERING)
        keep_ahead(connection, data + used, length - used);
}

// The client sends no more. It may have closed only its own direction, and wait for the answer.
static void on_end(struct pt_http_connection *connection)
{
    if (connection->kind == PT_ANSWER_LONG || connection->kind == PT_ANSWER_LATER) {
        connection->parser.request->keeps_alive = false;
    } else if (connection->state < PT_CONNECTION_ANSWERING ||
               connection->state > PT_CONNECTION_SENDING || !connection->is_whole) {
        pt_connection_cut(connection);
        return;
    }
    connection->closes = true;
    stop_reading(connection);
}

static void on_failure(struct pt_http_connection *connection)
{
    if (!pt_transport_turn_plain(&connection->transport)) {
        pt_connection_cut(connection);
        return;
    }
    pt_connection_count(connection); // it holds nothing for TLS any more
    pt_request_parser_begin(&connection->parser);
    hand_over(connection, 421);
}

// Those that have been reading for longest make room for all others.
static void keep_heads_bounded(struct pt_connections *connections)
{
    struct pt_http_connection *longest;
    while ((connections->budget.head_bytes > PT_LIMIT_HEADS_BYTES ||
            !pt_memory_share_has_room(connections->memory, 0)) &&
           (longest = TAILQ_FIRST(&connections->by_state[PT_CONNECTION_READING]))) {
        pt_memory_share_note_refusal(connections->memory);
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        pt_connection_cut(longest);
    }
}

// What TLS needs for the handshake is given back behind it.
static void note_handshake(struct pt_http_connection *connection)
{
    if (connection->transport.ssl && connection->state == PT_CONNECTION_NEW)
        pt_connection_count(connection);
}

// The socket announces an arrival once: while there may be more, it is read again behind the others
// that are due. EV_CLOSED: the end has come as well, and is read behind the last bytes.
static void read_again(struct pt_http_connection *connection, size_t length, short what)
{
    if (length == PT_CONNECTION_BLOCK_BYTES || what & EV_CLOSED)
        event_active(&connection->readable, what, 0);
}

void pt_connection_on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    struct pt_http_connection *connection = context;
    struct pt_connections *connections = connection->connections;
    char *block = connections->block;
    pt_connection_hold(connection);
    do {
        ssize_t n = pt_transport_read(&connection->transport, block, PT_CONNECTION_BLOCK_BYTES);
        if (n > 0) {
            note_handshake(connection);
            read_again(connection, (size_t)n, what);
            take(connection, block, (size_t)n);
        } else if (n == 0)
            on_end(connection);
        else if (n != -EAGAIN)
            on_failure(connection);
        else if (connection->transport.read_waits_to_send &&
                 pt_connection_await_writable(connection) < 0)
            pt_connection_cut(connection);
    } while (!connection->gone && connection->is_reading &&
             pt_transport_has_more(&connection->transport));
    pt_connection_release(connection);
    keep_heads_bounded(connections);
    if (connections->answered_count >= ANSWERS_HELD)
        pt_connections_send_answers(connections);
    if (pt_loop_turn_is_over(connections->loop))
        pt_loop_end_turn(connections->loop);
}

void pt_connection_resume(struct pt_http_connection *connection)
{
    struct pt_connections *connections = connection->connections;
    if (connection->is_reading || connection->is_resumable || connection->is_taking)
        return;
    if (connection->state == PT_CONNECTION_LINGERING)
        drop_ahead(connection);
    if (connection->ahead.length == 0) {
        read_on(connection);
        return;
    }
    connection->is_resumable = true;
    TAILQ_INSERT_TAIL(&connections->resumable, connection, in_resumable);
    if (connections->resumable_count++ == 0)
        pt_timer_start(connections->resume, 0);
}

// Answers the first request of those that wait.
static void take_ahead(struct pt_http_connection *connection)
{
    struct pt_buffer *ahead = &connection->ahead;
    pt_connection_hold(connection);
    connection->is_taking = true;
    size_t used = read_request(connection, ahead->data, ahead->length);
    connection->is_taking = false;
    if (!connection->gone) {
        set_ahead(connection, ahead->length - used);
        if (ahead->length == 0 || connection->state <= PT_CONNECTION_READING ||
            connection->state == PT_CONNECTION_LINGERING)
            pt_connection_resume(connection);
    }
    pt_connection_release(connection);
}

void pt_connections_on_resume(void *context)
{
    struct pt_connections *connections = context;
    struct pt_http_connection *connection;
    size_t left = connections->resumable_count;
    for (; left > 0 && (connection = TAILQ_FIRST(&connections->resumable)); left--) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        wait_no_more(connection);
        take_ahead(connection);
        if (pt_loop_turn_is_over(connections->loop))
            break;
    }
    if (connections->resumable_count > 0)
        pt_timer_start(connections->resume, 0);
}
