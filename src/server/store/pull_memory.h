// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_MEMORY_H
#define PT_SERVER_STORE_PULL_MEMORY_H

#include "base/error.h"
#include "server/store/pull_store_internal.h"

// How much of the store's memory each pull takes. For the store's own files. A node has a sixteenth
// of it, or PT_LIMIT_LOWEST_NODE_BYTES, so that one alone fills no store.

// Brings what is counted for the pull up to date; to be called after each change of its text or
// layers.
void pt_pull_memory_count(struct pt_pull_store *store, struct pt_stored_pull *stored);

// The pull leaves the store: it counts no more.
void pt_pull_memory_uncount(struct pt_pull_store *store, struct pt_stored_pull *stored);

// Makes room for what `reported` takes beyond what `stored` (NULL: it is new) has, by letting the
// oldest finished pulls go. -EFBIG when the node's share is full nevertheless, -ENOBUFS when the
// store's is; both are counted.
PT_MUST_CHECK int pt_pull_memory_make_room(struct pt_pull_store *store, struct pt_node *node,
                                           const struct pt_stored_pull *stored,
                                           const struct pt_pull *reported);

// The same in steps: -EINPROGRESS when it has let go some and is to be called again. *removed, 0 at
// first, counts them all.
PT_MUST_CHECK int pt_pull_memory_make_some_room(struct pt_pull_store *store, struct pt_node *node,
                                                const struct pt_stored_pull *stored,
                                                const struct pt_pull *reported, int *removed);

// The most that a node's pulls may take.
int64_t pt_pull_memory_of_node(const struct pt_pull_store *store);

#endif
