// SPDX-License-Identifier: Apache-2.0

// A pull stands in lists by where it is in its life: among the active ones of the store and of its
// node while it is queued or active, among the finished ones when it is given up or final. enter()
// and leave() move it, and with it all sums: phase and times are the same at the leave() as at the
// enter() before. Between the two a step of its life changes it: restart and fill in (another
// attempt in its row), revive (what was given up moves again), another phase, the end. An end is
// counted and sent once for each attempt, whoever reports it, and however often.

#include "server/store/pull_life.h"

#include "base/duration.h"
#include "base/limits.h"
#include "pull/failure_class.h"
#include "server/store/learn.h"
#include "server/store/pull_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static double duration_seconds(const struct pt_stored_pull *stored)
{
    return pt_clock_seconds(stored->pull.started_at, stored->pull.completed_at);
}

// --- the lists that a life stands in, and what counts it ---

static bool is_under_way(enum pt_pull_life life)
{
    return life == PT_LIFE_QUEUED || life == PT_LIFE_ACTIVE;
}

// Checks stand apart: with them the median of a node with `Always` pods would be that of asking.
static bool is_check(const struct pt_stored_pull *stored)
{
    return stored->pull.kind == PT_KIND_CHECK && stored->pull.phase == PT_PULL_COMPLETED;
}

static bool is_completed(const struct pt_stored_pull *stored)
{
    return stored->pull.phase == PT_PULL_COMPLETED && !is_check(stored);
}

static bool is_timed(const struct pt_stored_pull *stored)
{
    return is_completed(stored) && !stored->of_kubelet;
}

void pt_life_count_failing(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    bool is_failing = stored->life == PT_LIFE_FINAL && stored->pull.phase == PT_PULL_FAILED &&
                      stored->join && stored->join->is_waited_for;
    store->failing_count += is_failing;
    store->failing_count -= stored->is_failing;
    stored->is_failing = is_failing;
}

// What is replayed comes in order, one way or the other: its place is near that of the one before.
static struct pt_stored_pull *next_of_past(struct pt_pull_store *store, int64_t finished_at)
{
    struct pt_stored_pull *before, *last = store->last_past;
    struct pt_stored_pull *next = last ? last : TAILQ_FIRST(&store->finished);
    while (next && next->finished_at >= finished_at &&
           (before = TAILQ_PREV(next, pt_stored_pull_list, in_queue)))
        next = before;
    while (next && next->finished_at < finished_at)
        next = TAILQ_NEXT(next, in_queue);
    return next;
}

// Oldest first.
static void insert_finished(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    struct pt_stored_pull *next = store->is_past ? next_of_past(store, stored->finished_at) : NULL;
    struct pt_stored_pull *next_of_node = next ? TAILQ_FIRST(&stored->node->finished) : NULL;
    store->last_past = store->is_past ? stored : store->last_past;
    while (next_of_node && next_of_node->finished_at < stored->finished_at)
        next_of_node = TAILQ_NEXT(next_of_node, in_node);
    if (next)
        TAILQ_INSERT_BEFORE(next, stored, in_queue);
    else
        TAILQ_INSERT_TAIL(&store->finished, stored, in_queue);
    if (next_of_node)
        TAILQ_INSERT_BEFORE(next_of_node, stored, in_node);
    else
        TAILQ_INSERT_TAIL(&stored->node->finished, stored, in_node);
}

static void enter(struct pt_pull_store *store, struct pt_stored_pull *stored,
                  enum pt_pull_life life)
{
    int64_t now = pt_clock_monotonic_ns(store->clock);
    stored->life = life;
    if (is_under_way(life)) {
        stored->alive_at = now;
        stored->final_version = 0;
        TAILQ_INSERT_TAIL(&store->active, stored, in_queue);
        TAILQ_INSERT_TAIL(&stored->node->active, stored, in_node);
        store->active_count++;
        if (stored->node->active_count++ == 0)
            pt_node_count_speed(store, stored->node);
        store->queued_count += life == PT_LIFE_QUEUED;
        return;
    }
    stored->finished_at = now - store->past_age_ns;
    stored->final_version = stored->version;
    insert_finished(store, stored);
    store->completed_count += is_completed(stored);
    store->check_count += is_check(stored);
    store->failed_count += stored->pull.phase == PT_PULL_FAILED;
    pt_life_count_failing(store, stored);
    if (is_timed(stored))
        pt_duration_histogram_add(&store->durations, duration_seconds(stored));
}

// Phase and times must be as they were when it entered.
static void leave(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    if (stored->node->first == stored)
        stored->node->first = NULL;
    pt_node_walk_past(store, stored);
    if (is_under_way(stored->life)) {
        TAILQ_REMOVE(&store->active, stored, in_queue);
        TAILQ_REMOVE(&stored->node->active, stored, in_node);
        store->active_count--;
        if (--stored->node->active_count == 0)
            pt_node_count_speed(store, stored->node);
        store->queued_count -= stored->life == PT_LIFE_QUEUED;
        return;
    }
    if (store->last_past == stored)
        store->last_past = NULL;
    TAILQ_REMOVE(&store->finished, stored, in_queue);
    TAILQ_REMOVE(&stored->node->finished, stored, in_node);
    store->completed_count -= is_completed(stored);
    store->check_count -= is_check(stored);
    store->failed_count -= stored->pull.phase == PT_PULL_FAILED;
    store->failing_count -= stored->is_failing;
    stored->is_failing = false;
    if (is_timed(stored))
        pt_duration_histogram_remove(&store->durations, duration_seconds(stored));
}

void pt_life_report_named(struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    struct pt_pull named = stored->pull;
    named.id = stored->legacy ? NULL : stored->id; // only those of our own agent have one
    if (store->hooks.on_named && !stored->of_kubelet)
        store->hooks.on_named(store->hooks.context, stored->node->name, stored->key, &named);
}

static void report_gone(struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    if (store->hooks.on_gone)
        store->hooks.on_gone(store->hooks.context, stored->node->name, stored->key);
}

static void forget_earlier_key(struct pt_stored_pull *stored)
{
    if (stored->earlier_key && pt_map_get(&stored->node->pulls, stored->earlier_key) == stored)
        pt_map_remove(&stored->node->pulls, stored->earlier_key);
}

// --- under way ---

void pt_life_keep_alive(struct pt_pull_store *store, struct pt_stored_pull *stored, int64_t now)
{
    stored->alive_at = now;
    TAILQ_REMOVE(&store->active, stored, in_queue);
    TAILQ_INSERT_TAIL(&store->active, stored, in_queue);
}

void pt_life_restart(struct pt_pull_store *store, struct pt_stored_pull *stored, char *key)
{
    forget_earlier_key(stored);
    leave(store, stored);
    pt_stored_pull_restart(stored, key);
    pt_change_log_touch(&store->changes, stored);
    stored->created_version = stored->version;
    enter(store, stored, PT_LIFE_ACTIVE);
}

void pt_life_fill_in(struct pt_pull_store *store, struct pt_stored_pull *stored, char *key)
{
    uint64_t created = stored->created_version, final = stored->final_version;
    pt_life_restart(store, stored, key);
    stored->created_version = created;
    stored->counted_final = final;
    stored->percent_floor = 100; // as it was shown
}

int pt_life_revive(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    if (pt_map_put(&stored->node->pulls, stored->key, stored) < 0)
        return -ENOMEM;
    leave(store, stored);
    stored->pull.phase = PT_PULL_DOWNLOADING;
    stored->pull.completed_at = 0;
    pt_stored_pull_set_failure(stored, NULL, PT_FAILURE_NONE);
    enter(store, stored, PT_LIFE_ACTIVE);
    return 0;
}

// --- the end ---

// The kubelet's words on a failure say more than its agent's.
static void explain_failure(struct pt_stored_pull *stored)
{
    const struct pt_join *join = stored->join;
    if (join && join->error)
        pt_stored_pull_set_failure(stored, join->error, join->error_class);
    if (stored->pull.error_class == PT_FAILURE_NONE)
        stored->pull.error_class = pt_failure_class_of(stored->pull.error, stored->pull.image_ref);
}

static void count_for_registry(struct pt_registry *registry, const struct pt_stored_pull *stored,
                               enum pt_failure_class error_class)
{
    struct pt_layer_rate rates[PT_LIMIT_LAYERS_PER_PULL];
    if (error_class != PT_FAILURE_NONE)
        registry->failed[error_class]++;
    else
        registry->completed++;
    if (!is_timed(stored))
        return; // how long its layers took is not known
    pt_histogram_add(&registry->pull_seconds, duration_seconds(stored));
    pt_histogram_add(&registry->download_seconds,
                     pt_stored_pull_status(stored, rates).download_seconds);
}

void pt_store_count_end(struct pt_pull_store *store, const struct pt_stored_pull *stored,
                        enum pt_failure_class error_class)
{
    // No registry has to do with what was given up, and a check fetches nothing from it.
    struct pt_registry *registry =
        error_class == PT_FAILURE_STALE || is_check(stored)
            ? NULL
            : pt_registries_find(&store->registries, stored->pull.repository,
                                 pt_clock_monotonic_ns(store->clock));
    if (registry)
        count_for_registry(registry, stored, error_class);
}

void pt_life_report_end(struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    bool is_failed = stored->pull.phase == PT_PULL_FAILED;
    // Else its taker counts it, or who claims it.
    if (!store->is_replaying && !pt_store_is_to_claim(store))
        pt_store_count_end(store, stored, is_failed ? stored->pull.error_class : PT_FAILURE_NONE);
    store->output.on_event(store->output.context,
                           is_failed ? PT_EVENT_PULL_FAILED : PT_EVENT_PULL_COMPLETED, stored);
}

static void end(struct pt_pull_store *store, struct pt_stored_pull *stored, enum pt_pull_life life)
{
    leave(store, stored);
    enter(store, stored, life);
    // Its key may come again for another pull, but that of a stuck one is reported on as it was.
    if (stored->legacy && stored->stale_reason != PT_STALE_STUCK)
        pt_map_remove(&stored->node->pulls, stored->key);
    if (stored->pull.phase == PT_PULL_FAILED && stored->failure_is_counted)
        return;
    if (stored->pull.phase == PT_PULL_COMPLETED && stored->counted_final) {
        stored->final_version = stored->counted_final;
        return;
    }
    // What was cancelled had not begun: its end is no event.
    stored->failures_reported += stored->pull.phase == PT_PULL_FAILED;
    if (stored->pull.phase != PT_PULL_CANCELLED)
        pt_life_report_end(store, stored);
}

void pt_life_end(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    pt_life_report_named(store, stored);
    if (stored->pull.phase == PT_PULL_COMPLETED)
        pt_learn_from_pull(store, stored);
    if (stored->pull.phase == PT_PULL_FAILED)
        explain_failure(stored);
    end(store, stored, PT_LIFE_FINAL);
    pt_stored_pull_drop_tracks(stored);
    pt_pull_memory_count(store, stored);
}

bool pt_life_is_named(const struct pt_stored_pull *stored)
{
    const struct pt_node *node = stored->node;
    return stored->last_report == node->report_number ||
           (node->is_applying && stored->last_report == node->report_number - 1);
}

static enum pt_stale_reason reason_of(const struct pt_stored_pull *stored)
{
    if (stored->node->silent)
        return PT_STALE_SILENT;
    return pt_life_is_named(stored) ? PT_STALE_STUCK : PT_STALE_UNNAMED;
}

static void explain_staleness(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    char text[128], timeout[PT_DURATION_SIZE];
    enum pt_stale_reason reason = reason_of(stored);
    pt_duration_format(store->settings.stale_timeout_ns, timeout);
    if (reason == PT_STALE_SILENT)
        snprintf(text, sizeof(text), "the node's agent has not reported for %s", timeout);
    else if (reason == PT_STALE_UNNAMED)
        snprintf(text, sizeof(text), "the node's agent no longer reports this pull");
    else
        snprintf(text, sizeof(text), "no progress for %s", timeout);
    pt_stored_pull_set_failure(stored, text, PT_FAILURE_STALE);
    stored->stale_reason = reason;
}

void pt_life_give_up(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    explain_staleness(store, stored);
    stored->pull.phase = PT_PULL_FAILED;
    stored->pull.completed_at = pt_clock_wall_ns(store->clock);
    stored->reported_at = stored->pull.completed_at;
    pt_change_log_touch(&store->changes, stored);
    end(store, stored, PT_LIFE_GIVEN_UP);
    report_gone(store, stored);
}

void pt_life_set_phase(struct pt_pull_store *store, struct pt_stored_pull *stored,
                       enum pt_pull_phase phase)
{
    leave(store, stored);
    stored->pull.phase = phase;
    pt_change_log_touch(&store->changes, stored);
    enter(store, stored, phase == PT_PULL_QUEUED ? PT_LIFE_QUEUED : PT_LIFE_ACTIVE);
    if (pt_pull_phase_is_final(phase))
        pt_life_end(store, stored);
}

void pt_life_remove(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    report_gone(store, stored);
    leave(store, stored);
    stored->node->pull_count--;
    forget_earlier_key(stored);
    pt_change_log_remove(&store->changes, stored);
    pt_map_remove(&store->pulls, stored->id);
    if (pt_map_get(&stored->node->pulls, stored->key) == stored)
        pt_map_remove(&stored->node->pulls, stored->key);
    pt_pull_memory_uncount(store, stored);
    pt_store_walk_past(store, stored);
    TAILQ_REMOVE(&store->all, stored, in_store);
    pt_stored_pull_destroy(stored);
}

// --- the beginning ---

// At a limit the oldest finished pull goes, at that of the node one of its own.
static int make_room(struct pt_pull_store *store, struct pt_node *node)
{
    bool is_node_full = node->pull_count >= PT_LIMIT_PULLS_PER_NODE;
    if (!is_node_full && store->pulls.count < store->settings.max_pulls)
        return 0;
    struct pt_stored_pull *oldest =
        is_node_full ? TAILQ_FIRST(&node->finished) : TAILQ_FIRST(&store->finished);
    if (!oldest)
        return is_node_full ? -E2BIG : -EDQUOT;
    pt_life_remove(store, oldest);
    return 0;
}

static bool has_key(const struct pt_stored_pull *stored, const struct pt_node *node,
                    const char *key)
{
    return stored->node == node && strcmp(stored->key, key) == 0;
}

// Gives the new pull an id that no other one has: if it cannot have that of its image's row, since
// another pull of the image has it, then that of its own key. Returns the pull that a legacy agent
// of the same node has under the same key, if that is still there.
static int settle_id(const struct pt_pull_store *store, struct pt_stored_pull *stored,
                     const struct pt_id_source *source, struct pt_stored_pull **ret_earlier)
{
    struct pt_stored_pull *earlier;
    int64_t salt = strcmp(source->key, stored->key) == 0 ? source->salt : -1;
    while ((earlier = pt_map_get(&store->pulls, stored->id)) &&
           !(earlier->legacy && has_key(earlier, stored->node, stored->key))) {
        // That id's pull has taken a row over.
        int r = pt_pull_id_make(stored->node->name, stored->key, ++salt, stored->id);
        if (r < 0)
            return r;
    }
    *ret_earlier = earlier;
    return 0;
}

static int insert(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    int r = make_room(store, stored->node);
    if (r < 0)
        return r;
    r = pt_map_put(&store->pulls, stored->id, stored);
    if (r == 0 && (r = pt_map_put(&stored->node->pulls, stored->key, stored)) == 0)
        r = pt_change_log_add(&store->changes, stored);
    if (r < 0) {
        pt_map_remove(&stored->node->pulls, stored->key);
        pt_map_remove(&store->pulls, stored->id);
        return r;
    }
    stored->created_version = stored->version;
    stored->node->pull_count++;
    TAILQ_INSERT_TAIL(&store->all, stored, in_store);
    enter(store, stored, PT_LIFE_ACTIVE);
    return 0;
}

int pt_life_begin(struct pt_pull_store *store, struct pt_node *node, const char *key,
                  const struct pt_id_source *source, struct pt_stored_pull **ret_stored)
{
    struct pt_stored_pull *earlier = NULL, *stored = pt_stored_pull_create(node, key);
    if (!stored)
        return -ENOMEM;
    int r = 0;
    if (source->id)
        memcpy(stored->id, source->id, PT_PULL_ID_LENGTH);
    else
        r = pt_pull_id_make(node->name, source->key, source->salt, stored->id);
    if (r == 0)
        r = settle_id(store, stored, source, &earlier);
    if (r == 0 && !earlier)
        r = insert(store, stored);
    if (r < 0 || earlier)
        pt_stored_pull_destroy(stored);
    if (r < 0)
        return r;
    *ret_stored = earlier ? earlier : stored;
    // A legacy pull that had been missing in one report.
    return earlier ? pt_life_revive(store, earlier) : 0;
}
