// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_CONNECTION_STATE_H
#define PT_SERVER_HTTP_HTTP_CONNECTION_STATE_H

#include "server/http/http_connection.h"
#include "server/http/http_transport.h"
#include "server/http/request_parser.h"

#include <event2/event_struct.h>

// For the three files that connections are made of: http_connection.c reads, http_send.c sends,
// http_connections.c counts them and cuts those that are too many or too slow.

// What each request touches stands together: of thousands of connections none is in the processor's
// cache when its turn comes.
struct pt_http_connection {
    struct pt_connections *connections;
    struct pt_peer *peer;
    struct pt_transport transport;
    enum pt_connection_state state;
    enum pt_answer_kind kind;
    int holds;     // by callers on the stack
    bool is_extra; // above the maximum, for a probe
    bool is_touched;
    bool is_reading;
    bool is_resumable;
    bool is_taking;  // a request from `ahead`
    bool is_whole;   // the answer: all of it is in the output
    bool closes;     // after this answer
    bool has_failed; // to keep what is to be sent
    bool has_output; // there may be something in it
    bool awaits_writable;
    bool is_pending; // output that the socket has not taken
    bool lends;      // the output, which is somebody else's memory
    bool gone;
    int64_t since; // monotonic_ns of the last change
    TAILQ_ENTRY(pt_http_connection) in_state;
    TAILQ_ENTRY(pt_http_connection) in_answered; // while an answer is ready
    const char *ready;                           // a whole answer, to be sent behind the output
    size_t ready_length;
    struct evbuffer *output; // looked at only if has_output: it is memory of its own
    int64_t answer_began;    // monotonic_ns
    uint64_t answer_sent;    // bytes that the socket has taken since
    int64_t own_bytes;       // counted among the connections' memory
    int64_t held_bytes;      // of the output, counted among the answers' memory
    void (*on_drained)(void *context);
    void (*on_closed)(void *context);
    struct pt_request_parser parser;
    struct pt_buffer ahead; // read behind the request that is being answered
    struct event readable;

    // --- of few requests ---
    struct event writable; // waited for only while the socket takes no more
    int64_t began;         // monotonic_ns
    int64_t held_since;    // monotonic_ns of the last byte taken, while something is pending
    void *context;         // of on_drained and on_closed
    TAILQ_ENTRY(pt_http_connection) in_touched;
    TAILQ_ENTRY(pt_http_connection) in_resumable; // while a request waits for its turn
    TAILQ_ENTRY(pt_http_connection) in_extras;
    TAILQ_ENTRY(pt_http_connection) in_pending;
};

// Makes it the newest one in that state; `since` is now.
void pt_connection_enter(struct pt_http_connection *connection, enum pt_connection_state state);

// As long as it is held the connection may be cut, and is not freed.
void pt_connection_hold(struct pt_http_connection *connection);

// Returns whether the connection still is.
bool pt_connection_release(struct pt_http_connection *connection);

// Brings up to date what the connection itself takes of the memory.
void pt_connection_count(struct pt_http_connection *connection);

// Sets the kind of answer, by which what is pending is kept apart.
void pt_connection_change_kind(struct pt_http_connection *connection, enum pt_answer_kind kind);

// Notes how much of the output the socket has not taken, and whether it has taken any. False: an
// answer of that length has no room, even after stalled ones were cut.
bool pt_connection_note_pending(struct pt_http_connection *connection, size_t length,
                                bool has_taken);

// Waits until the socket takes something. Returns event_add's failure.
PT_MUST_CHECK int pt_connection_await_writable(struct pt_http_connection *connection);

// Sends what there is; the connection may be gone then.
void pt_connection_flush(struct pt_http_connection *connection);

// Ends the answer for the sending side: what is ready or touched is forgotten.
void pt_connection_forget_output(struct pt_http_connection *connection);

// The answer is sent: goes on with what came meanwhile.
void pt_connection_resume(struct pt_http_connection *connection);

// Events and timers: on a socket, and of all connections.
void pt_connection_on_readable(evutil_socket_t fd, short what, void *context);
void pt_connection_on_writable(evutil_socket_t fd, short what, void *context);
void pt_connections_on_flush(void *context);
void pt_connections_on_answers(void *context);
void pt_connections_on_resume(void *context);

// Sends the answers that are held.
void pt_connections_send_answers(struct pt_connections *connections);

#endif
