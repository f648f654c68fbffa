// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_STORE_INTERNAL_H
#define PT_SERVER_STORE_PULL_STORE_INTERNAL_H

#include "base/duration_histogram.h"
#include "base/map.h"
#include "server/figures/registries.h"
#include "server/store/change_log.h"
#include "server/store/node.h"
#include "server/store/pull_store.h"
#include "server/store/reader.h"
#include "server/store/stored_pull.h"

// The store's state, for its own files: no other room includes this, node.h or stored_pull.h.

LIST_HEAD(pt_store_walk_list, pt_store_walk);
LIST_HEAD(pt_node_walk_list, pt_node_walk);

struct pt_pull_store {
    struct pt_store_settings settings;
    const struct pt_clock *clock;
    int64_t began_ns; // monotonic
    struct pt_memory_share *memory;
    struct pt_memory_share own_memory; // without an end
    struct pt_store_output output;
    struct pt_store_hooks hooks;
    struct pt_map nodes;    // by name
    struct pt_map pulls;    // by id
    struct pt_map versions; // of agents and runtimes, shared_text.h
    struct pt_node_list nodes_by_report;
    struct pt_node_list nodes_in_order; // as they came
    uint64_t nodes_added;
    struct pt_node *swept_next;     // where the sweep of the nodes goes on; NULL: from the first
    bool has_swept_nodes;           // in the sweep at hand
    struct pt_stored_pull_list all; // as they came
    struct pt_store_walk_list walks;
    struct pt_node_walk_list node_walks;
    struct pt_stored_pull_list active;   // by alive_at, oldest first
    struct pt_stored_pull_list finished; // by finished_at, oldest first
    struct pt_change_log changes;
    struct pt_duration_histogram durations; // of the completed pulls that are kept
    double extract_bytes_per_second;        // of all nodes, 0: unknown
    int64_t bytes_per_second;               // of all nodes now
    size_t queued_count;                    // of the active ones
    size_t failing_count;                   // of the finished ones: failed, and waited for
    size_t active_count, completed_count, failed_count, silent_count;
    size_t unheard_count; // of the silent nodes: no agent has ever reported from them
    size_t check_count;   // completed ones that fetched nothing, which completed_count leaves out
    uint64_t received_bytes; // of all nodes, since the start
    struct pt_registries registries;
    bool is_applying, is_replaying; // a report, at this moment; and one that another has taken
    bool is_shared;
    bool holds_still;                 // as pt_store_hold_still says
    bool is_past;                     // what is being replayed ended before
    int64_t past_age_ns;              // how long ago; else 0
    struct pt_stored_pull *last_past; // of the finished ones, entered last while is_past; or NULL
};

// Calls on_change if something has changed since.
void pt_store_notify(struct pt_pull_store *store);

// Leads all walks past a pull that leaves the store.
void pt_store_walk_past(struct pt_pull_store *store, const struct pt_stored_pull *stored);

// Leads all walks of its node past a pull that leaves its list.
void pt_node_walk_past(struct pt_pull_store *store, const struct pt_stored_pull *stored);

#endif
