// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_EVENT_H
#define PT_PULL_EVENT_H

#include "base/buffer.h"
#include "base/error.h"
#include "pull/model.h"

// What readers get: PullStatus, LayerStatus and PullEvent of docs/api.md.

// A waiting container. `image` is as its pod's spec names it.
struct pt_waiting_container {
    const char *namespace;
    const char *pod;
    const char *container;
    const char *image;
};

// What is derived for a layer besides what the agent told.
struct pt_layer_rate {
    double bytes_per_second;
};

// A number of seconds that is not known is negative and left out of the JSON.
struct pt_pull_status {
    const char *id; // unique in the cluster
    const char *node_name;
    const struct pt_pull *pull;
    const char *image_ref; // the pull's own, or a better name
    bool image_ref_exact;
    const struct pt_layer_rate *layer_rates; // one for each layer, or NULL
    struct pt_totals totals;
    double bytes_per_second;
    double eta_seconds;
    double ready_eta_seconds; // extraction included
    double queued_seconds;
    double download_seconds;
    double extract_seconds;
    double stalled_seconds; // 0: not stalled
    const char *error_class;
    int64_t attempts;        // that failed; 0: left out
    int64_t next_attempt_at; // wall_ns, 0: left out
    uint64_t version;        // 0: left out
    const struct pt_waiting_container *waiting;
    size_t waiting_count;
};

enum pt_event_type {
    PT_EVENT_PULL_STARTED,
    PT_EVENT_PULL_PROGRESS,
    PT_EVENT_PULL_COMPLETED,
    PT_EVENT_PULL_FAILED,
    PT_EVENT_LAYER_STARTED,
    PT_EVENT_LAYER_PROGRESS,
    PT_EVENT_LAYER_COMPLETED,
};

const char *pt_event_type_name(enum pt_event_type type);

// A status with every number of seconds unknown and the rest 0; the caller fills in what it knows.
struct pt_pull_status pt_pull_status_make(const struct pt_pull *pull);

// Each appends one JSON object without a newline; -ENOMEM or -EMSGSIZE as the buffer says. Bytes of
// a text that are no UTF-8 become `?`.
PT_MUST_CHECK int pt_pull_status_encode(const struct pt_pull_status *status, bool with_layers,
                                        struct pt_buffer *out);
PT_MUST_CHECK int pt_pull_event_encode(enum pt_event_type type, int64_t timestamp,
                                       const struct pt_pull_status *status, bool with_layers,
                                       struct pt_buffer *out);
PT_MUST_CHECK int pt_layer_event_encode(enum pt_event_type type, int64_t timestamp,
                                        const struct pt_pull_status *status, size_t layer_index,
                                        struct pt_buffer *out);

#endif
