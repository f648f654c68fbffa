// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_life.h"

#include "pull/failure_class.h"
#include "server/store/pull_eta.h"

#include <errno.h>
#include <string.h>

static double duration_seconds(const struct pt_stored_pull *stored)
{
    int64_t ns = stored->pull.completed_at - stored->pull.started_at;
    return ns > 0 ? (double)ns / (double)PT_NS_PER_S : 0;
}

// Takes a final pull out of the statistics of the finished ones.
void pt_life_uncount(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    TAILQ_REMOVE(&store->finished, stored, in_queue);
    store->failed_count -= stored->pull.phase == PT_PULL_FAILED;
    if (stored->pull.phase != PT_PULL_COMPLETED)
        return;
    store->completed_count--;
    if (!stored->of_kubelet)
        pt_duration_histogram_remove(&store->durations, duration_seconds(stored));
}

void pt_life_tell_named(struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    bool given_up = stored->error_class && strcmp(stored->error_class, PT_ERROR_CLASS_STALE) == 0;
    if (store->hooks.on_named && !stored->of_kubelet && !given_up)
        store->hooks.on_named(store->hooks.context, stored);
}

void pt_life_tell_gone(struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    if (store->hooks.on_gone)
        store->hooks.on_gone(store->hooks.context, stored);
}

void pt_life_forget_earlier_key(struct pt_stored_pull *stored)
{
    if (stored->earlier_key && pt_map_get(&stored->node->pulls, stored->earlier_key) == stored)
        pt_map_remove(&stored->node->pulls, stored->earlier_key);
}

void pt_life_remove(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    pt_life_tell_gone(store, stored);
    pt_life_uncount(store, stored);
    pt_life_forget_earlier_key(stored);
    pt_change_log_remove(&store->changes, stored);
    pt_map_remove(&store->pulls, stored->id);
    if (pt_map_get(&stored->node->pulls, stored->key) == stored)
        pt_map_remove(&stored->node->pulls, stored->key);
    stored->removed = true;
    if (stored->pins == 0)
        pt_stored_pull_destroy(stored);
}

void pt_life_activate(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    stored->alive_at = pt_clock_monotonic_ns(store->clock);
    TAILQ_INSERT_TAIL(&store->active, stored, in_queue);
    TAILQ_INSERT_TAIL(&stored->node->active, stored, in_node);
    store->active_count++;
}

void pt_life_keep_alive(struct pt_pull_store *store, struct pt_stored_pull *stored, int64_t now)
{
    stored->alive_at = now;
    TAILQ_REMOVE(&store->active, stored, in_queue);
    TAILQ_INSERT_TAIL(&store->active, stored, in_queue);
}

void pt_life_count_queued(struct pt_pull_store *store, struct pt_stored_pull *stored,
                          bool is_queued)
{
    store->queued_count += is_queued;
    store->queued_count -= stored->is_queued;
    stored->is_queued = is_queued;
}

static void learn_extraction(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    double speed = pt_pull_extract_speed(&stored->pull);
    if (speed <= 0)
        return;
    double *of_node = &stored->node->extract_bytes_per_second;
    double *of_all = &store->extract_bytes_per_second;
    *of_node = *of_node > 0 ? 0.5 * *of_node + 0.5 * speed : speed;
    *of_all = *of_all > 0 ? 0.9 * *of_all + 0.1 * speed : speed;
}

// The kubelet's words on a failure say more than its agent's.
static void explain_failure(struct pt_stored_pull *stored)
{
    const struct pt_join *join = stored->join;
    bool given_up = stored->error_class && strcmp(stored->error_class, PT_ERROR_CLASS_STALE) == 0;
    if (given_up)
        return;
    if (join && join->error) {
        pt_stored_pull_set_error(stored, join->error);
        stored->error_class = join->error_class;
    }
    if (!stored->error_class)
        stored->error_class = pt_failure_class_name(pt_failure_class_of(stored->pull.error));
}

// The pull has reached a final phase: it leaves the active ones and is told.
void pt_life_retire(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    TAILQ_REMOVE(&store->active, stored, in_queue);
    TAILQ_REMOVE(&stored->node->active, stored, in_node);
    store->active_count--;
    pt_life_count_queued(store, stored, false);
    pt_life_tell_named(store, stored);
    stored->finished_at = pt_clock_monotonic_ns(store->clock);
    stored->final_version = stored->version;
    TAILQ_INSERT_TAIL(&store->finished, stored, in_queue);
    bool completed = stored->pull.phase == PT_PULL_COMPLETED;
    bool failed = stored->pull.phase == PT_PULL_FAILED;
    if (completed) {
        store->completed_count++;
        if (!stored->of_kubelet)
            pt_duration_histogram_add(&store->durations, duration_seconds(stored));
        learn_extraction(store, stored);
    } else if (failed) {
        store->failed_count++;
        stored->failures_told++;
        explain_failure(stored);
    }
    if (stored->legacy) // its key may come again for another pull
        pt_map_remove(&stored->node->pulls, stored->key);
    if (completed || failed)
        store->on_event(store->context, completed ? PT_EVENT_PULL_COMPLETED : PT_EVENT_PULL_FAILED,
                        stored);
}

// A pull that was given up moves again.
int pt_life_revive(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    if (pt_map_put(&stored->node->pulls, stored->key, stored) < 0)
        return -ENOMEM;
    pt_life_uncount(store, stored);
    stored->pull.phase = PT_PULL_DOWNLOADING;
    stored->pull.completed_at = 0;
    stored->error_class = NULL;
    stored->final_version = 0;
    pt_stored_pull_set_error(stored, NULL);
    pt_life_activate(store, stored);
    return 0;
}

void pt_store_drop(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    TAILQ_REMOVE(&store->active, stored, in_queue);
    TAILQ_REMOVE(&stored->node->active, stored, in_node);
    store->active_count--;
    stored->pull.phase = PT_PULL_CANCELLED;
    TAILQ_INSERT_TAIL(&store->finished, stored, in_queue);
    pt_life_remove(store, stored);
}

void pt_store_set_phase(struct pt_pull_store *store, struct pt_stored_pull *stored,
                        enum pt_pull_phase phase)
{
    if (pt_stored_pull_is_final(stored)) {
        pt_life_uncount(store, stored);
        pt_life_activate(store, stored);
    }
    stored->pull.phase = phase;
    stored->final_version = 0;
    pt_life_count_queued(store, stored, phase == PT_PULL_QUEUED);
    pt_change_log_touch(&store->changes, stored);
    if (pt_stored_pull_is_final(stored))
        pt_life_retire(store, stored);
}
