// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_connection.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/timer.h"
#include "server/http/http_transport.h"
#include "server/http/request_parser.h"
#include "server/http/tls.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOW_WATER_BYTES (16 * 1024)
#define UNSENT_BYTES (128 * 1024) // that the kernel holds for a client that is slow to take them
#define FLUSHES_A_TURN 512
#define ANSWERS_HELD 64 // at most, before they are sent

static const int max_seconds[PT_CONNECTION_STATES] = {
    [PT_CONNECTION_IDLE] = 90,
    [PT_CONNECTION_READING] = 20, // headers and body together
    [PT_CONNECTION_ANSWERING] = 0,
    [PT_CONNECTION_SENDING] = 180, // without taking a byte
    [PT_CONNECTION_LINGERING] = 3,
};

struct pt_http_connection {
    struct pt_connections *connections;
    struct pt_transport transport;
    struct event readable;
    struct event writable; // waited for only while the socket takes no more
    struct evbuffer *output;
    const char *ready; // a whole answer, to be sent behind the output
    size_t ready_length;
    struct pt_request_parser parser;
    struct pt_buffer ahead; // read behind the request that is being answered
    enum pt_connection_state state;
    int64_t since; // monotonic_ns of the last change
    void (*on_drained)(void *context);
    void (*on_closed)(void *context);
    void *context;
    int holds; // by callers on the stack
    bool is_touched;
    bool is_reading;
    bool is_whole; // the answer: all of it is in the output
    bool closes;   // after this answer
    bool gone;
    TAILQ_ENTRY(pt_http_connection) in_state;
    TAILQ_ENTRY(pt_http_connection) in_touched;
    TAILQ_ENTRY(pt_http_connection) in_answered; // while an answer is ready
};

static void enter(struct pt_http_connection *connection, enum pt_connection_state state)
{
    struct pt_connections *connections = connection->connections;
    TAILQ_REMOVE(&connections->by_state[connection->state], connection, in_state);
    TAILQ_INSERT_TAIL(&connections->by_state[state], connection, in_state);
    connection->state = state;
    connection->since = pt_clock_monotonic_ns(connections->clock);
}

// --- the end of a connection ---

static void hold(struct pt_http_connection *connection)
{
    connection->holds++;
}

// Returns whether the connection still is.
static bool release(struct pt_http_connection *connection)
{
    bool gone = connection->gone;
    if (--connection->holds == 0 && gone)
        free(connection);
    return !gone;
}

static void untouch(struct pt_http_connection *connection)
{
    TAILQ_REMOVE(&connection->connections->touched, connection, in_touched);
    connection->connections->touched_count--;
    connection->is_touched = false;
}

static void forget_ready(struct pt_http_connection *connection)
{
    if (connection->ready_length == 0)
        return;
    TAILQ_REMOVE(&connection->connections->answered, connection, in_answered);
    connection->connections->answered_count--;
    connection->ready_length = 0;
}

void pt_connection_cut(struct pt_http_connection *connection)
{
    struct pt_connections *connections = connection->connections;
    if (connection->gone)
        return;
    connection->gone = true;
    hold(connection);
    TAILQ_REMOVE(&connections->by_state[connection->state], connection, in_state);
    if (connection->is_touched)
        untouch(connection);
    forget_ready(connection);
    event_del(&connection->readable);
    event_del(&connection->writable);
    connections->count--;
    if (connection->on_closed)
        connection->on_closed(connection->context);
    connection->on_drained = NULL;
    evbuffer_free(connection->output);
    pt_request_parser_clear(&connection->parser);
    pt_buffer_finish(&connection->ahead);
    pt_transport_finish(&connection->transport);
    release(connection);
}

// --- sending ---

static void resume(struct pt_http_connection *connection);

static void on_all_sent(struct pt_http_connection *connection)
{
    if (!connection->is_whole) {
        enter(connection, PT_CONNECTION_ANSWERING);
        return;
    }
    if (connection->closes)
        pt_transport_end_sending(&connection->transport);
    enter(connection, connection->closes ? PT_CONNECTION_LINGERING : PT_CONNECTION_IDLE);
    resume(connection);
}

// Sends the answer that is ready without a copy if it can be; what is left goes to the output.
static void send_ready(struct pt_http_connection *connection)
{
    ssize_t n = evbuffer_get_length(connection->output) > 0
                    ? 0
                    : pt_transport_send(&connection->transport, connection->ready,
                                        connection->ready_length);
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent < connection->ready_length)
        evbuffer_add(connection->output, connection->ready + sent, connection->ready_length - sent);
    forget_ready(connection);
}

// Sends until nothing is left or the socket takes no more; false if it has failed.
static bool send_output(struct pt_http_connection *connection)
{
    if (connection->ready_length > 0)
        send_ready(connection);
    while (evbuffer_get_length(connection->output) > 0) {
        ssize_t n = pt_transport_send_buffer(&connection->transport, connection->output);
        if (n == -EAGAIN)
            return event_add(&connection->writable, NULL) == 0;
        if (n < 0)
            return false;
        if (connection->state == PT_CONNECTION_SENDING)
            enter(connection, PT_CONNECTION_SENDING); // its time begins anew
    }
    event_del(&connection->writable);
    return true;
}

static void flush(struct pt_http_connection *connection)
{
    hold(connection);
    if (connection->is_touched)
        untouch(connection);
    if (!send_output(connection)) {
        pt_connection_cut(connection);
    } else if (connection->state > PT_CONNECTION_READING) {
        size_t left = evbuffer_get_length(connection->output);
        if (left == 0)
            on_all_sent(connection);
        else if (connection->state != PT_CONNECTION_SENDING)
            enter(connection, PT_CONNECTION_SENDING);
        if (left <= LOW_WATER_BYTES && connection->on_drained)
            connection->on_drained(connection->context);
    }
    release(connection);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pt_http_connection *connection = context;
    if (connection->transport.read_waits_to_send)
        event_active(&connection->readable, EV_READ, 0);
    flush(connection);
}

// The loop looks at its sockets before, and does not rest.
static void schedule_flush(struct pt_connections *connections)
{
    pt_timer_start(connections->flush, 0);
    pt_loop_skip_rest(connections->loop);
}

static void send_answers(struct pt_connections *connections)
{
    struct pt_http_connection *connection;
    while ((connection = TAILQ_FIRST(&connections->answered))) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        flush(connection);
    }
}

static void on_answers(void *context)
{
    send_answers(context);
}

static void on_flush(void *context)
{
    struct pt_connections *connections = context;
    struct pt_http_connection *connection;
    send_answers(connections); // they are short, and somebody waits
    size_t left = connections->touched_count;
    left = left < FLUSHES_A_TURN ? left : FLUSHES_A_TURN;
    for (; left > 0 && (connection = TAILQ_FIRST(&connections->touched)); left--) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        untouch(connection);
        flush(connection);
    }
    if (connections->touched_count > 0)
        schedule_flush(connections);
}

struct evbuffer *pt_connection_output(struct pt_http_connection *connection)
{
    return connection->output;
}

void pt_connection_touch(struct pt_http_connection *connection)
{
    struct pt_connections *connections = connection->connections;
    if (connection->is_touched || connection->gone)
        return;
    connection->is_touched = true;
    TAILQ_INSERT_TAIL(&connections->touched, connection, in_touched);
    if (connections->touched_count++ == 0)
        schedule_flush(connections);
}

// --- answering ---

static void forget_request(struct pt_http_connection *connection)
{
    connection->is_whole = true;
    connection->closes = !connection->parser.request->keeps_alive;
    connection->on_drained = connection->on_closed = NULL;
    pt_request_parser_clear(&connection->parser);
}

void pt_connection_end_answer(struct pt_http_connection *connection)
{
    forget_request(connection);
    flush(connection);
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

void pt_connection_watch(struct pt_http_connection *connection, void (*on_drained)(void *context),
                         void (*on_closed)(void *context), void *context)
{
    int unsent = UNSENT_BYTES;
    (void)setsockopt(connection->transport.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent,
                     sizeof(unsent));
    connection->on_drained = on_drained;
    connection->on_closed = on_closed;
    connection->context = context;
}

// --- reading ---

static void ask_for_body(struct pt_http_connection *connection)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    evbuffer_add(connection->output, go_on, sizeof(go_on) - 1);
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
    enter(connection, PT_CONNECTION_ANSWERING);
    connection->is_whole = false;
    request->connection = connection;
    if (refusal)
        request->keeps_alive = false;
    connections->on_request(connections->context, request, refusal);
}

static void read_request(struct pt_http_connection *connection, const char *data, size_t length,
                         size_t *ret_used)
{
    struct pt_request_parser *parser = &connection->parser;
    if (connection->state == PT_CONNECTION_IDLE)
        enter(connection, PT_CONNECTION_READING);
    enum pt_parse_result result = pt_request_parser_feed(parser, data, length, ret_used);
    bool waits = result == PT_PARSE_HEAD && parser->continue_wanted && *ret_used == length;
    if (waits)
        ask_for_body(connection);
    if (result == PT_PARSE_WHOLE || result == PT_PARSE_REFUSED)
        hand_over(connection, result == PT_PARSE_REFUSED ? parser->refusal : 0);
}

static void stop_reading(struct pt_http_connection *connection)
{
    event_del(&connection->readable);
    connection->is_reading = false;
}

// Requests are answered one after the other: what came behind one that is still being answered
// waits, and nothing more is read meanwhile.
static void take(struct pt_http_connection *connection, const char *data, size_t length)
{
    while (length > 0 && !connection->gone && connection->state <= PT_CONNECTION_READING) {
        size_t used;
        read_request(connection, data, length, &used);
        data += used;
        length -= used;
    }
    if (length == 0 || connection->gone || connection->state == PT_CONNECTION_LINGERING)
        return;
    if (pt_buffer_append(&connection->ahead, data, length) < 0) {
        pt_connection_cut(connection);
        return;
    }
    stop_reading(connection);
}

// The client sends no more. It may have closed only its own direction, and wait for the answer.
static void on_end(struct pt_http_connection *connection)
{
    if (connection->state != PT_CONNECTION_SENDING || !connection->is_whole) {
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
    pt_request_parser_begin(&connection->parser);
    hand_over(connection, 421);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pt_http_connection *connection = context;
    struct pt_connections *connections = connection->connections;
    char *block = connections->block;
    hold(connection);
    do {
        ssize_t n = pt_transport_read(&connection->transport, block, PT_CONNECTION_BLOCK_BYTES);
        if (n > 0)
            take(connection, block, (size_t)n);
        else if (n == 0)
            on_end(connection);
        else if (n != -EAGAIN)
            on_failure(connection);
        else if (connection->transport.read_waits_to_send)
            event_add(&connection->writable, NULL);
    } while (!connection->gone && connection->is_reading &&
             pt_transport_has_more(&connection->transport));
    release(connection);
    if (connections->answered_count >= ANSWERS_HELD)
        send_answers(connections);
}

// Goes on with what came while the last request was answered.
static void resume(struct pt_http_connection *connection)
{
    if (connection->is_reading)
        return;
    struct pt_buffer ahead = connection->ahead;
    pt_buffer_init(&connection->ahead, ahead.max_length);
    connection->is_reading = true;
    event_add(&connection->readable, NULL);
    if (pt_transport_has_more(&connection->transport))
        event_active(&connection->readable, EV_READ, 0);
    take(connection, ahead.data, ahead.length);
    pt_buffer_finish(&ahead);
}

// --- all connections ---

int pt_connections_init(struct pt_connections *connections, struct pt_loop *loop,
                        const struct pt_clock *clock, pt_request_taker *on_request, void *context,
                        struct pt_error *err)
{
    connections->loop = loop;
    connections->clock = clock;
    connections->on_request = on_request;
    connections->context = context;
    connections->count = connections->touched_count = connections->answered_count = 0;
    TAILQ_INIT(&connections->touched);
    TAILQ_INIT(&connections->answered);
    for (enum pt_connection_state i = 0; i < PT_CONNECTION_STATES; i++)
        TAILQ_INIT(&connections->by_state[i]);
    connections->flush = pt_timer_create(pt_loop_base(loop), clock, on_flush, connections);
    connections->answers = pt_timer_create(pt_loop_base(loop), clock, on_answers, connections);
    return connections->flush && connections->answers ? 0
                                                      : pt_error_set(err, ENOMEM, "out of memory");
}

// Cuts those of a state that are in it since before `until`.
static void cut_all(struct pt_connections *connections, enum pt_connection_state state,
                    int64_t until)
{
    struct pt_http_connection *connection, *next;
    for (connection = TAILQ_FIRST(&connections->by_state[state]);
         connection && connection->since < until; connection = next) {
        next = TAILQ_NEXT(connection, in_state);
        pt_connection_cut(connection);
    }
}

void pt_connections_finish(struct pt_connections *connections)
{
    for (enum pt_connection_state i = 0; i < PT_CONNECTION_STATES; i++)
        cut_all(connections, i, INT64_MAX);
    pt_timer_destroy(connections->flush);
    pt_timer_destroy(connections->answers);
}

void pt_connections_add(struct pt_connections *connections, int fd, struct pt_tls *tls)
{
    struct event_base *base = pt_loop_base(connections->loop);
    struct pt_http_connection *connection = calloc(1, sizeof(*connection));
    struct evbuffer *output = evbuffer_new();
    struct ssl_st *ssl = tls ? pt_tls_accept(tls, fd) : NULL;
    if (!connection || !output || (tls && !ssl)) {
        free(connection);
        if (output)
            evbuffer_free(output);
        pt_transport_finish(&(struct pt_transport){.fd = fd, .ssl = ssl});
        return;
    }
    connection->connections = connections;
    connection->transport = (struct pt_transport){.fd = fd, .ssl = ssl};
    connection->output = output;
    connection->is_reading = true;
    pt_request_parser_init(&connection->parser);
    pt_buffer_init(&connection->ahead, PT_CONNECTION_BLOCK_BYTES);
    event_assign(&connection->readable, base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    event_assign(&connection->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
    connections->count++;
    TAILQ_INSERT_TAIL(&connections->by_state[PT_CONNECTION_IDLE], connection, in_state);
    enter(connection, PT_CONNECTION_IDLE);
    if (event_add(&connection->readable, NULL) < 0)
        pt_connection_cut(connection);
}

void pt_connections_cut_slow(struct pt_connections *connections)
{
    int64_t now = pt_clock_monotonic_ns(connections->clock);
    for (enum pt_connection_state i = 0; i < PT_CONNECTION_STATES; i++) {
        if (max_seconds[i] > 0)
            cut_all(connections, i, now - max_seconds[i] * PT_NS_PER_S);
    }
}

void pt_connections_close_idle(struct pt_connections *connections)
{
    cut_all(connections, PT_CONNECTION_IDLE, INT64_MAX);
    cut_all(connections, PT_CONNECTION_LINGERING, INT64_MAX);
}
