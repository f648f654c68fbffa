// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_APPLY_PULL_H
#define PT_SERVER_STORE_APPLY_PULL_H

#include "base/map.h"
#include "server/store/pull_store_internal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How one pull of a report changes the store. Used by apply.c only.

enum pt_apply_stage {
    PT_APPLY_PULLS,
    PT_APPLY_MERGED, // what a legacy agent cannot name
    PT_APPLY_ABSENT, // what the report leaves out
    PT_APPLY_DONE,
};

// A report that is being applied to its node.
struct pt_application {
    struct pt_pull_store *store;
    struct pt_node *node;
    const struct pt_report *report;
    const struct pt_replay *replay; // NULL: this server takes it
    enum pt_apply_stage stage;
    bool is_late;
    size_t next;                // of the report's pulls
    int removed;                // pulls that made room for that one
    struct pt_node_walk active; // of the node's, once it is the turn of those that are absent
    struct pt_map counted;      // digests whose new bytes have been counted
    int64_t received_before, reported_before;
    int failure; // the worst so far
};

// Takes over one pull of the report; `merged`: it stands for all that a legacy agent cannot name.
// -EINPROGRESS: it has made some room, and is to be called again. Else what pt_store_apply says.
PT_MUST_CHECK int pt_apply_pull(struct pt_application *application, const struct pt_pull *reported,
                                bool merged);

// Ends an active pull of the node, if the report's leaving it out says so.
void pt_apply_absence(struct pt_application *application, struct pt_stored_pull *stored);

#endif
