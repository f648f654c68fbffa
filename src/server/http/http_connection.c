// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_connection.h"

#include "base/clock.h"
#include "base/limits.h"
#include "server/http/http_reply.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LIBEVENT_READ_BYTES 4096
#define MAX_REQUEST_NS (20 * PT_NS_PER_S) // headers and body together

struct pt_connection {
    struct pt_connections *connections;
    struct pt_connection_list *list;
    struct bufferevent *bev;
    struct evhttp_connection *evcon;
    int64_t reading_since; // monotonic_ns
    int fd;
    bool own_error_sent;
    bool is_answered; // and stands in the list of those
    void (*on_close)(void *context);
    void *context;
    TAILQ_ENTRY(pt_connection) in_list;
    TAILQ_ENTRY(pt_connection) in_answered;
};

static void move(struct pt_connection *connection, struct pt_connection_list *list)
{
    TAILQ_REMOVE(connection->list, connection, in_list);
    TAILQ_INSERT_TAIL(list, connection, in_list);
    connection->list = list;
}

static void begin_reading(struct pt_connection *connection)
{
    connection->reading_since = pt_clock_monotonic_ns(pt_clock_system());
    move(connection, &connection->connections->reading);
}

// libevent reads 4 KB a turn, into a block of 8 KB. Most reports end in the rest of that block,
// which is filled right behind, so that they need no other one and are in one piece.
static void read_rest(struct pt_connection *connection, struct evbuffer *input)
{
    struct evbuffer_iovec space;
    if (evbuffer_reserve_space(input, 1, &space, 1) < 1)
        return;
    ssize_t n = recv(connection->fd, space.iov_base, space.iov_len, MSG_DONTWAIT);
    if (n <= 0)
        return; // an end or an error is found again by who waits for the socket
    space.iov_len = (size_t)n;
    evbuffer_commit_space(input, &space, 1);
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *context)
{
    struct pt_connection *connection = context;
    if (info->n_added == 0)
        return;
    if (connection->list == &connection->connections->idle)
        begin_reading(connection);
    if (info->n_added == LIBEVENT_READ_BYTES && connection->connections->plain &&
        connection->list == &connection->connections->reading)
        read_rest(connection, input);
}

// evhttp answers what it cannot read with a page of its own, bare of the headers that every answer
// must have. The first bytes of such a page are exchanged for the whole of ours, and the buffer is
// closed for the rest of it. evhttp closes the connection after that page.
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *context)
{
    struct pt_connection *connection = context;
    char head[13] = "";
    if (info->n_added == 0 || connection->list == &connection->connections->answering ||
        connection->own_error_sent)
        return;
    evbuffer_copyout(output, head, sizeof(head) - 1);
    int status = (int)strtol(strchr(head, ' ') ? strchr(head, ' ') : "0", NULL, 10);
    if (status == 100)
        return;
    connection->own_error_sent = true;
    evbuffer_unfreeze(output, 1); // bufferevents keep the front closed
    evbuffer_drain(output, evbuffer_get_length(output));
    evbuffer_freeze(output, 1);
    pt_reply_add_own_error(output, status);
    evbuffer_freeze(output, 0);
}

static void on_closed(struct evhttp_connection *evcon, void *context)
{
    (void)evcon;
    struct pt_connection *connection = context;
    struct pt_connections *connections = connection->connections;
    TAILQ_REMOVE(connection->list, connection, in_list);
    if (connection->is_answered)
        TAILQ_REMOVE(&connections->answered, connection, in_answered);
    connections->by_fd[connection->fd] = NULL;
    connections->count--;
    if (connection->on_close)
        connection->on_close(connection->context);
    free(connection);
}

static int make_room(struct pt_connections *connections, size_t fd)
{
    if (fd < connections->fd_count)
        return 0;
    size_t count = connections->fd_count ? connections->fd_count : 256;
    while (count <= fd)
        count *= 2;
    struct pt_connection **by_fd =
        realloc(connections->by_fd, count * sizeof(struct pt_connection *));
    if (!by_fd)
        return -ENOMEM;
    memset(by_fd + connections->fd_count, 0,
           (count - connections->fd_count) * sizeof(struct pt_connection *));
    connections->by_fd = by_fd;
    connections->fd_count = count;
    return 0;
}

// evhttp sets the descriptor and itself as the callbacks' argument after having asked for the
// bufferevent, so a new connection is looked at when the accepting has returned.
static void on_adopt(evutil_socket_t unused_fd, short what, void *context)
{
    (void)unused_fd;
    (void)what;
    struct pt_connections *connections = context;
    struct pt_connection *connection;
    while ((connection = TAILQ_FIRST(&connections->fresh))) {
        void *argument;
        bufferevent_getcb(connection->bev, NULL, NULL, NULL, &argument);
        connection->evcon = argument;
        connection->fd = bufferevent_getfd(connection->bev);
        assert(evhttp_connection_get_bufferevent(connection->evcon) == connection->bev);
        move(connection, &connections->idle);
        if (make_room(connections, (size_t)connection->fd) < 0) {
            evhttp_connection_free(connection->evcon);
            TAILQ_REMOVE(&connections->idle, connection, in_list);
            connections->count--;
            free(connection);
            continue;
        }
        connections->by_fd[connection->fd] = connection;
        evhttp_connection_set_closecb(connection->evcon, on_closed, connection);
        evbuffer_add_cb(bufferevent_get_input(connection->bev), on_input, connection);
        evbuffer_add_cb(bufferevent_get_output(connection->bev), on_output, connection);
    }
}

static void write_out(struct pt_connection *connection)
{
    struct evbuffer *output = bufferevent_get_output(connection->bev);
    evbuffer_unfreeze(output, 1); // bufferevents keep the front closed
    int n = evbuffer_write(output, connection->fd);
    evbuffer_freeze(output, 1);
    if (n > 0 && evbuffer_get_length(output) == 0)
        bufferevent_trigger(connection->bev, EV_WRITE, BEV_TRIG_IGNORE_WATERMARKS);
}

static void on_write_out(evutil_socket_t unused_fd, short what, void *context)
{
    (void)unused_fd;
    (void)what;
    struct pt_connections *connections = context;
    struct pt_connection *connection;
    while ((connection = TAILQ_FIRST(&connections->answered))) {
        TAILQ_REMOVE(&connections->answered, connection, in_answered);
        connection->is_answered = false;
        write_out(connection);
    }
}

int pt_connections_init(struct pt_connections *connections, struct event_base *base, bool plain,
                        struct pt_error *err)
{
    *connections = (struct pt_connections){.plain = plain};
    TAILQ_INIT(&connections->answered);
    TAILQ_INIT(&connections->idle);
    TAILQ_INIT(&connections->reading);
    TAILQ_INIT(&connections->answering);
    TAILQ_INIT(&connections->fresh);
    connections->adopt = event_new(base, -1, 0, on_adopt, connections);
    connections->write_out = event_new(base, -1, 0, on_write_out, connections);
    return connections->adopt && connections->write_out
               ? 0
               : pt_error_set(err, ENOMEM, "out of memory");
}

void pt_connections_finish(struct pt_connections *connections)
{
    struct pt_connection *connection;
    while ((connection = TAILQ_FIRST(&connections->fresh))) {
        TAILQ_REMOVE(&connections->fresh, connection, in_list);
        free(connection);
    }
    if (connections->adopt)
        event_free(connections->adopt);
    if (connections->write_out)
        event_free(connections->write_out);
    free(connections->by_fd);
}

void pt_connections_add(struct pt_connections *connections, struct bufferevent *bev)
{
    struct pt_connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return; // it is served all the same, without a limit of time
    connection->connections = connections;
    connection->bev = bev;
    connection->list = &connections->fresh;
    connections->count++;
    TAILQ_INSERT_TAIL(&connections->fresh, connection, in_list);
    event_active(connections->adopt, EV_TIMEOUT, 0);
}

static struct pt_connection *find(struct pt_connections *connections,
                                  struct evhttp_request *request)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(request);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evcon));
    return (size_t)fd < connections->fd_count ? connections->by_fd[fd] : NULL;
}

static void on_answered(struct evhttp_request *request, void *context)
{
    (void)request;
    struct pt_connection *connection = context;
    if (evbuffer_get_length(bufferevent_get_input(connection->bev)) > 0)
        begin_reading(connection);
    else
        move(connection, &connection->connections->idle);
}

struct pt_connection *pt_connections_begin_answer(struct pt_connections *connections,
                                                  struct evhttp_request *request)
{
    struct pt_connection *connection = find(connections, request);
    if (!connection)
        return NULL;
    move(connection, &connections->answering);
    evhttp_request_set_on_complete_cb(request, on_answered, connection);
    return connection;
}

void pt_connections_end_answer(struct pt_connection *connection)
{
    if (!connection || connection->on_close || connection->is_answered ||
        !connection->connections->plain)
        return;
    connection->is_answered = true;
    TAILQ_INSERT_TAIL(&connection->connections->answered, connection, in_answered);
    event_active(connection->connections->write_out, EV_TIMEOUT, 0);
}

int pt_connections_watch_close(struct pt_connections *connections, struct evhttp_request *request,
                               void (*on_close)(void *context), void *context)
{
    struct pt_connection *connection = find(connections, request);
    if (!connection)
        return -ENOMEM;
    connection->on_close = on_close;
    connection->context = context;
    return 0;
}

void pt_connections_cut_slow(struct pt_connections *connections)
{
    int64_t since = pt_clock_monotonic_ns(pt_clock_system()) - MAX_REQUEST_NS;
    struct pt_connection *connection;
    while ((connection = TAILQ_FIRST(&connections->reading)) && connection->reading_since < since)
        evhttp_connection_free(connection->evcon);
}

void pt_connections_close_idle(struct pt_connections *connections)
{
    struct pt_connection *connection, *next;
    for (connection = TAILQ_FIRST(&connections->idle); connection; connection = next) {
        next = TAILQ_NEXT(connection, in_list);
        evhttp_connection_free(connection->evcon);
    }
}
