// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_CONNECTION_H
#define PT_SERVER_HTTP_HTTP_CONNECTION_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct bufferevent;
struct event;
struct event_base;
struct evhttp_request;
struct pt_connection;

// The connections of a server, of which evhttp tells nothing: since when each is sending a request,
// whether it is being answered, when it closes.
TAILQ_HEAD(pt_connection_list, pt_connection);

struct pt_connections {
    struct pt_connection_list idle;    // no byte of a request yet
    struct pt_connection_list reading; // by the start of the request, oldest first
    struct pt_connection_list answering;
    struct pt_connection_list fresh;    // not yet known by their descriptor
    struct pt_connection_list answered; // with an answer to be sent at the end of the turn
    struct pt_connection **by_fd;
    size_t fd_count;
    size_t count;
    bool plain; // without TLS
    struct event *adopt;
    struct event *write_out;
};

PT_MUST_CHECK int pt_connections_init(struct pt_connections *connections, struct event_base *base,
                                      bool plain, struct pt_error *err);

// After evhttp has freed the connections.
void pt_connections_finish(struct pt_connections *connections);

// Takes note of a connection that evhttp is about to accept with this bufferevent.
void pt_connections_add(struct pt_connections *connections, struct bufferevent *bev);

// The request has been read whole and goes to its handler.
struct pt_connection *pt_connections_begin_answer(struct pt_connections *connections,
                                                  struct evhttp_request *request);

// The handler has returned; what it has answered is sent at the end of the turn, without waiting
// for the kernel to say that the socket takes it, which it nearly always does.
void pt_connections_end_answer(struct pt_connection *connection);

// Replaces the callback for the end of the request's connection; -ENOMEM when it is not known here.
int pt_connections_watch_close(struct pt_connections *connections, struct evhttp_request *request,
                               void (*on_close)(void *context), void *context);

// Closes those that have been sending a request for too long.
void pt_connections_cut_slow(struct pt_connections *connections);
void pt_connections_close_idle(struct pt_connections *connections);

#endif
