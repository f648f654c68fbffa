// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_WALK_H
#define PT_SERVER_STORE_WALK_H

#include <sys/queue.h>

struct pt_pull_store;
struct pt_stored_pull;

// A way through all pulls of the store, in the order in which they came, that may take many turns
// of the loop: what comes meanwhile is met, what goes before its turn is not. Pins nothing.
struct pt_store_walk {
    struct pt_stored_pull *next; // NULL: at the end
    LIST_ENTRY(pt_store_walk) in_store;
};

LIST_HEAD(pt_store_walk_list, pt_store_walk);

// The walk stays where it is until it is ended.
void pt_store_walk_begin(struct pt_pull_store *store, struct pt_store_walk *walk);
void pt_store_walk_end(struct pt_store_walk *walk);

// The next pull, valid until the store changes; NULL: that was the last.
struct pt_stored_pull *pt_store_walk_next(struct pt_store_walk *walk);

// Leads all walks past a pull that leaves the store; for the store's own files.
void pt_store_walk_past(struct pt_pull_store *store, const struct pt_stored_pull *stored);

#endif
