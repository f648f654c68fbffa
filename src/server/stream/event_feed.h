// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STREAM_EVENT_FEED_H
#define PT_SERVER_STREAM_EVENT_FEED_H

#include "server/http/http_server.h"
#include "server/stream/event_stream.h"

struct pt_loop;
struct pt_request;

// Runs the event stream on the loop and joins it to HTTP connections.
struct pt_event_feed;

// All that is given outlives the feed; what its clients have not taken counts in the memory.
PT_MUST_CHECK int pt_event_feed_create(struct pt_loop *loop, const struct pt_clock *clock,
                                       const struct pt_pull_store *store, size_t max_clients,
                                       struct pt_memory_share *memory,
                                       struct pt_event_feed **ret_feed, struct pt_error *err);

// Closes all clients' connections.
void pt_event_feed_destroy(struct pt_event_feed *feed);

struct pt_event_stream *pt_event_feed_stream(struct pt_event_feed *feed);

// The store may have changed.
void pt_event_feed_wake(struct pt_event_feed *feed);

// Answers the request with a stream, one of HEAD with its headers alone. -ENOSPC at a limit,
// -ENOBUFS when the memory is full, -ENOMEM: the request is still the caller's.
PT_MUST_CHECK int pt_event_feed_add(struct pt_event_feed *feed, struct pt_request *request,
                                    const struct pt_stream_request *asked, struct pt_error *err);

// Answers a report that was taken. If it has ended a pull, readers in step are sent that end
// before: the agent then forgets the pull, and nobody would learn of it were the server killed in
// between. Who does not take what he is sent holds the answer up for two seconds at most.
void pt_event_feed_answer(struct pt_event_feed *feed, struct pt_request *request, bool has_ended);

// Asks all clients to come back soon, and ends their streams.
void pt_event_feed_end(struct pt_event_feed *feed);

#endif
