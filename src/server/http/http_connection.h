// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_CONNECTION_H
#define PT_SERVER_HTTP_HTTP_CONNECTION_H

#include "base/error.h"
#include "server/http/http_peers.h"
#include "server/http/http_request.h"
#include "server/http/request_parser.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define PT_CONNECTION_BLOCK_BYTES (64 * 1024)
#define PT_CONNECTIONS_FOR_PROBES 16 // above the maximum

struct evbuffer;
struct pt_clock;
struct pt_http_connection;
struct pt_loop;
struct pt_timer;
struct pt_tls;

// What a connection is doing. Each state has a time after which the connection is cut.
enum pt_connection_state {
    PT_CONNECTION_NEW,       // no byte of its first request yet
    PT_CONNECTION_IDLE,      // none of the next one
    PT_CONNECTION_READING,   // a request
    PT_CONNECTION_ANSWERING, // the answer is being made
    PT_CONNECTION_SENDING,   // the client has not taken all of it
    PT_CONNECTION_LINGERING, // all is said; what the client still sends is thrown away
    PT_CONNECTION_STATES,
};

// What kind of answer is being sent.
enum pt_answer_kind {
    PT_ANSWER_WHOLE,   // made at once
    PT_ANSWER_LATER,   // made as a whole, in a later turn
    PT_ANSWER_LONG,    // made in parts, as the client takes them
    PT_ANSWER_ENDLESS, // goes on until one side ends it
};

TAILQ_HEAD(pt_connection_list, pt_http_connection);

struct pt_connection_handler {
    // Answers a request, or begins to. `refusal` is 0 or the status for what could not be read as
    // one; the connection closes behind that answer.
    void (*on_request)(void *context, struct pt_request *request, int refusal);
    // Asked with the head alone, before the client is asked for the body and before a byte of it
    // is kept: whether the body is wanted. If not, on_request is called at once with
    // `body_left_out`, and the connection closes behind the answer.
    bool (*wants_body)(void *context, struct pt_request *request);
    void *context;
};

struct pt_connection_figures {
    size_t open;
    uint64_t refused; // at the maximum of all or of one address
    uint64_t cut;     // idle ones that made room for others
};

// The connections of a server. Each serves one request after the other.
struct pt_connections {
    struct pt_loop *loop;
    const struct pt_clock *clock;
    struct pt_connection_handler handler;
    size_t max_count;
    struct pt_connection_figures figures;
    struct pt_peers peers;
    struct pt_request_budget budget;       // of heads and bodies that are being read
    struct pt_memory_share *memory;        // of connections; budget has it too
    struct pt_memory_share *answer_memory; // of answers that wait for their client
    struct pt_memory_share own_memory;     // stands for both where none is given
    size_t ahead_bytes;                    // in all buffers of requests that wait
    struct pt_connection_list by_state[PT_CONNECTION_STATES]; // the longest unchanged first
    size_t state_counts[PT_CONNECTION_STATES];
    struct pt_connection_list extras; // above the maximum, oldest first
    size_t extra_count;
    struct pt_connection_list pending[2]; // with output that waits: answers, and endless ones; who
                                          // has taken nothing for longest is first
    struct pt_connection_list touched;    // with something to send
    size_t touched_count;
    struct pt_timer *flush;
    struct pt_connection_list answered; // with a whole answer that is ready
    size_t answered_count;
    struct pt_timer *answers;
    struct pt_connection_list resumable; // with a request that waits for its turn
    size_t resumable_count;
    struct pt_timer *resume;
    char block[PT_CONNECTION_BLOCK_BYTES]; // what is being read
};

// Loop and clock outlive the connections, of which there are `max_count` at most.
PT_MUST_CHECK int pt_connections_init(struct pt_connections *connections, struct pt_loop *loop,
                                      const struct pt_clock *clock,
                                      const struct pt_connection_handler *handler, size_t max_count,
                                      struct pt_error *err);

// Where memory counts from now on: that of connections, with what they read, and that of answers.
// To be called before there are connections; without it there is no maximum.
void pt_connections_set_memory(struct pt_connections *connections, struct pt_memory_share *memory,
                               struct pt_memory_share *answers);

// Cuts all connections.
void pt_connections_finish(struct pt_connections *connections);

// Takes a connected socket that does not block, and closes it when there is no room. At the maximum
// the longest idle connection makes room. Where there is none, a few are taken that may only ask
// how the server is (`is_extra` of the request). `tls` may be NULL.
void pt_connections_add(struct pt_connections *connections, int fd, const struct sockaddr *address,
                        struct pt_tls *tls);

// Cuts the connection that has been new, idle or lingering for longest, of whichever there are
// most, so that no kind keeps another out; false when there is none.
bool pt_connections_cut_idlest(struct pt_connections *connections);

// Cuts those that have been doing the same for too long, or take an answer too slowly.
void pt_connections_cut_slow(struct pt_connections *connections);

// Cuts those without a request under way.
void pt_connections_close_idle(struct pt_connections *connections);

// --- the answer to the request that a connection has handed over ---

// What is appended here is sent in the loop's next turn, if pt_connection_touch says so.
struct evbuffer *pt_connection_output(struct pt_http_connection *connection);
void pt_connection_touch(struct pt_http_connection *connection);

// A whole answer, sent with others behind the requests that the loop has at hand: one kind of work
// after the other takes the processor 5 % less time. The text stays until then.
void pt_connection_answer_with(struct pt_http_connection *connection, const char *text,
                               size_t length);

// The answer in the output is whole.
void pt_connection_end_answer(struct pt_http_connection *connection);

const struct pt_peer *pt_connection_peer(const struct pt_http_connection *connection);

// The time of day, by the connections' clock.
int64_t pt_connection_wall_ns(const struct pt_http_connection *connection);

// An answer that takes its time. on_drained: little is left of what was sent. on_closed: once,
// whoever closes; not after pt_connection_end_answer.
void pt_connection_watch(struct pt_http_connection *connection, enum pt_answer_kind kind,
                         void (*on_drained)(void *context), void (*on_closed)(void *context),
                         void *context);

// The answer in the output is memory that others share: it does not count.
void pt_connection_lend_output(struct pt_http_connection *connection);

// Whether an answer of that length has room in the memory for answers. Who has taken nothing of
// his own for some seconds is cut before it is refused, which is counted.
bool pt_connection_has_room_for(struct pt_http_connection *connection, size_t length);

// Cuts the endless answer whose client has taken nothing for longest, if it is some seconds.
bool pt_connection_cut_stalled_stream(struct pt_http_connection *connection);

// Target and headers of the request are needed no more.
void pt_connection_forget_head(struct pt_http_connection *connection);

// The body stays until the request is answered. -ENOMEM, also when bodies have no room.
PT_MUST_CHECK int pt_connection_keep_body(struct pt_http_connection *connection);

// Something found no memory: the connection is cut in the loop's next turn.
void pt_connection_fail(struct pt_http_connection *connection);

// Closes without a further word; on_closed is called.
void pt_connection_cut(struct pt_http_connection *connection);

#endif
