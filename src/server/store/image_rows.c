// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "pull/join.h"
#include "server/store/pull_life.h"
#include "server/store/pull_memory.h"
#include "server/store/pull_row.h"
#include "server/store/pull_store_internal.h"
#include "server/store/reader.h"

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
static void set_join(struct pt_pull_store *store, struct pt_stored_pull *stored,
                     const struct pt_join *join, bool is_final)
{
    struct pt_join kept = *join;
    // Who had waited for what is over is still of interest.
    if (is_final && join->waiting_count == 0 && stored->join) {
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
    pt_life_count_failing(store, stored);
    pt_pull_memory_count(store, stored);
}

static void set_failure(struct pt_stored_pull *stored, const struct pt_join *join)
{
    if (stored->life == PT_LIFE_GIVEN_UP || !join->error)
        return;
    pt_stored_pull_set_failure(stored, join->error, join->error_class);
}

// Only a row that has failed has words for it, and only one that has ended has a time of its end.
static void set_end(struct pt_stored_pull *stored, const struct pt_image_row *row)
{
    bool is_final = pt_pull_phase_is_final(row->phase);
    int64_t ended_at = row->ended_at ? row->ended_at : stored->reported_at;
    stored->pull.completed_at = is_final ? ended_at : 0;
    if (row->phase == PT_PULL_FAILED)
        set_failure(stored, &row->join);
    else
        pt_stored_pull_set_failure(stored, NULL, PT_FAILURE_NONE);
}

// Each further attempt that has failed is an event, the last ones if they are many.
static void report_failures(struct pt_pull_store *store, struct pt_stored_pull *stored,
                            int64_t count)
{
    if (count <= 0)
        return;
    if (count > MAX_FAILURES_AT_ONCE) {
        stored->failures_reported += count - MAX_FAILURES_AT_ONCE;
        count = MAX_FAILURES_AT_ONCE;
    }
    stored->pull.completed_at = pt_clock_wall_ns(store->clock);
    stored->reported_at = stored->pull.completed_at;
    stored->final_version = stored->version;
    for (; count > 0; count--) {
        stored->failures_reported++;
        pt_life_report_end(store, stored);
    }
}

static void apply_join(struct pt_pull_store *store, struct pt_stored_pull *stored,
                       const struct pt_join *join)
{
    set_join(store, stored, join, pt_pull_phase_is_final(stored->pull.phase));
    (void)pt_stored_pull_take_port(stored); // out of memory: the next report does it
    pt_change_log_touch(&store->changes, stored);
    // One whose end its agent has just reported counts that attempt itself.
    if (stored->pull.phase != PT_PULL_FAILED || !pt_stored_pull_is_final(stored))
        return;
    set_failure(stored, join);
    report_failures(store, stored, join->attempts - stored->failures_reported);
}

void pt_store_apply_join(struct pt_pull_store *store, const char *node_name, const char *key,
                         const struct pt_join *join)
{
    struct pt_stored_pull *stored = find_row(store, node_name, key);
    if (stored)
        apply_join(store, stored, join);
    pt_store_notify(store);
}

void pt_store_restore_join(struct pt_pull_store *store, const char *id, const struct pt_join *join)
{
    struct pt_stored_pull *stored = pt_store_find(store, id);
    if (!stored || !pt_stored_pull_is_final(stored) ||
        (stored->join && stored->join->waiting_count > 0))
        return;
    struct pt_join restored = stored->join ? *stored->join : *join;
    restored.waiting = join->waiting;
    restored.waiting_count = join->waiting_count;
    if (restored.queued_seconds < 0)
        restored.queued_seconds = join->queued_seconds;
    set_join(store, stored, &restored, true);
    pt_change_log_touch(&store->changes, stored);
    pt_store_notify(store);
}

// What makes the id of the row another one than that of an earlier row for the image. A server that
// has started anew, and does not know when the row began, finds the same: since when its pods wait.
static int64_t salt_of(const struct pt_pull_store *store, const struct pt_node *node,
                       const struct pt_image_row *row)
{
    char id[PT_PULL_ID_SIZE];
    int r = pt_pull_id_make(node->name, row->key, row->waits_since, id);
    return r == 0 && !pt_map_get(&store->pulls, id) ? row->waits_since : row->started_at;
}

static struct pt_stored_pull *add_row(struct pt_pull_store *store, const struct pt_image_row *row)
{
    struct pt_stored_pull *stored;
    struct pt_node *node = pt_store_get_node(store, row->node_name);
    const struct pt_pull reported = {.image_ref = row->image_ref, .repository = row->repository};
    if (!node || pt_pull_memory_make_room(store, node, NULL, &reported) < 0)
        return NULL;
    const struct pt_id_source source = {row->key, salt_of(store, node, row), NULL};
    if (pt_life_begin(store, node, row->key, &source, &stored) < 0)
        return NULL;
    stored->of_kubelet = true;
    stored->pull.kind = PT_KIND_PULL;
    stored->pull.started_at = row->started_at;
    stored->pull.image_ref_exact = true;
    if (pt_text_replace(&stored->pull.image_ref, row->image_ref, NULL) < 0 ||
        pt_text_replace(&stored->pull.repository, row->repository, NULL) < 0 ||
        !pt_stored_pull_take_port(stored)) {
        pt_life_remove(store, stored);
        return NULL;
    }
    return stored;
}

static void apply_row(struct pt_pull_store *store, const struct pt_image_row *row)
{
    struct pt_stored_pull *stored = find_row(store, row->node_name, row->key);
    bool is_final = pt_pull_phase_is_final(row->phase);
    // A finished row stays what it was; only one that has failed, or was cancelled, may go on.
    if (stored && pt_stored_pull_is_final(stored) &&
        (stored->pull.started_at != row->started_at || stored->pull.phase == PT_PULL_COMPLETED))
        stored = NULL;
    bool is_new = !stored;
    if (is_new && is_final && row->phase != PT_PULL_FAILED)
        return;
    if (is_new)
        stored = add_row(store, row);
    if (!stored)
        return;
    set_join(store, stored, &row->join, is_final);
    stored->reported_at = pt_clock_wall_ns(store->clock);
    bool was_failed = stored->pull.phase == PT_PULL_FAILED;
    // What was taken for the next attempt was another image's.
    stored->failure_is_counted = !is_new && row->new_failures == 0;
    set_end(stored, row);
    if (is_new || stored->pull.phase != row->phase)
        pt_life_set_phase(store, stored, row->phase);
    else
        pt_change_log_touch(&store->changes, stored);
    if (is_new && !is_final)
        store->output.on_event(store->output.context, PT_EVENT_PULL_STARTED, stored);
    if (row->phase == PT_PULL_FAILED)
        report_failures(store, stored, row->new_failures - !was_failed);
}

void pt_store_apply_row(struct pt_pull_store *store, const struct pt_image_row *row)
{
    apply_row(store, row);
    pt_store_notify(store);
}

void pt_store_exchange_rows(struct pt_pull_store *store, const struct pt_row_exchange *exchange)
{
    struct pt_stored_pull *pull = find_row(store, exchange->node_name, exchange->pull_key);
    struct pt_stored_pull *row = find_row(store, exchange->node_name, exchange->row_key);
    if (!pull || !row || !row->of_kubelet)
        return;
    char *key = strdup(exchange->new_row_key);
    if (!key || pt_map_put(&row->node->pulls, key, row) < 0) {
        free(key);
        return;
    }
    pt_map_remove(&row->node->pulls, row->key);
    free(row->key);
    row->key = key;
    if (pt_text_replace(&row->pull.image_ref, exchange->image_ref, NULL) < 0 ||
        pt_text_replace(&row->pull.repository, exchange->repository, NULL) < 0 ||
        !pt_stored_pull_take_port(row))
        return; // it keeps the name that it had
    pt_row_exchange_ids(store, pull, row);
    pt_pull_memory_count(store, row);
    pt_change_log_touch(&store->changes, pull);
    pt_change_log_touch(&store->changes, row);
    pt_store_notify(store);
}
