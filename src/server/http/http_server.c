// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/timer.h"
#include "server/http/http_connection.h"
#include "server/http/http_listen.h"
#include "server/http/http_reply.h"

#include <errno.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPT_PAUSE_MS 200
#define ACCEPTS_A_TURN 64
#define SWEEP_MS 1000
#define LOG_EVERY_NS (60 * PT_NS_PER_S)

struct pt_http_server {
    struct evconnlistener *listener; // NULL once it no longer accepts
    struct pt_connections connections;
    struct pt_timer *sweep;
    struct pt_timer *accept_again;
    struct pt_http_server_options options;
    const struct pt_clock *clock;
    uint64_t accepted;
    int64_t logged_at;      // monotonic_ns, of the last line on connections; 0: never
    uint64_t logged_misses; // connections refused or cut that it has counted
};

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *context)
{
    (void)length;
    struct pt_http_server *server = context;
    pt_connections_add(&server->connections, fd, address, server->options.tls);
    if (++server->accepted % ACCEPTS_A_TURN == 0) {
        evconnlistener_disable(listener); // libevent would go on while there are any
        pt_timer_start(server->accept_again, 0);
        pt_loop_skip_rest(server->connections.loop);
    }
}

static void on_request(void *context, struct pt_request *request, int refusal)
{
    struct pt_http_server *server = context;
    if (!server->listener)
        request->keeps_alive = false;
    if (refusal)
        pt_reply_refusal(request, refusal);
    else
        server->options.on_request(server->options.context, request);
}

static bool wants_body(void *context, struct pt_request *request)
{
    struct pt_http_server *server = context;
    return server->options.wants_body(server->options.context, request);
}

// Writes at most one line a minute on connections that found no room.
static void log_misses(struct pt_http_server *server, const char *error)
{
    const struct pt_connection_figures *figures = &server->connections.figures;
    int64_t now = pt_clock_monotonic_ns(server->clock);
    uint64_t misses = figures->refused + figures->cut;
    if ((misses == server->logged_misses && !error) ||
        (server->logged_at && now - server->logged_at < LOG_EVERY_NS))
        return;
    server->logged_at = now;
    server->logged_misses = misses;
    pt_log_warn("connections.full", pt_log_int("port", server->options.address->port),
                pt_log_int("connections", (int64_t)figures->open),
                pt_log_int("refused", (int64_t)figures->refused),
                pt_log_int("cut", (int64_t)figures->cut), pt_log_text("error", error));
}

static void on_sweep(void *context)
{
    struct pt_http_server *server = context;
    pt_connections_cut_slow(&server->connections);
    log_misses(server, NULL);
}

// No descriptor is left, most likely: makes room, or pauses instead of being called again and
// again.
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct pt_http_server *server = context;
    int error = errno;
    bool has_room = pt_connections_cut_idlest(&server->connections);
    log_misses(server, strerror(error));
    if (has_room)
        return;
    evconnlistener_disable(listener);
    pt_timer_start(server->accept_again, ACCEPT_PAUSE_MS);
}

static void on_accept_again(void *context)
{
    struct pt_http_server *server = context;
    if (!server->listener)
        return;
    evconnlistener_enable(server->listener);
    pt_loop_skip_rest(server->connections.loop); // who waits to be accepted has waited a turn
}

static int set_up(struct pt_http_server *server, struct event_base *base,
                  const struct pt_clock *clock, struct pt_error *err)
{
    server->sweep = pt_timer_create(base, clock, on_sweep, server);
    server->accept_again = pt_timer_create(base, clock, on_accept_again, server);
    if (!server->sweep || !server->accept_again)
        return pt_error_set(err, ENOMEM, "out of memory");
    pt_timer_start_every(server->sweep, SWEEP_MS);
    return 0;
}

int pt_http_server_create(struct pt_loop *loop, const struct pt_clock *clock,
                          const struct pt_http_server_options *options,
                          struct pt_http_server **ret_server, struct pt_error *err)
{
    struct pt_http_server *server = calloc(1, sizeof(*server));
    if (!server)
        return pt_error_set(err, ENOMEM, "out of memory");
    struct event_base *base = pt_loop_base(loop);
    struct pt_connection_handler handler = {on_request, wants_body, server};
    server->options = *options;
    server->clock = clock;
    int r = pt_connections_init(&server->connections, loop, clock, &handler,
                                options->max_connections, err);
    if (r == 0)
        pt_connections_set_memory(&server->connections, options->memory, options->answers);
    if (r == 0)
        r = set_up(server, base, clock, err);
    if (r == 0)
        r = pt_http_listen(base, options->address, on_accept, server, &server->listener, err);
    if (r < 0) {
        pt_http_server_destroy(server);
        return r;
    }
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    *ret_server = server;
    return 0;
}

void pt_http_server_destroy(struct pt_http_server *server)
{
    if (!server)
        return;
    if (server->listener)
        evconnlistener_free(server->listener);
    pt_timer_destroy(server->sweep);
    pt_timer_destroy(server->accept_again);
    pt_connections_finish(&server->connections);
    free(server);
}

void pt_http_server_begin_drain(struct pt_http_server *server)
{
    if (!server->listener)
        return;
    evconnlistener_free(server->listener);
    server->listener = NULL;
}

bool pt_http_server_is_draining(const struct pt_http_server *server)
{
    return !server->listener;
}

size_t pt_http_server_close_idle(struct pt_http_server *server)
{
    pt_connections_close_idle(&server->connections);
    return server->connections.figures.open;
}

struct pt_connection_figures pt_http_server_figures(const struct pt_http_server *server)
{
    return server->connections.figures;
}

uint64_t pt_http_server_refused_bodies(const struct pt_http_server *server)
{
    return server->connections.budget.refused_bodies;
}
