// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CORRELATE_CORRELATE_H
#define PT_SERVER_CORRELATE_CORRELATE_H

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "kube/kube_object.h"
#include "kube/pod_watch.h"
#include "pull/failure_class.h"
#include "pull/join.h"
#include "pull/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Joins the pulls that agents report with the containers that wait and with what the kubelet says.
// Pure: it takes what happens and the time, and emits what follows. Work for a change is in
// proportion to its node. docs/kubernetes.md has the rules.
struct pt_correlate;

struct pt_correlate_output {
    // Something about this pull has changed.
    void (*on_join)(void *context, const char *node_name, const char *key,
                    const struct pt_join *join);
    // A row appears or has changed. Completed, cancelled, and failed when nothing waits any more:
    // these are the last words on it.
    void (*on_row)(void *context, const struct pt_image_row *row);
    // A pull and the row of an image that waits change places: the pull is of that image, and what
    // waits is what the pull seemed to be of.
    void (*on_exchange)(void *context, const struct pt_row_exchange *exchange);
    // Whether an agent reports from the node, so that a pull will be reported; NULL: from each.
    bool (*has_agent)(void *context, const char *node_name);
    // There is something to flush; may be NULL.
    void (*on_dirty)(void *context);
    void *context;
};

// Nodes beyond `max_nodes` are left out.
PT_MUST_CHECK int pt_correlate_create(const struct pt_clock *clock, size_t max_nodes,
                                      const struct pt_correlate_output *output,
                                      struct pt_correlate **ret_correlate);
void pt_correlate_destroy(struct pt_correlate *correlate);

// --- what happens; when memory runs out, a change is left out ---

// A pod waits, as pt_pod_watch has seen it.
void pt_correlate_pod(struct pt_correlate *correlate, const struct pt_kube_pod *listed);
void pt_correlate_pod_end(struct pt_correlate *correlate, const char *uid, enum pt_pod_end end);
void pt_correlate_event(struct pt_correlate *correlate, const struct pt_kube_event *event);

// A pull is new, or its names, digests or final phase are. `key` names its row on the node.
void pt_correlate_pull(struct pt_correlate *correlate, const char *node_name, const char *key,
                       const struct pt_pull *reported);

// The row of a pull is gone.
void pt_correlate_pull_gone(struct pt_correlate *correlate, const char *node_name, const char *key);

// Before a pull gets a row, at each report of it: whether it has none, because it has no name yet
// and the row of an image that is waited for stands for it, or because the first lists have not
// come and it `is_older` than the server.
bool pt_correlate_hold_back(struct pt_correlate *correlate, const char *node_name, const char *key,
                            const struct pt_pull *reported, bool is_older);

// Before a pull gets a row: takes over the queued or failed row that it goes on in.
// ret_taken->is_counted: the kubelet's words on the failure of this very attempt came before the
// agent's first ones on its beginning. Returns ret_taken->key, valid until the next call.
const char *pt_correlate_take_over_row(struct pt_correlate *correlate, const char *node_name,
                                       const struct pt_pull *reported,
                                       struct pt_row_taken *ret_taken);

// The server has just started, and the first lists are under way: until they have come, no pull
// that is older gets a row, since the one that it had before may be that of an image which waits.
void pt_correlate_set_listing(struct pt_correlate *correlate, bool is_listing);

// --- what follows ---

// Calls the outputs for what changed, node by node until `max_items` pods, pulls and images have
// been looked at, each with all that it is compared with; returns whether more is left.
bool pt_correlate_flush(struct pt_correlate *correlate, size_t max_items);

// Lets time pass; to be called about every second, before a flush. Work is in proportion to the
// nodes for which something is due; of many some are left, which is returned: a flush and another
// tick follow.
bool pt_correlate_tick(struct pt_correlate *correlate);

// --- pods, for readers; all is borrowed until something happens or follows ---

struct correlate_pod;

enum pt_pod_container_state {
    PT_POD_CONTAINER_WAITING, // for its image
    PT_POD_CONTAINER_FAILED,  // likewise, and the last attempt to pull it failed
    PT_POD_CONTAINER_READY,   // its image is there, it has not started
    PT_POD_CONTAINER_STARTED, // or has gone with its pod
};

struct pt_pod_container {
    const char *name;
    const char *image; // as the pod's spec names it
    enum pt_kube_container_kind kind;
    enum pt_pod_container_state state;
    int64_t since;          // wall_ns, when it began to wait
    const char *repository; // of the image; NULL when it is no reference
    const char *pull_key;   // of the pull or row that it waits for, on the pod's node; NULL: none
    enum pt_failure_class error_class; // of one that failed, as the words say
    int64_t next_attempt_at;           // likewise, wall_ns; 0: not known
};

// What became of a pod.
enum pt_pod_outcome {
    PT_POD_WAITS,
    PT_POD_HAS_ALL,  // its images have all come, or it started
    PT_POD_WAS_GONE, // it was deleted, evicted or moved
    PT_POD_HAS_LEFT, // it left the pods that wait before its images were seen to come
};

struct pt_pod_view {
    const char *uid;
    const char *name_space;
    const char *name;
    const char *node_name;
    bool is_waiting; // a container has not started
    bool waits_for_volume, waits_for_sandbox;
    int64_t since;    // wall_ns, of the first of them
    int64_t ended_at; // wall_ns, when the last of them waited no more; 0: one waits, or not known
    enum pt_pod_outcome outcome;
    size_t container_count;
    struct pt_pod_container containers[PT_LIMIT_CONTAINERS_PER_POD]; // in the order of their start
};

void pt_correlate_view_pod(const struct correlate_pod *pod, struct pt_pod_view *ret_view);

// Keeps what was seen last of a pod for so long after it has got all or is gone, at most
// PT_LIMIT_GONE_PODS of them and these bytes. Without this call, none is kept.
void pt_correlate_keep_pods(struct pt_correlate *correlate, int64_t ttl_ns, size_t max_bytes);

// What was seen last of a pod that no longer waits; false: nothing is kept of that name.
bool pt_correlate_view_gone_pod(const struct pt_correlate *correlate, const char *name_space,
                                const char *name, struct pt_pod_view *ret_view);

// The pod of that name, NULL if none is known; of several, the one that came last.
const struct correlate_pod *pt_correlate_find_pod(const struct pt_correlate *correlate,
                                                  const char *name_space, const char *name);

// Pods are numbered from 1 on as they come to be known. The first pod with a higher number, whether
// or not that number's pod is still there; NULL: there is none. Quick, however many there are.
const struct correlate_pod *pt_correlate_next_pod(const struct pt_correlate *correlate,
                                                  uint64_t number);
uint64_t pt_correlate_pod_number(const struct correlate_pod *pod);

struct pt_correlate_figures {
    size_t waiting_containers;
    size_t waiting_pods; // that lack an image
    size_t nodes;
    uint64_t left_out_pods;  // not taken in, since their node has too many
    uint64_t left_out_nodes; // not taken in, with a pod or a pull of theirs
    uint64_t shortened;      // pulls that were not compared with all containers of their node
    size_t gone_pods;        // that are kept
    uint64_t dropped_pods;   // of these, let go before their time
};

struct pt_correlate_figures pt_correlate_figures(const struct pt_correlate *correlate);

#endif
