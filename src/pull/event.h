// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_EVENT_H
#define PT_PULL_EVENT_H

#include "base/buffer.h"
#include "base/error.h"
#include "pull/fields.h"
#include "pull/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What readers get: PullStatus, LayerStatus and PullEvent of docs/api.md.

// A waiting container. `image` is as its pod's spec names it.
struct pt_waiting_container {
    const char *namespace;
    const char *pod;
    const char *container;
    const char *image;
};

// What is derived for a layer besides what the agent reported.
struct pt_layer_rate {
    double bytes_per_second;
};

// What holds up a pull, or a container that waits.
enum pt_hold_up_kind {
    PT_HOLD_UP_NONE,
    PT_HOLD_UP_QUEUE,         // it waits for its turn
    PT_HOLD_UP_RESOLVING,     // the registry has not yet said what the image is, for long
    PT_HOLD_UP_NO_BYTES,      // it downloads, but nothing comes
    PT_HOLD_UP_SLOW,          // it downloads far slower than others
    PT_HOLD_UP_EXTRACTING,    // all is there and is being unpacked
    PT_HOLD_UP_BACKOFF,       // it failed, and is tried again
    PT_HOLD_UP_FAILED,        // it failed, and nobody says when it is tried again
    PT_HOLD_UP_VOLUME,        // of a container: its pod waits for a volume
    PT_HOLD_UP_SANDBOX,       // of a container: its pod has no sandbox yet
    PT_HOLD_UP_NODE_SILENT,   // the node's agent has stopped reporting
    PT_HOLD_UP_AGENT_MISSING, // no agent reports from the node
};
#define PT_HOLD_UP_COUNT (PT_HOLD_UP_AGENT_MISSING + 1)

extern const struct pt_words pt_hold_up_words;

struct pt_hold_up {
    enum pt_hold_up_kind kind;
    int64_t since;                     // wall_ns
    const char *pull_id;               // of what stands before it in the queue; NULL: not known
    int64_t node_bytes_per_second;     // of one that is slow: the node's other pulls, 0: none
    int64_t registry_bytes_per_second; // likewise, the registry's
};

// A number of seconds that is not known is negative and left out of the JSON.
struct pt_pull_status {
    const char *id; // unique in the cluster
    const char *node_name;
    struct pt_pull pull;   // its id is the node's, not the cluster's
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
    enum pt_stale_reason stale_reason;
    int64_t attempts;        // that failed; 0: left out
    int64_t next_attempt_at; // wall_ns, 0: left out
    uint64_t version;        // 0: left out
    const struct pt_waiting_container *waiting;
    size_t waiting_count;
    bool is_waited_for; // by a container, now; `waiting` may be those that had waited
    struct pt_hold_up hold_up;
};

// A layer with what is derived for it.
struct pt_layer_status {
    const char *pull_id;
    struct pt_layer layer;
    double bytes_per_second;
    double percent;
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

// Each appends one JSON object without a newline; -ENOMEM or -EMSGSIZE as the buffer says, which
// then holds a part of it. Bytes of a text that are no UTF-8 become `?`.
PT_MUST_CHECK int pt_pull_status_encode(const struct pt_pull_status *status, bool with_layers,
                                        struct pt_buffer *out);
PT_MUST_CHECK int pt_pull_event_encode(enum pt_event_type type, int64_t timestamp,
                                       const struct pt_pull_status *status, bool with_layers,
                                       struct pt_buffer *out);
PT_MUST_CHECK int pt_layer_event_encode(enum pt_event_type type, int64_t timestamp,
                                        const struct pt_pull_status *status, size_t layer_index,
                                        struct pt_buffer *out);

// What an event says besides what it is of.
struct pt_pull_event {
    const char *schema_version;
    const char *type_name;
    int64_t timestamp; // wall_ns
    const char *node_name;
};

#endif
