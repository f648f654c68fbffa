// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STREAM_EVENT_STREAM_H
#define PT_SERVER_STREAM_EVENT_STREAM_H

#include "base/clock.h"
#include "base/error.h"
#include "server/store/reader.h"
#include "server/stream/pull_filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sends many clients what changes in the store. A client is nothing but the version up to which it
// was sent all changes; what it gets next is the latest state of all that changed after that. So a
// slow client costs no more than the last block that it was sent, and loses only steps in between.
// Clients that stand at the same version share one serialized block. Knows nothing of sockets.
struct pt_event_stream;
struct pt_stream_client;

// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as one chunk
// of HTTP's chunked coding, or without that coding, from body_offset on.
struct pt_stream_block {
    uint32_t references;
    bool of_snapshot;
    bool is_whole; // nothing had changed behind it when it was made
    uint64_t from; // holds what changed after this version …
    uint64_t to;   // … up to this one
    size_t length; // 0: nothing to send
    size_t body_offset;
    size_t body_length;
    struct pt_memory_share *memory; // that it counts in; NULL: in none
    char data[];
};

// Counts the block in that share for as long as it is.
void pt_stream_block_count(struct pt_stream_block *block, struct pt_memory_share *memory);

void pt_stream_block_unref(struct pt_stream_block *block);

// How a client is reached.
struct pt_stream_output {
    size_t (*pending)(void *context); // bytes that it has not taken yet
    // Sends a block; the reference is the callee's. Must not call back into the stream.
    void (*send)(void *context, struct pt_stream_block *block);
    // The memory is full: cuts the client that has taken nothing for longest, of all that are
    // reached as this one is. False: none stalls.
    bool (*make_room)(void *context);
};

#define PT_STREAM_ID_SIZE 40 // longest id, with its NUL

// What a client asks for.
struct pt_stream_request {
    struct pt_pull_filter filter;
    bool layers; // inside the pull events
    bool pull_events;
    bool layer_events;
    bool hello;                            // messages of events hello and synced besides
    char last_event_id[PT_STREAM_ID_SIZE]; // as the reader has it; empty: none
    const char *address; // of who asks, for his share of the filters; NULL: not known
};

struct pt_stream_figures {
    size_t clients;
    uint64_t skipped; // rounds that a slow client sat out
};

PT_MUST_CHECK int pt_event_stream_create(const struct pt_pull_store *store,
                                         const struct pt_clock *clock, size_t max_clients,
                                         const struct pt_stream_output *output,
                                         struct pt_event_stream **ret_stream);
void pt_event_stream_destroy(struct pt_event_stream *stream);

// Every hello from now on names the cluster; empty: none does. The name is borrowed and, as
// settings of the kind PT_SETTING_NAME are, free of what JSON would escape.
void pt_event_stream_name_cluster(struct pt_event_stream *stream, const char *name);

// Names this run of the server among all replicas, in hexadecimal digits. Ids of messages are
// `run.version`: an id of another run, or of none, gives the full state.
const char *pt_event_stream_run(const struct pt_event_stream *stream);

// Where blocks and clients count, while there are none. Without it there is no maximum.
void pt_event_stream_set_memory(struct pt_event_stream *stream, struct pt_memory_share *memory);

// Reads `types`, `layers`, `hello`, `lastEventId` and the filters. The request borrows from the
// query.
PT_MUST_CHECK int pt_stream_request_read(const struct pt_query *query,
                                         struct pt_stream_request *ret_request,
                                         struct pt_error *err);

// Notes the id that the client has seen last; one too long to be an id counts as none.
void pt_stream_request_go_on_behind(struct pt_stream_request *request, const char *id);

// Adds a client. It gets a comment line at once and the rest from pt_event_stream_pump. If it asked
// for hello, it also gets which run of the server speaks, for which cluster, and behind which
// version its stream goes on, at once, and `synced` when it has all that there was when it came.
// -ENOMEM, or as pt_event_stream_admit says.
PT_MUST_CHECK int pt_event_stream_join(struct pt_event_stream *stream,
                                       const struct pt_stream_request *request, void *context,
                                       struct pt_stream_client **ret_client, struct pt_error *err);

// Whether such a client could join: -ENOSPC at the limit of clients, or of filters that nobody
// else has, of all or of its address; -ENOBUFS when the memory is full.
PT_MUST_CHECK int pt_event_stream_admit(struct pt_event_stream *stream,
                                        const struct pt_stream_request *request,
                                        struct pt_error *err);
void pt_event_stream_leave(struct pt_stream_client *client);

// The client has room again.
void pt_event_stream_drained(struct pt_stream_client *client);

// Begins a round: all changes up to now are to be sent.
void pt_event_stream_flush(struct pt_event_stream *stream);

// Sends a bounded part of it; returns whether more can be done at once. When the memory is
// full nothing can, until a client has taken something.
bool pt_event_stream_pump(struct pt_event_stream *stream);

// Whether clients that were in step still wait for the present round.
bool pt_event_stream_is_busy(const struct pt_event_stream *stream);

// Whether there are changes that no round has sent yet.
bool pt_event_stream_has_news(const struct pt_event_stream *stream);

// The store's newest version, and whether clients in step have been sent all up to such a one.
uint64_t pt_event_stream_newest(const struct pt_event_stream *stream);
bool pt_event_stream_has_sent(const struct pt_event_stream *stream, uint64_t version);

// To be called about every second: a comment line for those that heard nothing for 15 s.
void pt_event_stream_heartbeat(struct pt_event_stream *stream);

// Last words for every client: how soon to come back.
void pt_event_stream_say_goodbye(struct pt_event_stream *stream);

struct pt_stream_figures pt_event_stream_figures(const struct pt_event_stream *stream);

#endif
