// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_STREAM_H
#define PT_SERVER_HTTP_HTTP_STREAM_H

#include "base/error.h"
#include "server/http/http_server.h"

#include <stdbool.h>
#include <stddef.h>

struct evbuffer;
struct evhttp_request;

// An answer that is sent bit by bit. While it lasts, the connection is read on, so that its end is
// noticed at once.
struct pt_http_stream;

struct pt_http_stream_events {
    void (*on_drained)(void *context); // little is left of what was sent
    void (*on_closed)(void *context);  // once; the stream is gone when this returns
};

// Starts answering with 200; further headers are set by the caller before. A client that takes
// nothing for `stall_seconds` is cut. On -ENOMEM the request is still the caller's to answer.
PT_MUST_CHECK int pt_http_stream_begin(struct evhttp_request *request,
                                       struct pt_http_server *server, const char *content_type,
                                       int stall_seconds,
                                       const struct pt_http_stream_events *events, void *context,
                                       struct pt_http_stream **ret_stream);

// Bytes that the kernel has not taken yet.
size_t pt_http_stream_pending(const struct pt_http_stream *stream);

// Where to append to; pieces are in HTTP's chunked coding if this says so.
struct evbuffer *pt_http_stream_output(struct pt_http_stream *stream);
bool pt_http_stream_is_chunked(const struct pt_http_stream *stream);

// Appends bytes of the body, coded as needed.
void pt_http_stream_send(struct pt_http_stream *stream, const void *data, size_t length);

// The answer is whole: what is pending is sent and the connection serves the next request, or
// closes while the server drains. No event comes any more; the stream is gone.
void pt_http_stream_end(struct pt_http_stream *stream);

// Cuts the connection, as when the rest of an answer cannot be made. on_closed is called.
void pt_http_stream_abort(struct pt_http_stream *stream);

#endif
