// SPDX-License-Identifier: Apache-2.0
#ifndef PT_CONTAINERD_GRPC_CLIENT_H
#define PT_CONTAINERD_GRPC_CLIENT_H

#include "base/error.h"
#include "containerd/grpc_frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pt_http_client;

// gRPC calls to one unix socket: unary and server-streaming, HTTP/2 without TLS.
struct pt_grpc_client;

// How a call ended. `is_transport`: there was no answer of a gRPC server at all, or it broke off,
// and the connection is given up with its streams. A call whose time is over ends so only if
// nothing has come over the connection since it was sent.
struct pt_grpc_status {
    int code; // enum pt_grpc_code
    bool is_transport;
    const char *message; // "" when it went well
};

struct pt_grpc_options {
    const char *method;     // "/package.Service/Method"
    const char *namespace;  // containerd's, NULL: none
    const uint8_t *message; // borrowed for the call of pt_grpc_call_start
    size_t message_length;
    int64_t timeout_ms; // 0: none, for a standing stream
    size_t max_message_bytes;
    // Each message of the answer, borrowed; < 0 ends the call with that error.
    int (*on_message)(void *context, const uint8_t *message, size_t length);
    // The end, exactly once unless the client is destroyed before. The call is gone when this
    // returns.
    void (*on_end)(void *context, const struct pt_grpc_status *status);
    void *context;
};

// `check_peer` sees the connected socket before anything is sent; < 0 gives the connection up.
PT_MUST_CHECK int pt_grpc_client_create(struct pt_http_client *http, const char *socket_path,
                                        int (*check_peer)(void *context, int fd,
                                                          struct pt_error *err),
                                        void *check_context, struct pt_grpc_client **ret_client,
                                        struct pt_error *err);

// Cancels what is under way, without a callback; not to be called from a callback of a call.
void pt_grpc_client_destroy(struct pt_grpc_client *client);

// Starts a call, or queues it while enough unary ones are under way. No callback comes before this
// returns, and none at all if it fails: -ENOTCONN for a standing stream before any unary call was
// answered.
PT_MUST_CHECK int pt_grpc_call_start(struct pt_grpc_client *client,
                                     const struct pt_grpc_options *options, struct pt_error *err);

#endif
