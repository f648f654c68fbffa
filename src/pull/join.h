// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_JOIN_H
#define PT_PULL_JOIN_H

#include "base/clock.h"
#include "pull/event.h"
#include "pull/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What Kubernetes says of a pull, as src/server/correlate concludes it.

// Whoever waits for an image again so soon after its row ended without it waits in that row: a pod
// that is made anew, as by its StatefulSet, begins no new story.
#define PT_GOES_ON_NS (120 * PT_NS_PER_S)

// What is known of a row besides what its agent reports. Text is borrowed for the call.
struct pt_join {
    const char *image_ref; // the name of the image, NULL: as the agent has it
    bool image_ref_exact;
    const struct pt_waiting_container *waiting;
    size_t waiting_count;
    bool is_waited_for;                // one of them still waits; the others are kept to be shown
    double queued_seconds;             // in the kubelet's queue, < 0: unknown
    const char *error;                 // the kubelet's words on the failure, or NULL
    enum pt_failure_class error_class; // of them
    int64_t attempts;                  // that have failed, 0: none
    int64_t next_attempt_at;           // wall_ns, 0: unknown
    int64_t pull_ns;                   // of a row that no agent reports: the kubelet's figures
    int64_t image_bytes;               // of it; 0: unknown
};

// A row for an image that containers of a node wait for and that no agent reports a pull of.
struct pt_image_row {
    const char *node_name;
    const char *key;          // names the row on its node
    const char *image_ref;    // normalized, or as it came when it is no reference
    const char *repository;   // NULL when it is no reference
    enum pt_pull_phase phase; // queued, failed, completed or cancelled
    int64_t waits_since;  // wall_ns, by the API server's clock: of the container that waits longest
    int64_t started_at;   // wall_ns
    int64_t ended_at;     // wall_ns, 0: not ended
    int64_t new_failures; // attempts that failed since the row was sent last
    struct pt_join join;
};

// What a new pull learns of rows of its node. Text is borrowed until something changes.
struct pt_row_taken {
    const char *key;       // of the row that it goes on in; NULL: it gets one of its own
    bool is_counted;       // it is the attempt whose failure that row has counted
    bool has_come;         // likewise, the success with which that row has ended
    const char *image_key; // of the row that its image would have; NULL: not known
    int64_t waits_since;   // what that row's id would be made of, too
};

// The row of a pull and the row of an image that waits are taken for each other.
struct pt_row_exchange {
    const char *node_name;
    const char *pull_key;
    const char *row_key;     // of the image that the pull is of
    const char *new_row_key; // of the image that waits
    const char *image_ref;   // of that image
    const char *repository;  // NULL when it is no reference
};

// A copy in one block that free() frees. NULL when out of memory.
struct pt_join *pt_join_copy(const struct pt_join *join);

// Bytes of such a block.
size_t pt_join_size(const struct pt_join *join);

// To see whether it has changed.
uint64_t pt_join_hash(const struct pt_join *join);

#endif
