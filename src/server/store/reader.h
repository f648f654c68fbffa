// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_READER_H
#define PT_SERVER_STORE_READER_H

#include "pull/event.h"
#include "pull/join.h"
#include "pull/model.h"
#include "server/figures/node_past.h"
#include "server/figures/registries.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

// What the rest of the server sees of the store: figures, pulls, nodes, and the order in which they
// changed. All that is returned is borrowed and valid until the store changes, unless it is pinned.
struct pt_node;
struct pt_pull_store;
struct pt_stored_pull;

// --- the whole ---

struct pt_store_figures {
    size_t pulls;                         // of all that follow
    size_t under_way, queued;             // under way: begun and not ended
    size_t failing;                       // ended as failed, and waited for
    size_t completed, failed;             // that are kept
    size_t checks;                        // that are kept; they are not among the completed
    size_t nodes_reporting, nodes_silent; // whose agents report, or have stopped
    uint64_t received_bytes;              // of all nodes, since the start
    int64_t history_ns;                   // how long finished pulls stay
};

struct pt_store_figures pt_store_figures(const struct pt_pull_store *store);

// Bytes per second of all nodes now.
double pt_store_speed(const struct pt_pull_store *store);

// How long completed pulls took: `share` (0 to 1) of them less than this; negative: there is none.
double pt_store_pull_seconds(const struct pt_pull_store *store, double share);

const struct pt_registries *pt_store_registries(const struct pt_pull_store *store);

// --- a pull ---

#define PT_PULL_ID_LENGTH 32
#define PT_PULL_ID_SIZE (PT_PULL_ID_LENGTH + 1)

// By its id; NULL: it is not there, or no longer.
struct pt_stored_pull *pt_store_find(const struct pt_pull_store *store, const char *id);

const char *pt_stored_pull_id(const struct pt_stored_pull *stored);
const char *pt_stored_pull_node_name(const struct pt_stored_pull *stored);

// What its agent, or Kubernetes, has reported of it; its id is NULL.
const struct pt_pull *pt_stored_pull_model(const struct pt_stored_pull *stored);

// What Kubernetes knows of it; NULL: nothing.
const struct pt_join *pt_stored_pull_join(const struct pt_stored_pull *stored);

// The name that readers see.
const char *pt_stored_pull_image_ref(const struct pt_stored_pull *stored);

// wall_ns on the node, of the report that changed it last.
int64_t pt_stored_pull_reported_at(const struct pt_stored_pull *stored);

// How its agent names it; NULL: no agent of ours has reported it.
const char *pt_stored_pull_agent_id(const struct pt_stored_pull *stored);

// Attempts that became an event as failed.
int64_t pt_stored_pull_failures(const struct pt_stored_pull *stored);

// monotonic_ns, of one that is final.
int64_t pt_stored_pull_ended_ns(const struct pt_stored_pull *stored);

// Completed, failed or cancelled; one that was given up may go on yet.
bool pt_stored_pull_is_final(const struct pt_stored_pull *stored);

// Likewise, but not one that was given up.
bool pt_stored_pull_has_ended(const struct pt_stored_pull *stored);

// Whether nothing can have come of that pull since: it has completed. One that has failed may go on
// in its row.
bool pt_store_knows_end(const struct pt_pull_store *store, const char *id);

// Known from Kubernetes alone: no agent reports it.
bool pt_stored_pull_is_of_kubelet(const struct pt_stored_pull *stored);

// Likewise, and it has completed, or has failed and nobody waits for it any more.
bool pt_stored_pull_is_ended_row(const struct pt_stored_pull *stored);

// What it has reached; never goes back.
double pt_stored_pull_percent(const struct pt_stored_pull *stored);

// Bytes per second now; 0 for a pull that downloads nothing.
double pt_stored_pull_speed(const struct pt_stored_pull *stored);

// For how long no byte has come to one that downloads; 0: not for long.
double pt_stored_pull_stalled_seconds(const struct pt_stored_pull *stored);

// Whether a container waits for it now.
bool pt_stored_pull_is_waited_for(const struct pt_stored_pull *stored);

// What holds it up, as was noted last.
enum pt_hold_up_kind pt_stored_pull_hold_up(const struct pt_stored_pull *stored);

// Everything that a reader gets of it. `layer_rates` has room for all layers; the status borrows
// from both.
struct pt_pull_status pt_stored_pull_status(const struct pt_stored_pull *stored,
                                            struct pt_layer_rate *layer_rates);

// --- changes: each gives a pull the next version; versions only grow ---

// Versions up to the first are from an earlier run of the server.
uint64_t pt_store_first_version(const struct pt_pull_store *store);
uint64_t pt_store_newest_version(const struct pt_pull_store *store);

// The first pull that changed after `version`, NULL if there is none. Costs a binary search;
// *ret_cursor is for pt_store_changed_next.
struct pt_stored_pull *pt_store_changed_after(const struct pt_pull_store *store, uint64_t version,
                                              size_t *ret_cursor);
struct pt_stored_pull *pt_store_changed_next(const struct pt_pull_store *store, size_t *cursor);

struct pt_pull_versions {
    uint64_t newest; // when it changed last
    uint64_t created;
    uint64_t final; // 0: not final
};

struct pt_pull_versions pt_stored_pull_versions(const struct pt_stored_pull *stored);

// Versions of its pull.
struct pt_layer_versions {
    uint64_t newest;    // when the layer changed last
    uint64_t started;   // when its download began; 0: not begun
    uint64_t completed; // when its download ended; 0: not ended
};

struct pt_layer_versions pt_stored_pull_layer_versions(const struct pt_stored_pull *stored,
                                                       size_t layer_index);

// --- all pulls, in the order in which they came ---

// A way through them that may take many turns of the loop: what comes meanwhile is met, what goes
// before its turn is not. Pins nothing.
struct pt_store_walk {
    struct pt_stored_pull *next; // NULL: at the end
    LIST_ENTRY(pt_store_walk) in_store;
};

// The walk stays where it is until it is ended.
void pt_store_walk_begin(struct pt_pull_store *store, struct pt_store_walk *walk);
void pt_store_walk_end(struct pt_store_walk *walk);

// The next pull; NULL: that was the last.
struct pt_stored_pull *pt_store_walk_next(struct pt_store_walk *walk);

// --- nodes ---

struct pt_node_status {
    const char *name;
    const char *agent_version, *runtime_name, *runtime_version; // NULL: not reported
    int64_t reported_at;                                        // wall_ns; 0: never
    size_t active_pulls;
    double bytes_per_second;
    bool is_silent;
};

// An agent has reported from it, perhaps long ago.
bool pt_node_has_reported(const struct pt_node *node);
bool pt_node_is_silent(const struct pt_node *node);
int64_t pt_node_reported_at(const struct pt_node *node); // wall_ns; 0: never

struct pt_node_status pt_node_status(const struct pt_node *node);

// NULL: there is none of that name.
struct pt_node *pt_store_find_node(const struct pt_pull_store *store, const char *name);

// All nodes in any order, from *cursor = 0 on; NULL: that was the last.
struct pt_node *pt_store_next_node(const struct pt_pull_store *store, size_t *cursor);

// All nodes as they came, the one behind `node` (NULL: the first); NULL: that was the last. Who
// goes on from a node in a later turn of the loop pins it meanwhile.
struct pt_node *pt_store_node_after(const struct pt_pull_store *store, const struct pt_node *node);

// Whether it came after `other`, which may be NULL: before all.
bool pt_node_came_after(const struct pt_node *node, const struct pt_node *other);

// The pull or row under that key of its node, as hooks and joins name it; NULL: there is none.
const struct pt_stored_pull *pt_node_find_pull(const struct pt_node *node, const char *key);

// The pulls of a node that are under way (queued ones too) and those that have ended, each oldest
// first; `stored` NULL: the first of them.
struct pt_stored_pull *pt_node_next_active(const struct pt_node *node,
                                           const struct pt_stored_pull *stored);
struct pt_stored_pull *pt_node_next_finished(const struct pt_node *node,
                                             const struct pt_stored_pull *stored);

// A way through one of these lists that may take many turns of the loop: what leaves the list
// before its turn is not met. The node is to be pinned as long.
struct pt_node_walk {
    struct pt_stored_pull *next; // NULL: at the end
    LIST_ENTRY(pt_node_walk) in_store;
};

void pt_node_walk_begin(struct pt_pull_store *store, struct pt_stored_pull *first,
                        struct pt_node_walk *walk);
void pt_node_walk_end(struct pt_node_walk *walk);
struct pt_stored_pull *pt_node_walk_next(struct pt_node_walk *walk);

// Which of those under way has begun first, noted by whoever has been through them. It is forgotten
// when that pull ends; NULL: not known.
void pt_node_note_first(struct pt_node *node, const struct pt_stored_pull *stored);
const struct pt_stored_pull *pt_node_first(const struct pt_node *node);

// Notes a look in that step, which is not older than the newest. Nothing is kept where there is
// no room.
void pt_node_note_past(struct pt_pull_store *store, struct pt_node *node, uint64_t step,
                       double bytes_per_second, size_t stalled);
void pt_node_note_past_failed(struct pt_pull_store *store, struct pt_node *node, uint64_t step);

// Something has been noted lately.
bool pt_node_has_past(const struct pt_node *node);

// All zero for a step in which nothing was noted, or that is not kept any more.
struct pt_node_past_step pt_node_past_at(const struct pt_node *node, uint64_t step);

// Lets it go if none of its steps is kept any more when this one is the newest.
void pt_node_let_past_go(struct pt_pull_store *store, struct pt_node *node, uint64_t newest_step);

// A node that is pinned stays.
void pt_node_pin(struct pt_node *node);
void pt_node_unpin(struct pt_node *node);

#endif
