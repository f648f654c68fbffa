// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_TRACK_TRACK_H
#define PT_AGENT_TRACK_TRACK_H

#include "agent/track/observation.h"
#include "base/error.h"
#include "pull/model.h"
#include "pull/rate.h"

// Keeps one record for each pull of this node. A state machine without a clock or containerd of its
// own: observations and events go in, pulls come out.
struct pt_tracker;

enum pt_track_change {
    PT_TRACK_STARTED,
    PT_TRACK_NAMED, // its exact name has become known while it runs
    PT_TRACK_COMPLETED,
    PT_TRACK_FAILED,
    PT_TRACK_LAYER_RESTARTED, // a layer's bytes are fetched anew
};

struct pt_tracker_options {
    // May not call the tracker. `layer` is NULL but for changes of one layer.
    void (*on_change)(void *context, enum pt_track_change change, const struct pt_pull *pull,
                      const struct pt_layer *layer);
    void *context;
};

PT_MUST_CHECK int pt_tracker_create(const struct pt_tracker_options *options,
                                    struct pt_tracker **ret_tracker, struct pt_error *err);
void pt_tracker_destroy(struct pt_tracker *tracker);

// Takes in a round's observation; all it needs is copied. Out of memory loses what is new until the
// next round.
void pt_tracker_observe(struct pt_tracker *tracker, const struct pt_observation *observation);

// Takes in an event; that an image record was written, or an extraction removed, is left to the
// next observation.
void pt_tracker_event(struct pt_tracker *tracker, const struct pt_seen_event *event);

// The connection to containerd has broken; what pulls then and does not move again has failed.
void pt_tracker_disconnected(struct pt_tracker *tracker);

// A pull that is shown: active, or finished and not forgotten yet.
struct pt_tracked {
    struct pt_pull pull; // borrowed from the tracker, until the next call that changes it
    struct pt_rate rate; // of the bytes that come
    uint64_t finished;   // 0: active; else its number in the order of finishing
    bool is_refused;     // the server does not take it, so that it is not reported any more
    int64_t sent_bytes; // of its fetched ones, in the report that is under way; -1: it is not in it
    int64_t taken_bytes; // in the last report that was taken
};

// Walks the shown pulls, finished ones first, in the order of finishing: start with NULL.
const struct pt_tracked *pt_tracker_next(const struct pt_tracker *tracker,
                                         const struct pt_tracked *previous);

size_t pt_tracker_active_count(const struct pt_tracker *tracker);
size_t pt_tracker_finished_count(const struct pt_tracker *tracker);

// A report begins, holds this pull, and was taken: what of its bytes no server has follows.
void pt_tracker_report_begins(struct pt_tracker *tracker);
void pt_tracker_report_holds(struct pt_tracker *tracker, const struct pt_tracked *tracked);
void pt_tracker_report_is_taken(struct pt_tracker *tracker);

// Marks the shown pull of this id as refused.
void pt_tracker_refuse(struct pt_tracker *tracker, const char *id);

// Drops the finished pulls up to this number: they have been reported.
void pt_tracker_forget(struct pt_tracker *tracker, uint64_t finished);

#endif
