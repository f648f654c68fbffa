// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_server.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "server/http/http_connection.h"
#include "server/http/http_listen.h"
#include "server/http/tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPT_PAUSE_MS 200

struct pt_http_server {
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    struct evconnlistener *listener; // belongs to http; NULL once it no longer accepts
    struct pt_tls *tls;
    struct pt_connections connections;
    struct event *sweep;
    struct event *accept_again;
    pt_http_handler *handler;
    void *context;
};

static struct bufferevent *on_connection(struct event_base *base, void *context)
{
    struct pt_http_server *server = context;
    struct bufferevent *bev = server->tls ? pt_tls_accept(server->tls, base)
                                          : bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (bev)
        pt_connections_add(&server->connections, bev);
    return bev;
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct pt_http_server *server = context;
    struct pt_connection *connection = pt_connections_begin_answer(&server->connections, request);
    if (!server->listener)
        evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    server->handler(server->context, request);
    pt_connections_end_answer(connection);
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pt_http_server *server = context;
    pt_connections_cut_slow(&server->connections);
}

// No descriptor is left, most likely: pauses instead of being called again and again.
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct pt_http_server *server = context;
    struct timeval pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
    pt_log_error("cannot accept a connection", pt_log_text("error", strerror(errno)),
                 pt_log_int("connections", (int64_t)server->connections.count));
    evconnlistener_disable(listener);
    evtimer_add(server->accept_again, &pause);
}

static void on_accept_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pt_http_server *server = context;
    if (server->listener)
        evconnlistener_enable(server->listener);
}

static int set_up(struct pt_http_server *server, struct pt_error *err)
{
    // All connections have the same one, so that libevent keeps them in a queue and not in a heap.
    struct timeval idle = {.tv_sec = PT_HTTP_IDLE_SECONDS};
    struct timeval second = {.tv_sec = 1};
    server->http = evhttp_new(server->base);
    server->sweep = event_new(server->base, -1, EV_PERSIST, on_sweep, server);
    server->accept_again = evtimer_new(server->base, on_accept_again, server);
    if (!server->http || !server->sweep || !server->accept_again ||
        event_add(server->sweep, &second) < 0)
        return pt_error_set(err, ENOMEM, "out of memory");
    evhttp_set_gencb(server->http, on_request, server);
    evhttp_set_bevcb(server->http, on_connection, server);
    evhttp_set_allowed_methods(server->http, UINT16_MAX); // the handler says 405 itself
    evhttp_set_max_headers_size(server->http, PT_LIMIT_REQUEST_HEADER_BYTES);
    evhttp_set_max_body_size(server->http, PT_LIMIT_REPORT_BYTES);
    evhttp_set_timeout_tv(server->http, event_base_init_common_timeout(server->base, &idle));
    evhttp_set_flags(server->http, EVHTTP_SERVER_LINGERING_CLOSE);
    return 0;
}

static int listen_on(struct pt_http_server *server, const struct pt_address *address,
                     struct pt_error *err)
{
    int r = pt_http_listen(server->base, address, &server->listener, err);
    if (r < 0)
        return r;
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    server->bound = evhttp_bind_listener(server->http, server->listener);
    if (!server->bound) {
        evconnlistener_free(server->listener);
        server->listener = NULL;
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    return 0;
}

int pt_http_server_create(struct event_base *base, const struct pt_address *address,
                          struct pt_tls *tls, pt_http_handler *handler, void *context,
                          struct pt_http_server **ret_server, struct pt_error *err)
{
    struct pt_http_server *server = calloc(1, sizeof(*server));
    if (!server)
        return pt_error_set(err, ENOMEM, "out of memory");
    server->base = base;
    server->tls = tls;
    server->handler = handler;
    server->context = context;
    int r = pt_connections_init(&server->connections, base, !tls, err);
    if (r == 0)
        r = set_up(server, err);
    if (r == 0)
        r = listen_on(server, address, err);
    if (r < 0) {
        pt_http_server_destroy(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

void pt_http_server_destroy(struct pt_http_server *server)
{
    if (!server)
        return;
    if (server->http)
        evhttp_free(server->http);
    if (server->sweep)
        event_free(server->sweep);
    if (server->accept_again)
        event_free(server->accept_again);
    pt_connections_finish(&server->connections);
    free(server);
}

void pt_http_server_begin_drain(struct pt_http_server *server)
{
    if (!server->listener)
        return;
    server->listener = NULL;
    evhttp_del_accept_socket(server->http, server->bound);
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

int pt_http_server_watch_close(struct evhttp_request *request, struct pt_http_server *server,
                               void (*on_close)(void *context), void *context)
{
    return pt_connections_watch_close(&server->connections, request, on_close, context);
}
