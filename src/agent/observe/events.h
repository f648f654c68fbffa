// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_OBSERVE_EVENTS_H
#define PT_AGENT_OBSERVE_EVENTS_H

#include "agent/track/track.h"
#include "base/error.h"

struct pt_containerd;

// The standing subscription to containerd's events.
struct pt_event_watch;

struct pt_event_watch_options {
    struct pt_containerd *containerd;
    void (*on_event)(void *context, const struct pt_track_event *event);
    // An image record was created, or updated; `is_repull` if the latter looks like that of a pull.
    void (*on_image)(void *context, const char *namespace, const char *name, bool is_repull,
                     int64_t at);
    void (*on_broken)(void *context, const char *message); // pt_event_watch_start begins anew
    void *context;
};

PT_MUST_CHECK int pt_event_watch_create(const struct pt_event_watch_options *options,
                                        struct pt_event_watch **ret_feed, struct pt_error *err);

// The containerd has to be destroyed before, so that no event comes any more.
void pt_event_watch_destroy(struct pt_event_watch *watch);

// Subscribes, unless that stands; needs a connection that another call has made.
void pt_event_watch_start(struct pt_event_watch *watch);

#endif
