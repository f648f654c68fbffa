// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_HTTP_CLIENT_H
#define PT_BASE_HTTP_CLIENT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;

// Outgoing HTTP on the event loop, over libcurl: connections are kept and HTTP/2 streams share one.
struct pt_http_client;
struct pt_http_request;

// How a request ended. `error` is 0 when a whole answer came, whatever its status; else -errno
// (-ETIMEDOUT, -ECONNREFUSED, -EMSGSIZE, -EPERM from check_peer, …) and `message` says why.
struct pt_http_result {
    int error;
    int status; // HTTP status, 0 if none came
    const char *message;
};

// All members are borrowed for the call of pt_http_client_start only; unset members mean "none".
struct pt_http_options {
    const char *method; // default: GET, or POST with a body
    const char *url;
    const char *unix_socket;    // path; the URL then gives only scheme, Host and path
    const char *const *headers; // "Name: value", NULL-terminated
    const void *body;           // copied
    size_t body_length;
    bool http2;            // prior knowledge, without TLS
    bool http2_connected;  // an earlier request has such a connection: use that one
    bool fresh_connection; // do not reuse one
    // Of a connection that is reused, unless a request is under way on it; 0: any.
    int64_t max_age_s;
    const char *ca_file, *client_cert_file, *client_key_file; // PEM
    int64_t connect_timeout_ms;                               // default 5 s
    int64_t timeout_ms;                                       // whole request; 0: no limit
    size_t max_response_bytes;                                // body; 0: no limit

    // Called once for a new connection, before anything is sent on it; < 0 gives it up.
    int (*check_peer)(void *context, int fd, struct pt_error *err);
    // Headers and trailers of the answer, one a call, NUL-terminated.
    void (*on_header)(void *context, const char *name, const char *value);
    // Pieces of the body as they come; < 0 ends the request with that error.
    int (*on_data)(void *context, const char *data, size_t length);
    // Of another protocol than HTTP: connected, TLS included; then send and receive. The socket is
    // for waiting only. From now on the request stays until it is cancelled, and on_done is not
    // called. NULL: it is one of HTTP.
    void (*on_connected)(void *context, int fd);
    // The end, exactly once unless cancelled. The request is gone when this returns.
    void (*on_done)(void *context, const struct pt_http_result *result);
    void *context;
};

PT_MUST_CHECK int pt_http_client_create(struct event_base *base, struct pt_http_client **ret_client,
                                        struct pt_error *err);

// Keeps so many connections for reuse, instead of PT_LIMIT_IDLE_CONNECTIONS.
void pt_http_client_keep(struct pt_http_client *client, size_t connections);

// Cancels what is under way; not to be called from a callback of a request.
void pt_http_client_destroy(struct pt_http_client *client);

// Starts a request; no callback is called before this returns, and none at all if it fails.
// *ret_request (may be NULL) is for cancelling and is valid until on_done.
PT_MUST_CHECK int pt_http_client_start(struct pt_http_client *client,
                                       const struct pt_http_options *options,
                                       struct pt_http_request **ret_request, struct pt_error *err);

// For a request that has called on_connected: sends or receives what can be without waiting.
// Returns the bytes, which may be fewer; 0: nothing now; -ECONNRESET: the connection is at its end.
PT_MUST_CHECK ssize_t pt_http_request_send(struct pt_http_request *request, const void *data,
                                           size_t length);
PT_MUST_CHECK ssize_t pt_http_request_receive(struct pt_http_request *request, void *data,
                                              size_t size);

// Ends the request without any further callback; allowed everywhere, also in a callback.
void pt_http_request_cancel(struct pt_http_request *request);

#endif
