// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_SERVER_H
#define PT_SERVER_HTTP_HTTP_SERVER_H

#include "base/error.h"
#include "base/settings.h"

#include <stdbool.h>
#include <stddef.h>

// A connection is closed after this long without a byte.
#define PT_HTTP_IDLE_SECONDS 90

struct event_base;
struct evhttp_request;
struct pt_tls;

// Listens on one address and hands over every request that evhttp has read whole. What evhttp
// answers by itself gets the same headers and JSON errors as all other answers; a client that is
// slow to send its request is cut.
struct pt_http_server;

typedef void pt_http_handler(void *context, struct evhttp_request *request);

// `tls` may be NULL: plain HTTP. Both it and the base outlive the server. -EADDRINUSE and the like
// when the address cannot be had.
PT_MUST_CHECK int pt_http_server_create(struct event_base *base, const struct pt_address *address,
                                        struct pt_tls *tls, pt_http_handler *handler, void *context,
                                        struct pt_http_server **ret_server, struct pt_error *err);
void pt_http_server_destroy(struct pt_http_server *server);

// Stops accepting connections; the answers from now on close theirs.
void pt_http_server_begin_drain(struct pt_http_server *server);
bool pt_http_server_is_draining(const struct pt_http_server *server);

// Closes the connections without a request under way and returns how many are left.
size_t pt_http_server_close_idle(struct pt_http_server *server);

size_t pt_http_server_connection_count(const struct pt_http_server *server);

// Calls on_close once when the connection of the request goes away, whoever closes it; NULL undoes.
// -ENOMEM when the connection could not be taken note of.
int pt_http_server_watch_close(struct evhttp_request *request, struct pt_http_server *server,
                               void (*on_close)(void *context), void *context);

#endif
