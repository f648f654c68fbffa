// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_store.h"

#include <stdlib.h>

void pt_store_init(struct pt_pull_store *store, const struct pt_store_settings *settings,
                   const struct pt_clock *clock, const struct pt_store_output *output)
{
    *store = (struct pt_pull_store){.settings = *settings, .clock = clock, .output = *output};
    store->memory = settings->memory ? settings->memory : &store->own_memory;
    pt_map_init(&store->nodes);
    pt_map_init(&store->pulls);
    pt_map_init(&store->counted);
    TAILQ_INIT(&store->nodes_by_report);
    TAILQ_INIT(&store->all);
    LIST_INIT(&store->walks);
    TAILQ_INIT(&store->active);
    TAILQ_INIT(&store->finished);
    // Microseconds: no server sees a million changes a second, so that one started later counts on
    // from a higher number. They fit a JSON reader's 53 bits until the year 2255.
    pt_change_log_init(&store->changes, (uint64_t)pt_clock_wall_ns(clock) / 1000);
}

void pt_store_finish(struct pt_pull_store *store)
{
    size_t cursor = 0;
    struct pt_stored_pull *stored;
    while ((stored = pt_map_next(&store->pulls, &cursor)))
        pt_stored_pull_destroy(stored);
    cursor = 0;
    struct pt_node *node;
    while ((node = pt_map_next(&store->nodes, &cursor)))
        pt_node_destroy(node);
    pt_map_finish(&store->pulls);
    pt_map_finish(&store->nodes);
    pt_map_finish(&store->counted);
    pt_change_log_finish(&store->changes);
}

// --- pulls ---

void pt_stored_pull_unpin(struct pt_stored_pull *stored)
{
    if (--stored->pins == 0 && stored->life == PT_LIFE_GONE)
        pt_stored_pull_destroy(stored);
}

void pt_store_notify(struct pt_pull_store *store)
{
    if (!store->changes.has_news)
        return;
    store->changes.has_news = false;
    store->output.on_change(store->output.context);
}
