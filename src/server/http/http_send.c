// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"
#include "base/timer.h"
#include "server/http/http_connection_state.h"

#include <event2/buffer.h>
#include <event2/event.h>

#define LOW_WATER_BYTES (16 * 1024)
#define FLUSHES_A_TURN 512

static void untouch(struct pt_http_connection *connection)
{
    if (!connection->is_touched)
        return;
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

void pt_connection_forget_output(struct pt_http_connection *connection)
{
    untouch(connection);
    forget_ready(connection);
}

static void on_all_sent(struct pt_http_connection *connection)
{
    if (!connection->is_whole) {
        pt_connection_enter(connection, PT_CONNECTION_ANSWERING);
        return;
    }
    if (connection->closes)
        pt_transport_end_sending(&connection->transport);
    pt_connection_enter(connection,
                        connection->closes ? PT_CONNECTION_LINGERING : PT_CONNECTION_IDLE);
    pt_connection_resume(connection);
}

static size_t waiting_bytes(const struct pt_http_connection *connection)
{
    return connection->has_output ? evbuffer_get_length(connection->output) : 0;
}

// Sends the answer that is ready without a copy if it can be; what is left goes to the output.
// False if there is no memory for that.
static bool send_ready(struct pt_http_connection *connection)
{
    ssize_t n = waiting_bytes(connection) > 0
                    ? 0
                    : pt_transport_send(&connection->transport, connection->ready,
                                        connection->ready_length);
    size_t sent = n > 0 ? (size_t)n : 0;
    const char *rest = connection->ready + sent;
    size_t length = connection->ready_length - sent;
    forget_ready(connection);
    return length == 0 || evbuffer_add(pt_connection_output(connection), rest, length) == 0;
}

int pt_connection_await_writable(struct pt_http_connection *connection)
{
    connection->awaits_writable = true;
    return event_add(&connection->writable, NULL);
}

static void await_no_more(struct pt_http_connection *connection)
{
    if (connection->awaits_writable)
        event_del(&connection->writable);
    connection->awaits_writable = false;
}

static bool wait_for_socket(struct pt_http_connection *connection, bool has_taken)
{
    return pt_connection_await_writable(connection) == 0 &&
           pt_connection_note_pending(connection, waiting_bytes(connection), has_taken);
}

// Sends until nothing is left or the socket takes no more; false if it has failed.
static bool send_output(struct pt_http_connection *connection)
{
    if (connection->ready_length > 0 && !send_ready(connection))
        return false;
    bool has_taken = false;
    while (waiting_bytes(connection) > 0) {
        ssize_t n = pt_transport_send_buffer(&connection->transport, connection->output);
        if (n == -EAGAIN)
            return wait_for_socket(connection, has_taken);
        if (n < 0)
            return false;
        has_taken = true;
        connection->answer_sent += (uint64_t)n;
        if (connection->state == PT_CONNECTION_SENDING)
            pt_connection_enter(connection, PT_CONNECTION_SENDING); // its time begins anew
    }
    connection->has_output = false;
    await_no_more(connection);
    return pt_connection_note_pending(connection, 0, has_taken);
}

void pt_connection_flush(struct pt_http_connection *connection)
{
    pt_connection_hold(connection);
    untouch(connection);
    if (connection->has_failed || !send_output(connection)) {
        pt_connection_cut(connection);
    } else if (connection->state > PT_CONNECTION_READING) {
        size_t left = waiting_bytes(connection);
        if (left == 0)
            on_all_sent(connection);
        else if (connection->state != PT_CONNECTION_SENDING)
            pt_connection_enter(connection, PT_CONNECTION_SENDING);
        if (left <= LOW_WATER_BYTES && connection->on_drained)
            connection->on_drained(connection->context);
    }
    pt_connection_release(connection);
}

void pt_connection_on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pt_http_connection *connection = context;
    struct pt_loop *loop = connection->connections->loop;
    if (connection->transport.read_waits_to_send)
        event_active(&connection->readable, EV_READ, 0);
    pt_connection_flush(connection);
    if (pt_loop_turn_is_over(loop))
        pt_loop_end_turn(loop);
}

// The loop looks at its sockets before, and does not rest.
static void schedule_flush(struct pt_connections *connections)
{
    pt_timer_start(connections->flush, 0);
    pt_loop_skip_rest(connections->loop);
}

void pt_connections_send_answers(struct pt_connections *connections)
{
    struct pt_http_connection *connection;
    while ((connection = TAILQ_FIRST(&connections->answered))) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        pt_connection_flush(connection);
    }
}

void pt_connections_on_answers(void *context)
{
    pt_connections_send_answers(context);
}

void pt_connections_on_flush(void *context)
{
    struct pt_connections *connections = context;
    struct pt_http_connection *connection;
    pt_connections_send_answers(connections); // they are short, and somebody waits
    size_t left = connections->touched_count;
    left = left < FLUSHES_A_TURN ? left : FLUSHES_A_TURN;
    for (; left > 0 && (connection = TAILQ_FIRST(&connections->touched)); left--) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        untouch(connection);
        pt_connection_flush(connection);
        if (pt_loop_turn_is_over(connections->loop))
            break;
    }
    if (connections->touched_count > 0)
        schedule_flush(connections);
}

struct evbuffer *pt_connection_output(struct pt_http_connection *connection)
{
    connection->has_output = true;
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
