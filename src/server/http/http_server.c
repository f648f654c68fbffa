// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_server.h"

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
#define SWEEP_MS 1000

struct pt_http_server {
    struct evconnlistener *listener; // NULL once it no longer accepts
    struct pt_tls *tls;
    struct pt_connections connections;
    struct pt_timer *sweep;
    struct pt_timer *accept_again;
    pt_http_handler *handler;
    void *context;
};

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *context)
{
    (void)listener;
    (void)address;
    (void)length;
    struct pt_http_server *server = context;
    pt_connections_add(&server->connections, fd, server->tls);
}

static void on_request(void *context, struct pt_request *request, int refusal)
{
    struct pt_http_server *server = context;
    if (!server->listener)
        request->keeps_alive = false;
    if (refusal)
        pt_reply_refusal(request, refusal);
    else
        server->handler(server->context, request);
}

static void on_sweep(void *context)
{
    struct pt_http_server *server = context;
    pt_connections_cut_slow(&server->connections);
}

// No descriptor is left, most likely: pauses instead of being called again and again.
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct pt_http_server *server = context;
    pt_log_error("cannot accept a connection", pt_log_text("error", strerror(errno)),
                 pt_log_int("connections", (int64_t)server->connections.count));
    evconnlistener_disable(listener);
    pt_timer_start(server->accept_again, ACCEPT_PAUSE_MS);
}

static void on_accept_again(void *context)
{
    struct pt_http_server *server = context;
    if (server->listener)
        evconnlistener_enable(server->listener);
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
                          const struct pt_address *address, struct pt_tls *tls,
                          pt_http_handler *handler, void *context,
                          struct pt_http_server **ret_server, struct pt_error *err)
{
    struct pt_http_server *server = calloc(1, sizeof(*server));
    if (!server)
        return pt_error_set(err, ENOMEM, "out of memory");
    struct event_base *base = pt_loop_base(loop);
    server->tls = tls;
    server->handler = handler;
    server->context = context;
    int r = pt_connections_init(&server->connections, loop, clock, on_request, server, err);
    if (r == 0)
        r = set_up(server, base, clock, err);
    if (r == 0)
        r = pt_http_listen(base, address, on_accept, server, &server->listener, err);
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
    return server->connections.count;
}

size_t pt_http_server_connection_count(const struct pt_http_server *server)
{
    return server->connections.count;
}
