// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_SERVER_H
#define PT_SERVER_HTTP_HTTP_SERVER_H

#include "base/error.h"
#include "base/settings.h"
#include "server/http/http_connection.h"

#include <stdbool.h>
#include <stddef.h>

struct pt_clock;
struct pt_request;
struct pt_loop;
struct pt_tls;

// Listens on one address and hands over every request that has been read whole. What is no request,
// or too large a one, is answered here; a client that is slow is cut.
struct pt_http_server;

struct pt_http_server_options {
    const struct pt_address *address;
    struct pt_tls *tls; // NULL: plain HTTP
    size_t max_connections;
    struct pt_memory_share *memory;  // of connections and what they read; has to be given
    struct pt_memory_share *answers; // of what their clients have not taken yet
    // Answers the request (http_reply.h), or begins to (http_stream.h).
    void (*on_request)(void *context, struct pt_request *request);
    // Whether the body of a request whose head this is should be read (http_connection.h).
    bool (*wants_body)(void *context, struct pt_request *request);
    void *context;
};

// Loop, clock and TLS outlive the server. -EADDRINUSE and the like when the address cannot be had.
PT_MUST_CHECK int pt_http_server_create(struct pt_loop *loop, const struct pt_clock *clock,
                                        const struct pt_http_server_options *options,
                                        struct pt_http_server **ret_server, struct pt_error *err);
void pt_http_server_destroy(struct pt_http_server *server);

// Stops accepting connections; the answers from now on close theirs.
void pt_http_server_begin_drain(struct pt_http_server *server);
bool pt_http_server_is_draining(const struct pt_http_server *server);

// Closes the connections without a request under way and returns how many are left.
size_t pt_http_server_close_idle(struct pt_http_server *server);

// What its connections are like, and how many requests were refused since all bodies together were
// too large.
struct pt_connection_figures pt_http_server_figures(const struct pt_http_server *server);
uint64_t pt_http_server_refused_bodies(const struct pt_http_server *server);

#endif
