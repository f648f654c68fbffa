// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_STREAM_H
#define PT_SERVER_HTTP_HTTP_STREAM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct evbuffer;
struct pt_request;

// An answer that is sent bit by bit. While it lasts the request stays, and stands for it; the
// connection is read on, so that its end is noticed at once.
struct pt_http_stream_events {
    bool is_endless; // else the answer ends by itself, and has to be taken in reasonable time
    void (*on_drained)(void *context); // little is left of what was sent
    void (*on_closed)(void *context);  // once; the request is gone when this returns
};

// Whether the client's address has less than its share of `max` such answers (http_peers.h).
bool pt_http_stream_has_room(const struct pt_request *request, bool is_endless, size_t max);

// Of whom an address's share is counted, as text; ends with the request.
const char *pt_http_stream_address(const struct pt_request *request);

// Whether the memory for answers has room for so many bytes; a refusal is counted.
bool pt_http_stream_has_memory(const struct pt_request *request, size_t bytes);

// The answer begins later, if at all: only on_closed is called until then.
void pt_http_stream_prepare(struct pt_request *request, const struct pt_http_stream_events *events,
                            void *context);

// The same for an answer that is whole when it comes, and counts in nobody's share. The body stays
// until then, and counts as one that is being read. -ENOMEM, also when bodies have no room: nothing
// has changed.
PT_MUST_CHECK int pt_http_stream_wait(struct pt_request *request, void (*on_closed)(void *context),
                                      void *context);

// Takes that back: the request is answered as any other.
void pt_http_stream_forget(struct pt_request *request);

// Starts answering with 200; further headers of the reply are added by the caller before. Target
// and headers of the request are gone then.
void pt_http_stream_begin(struct pt_request *request, const char *content_type,
                          const struct pt_http_stream_events *events, void *context);

// Bytes that the kernel has not taken yet.
size_t pt_http_stream_pending(const struct pt_request *request);

// Where to append to; it is sent in the loop's next turn. Pieces are in HTTP's chunked coding if
// pt_http_stream_is_chunked says so.
struct evbuffer *pt_http_stream_output(struct pt_request *request);
bool pt_http_stream_is_chunked(const struct pt_request *request);

// Appends bytes of the body, coded as needed.
void pt_http_stream_send(struct pt_request *request, const void *data, size_t length);

// Cuts the endless answer that has taken nothing for longest, of those of the same server; maybe
// this one. False: each has taken something within the last seconds.
bool pt_http_stream_cut_stalled(struct pt_request *request);

// What was to be sent found no memory: the connection is cut in the loop's next turn.
void pt_http_stream_fail(struct pt_request *request);

// The answer is whole: what is pending is sent and the connection serves the next request, or
// closes if `last`. No event comes any more; the request is gone.
void pt_http_stream_end(struct pt_request *request, bool last);

// Cuts the connection, as when the rest of an answer cannot be made. on_closed is called.
void pt_http_stream_abort(struct pt_request *request);

#endif
