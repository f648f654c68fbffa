// SPDX-License-Identifier: Apache-2.0
#include "pull/join.h"
#include "server/store/pull_life.h"
#include "server/store/pull_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FAILURES_AT_ONCE 100 // a day of the kubelet's attempts is 290

static struct pt_stored_pull *find_row(struct pt_pull_store *store, const char *node_name,
                                       const char *key)
{
    struct pt_node *node = pt_map_get(&store->nodes, node_name);
    struct pt_stored_pull *stored = node ? pt_map_get(&node->pulls, key) : NULL;
    // A pull may have taken the row over under a key of its own.
    return stored && strcmp(stored->key, key) == 0 ? stored : NULL;
}

// Out of memory leaves the row with what it had.
static void set_join(struct pt_stored_pull *stored, const struct pt_join *join)
{
    struct pt_join kept = *join;
    // Who had waited for what is over is still of interest.
    if (pt_stored_pull_is_final(stored) && join->waiting_count == 0 && stored->join) {
        kept.waiting = stored->join->waiting;
        kept.waiting_count = stored->join->waiting_count;
    }
    if (kept.queued_seconds < 0 && stored->join)
        kept.queued_seconds = stored->join->queued_seconds;
    struct pt_join *copy = pt_join_copy(&kept);
    if (!copy)
        return;
    free(stored->join);
    stored->join = copy;
}

static void set_failure(struct pt_stored_pull *stored, const struct pt_join *join)
{
    bool given_up = stored->error_class && strcmp(stored->error_class, PT_ERROR_CLASS_STALE) == 0;
    if (given_up || !join->error)
        return;
    pt_stored_pull_set_error(stored, join->error);
    stored->error_class = join->error_class;
}

// Tells each further attempt that has failed, the last ones if they are many.
static void tell_failures(struct pt_pull_store *store, struct pt_stored_pull *stored, int64_t count)
{
    if (count <= 0)
        return;
    if (count > MAX_FAILURES_AT_ONCE) {
        stored->failures_told += count - MAX_FAILURES_AT_ONCE;
        count = MAX_FAILURES_AT_ONCE;
    }
    stored->pull.completed_at = pt_clock_wall_ns(store->clock);
    stored->reported_at = stored->pull.completed_at;
    stored->final_version = stored->version;
    for (; count > 0; count--) {
        stored->failures_told++;
        store->on_event(store->context, PT_EVENT_PULL_FAILED, stored);
    }
}

void pt_store_apply_join(struct pt_pull_store *store, const char *node_name, const char *key,
                         const struct pt_join *join)
{
    struct pt_stored_pull *stored = find_row(store, node_name, key);
    if (!stored)
        return;
    set_join(stored, join);
    pt_change_log_touch(&store->changes, stored);
    if (stored->pull.phase != PT_PULL_FAILED)
        return;
    set_failure(stored, join);
    tell_failures(store, stored, join->attempts - stored->failures_told);
}

static int replace_text(const char **slot, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return -ENOMEM;
    free((char *)*slot);
    *slot = copy;
    return 0;
}

static struct pt_stored_pull *add_row(struct pt_pull_store *store, const struct pt_image_row *row)
{
    struct pt_stored_pull *stored;
    struct pt_node *node = pt_store_get_node(store, row->node_name);
    // The time makes the id another one than that of an earlier row for the image.
    if (!node || pt_store_add(store, node, row->key, row->started_at, &stored) < 0)
        return NULL;
    stored->of_kubelet = true;
    stored->pull.started_at = row->started_at;
    stored->pull.phase = PT_PULL_QUEUED;
    stored->pull.image_ref_exact = true;
    if (replace_text(&stored->pull.image_ref, row->image_ref) < 0 ||
        replace_text(&stored->pull.repository, row->repository) < 0) {
        pt_store_drop(store, stored);
        return NULL;
    }
    return stored;
}

void pt_store_apply_row(struct pt_pull_store *store, const struct pt_image_row *row)
{
    struct pt_stored_pull *stored = find_row(store, row->node_name, row->key);
    bool is_final = pt_pull_phase_is_final(row->phase);
    // A finished row stays what it was; only one that has failed may go on.
    if (stored && pt_stored_pull_is_final(stored) && stored->pull.started_at != row->started_at)
        stored = NULL;
    bool is_new = !stored;
    if (is_new && is_final && row->phase != PT_PULL_FAILED)
        return;
    if (is_new)
        stored = add_row(store, row);
    if (!stored)
        return;
    set_join(stored, &row->join);
    stored->reported_at = pt_clock_wall_ns(store->clock);
    if (is_final)
        stored->pull.completed_at = row->ended_at ? row->ended_at : stored->reported_at;
    if (row->phase == PT_PULL_FAILED)
        set_failure(stored, &row->join);
    bool was_failed = stored->pull.phase == PT_PULL_FAILED;
    if (is_new || stored->pull.phase != row->phase)
        pt_store_set_phase(store, stored, row->phase);
    else
        pt_change_log_touch(&store->changes, stored);
    if (is_new && !is_final)
        store->on_event(store->context, PT_EVENT_PULL_STARTED, stored);
    if (row->phase == PT_PULL_FAILED)
        tell_failures(store, stored, row->new_failures - !was_failed);
}
