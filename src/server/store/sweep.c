// SPDX-License-Identifier: Apache-2.0
#include "base/duration.h"
#include "server/store/pull_life.h"
#include "server/store/pull_store.h"

#include <stdio.h>

#define SWEEP_ITEMS 1000

// --- what time does ---

static void set_reason(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    char text[128], timeout[PT_DURATION_SIZE];
    pt_duration_format(store->settings.stale_timeout_ns, timeout);
    bool silent = stored->node->silent;
    bool named = stored->last_report == stored->node->report_number;
    if (silent)
        snprintf(text, sizeof(text), "the node's agent has not reported for %s", timeout);
    else if (!named)
        snprintf(text, sizeof(text), "the node's agent no longer reports this pull");
    else
        snprintf(text, sizeof(text), "no progress for %s", timeout);
    stored->stuck = !silent && named;
    pt_stored_pull_set_error(stored, text);
}

void pt_store_give_up(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    set_reason(store, stored);
    stored->error_class = PT_ERROR_CLASS_STALE;
    stored->pull.phase = PT_PULL_FAILED;
    stored->pull.completed_at = pt_clock_wall_ns(store->clock);
    stored->reported_at = stored->pull.completed_at;
    pt_change_log_touch(&store->changes, stored);
    pt_life_retire(store, stored);
    pt_life_tell_gone(store, stored);
}

bool pt_store_sweep(struct pt_pull_store *store)
{
    int64_t now = pt_clock_monotonic_ns(store->clock);
    int left = SWEEP_ITEMS;
    struct pt_stored_pull *stored;
    pt_store_sweep_nodes(store, now);
    for (; left > 0 && (stored = TAILQ_FIRST(&store->active)); left--) {
        if (now - stored->alive_at < store->settings.stale_timeout_ns)
            break;
        if (stored->is_queued)
            pt_life_keep_alive(store, stored, now); // whoever waits may wait
        else
            pt_store_give_up(store, stored);
    }
    for (; left > 0 && (stored = TAILQ_FIRST(&store->finished)); left--) {
        if (now - stored->finished_at < store->settings.history_ttl_ns)
            break;
        pt_life_remove(store, stored);
    }
    return left == 0;
}
