// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_OBSERVE_CONNECTION_H
#define PT_AGENT_OBSERVE_CONNECTION_H

#include "agent/track/observation.h"
#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>

struct pt_http_client;

// The room's door: one containerd, which may come and go at any time. A look at it is one round of
// questions (round.h); its events come between the looks (events.h).
struct pt_connection;

// Texts and objects are borrowed as long as the connection lives, what a callback gets for its
// call. No callback may destroy the connection.
struct pt_connection_options {
    struct pt_http_client *http;
    const struct pt_clock *clock;
    const char *socket_path;        // "": searched for among the usual places (places.h)
    const char *socket_directories; // comma-separated, the socket must lie under one of them
    const char *namespaces;         // comma-separated, or "*"
    // The runtime answers, after it did not; a look begins behind this call.
    void (*on_runtime)(void *context, const char *name, const char *version);
    // A look has ended well. Does not begin the next one itself.
    void (*on_observation)(void *context, const struct pt_observation *observation);
    void (*on_event)(void *context, const struct pt_seen_event *event);
    // The runtime does not answer, or no more. `has_lost_events`: what happens from now on is not
    // known until it answers again.
    void (*on_trouble)(void *context, const char *message, bool has_lost_events);
    void *context;
};

// Connects to nobody yet.
PT_MUST_CHECK int pt_connection_create(const struct pt_connection_options *options,
                                       struct pt_connection **ret_connection, struct pt_error *err);
void pt_connection_destroy(struct pt_connection *connection);

// The runtime has answered, and there was no trouble since.
bool pt_connection_is_up(const struct pt_connection *connection);

// Begins a look, or if the connection is not up asks the runtime whether it is there. Either ends
// with a callback, maybe within this call; does nothing while the last one is under way.
void pt_connection_look(struct pt_connection *connection);

#endif
