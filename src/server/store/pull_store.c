// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_store.h"

#include "server/store/pull_id.h"
#include "server/store/pull_life.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pt_store_init(struct pt_pull_store *store, const struct pt_store_settings *settings,
                   const struct pt_clock *clock, pt_store_on_event *on_event, void *context)
{
    *store = (struct pt_pull_store){
        .settings = *settings, .clock = clock, .on_event = on_event, .context = context};
    pt_map_init(&store->nodes);
    pt_map_init(&store->pulls);
    pt_map_init(&store->counted);
    TAILQ_INIT(&store->nodes_by_report);
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
    if (--stored->pins == 0 && stored->removed)
        pt_stored_pull_destroy(stored);
}

static bool make_room(struct pt_pull_store *store)
{
    if (store->pulls.count < store->settings.max_pulls)
        return true;
    if (TAILQ_EMPTY(&store->finished))
        return false;
    pt_life_remove(store, TAILQ_FIRST(&store->finished));
    return true;
}

static bool has_key(const struct pt_stored_pull *stored, const struct pt_node *node,
                    const char *key)
{
    return stored->node == node && strcmp(stored->key, key) == 0;
}

int pt_store_add(struct pt_pull_store *store, struct pt_node *node, const char *key, int64_t salt,
                 struct pt_stored_pull **ret_stored)
{
    struct pt_stored_pull *stored = pt_stored_pull_create(node, key, salt);
    if (!stored)
        return -ENOMEM;
    struct pt_stored_pull *earlier;
    int r = 0;
    while ((earlier = pt_map_get(&store->pulls, stored->id)) && !has_key(earlier, node, key)) {
        r = pt_pull_id_make(node->name, key, ++salt, stored->id); // a pull has taken that row over
        if (r < 0) {
            pt_stored_pull_destroy(stored);
            return r;
        }
    }
    if (earlier) { // a legacy pull that had been missing in one report
        pt_stored_pull_destroy(stored);
        *ret_stored = earlier;
        return pt_life_revive(store, earlier);
    }
    if (!make_room(store)) {
        pt_stored_pull_destroy(stored);
        return -EDQUOT;
    }
    r = pt_map_put(&store->pulls, stored->id, stored);
    if (r == 0 && (r = pt_map_put(&node->pulls, stored->key, stored)) == 0)
        r = pt_change_log_add(&store->changes, stored);
    if (r < 0) {
        pt_map_remove(&node->pulls, stored->key);
        pt_map_remove(&store->pulls, stored->id);
        pt_stored_pull_destroy(stored);
        return r;
    }
    stored->created_version = stored->version;
    pt_life_activate(store, stored);
    *ret_stored = stored;
    return 0;
}
