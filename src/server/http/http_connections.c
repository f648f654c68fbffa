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
#define STALL_SECONDS 3 // without taking a byte, after which others go before

// What the libraries hold for a connection: its output and places in lists; with TLS, while hands
// are shaken and afterwards.
#define OVERHEAD_BYTES 512
#define TLS_HANDSHAKE_BYTES (40 * 1024)
#define TLS_BYTES (16 * 1024)

#define READING_DIVISOR 4 // of the memory, a part that mere connections leave to what is read

// An answer that ends by itself has so long, and as much longer as its bytes take at that rate.
#define ANSWER_SECONDS 60
#define LEAST_BYTES_PER_SECOND (16 * 1024)

static const int max_seconds[PT_CONNECTION_STATES] = {
    [PT_CONNECTION_NEW] = 90,      [PT_CONNECTION_IDLE] = 90,
    [PT_CONNECTION_READING] = 20, // headers and body together
    [PT_CONNECTION_ANSWERING] = 0,
    [PT_CONNECTION_SENDING] = 180, // without taking a byte
    [PT_CONNECTION_LINGERING] = 3,
};

void pt_connections_set_memory(struct pt_connections *connections, struct pt_memory_share *memory,
                               struct pt_memory_share *answers)
{
    connections->memory = connections->budget.memory = memory;
    connections->answer_memory = answers;
}

int pt_connections_init(struct pt_connections *connections, struct pt_loop *loop,
                        const struct pt_clock *clock, const struct pt_connection_handler *handler,
                        size_t max_count, struct pt_error *err)
{
    struct event_base *base = pt_loop_base(loop);
    connections->loop = loop;
    connections->clock = clock;
    connections->handler = *handler;
    connections->max_count = max_count;
    pt_connections_set_memory(connections, &connections->own_memory, &connections->own_memory);
    pt_peers_init(&connections->peers);
    TAILQ_INIT(&connections->extras);
    TAILQ_INIT(&connections->pending[0]);
    TAILQ_INIT(&connections->pending[1]);
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
    pt_request_budget_finish(&connections->budget);
}

// --- memory ---

static int64_t bytes_of(const struct pt_transport *transport, size_t ahead)
{
    int64_t bytes = (int64_t)(sizeof(struct pt_http_connection) + OVERHEAD_BYTES + ahead);
    if (transport->ssl)
        bytes += pt_transport_is_established(transport) ? TLS_BYTES : TLS_HANDSHAKE_BYTES;
    return bytes;
}

static void set_own_bytes(struct pt_http_connection *connection, int64_t bytes)
{
    pt_memory_share_add(connection->connections->memory, bytes - connection->own_bytes);
    connection->own_bytes = bytes;
}

void pt_connection_count(struct pt_http_connection *connection)
{
    if (!connection->gone)
        set_own_bytes(connection, bytes_of(&connection->transport, connection->ahead.capacity));
}

static struct pt_connection_list *pending_list(struct pt_http_connection *connection)
{
    return &connection->connections->pending[connection->kind == PT_ANSWER_ENDLESS];
}

void pt_connection_change_kind(struct pt_http_connection *connection, enum pt_answer_kind kind)
{
    if (connection->is_pending)
        TAILQ_REMOVE(pending_list(connection), connection, in_pending);
    connection->kind = kind;
    if (connection->is_pending)
        TAILQ_INSERT_TAIL(pending_list(connection), connection, in_pending);
}

// Cuts the first of the list, unless it has taken something a moment ago or is `spared`.
static bool cut_stalled(struct pt_connections *connections, struct pt_connection_list *list,
                        const struct pt_http_connection *spared)
{
    struct pt_http_connection *first = TAILQ_FIRST(list);
    int64_t now = pt_clock_monotonic_ns(connections->clock);
    if (!first || first == spared || now - first->held_since < STALL_SECONDS * PT_NS_PER_S)
        return false;
    pt_connection_cut(first);
    return true;
}

bool pt_connection_cut_stalled_stream(struct pt_http_connection *connection)
{
    return cut_stalled(connection->connections, &connection->connections->pending[1], NULL);
}

bool pt_connection_has_room_for(struct pt_http_connection *connection, size_t length)
{
    struct pt_connections *connections = connection->connections;
    int64_t more = (int64_t)length - connection->held_bytes;
    bool has_room;
    while (!(has_room = pt_memory_share_has_room(connections->answer_memory, more)) &&
           cut_stalled(connections, &connections->pending[0], connection)) {
    }
    if (!has_room)
        pt_memory_share_note_refusal(connections->answer_memory);
    return has_room;
}

void pt_connection_lend_output(struct pt_http_connection *connection)
{
    connection->lends = true;
}

bool pt_connection_note_pending(struct pt_http_connection *connection, size_t length,
                                bool has_taken)
{
    struct pt_connections *connections = connection->connections;
    if (connection->is_pending && (length == 0 || has_taken)) {
        TAILQ_REMOVE(pending_list(connection), connection, in_pending);
        connection->is_pending = false;
    }
    if (length > 0 && !connection->is_pending) {
        TAILQ_INSERT_TAIL(pending_list(connection), connection, in_pending);
        connection->is_pending = true;
        connection->held_since = pt_clock_monotonic_ns(connections->clock);
    }
    size_t held = connection->kind == PT_ANSWER_ENDLESS || connection->lends ? 0 : length;
    if ((int64_t)held > connection->held_bytes && !pt_connection_has_room_for(connection, held))
        return false;
    pt_memory_share_add(connections->answer_memory, (int64_t)held - connection->held_bytes);
    connection->held_bytes = (int64_t)held;
    return true;
}

// --- a new connection ---

// Cutting one of those above the maximum makes no room.
static struct pt_http_connection *first_in(struct pt_connections *connections,
                                           enum pt_connection_state state)
{
    struct pt_http_connection *first = TAILQ_FIRST(&connections->by_state[state]);
    while (first && first->is_extra)
        first = TAILQ_NEXT(first, in_state);
    return first;
}

bool pt_connections_cut_idlest(struct pt_connections *connections)
{
    // One that lingers has its answer, whether or not its client has read it.
    static const enum pt_connection_state idle[] = {PT_CONNECTION_LINGERING, PT_CONNECTION_NEW,
                                                    PT_CONNECTION_IDLE};
    struct pt_http_connection *idlest = NULL;
    size_t most = 0;
    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
        struct pt_http_connection *first = first_in(connections, idle[i]);
        if (first && connections->state_counts[idle[i]] > most) {
            most = connections->state_counts[idle[i]];
            idlest = first;
        }
    }
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

// By its edges a socket is asked once for each arrival. Otherwise the loop asks all that were
// readable a second time in its next turn: with 10,000 connections, a fifth of what a report takes.
// What TLS holds back is not in the socket, so there the loop asks.
static void assign_events(struct pt_http_connection *connection)
{
    struct event_base *base = pt_loop_base(connection->connections->loop);
    int fd = connection->transport.fd;
    short edges = connection->transport.ssl ? 0 : EV_ET, end = edges ? EV_CLOSED : 0;
    event_assign(&connection->readable, base, fd, (short)(EV_READ | EV_PERSIST | edges | end),
                 pt_connection_on_readable, connection);
    event_assign(&connection->writable, base, fd, (short)(EV_WRITE | EV_PERSIST | edges),
                 pt_connection_on_writable, connection);
}

static void begin(struct pt_connections *connections, struct pt_peer *peer, bool is_extra,
                  struct pt_http_connection *connection)
{
    connection->connections = connections;
    connection->peer = peer;
    pt_request_parser_init(&connection->parser, &connections->budget);
    pt_connection_count(connection);
    assign_events(connection);
    connections->figures.open++;
    connection->is_extra = is_extra;
    if (is_extra) {
        connections->extra_count++;
        TAILQ_INSERT_TAIL(&connections->extras, connection, in_extras);
    }
    TAILQ_INSERT_TAIL(&connections->by_state[PT_CONNECTION_NEW], connection, in_state);
    connections->state_counts[PT_CONNECTION_NEW]++;
    pt_connection_enter(connection, PT_CONNECTION_NEW);
    connection->began = connection->since;
    if (event_add(&connection->readable, NULL) < 0)
        pt_connection_cut(connection);
}

static int64_t reading_part(const struct pt_connections *connections)
{
    return connections->memory->max_bytes / READING_DIVISOR;
}

static bool has_memory(const struct pt_connections *connections, bool has_tls)
{
    const struct pt_memory_share *memory = connections->memory;
    int64_t bytes = OVERHEAD_BYTES + (has_tls ? TLS_HANDSHAKE_BYTES : 0);
    return pt_memory_share_has_room(memory, reading_part(connections) + bytes);
}

// Cuts one of those that take more than their part of the memory: who has been reading a request
// for longest, or has been idle for longest. False: there is none.
static bool make_room(struct pt_connections *connections)
{
    struct pt_http_connection *longest = TAILQ_FIRST(&connections->by_state[PT_CONNECTION_READING]);
    if (!longest || connections->budget.bytes <= reading_part(connections))
        return pt_connections_cut_idlest(connections);
    pt_memory_share_note_refusal(connections->memory);
    pt_connection_cut(longest);
    return true;
}

// Whether there is room for another, which others may have to make.
static bool has_room(struct pt_connections *connections, const struct pt_peer *peer, bool has_tls,
                     bool *ret_extra)
{
    *ret_extra = false;
    if (!pt_peer_may_hold_more(peer->connections - 1, connections->max_count))
        return false;
    bool has_bytes;
    while (!(has_bytes = has_memory(connections, has_tls)) && make_room(connections)) {
    }
    if (!has_bytes)
        pt_memory_share_note_refusal(connections->memory);
    else if (connections->figures.open - connections->extra_count < connections->max_count ||
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
    bool room = peer && has_room(connections, peer, tls != NULL, &is_extra);
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
    cut_all(connections, PT_CONNECTION_NEW, INT64_MAX);
    cut_all(connections, PT_CONNECTION_IDLE, INT64_MAX);
    cut_all(connections, PT_CONNECTION_LINGERING, INT64_MAX);
}
