// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_NODE_H
#define PT_SERVER_STORE_NODE_H

#include "base/error.h"
#include "base/map.h"
#include "pull/report.h"
#include "server/store/reader.h"
#include "server/store/stored_pull.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct pt_pull_store;
struct pt_replay;

// How fast all of a node's pulls are. Most nodes pull nothing and have none: of a large cluster's
// memory it would be most.
struct pt_node_flow {
    struct pt_rate rate;     // of the node's received_bytes
    struct pt_pauses pauses; // of the same
};

// A node that reports, and its pulls. Times are the server's own. What a report touches stands
// together, next to the name that the node is found by: of 100,000 nodes none is in the processor's
// cache when its report comes.
struct pt_node {
    struct pt_map pulls;                 // by key
    struct pt_stored_pull_list finished; // oldest first
    size_t active_count;                 // of the active ones
    int64_t bytes;                       // of their memory, and the node's own
    const struct pt_stored_pull *first;  // of the active ones, as was noted last; NULL: not known
    struct pt_node_past *past;           // owned; NULL: it has not pulled lately
    double finish_seconds;               // of its last pulls, from the last extraction to the end
    size_t slots;                        // layers that its runtime downloads at once; 0: unknown
    uint64_t number;                     // grows from node to node as they come
    TAILQ_ENTRY(pt_node) in_order;       // as they came

    // --- of each report ---
    const char *agent_version, *runtime_name, *runtime_version; // shared; NULL: not reported
    struct pt_stored_pull_list active;                          // oldest first
    size_t pull_count;                                          // active and finished
    int64_t received_bytes;          // a layer that several pulls wait for counts once
    struct pt_node_flow *flow;       // owned; NULL: it has no pulls
    int64_t counted_speed;           // of the store's bytes_per_second
    double most_bytes_per_second;    // of all its pulls together, lately
    double extract_bytes_per_second; // of its last pulls, 0: unknown
    int64_t interval_ms;
    int64_t heartbeat_ms;                // asked for when nothing was under way; 0: something was
    int64_t sequence;                    // the highest of that run
    uint64_t agent_run;                  // of the last report; 0: not said
    int64_t newest_timestamp, newest_ns; // by the node's clock; monotonic, when that came
    TAILQ_ENTRY(pt_node) in_store;       // by last report, oldest first
    int64_t reported_wall_ns;
    int64_t reported_ns; // monotonic
    uint32_t report_number;
    uint32_t pins;    // pulls and answers under way that point to it; it stays until there is none
    bool is_applying; // a report is being applied in steps
    bool silent;
    bool is_unheard;   // and no agent has ever reported from it
    bool is_of_others; // its last report came through another server
    char name[];
};

TAILQ_HEAD(pt_node_list, pt_node);

// Bytes per second now; 0 for a node that pulls nothing.
double pt_node_speed(const struct pt_node *node);

// Brings what is counted of its speed up to date; to be called when it may be another.
void pt_node_count_speed(struct pt_pull_store *store, struct pt_node *node);

// Adds a node; NULL with -ENOSPC at the limit and -ENOMEM in `err`, which may be NULL.
struct pt_node *pt_store_add_node(struct pt_pull_store *store, const char *name,
                                  struct pt_error *err);
void pt_node_destroy(struct pt_pull_store *store, struct pt_node *node);

// The node of that name, added as silent when it is not there; NULL at the limit or out of memory.
struct pt_node *pt_store_get_node(struct pt_pull_store *store, const char *name);

// The node of a report that comes not too soon, added if it is new. NULL: -EAGAIN, -ENOSPC,
// -ENOBUFS or -ENOMEM stands in `err`.
struct pt_node *pt_store_admit(struct pt_pull_store *store, const struct pt_report *report,
                               struct pt_error *err);

// Whether a newer report of the node came before. Reports of one process are numbered, from 1; else
// their times say it, if they are no further apart than a report may be on its way. A number that
// is followed by no higher one for a minute was none of the agent's: what is received then is
// believed, but not what had been received before and is only read later.
bool pt_node_is_late(const struct pt_pull_store *store, const struct pt_node *node,
                     const struct pt_report *report, const struct pt_replay *replay);
void pt_node_note_newest(const struct pt_pull_store *store, struct pt_node *node,
                         const struct pt_report *report);

// By this report something has ended in the past: what was held up on its way to this server, and
// was sent before, is late from now on. The report itself may be the newest of all, and still come.
void pt_node_note_old_end(const struct pt_pull_store *store, struct pt_node *node,
                          const struct pt_report *report);

// A report of the node has come, now or as the replay says: it is not silent. -ENOMEM: its versions
// may be those of before.
PT_MUST_CHECK int pt_store_note_report(struct pt_pull_store *store, struct pt_node *node,
                                       const struct pt_report *report,
                                       const struct pt_replay *replay);

// Notes what a report has brought: the speed, and the most that it has been, which follows slowly
// where it falls. `before` is the time of the report before, by the node's clock, and
// `bytes_before` what had been received by then. Without memory the speed is unknown.
void pt_node_note_received(struct pt_node *node, int64_t before, int64_t bytes_before,
                           int64_t timestamp);

// Marks the nodes that have not reported for long, and lets go those that are long gone, as far as
// *left goes, of which it takes one for each node and each pull. True: it has been through all.
bool pt_store_sweep_nodes(struct pt_pull_store *store, int64_t now, int *left);

// Of several pulls of one image at once one fetches, and the others wait for its bytes: whether a
// reported pull waits for one that has begun before it, so that it needs no row as long.
bool pt_node_waits_for_another(const struct pt_node *node, const struct pt_pull *reported);

// It has completed, and another one fetched for it: it is a check.
bool pt_node_has_waited_for_another(const struct pt_node *node, const struct pt_pull *reported);

#endif
