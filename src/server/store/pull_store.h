// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_STORE_H
#define PT_SERVER_STORE_PULL_STORE_H

#include "base/clock.h"
#include "base/error.h"
#include "base/map.h"
#include "base/memory_share.h"
#include "pull/join.h"
#include "pull/report.h"
#include "server/store/change_log.h"
#include "server/store/duration_histogram.h"
#include "server/store/node.h"
#include "server/store/registries.h"
#include "server/store/stored_pull.h"
#include "server/store/walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

// All pulls of all nodes, as their agents' reports tell it. Work for a report is in proportion to
// that report.

struct pt_store_settings {
    size_t max_pulls;
    size_t max_nodes;
    int64_t history_ttl_ns;         // how long finished pulls stay
    int64_t stale_timeout_ns;       // a pull that nothing is heard of for so long has failed
    struct pt_memory_share *memory; // what pulls may take; NULL: as much as there is
};

struct pt_store_output {
    // A pull started, completed or failed; the store has changed already.
    void (*on_event)(void *context, enum pt_event_type type, const struct pt_stored_pull *stored);
    // Readers see something new. Called at the end of each call that changes the store, once.
    void (*on_change)(void *context);
    void *context;
};

// Who knows more of the pulls than their agents; all may be NULL.
struct pt_store_hooks {
    // A pull that has no row: whether it gets none yet, since the row of an image stands for it.
    bool (*hold_back)(void *context, const char *node_name, const char *key,
                      const struct pt_pull *told);
    // The key of a row of that node which a new pull continues, or NULL. The row is the pull's.
    const char *(*take_over_row)(void *context, const char *node_name, const struct pt_pull *told);
    // A pull is new, or its names, digests or final phase are.
    void (*on_named)(void *context, const struct pt_stored_pull *stored);
    // A pull leaves the store, or was given up.
    void (*on_gone)(void *context, const struct pt_stored_pull *stored);
    void *context;
};

struct pt_pull_store {
    struct pt_store_settings settings;
    const struct pt_clock *clock;
    struct pt_memory_share *memory;
    struct pt_memory_share own_memory; // without an end
    struct pt_store_output output;
    struct pt_store_hooks hooks;
    struct pt_map nodes; // by name
    struct pt_map pulls; // by id
    struct pt_node_list nodes_by_report;
    struct pt_stored_pull_list all; // as they came
    struct pt_store_walk_list walks;
    struct pt_stored_pull_list active;   // by alive_at, oldest first
    struct pt_stored_pull_list finished; // by finished_at, oldest first
    struct pt_change_log changes;
    struct pt_duration_histogram durations; // of the completed pulls that are kept
    double extract_bytes_per_second;        // of all nodes, 0: unknown
    size_t queued_count;                    // of the active ones
    size_t active_count, completed_count, failed_count, silent_count;
    struct pt_map counted;   // digests whose new bytes the report at hand has counted
    uint64_t received_bytes; // of all nodes, since the start
    struct pt_registries registries;
};

void pt_store_init(struct pt_pull_store *store, const struct pt_store_settings *settings,
                   const struct pt_clock *clock, const struct pt_store_output *output);
void pt_store_finish(struct pt_pull_store *store);

// Applies a report. -EAGAIN: too soon after the node's last (500 ms, or half the interval that it
// says it has, 100 at least); -ENOSPC: a new node at the limit; -EDQUOT: the limit of pulls left
// some of them out, -E2BIG: that of the node; -ENOBUFS: the limit of their memory, -EFBIG: that of
// the node; the rest is applied; -ENOMEM.
PT_MUST_CHECK int pt_store_apply(struct pt_pull_store *store, const struct pt_report *report,
                                 struct pt_error *err);

// Applies what correlate concludes for the pull under that key of the node, if it is there.
void pt_store_apply_join(struct pt_pull_store *store, const char *node_name, const char *key,
                         const struct pt_join *join);

// Applies a row of correlate's own; one that the store has no room for is left out.
void pt_store_apply_row(struct pt_pull_store *store, const struct pt_image_row *row);

// Gives a pull and the row of an image that waits each other's id; out of memory changes nothing.
void pt_store_exchange_rows(struct pt_pull_store *store, const struct pt_row_exchange *exchange);

// Lets go what is too old and marks what nothing is heard of. To be called about every second;
// does a bounded part of the work and returns whether more is left.
bool pt_store_sweep(struct pt_pull_store *store);

static inline struct pt_stored_pull *pt_store_find(const struct pt_pull_store *store,
                                                   const char *id)
{
    return pt_map_get(&store->pulls, id);
}

// An answer that is sent in parts pins what it still has to tell.
static inline void pt_stored_pull_pin(struct pt_stored_pull *stored)
{
    stored->pins++;
}

void pt_stored_pull_unpin(struct pt_stored_pull *stored);

// Calls on_change if something has changed since; for the store's own files.
void pt_store_notify(struct pt_pull_store *store);

#endif
