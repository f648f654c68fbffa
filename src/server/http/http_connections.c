// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/loop.h"
#include "base/timer.h"
#include "server/http/http_connection_state.h"
#include "server/http/tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>

#define EXTRA_SECONDS 3 // for a probe, and no more

// An answer that ends by itself has so long, and as much longer as its bytes take at that rate.
#define ANSWER_SECONDS 60
#define LEAST_BYTES_PER_SECOND (16 * 1024)

static const int max_seconds[PT_CONNECTION_STATES] = {
    [PT_CONNECTION_IDLE] = 90,
    [PT_CONNECTION_READING] = 20, // headers and body together
    [PT_CONNECTION_ANSWERING] = 0,
    [PT_CONNECTION_SENDING] = 180, // without taking a byte
    [PT_CONNECTION_LINGERING] = 3,
};

int pt_connections_init(struct pt_connections *connections, struct pt_loop *loop,
                        const struct pt_clock *clock, const struct pt_connection_handler *handler,
                        size_t max_count, struct pt_error *err)
{
    struct event_base *base = pt_loop_base(loop);
    connections->loop = loop;
    connections->clock = clock;
    connections->handler = *handler;
    connections->max_count = max_count;
    pt_peers_init(&connections->peers);
    TAILQ_INIT(&connections->extras);
    TAILQ_INIT(&connections->touched);
    TAILQ_INIT(&connections->answered);
    TAILQ_INIT(&connections->resumable);
    for (enum pt_connection_state i = 0; i < PT_CONNECTION_STATES; i++)
        TAILQ_INIT(&connections->by_state[i]);
    connections->flush = pt_timer_create(base, clock, pt_connections_on_flush, connections);
    connections->answers = pt_timer_create(base, clock, pt_connections_on_answers, connections);
    connections->resume = pt_timer_create(base, clock, pt_connections_on_resume, connections);
    return connections->flush && connections->answers && connections->resume
               ? 0
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
    pt_timer_destroy(connections->resume);
    pt_peers_finish(&connections->peers);
}

// --- a new connection ---

bool pt_connections_cut_idlest(struct pt_connections *connections)
{
    struct pt_http_connection *idlest = TAILQ_FIRST(&connections->by_state[PT_CONNECTION_IDLE]);
    while (idlest && idlest->is_extra) // cutting one of these makes no room
        idlest = TAILQ_NEXT(idlest, in_state);
    if (!idlest)
        return false;
    connections->figures.cut++;
    pt_connection_cut(idlest);
    return true;
}

static struct pt_http_connection *create(int fd, struct ssl_st *ssl)
{
    struct pt_http_connection *connection = calloc(1, sizeof(*connection));
    struct evbuffer *output = connection ? evbuffer_new() : NULL;
    if (!output) {
        free(connection);
        return NULL;
    }
    connection->transport = (struct pt_transport){.fd = fd, .ssl = ssl};
    connection->output = output;
    connection->is_reading = true;
    pt_buffer_init(&connection->ahead, PT_CONNECTION_BLOCK_BYTES);
    return connection;
}

static void begin(struct pt_connections *connections, struct pt_peer *peer, bool is_extra,
                  struct pt_http_connection *connection)
{
    struct event_base *base = pt_loop_base(connections->loop);
    int fd = connection->transport.fd;
    connection->connections = connections;
    connection->peer = peer;
    pt_request_parser_init(&connection->parser, &connections->budget);
    event_assign(&connection->readable, base, fd, EV_READ | EV_PERSIST, pt_connection_on_readable,
                 connection);
    event_assign(&connection->writable, base, fd, EV_WRITE | EV_PERSIST, pt_connection_on_writable,
                 connection);
    connections->figures.open++;
    connection->is_extra = is_extra;
    if (is_extra) {
        connections->extra_count++;
        TAILQ_INSERT_TAIL(&connections->extras, connection, in_extras);
    }
    TAILQ_INSERT_TAIL(&connections->by_state[PT_CONNECTION_IDLE], connection, in_state);
    pt_connection_enter(connection, PT_CONNECTION_IDLE);
    connection->began = connection->since;
    if (event_add(&connection->readable, NULL) < 0)
        pt_connection_cut(connection);
}

// Whether there is room for another, which the longest idle one may have to make.
static bool has_room(struct pt_connections *connections, const struct pt_peer *peer,
                     bool *ret_extra)
{
    *ret_extra = false;
    if (!pt_peer_may_hold_more(peer->connections - 1, connections->max_count))
        return false;
    if (connections->figures.open - connections->extra_count < connections->max_count ||
        pt_connections_cut_idlest(connections))
        return true;
    *ret_extra = true;
    return connections->extra_count < PT_CONNECTIONS_FOR_PROBES;
}

void pt_connections_add(struct pt_connections *connections, int fd, const struct sockaddr *address,
                        struct pt_tls *tls)
{
    bool is_extra;
    struct ssl_st *ssl = NULL;
    struct pt_http_connection *connection = NULL;
    struct pt_peer *peer = pt_peers_add(&connections->peers, address);
    bool room = peer && has_room(connections, peer, &is_extra);
    if (room)
        ssl = tls ? pt_tls_accept(tls, fd) : NULL;
    if (room && (ssl || !tls))
        connection = create(fd, ssl);
    if (connection) {
        begin(connections, peer, is_extra, connection);
        return;
    }
    connections->figures.refused += !room;
    if (peer)
        pt_peers_remove(&connections->peers, peer);
    pt_transport_finish(&(struct pt_transport){.fd = fd, .ssl = ssl});
}

// --- cutting ---

static bool takes_too_slowly(const struct pt_http_connection *connection, int64_t now)
{
    uint64_t free_bytes = (uint64_t)ANSWER_SECONDS * LEAST_BYTES_PER_SECOND;
    int64_t seconds = (now - connection->answer_began) / PT_NS_PER_S;
    return connection->kind != PT_ANSWER_ENDLESS &&
           (uint64_t)seconds * LEAST_BYTES_PER_SECOND > connection->answer_sent + free_bytes;
}

// Who takes a byte now and then would hold its answer for ever.
static void cut_slow_takers(struct pt_connections *connections, int64_t now)
{
    struct pt_http_connection *connection, *next;
    for (connection = TAILQ_FIRST(&connections->by_state[PT_CONNECTION_SENDING]); connection;
         connection = next) {
        next = TAILQ_NEXT(connection, in_state);
        if (takes_too_slowly(connection, now))
            pt_connection_cut(connection);
    }
}

static void cut_old_extras(struct pt_connections *connections, int64_t now)
{
    struct pt_http_connection *connection, *next;
    for (connection = TAILQ_FIRST(&connections->extras); connection; connection = next) {
        next = TAILQ_NEXT(connection, in_extras);
        if (now - connection->began >= EXTRA_SECONDS * PT_NS_PER_S)
            pt_connection_cut(connection);
    }
}

void pt_connections_cut_slow(struct pt_connections *connections)
{
    int64_t now = pt_clock_monotonic_ns(connections->clock);
    for (enum pt_connection_state i = 0; i < PT_CONNECTION_STATES; i++) {
        if (max_seconds[i] > 0)
            cut_all(connections, i, now - max_seconds[i] * PT_NS_PER_S);
    }
    cut_slow_takers(connections, now);
    cut_old_extras(connections, now);
}

void pt_connections_close_idle(struct pt_connections *connections)
{
    cut_all(connections, PT_CONNECTION_IDLE, INT64_MAX);
    cut_all(connections, PT_CONNECTION_LINGERING, INT64_MAX);
}
