// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_life.h"
#include "server/store/pull_store.h"

#define SWEEP_ITEMS 1000

bool pt_store_sweep(struct pt_pull_store *store)
{
    int64_t now = pt_clock_monotonic_ns(store->clock);
    int left = SWEEP_ITEMS;
    struct pt_stored_pull *stored;
    pt_store_sweep_nodes(store, now);
    for (; left > 0 && (stored = TAILQ_FIRST(&store->active)); left--) {
        if (now - stored->alive_at < store->settings.stale_timeout_ns)
            break;
        if (stored->life == PT_LIFE_QUEUED || stored->of_kubelet)
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
    return left == 0;
}
