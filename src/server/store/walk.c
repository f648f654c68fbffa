// SPDX-License-Identifier: Apache-2.0
#include "server/store/walk.h"

#include "server/store/pull_store.h"

void pt_store_walk_begin(struct pt_pull_store *store, struct pt_store_walk *walk)
{
    walk->next = TAILQ_FIRST(&store->all);
    LIST_INSERT_HEAD(&store->walks, walk, in_store);
}

void pt_store_walk_end(struct pt_store_walk *walk)
{
    LIST_REMOVE(walk, in_store);
}

struct pt_stored_pull *pt_store_walk_next(struct pt_store_walk *walk)
{
    struct pt_stored_pull *stored = walk->next;
    if (stored)
        walk->next = TAILQ_NEXT(stored, in_store);
    return stored;
}

void pt_store_walk_past(struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    struct pt_store_walk *walk;
    LIST_FOREACH(walk, &store->walks, in_store)
    {
        if (walk->next == stored)
            walk->next = TAILQ_NEXT(stored, in_store);
    }
}
