// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_OBSERVE_EVENTS_H
#define PT_AGENT_OBSERVE_EVENTS_H

#include "agent/track/observation.h"
#include "base/error.h"

struct pt_containerd;

// The standing subscription to containerd's events.
struct pt_containerd_events;

struct pt_containerd_events_options {
    struct pt_containerd *containerd;
    void (*on_event)(void *context, const struct pt_seen_event *event);
    // An image record was created, or updated. Its texts are borrowed; it has no digest yet.
    void (*on_image)(void *context, const struct pt_seen_image *image);
    void (*on_broken)(void *context, const char *message); // pt_containerd_events_start begins anew
    void *context;
};

PT_MUST_CHECK int pt_containerd_events_create(const struct pt_containerd_events_options *options,
                                              struct pt_containerd_events **ret_events,
                                              struct pt_error *err);

// The containerd has to be destroyed before, so that no event comes any more.
void pt_containerd_events_destroy(struct pt_containerd_events *events);

// Subscribes, unless that stands; needs a connection that another call has made. -errno: it does
// not stand, and nothing follows.
PT_MUST_CHECK int pt_containerd_events_start(struct pt_containerd_events *events,
                                             struct pt_error *err);

#endif
