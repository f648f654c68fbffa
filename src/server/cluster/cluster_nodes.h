// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CLUSTER_CLUSTER_NODES_H
#define PT_SERVER_CLUSTER_CLUSTER_NODES_H

#include "base/error.h"
#include "kube/kube_client.h"
#include "kube/kube_watch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

// The nodes that the cluster has, each with its runtime, whether an agent reports from it or not.
// The right to list nodes is optional: without it there are none here.
struct pt_cluster_nodes;

struct pt_cluster_node {
    const char *name;
    const char *runtime_name;    // as `containerd`, `cri-o`, `docker`; NULL: not known
    const char *runtime_version; // NULL: not known
};

// Nodes beyond `max_nodes` are left out and counted. The client is borrowed; NULL, for tests:
// nothing is watched.
PT_MUST_CHECK int pt_cluster_nodes_create(const struct pt_kube_client *client, size_t max_nodes,
                                          struct pt_cluster_nodes **ret_nodes,
                                          struct pt_error *err);
void pt_cluster_nodes_destroy(struct pt_cluster_nodes *nodes);

// The node of that name, NULL if it is not known or `nodes` is NULL. Borrowed until the loop turns.
const struct pt_cluster_node *pt_cluster_nodes_find(const struct pt_cluster_nodes *nodes,
                                                    const char *name);

// A way through all nodes that may take many turns of the loop: what comes meanwhile is met, what
// goes before its turn is not, and none twice. It is over at the latest when the nodes are
// destroyed.
struct pt_cluster_walk {
    struct known_node *next; // NULL: at the end
    bool is_under_way;
    LIST_ENTRY(pt_cluster_walk) in_nodes;
};

// `nodes` may be NULL: there are none. The walk stays where it is until it is ended.
void pt_cluster_walk_begin(struct pt_cluster_nodes *nodes, struct pt_cluster_walk *walk);
void pt_cluster_walk_end(struct pt_cluster_walk *walk);

// The next node; NULL: that was the last.
const struct pt_cluster_node *pt_cluster_walk_next(struct pt_cluster_walk *walk);

// How often a node was left out.
uint64_t pt_cluster_nodes_left_out(const struct pt_cluster_nodes *nodes);

const struct pt_kube_watch_state *pt_cluster_nodes_state(const struct pt_cluster_nodes *nodes);

// --- what an object of the API says; for the watch and for tests ---

// Adds the node of that object, or removes it. -EINVAL if it has no name.
PT_MUST_CHECK int pt_cluster_nodes_apply(struct pt_cluster_nodes *nodes, enum pt_kube_change change,
                                         yyjson_val *object);

#endif
