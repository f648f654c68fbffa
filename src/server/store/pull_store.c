// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_life.h"
#include "server/store/pull_store_internal.h"

#include <stdlib.h>

#define SWEEP_ITEMS 100

struct pt_pull_store *pt_store_create(const struct pt_store_settings *settings,
                                      const struct pt_clock *clock,
                                      const struct pt_store_output *output)
{
    struct pt_pull_store *store = calloc(1, sizeof(*store));
    if (!store)
        return NULL;
    store->settings = *settings;
    store->clock = clock;
    store->began_ns = pt_clock_monotonic_ns(clock);
    store->output = *output;
    store->memory = settings->memory ? settings->memory : &store->own_memory;
    pt_map_init(&store->nodes);
    pt_map_init(&store->pulls);
    pt_map_init(&store->versions);
    TAILQ_INIT(&store->nodes_by_report);
    TAILQ_INIT(&store->nodes_in_order);
    TAILQ_INIT(&store->all);
    LIST_INIT(&store->walks);
    LIST_INIT(&store->node_walks);
    TAILQ_INIT(&store->active);
    TAILQ_INIT(&store->finished);
    // Microseconds: no server sees a million changes a second, so that one started later counts on
    // from a higher number. They fit a JSON reader's 53 bits until the year 2255.
    pt_change_log_init(&store->changes, (uint64_t)pt_clock_wall_ns(clock) / 1000);
    return store;
}

void pt_store_destroy(struct pt_pull_store *store)
{
    if (!store)
        return;
    size_t cursor = 0;
    struct pt_stored_pull *stored;
    while ((stored = pt_map_next(&store->pulls, &cursor)))
        pt_stored_pull_destroy(stored);
    cursor = 0;
    struct pt_node *node;
    while ((node = pt_map_next(&store->nodes, &cursor)))
        pt_node_destroy(store, node);
    pt_map_finish(&store->pulls);
    pt_map_finish(&store->nodes);
    pt_map_finish(&store->versions);
    pt_change_log_finish(&store->changes);
    free(store);
}

void pt_store_set_hooks(struct pt_pull_store *store, const struct pt_store_hooks *hooks)
{
    store->hooks = hooks ? *hooks : (struct pt_store_hooks){0};
}

bool pt_store_is_replaying(const struct pt_pull_store *store)
{
    return store->is_replaying;
}

void pt_store_set_shared(struct pt_pull_store *store)
{
    store->is_shared = true;
}

bool pt_store_is_to_claim(const struct pt_pull_store *store)
{
    return store->is_shared && !store->is_applying;
}

bool pt_store_is_replaying_past(const struct pt_pull_store *store)
{
    return store->is_past;
}

void pt_store_notify(struct pt_pull_store *store)
{
    if (!store->changes.has_news)
        return;
    store->changes.has_news = false;
    store->output.on_change(store->output.context);
}

void pt_store_set_hold_up(struct pt_pull_store *store, struct pt_stored_pull *stored,
                          const struct pt_hold_up *hold_up)
{
    struct pt_stored_hold_up *known = &stored->hold_up;
    const char *pull_id = hold_up->pull_id ? hold_up->pull_id : "";
    bool is_other = known->kind != hold_up->kind || strcmp(known->pull_id, pull_id) != 0;
    if (known->kind != hold_up->kind)
        known->since = hold_up->since;
    known->kind = hold_up->kind;
    snprintf(known->pull_id, sizeof(known->pull_id), "%s", pull_id);
    known->node_bytes_per_second = hold_up->node_bytes_per_second;
    known->registry_bytes_per_second = hold_up->registry_bytes_per_second;
    if (is_other)
        pt_change_log_touch(&store->changes, stored);
    pt_store_notify(store);
}

// Our own agent says itself when it gives a pull up: it sees more of it than what moves here.
static bool is_in_good_hands(const struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    if (store->holds_still && stored->node->is_of_others)
        return true;
    return !stored->legacy && !stored->node->silent && pt_life_is_named(stored);
}

bool pt_store_sweep(struct pt_pull_store *store)
{
    int64_t now = pt_clock_monotonic_ns(store->clock);
    int left = SWEEP_ITEMS;
    struct pt_stored_pull *stored;
    if (!store->has_swept_nodes)
        store->has_swept_nodes = pt_store_sweep_nodes(store, now, &left);
    for (; left > 0 && (stored = TAILQ_FIRST(&store->active)); left--) {
        if (now - stored->alive_at < store->settings.stale_timeout_ns)
            break;
        if (stored->life == PT_LIFE_QUEUED || stored->of_kubelet || is_in_good_hands(store, stored))
            pt_life_keep_alive(store, stored, now); // whoever waits may wait
        else
            pt_life_give_up(store, stored);
    }
    for (; left > 0 && (stored = TAILQ_FIRST(&store->finished)); left--) {
        if (now - stored->finished_at < store->settings.history_ttl_ns)
            break;
        pt_life_remove(store, stored);
    }
    pt_store_notify(store);
    if (left <= 0)
        return true;
    store->has_swept_nodes = false; // the next sweep begins anew
    return false;
}
