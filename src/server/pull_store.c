// SPDX-License-Identifier: Apache-2.0
#include "server/pull_store.h"

#include "base/duration.h"
#include "base/limits.h"
#include "server/legacy_report.h"
#include "server/pull_eta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_REPORT_DISTANCE_NS (500 * PT_NS_PER_MS)
#define SILENT_AFTER_NS (30 * PT_NS_PER_S) // an idle agent's heart beats every 10 s
#define LATE_WINDOW_NS (10 * PT_NS_PER_S)  // an older report than this tells of a clock that jumped
#define SWEEP_ITEMS 1000

void pt_store_init(struct pt_pull_store *store, const struct pt_store_settings *settings,
                   const struct pt_clock *clock, pt_store_on_event *on_event, void *context)
{
    *store = (struct pt_pull_store){
        .settings = *settings, .clock = clock, .on_event = on_event, .context = context};
    pt_map_init(&store->nodes);
    pt_map_init(&store->pulls);
    TAILQ_INIT(&store->nodes_by_report);
    TAILQ_INIT(&store->active);
    TAILQ_INIT(&store->finished);
    // Microseconds: no server sees a million changes a second, so that one started later counts on
    // from a higher number. They fit a JSON reader's 53 bits until the year 2255.
    pt_change_log_init(&store->changes, (uint64_t)pt_clock_wall_ns(clock) / 1000);
}

static void free_node(struct pt_node *node)
{
    pt_map_finish(&node->pulls);
    free(node->name);
    free((char *)node->agent_version);
    free((char *)node->runtime_name);
    free((char *)node->runtime_version);
    free(node);
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
        free_node(node);
    pt_map_finish(&store->pulls);
    pt_map_finish(&store->nodes);
    pt_change_log_finish(&store->changes);
}

// --- nodes ---

static struct pt_node *add_node(struct pt_pull_store *store, const char *name, struct pt_error *err)
{
    if (store->nodes.count >= store->settings.max_nodes) {
        pt_error_set(err, ENOSPC, "the server holds its maximum of %zu nodes",
                     store->settings.max_nodes);
        return NULL;
    }
    struct pt_node *node = calloc(1, sizeof(*node));
    if (node) {
        pt_map_init(&node->pulls);
        TAILQ_INIT(&node->active);
        node->name = strdup(name);
    }
    if (!node || !node->name || pt_map_put(&store->nodes, node->name, node) < 0) {
        if (node)
            free_node(node);
        pt_error_set(err, ENOMEM, "out of memory");
        return NULL;
    }
    TAILQ_INSERT_TAIL(&store->nodes_by_report, node, in_store);
    return node;
}

static int replace_text(const char **slot, const char *text)
{
    if (*slot == text || (*slot && text && strcmp(*slot, text) == 0))
        return 0;
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return -ENOMEM;
    free((char *)*slot);
    *slot = copy;
    return 0;
}

static int note_report(struct pt_pull_store *store, struct pt_node *node,
                       const struct pt_report *report)
{
    node->reported_ns = pt_clock_monotonic_ns(store->clock);
    node->reported_wall_ns = pt_clock_wall_ns(store->clock);
    node->interval_ms = report->interval_ms;
    node->report_number++;
    if (node->extract_bytes_per_second <= 0)
        node->extract_bytes_per_second = store->extract_bytes_per_second;
    store->silent_count -= node->silent;
    node->silent = false;
    TAILQ_REMOVE(&store->nodes_by_report, node, in_store);
    TAILQ_INSERT_TAIL(&store->nodes_by_report, node, in_store);
    if (replace_text(&node->agent_version, report->agent_version) < 0 ||
        replace_text(&node->runtime_name, report->runtime_name) < 0 ||
        replace_text(&node->runtime_version, report->runtime_version) < 0)
        return -ENOMEM;
    return 0;
}

double pt_node_speed(const struct pt_node *node)
{
    double speed = 0;
    const struct pt_stored_pull *stored;
    TAILQ_FOREACH(stored, &node->active, in_node)
    {
        speed += pt_stored_pull_speed(stored);
    }
    return speed;
}

// --- pulls ---

void pt_stored_pull_unpin(struct pt_stored_pull *stored)
{
    if (--stored->pins == 0 && stored->removed)
        pt_stored_pull_destroy(stored);
}

static double duration_seconds(const struct pt_stored_pull *stored)
{
    int64_t ns = stored->pull.completed_at - stored->pull.started_at;
    return ns > 0 ? (double)ns / (double)PT_NS_PER_S : 0;
}

// Takes a final pull out of the statistics of the finished ones.
static void uncount_finished(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    TAILQ_REMOVE(&store->finished, stored, in_queue);
    if (stored->pull.phase == PT_PULL_FAILED) {
        store->failed_count--;
        return;
    }
    store->completed_count--;
    pt_duration_histogram_remove(&store->durations, duration_seconds(stored));
}

static void remove_finished(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    uncount_finished(store, stored);
    pt_change_log_remove(&store->changes, stored);
    pt_map_remove(&store->pulls, stored->id);
    if (pt_map_get(&stored->node->pulls, stored->key) == stored)
        pt_map_remove(&stored->node->pulls, stored->key);
    stored->removed = true;
    if (stored->pins == 0)
        pt_stored_pull_destroy(stored);
}

static bool make_room(struct pt_pull_store *store)
{
    if (store->pulls.count < store->settings.max_pulls)
        return true;
    if (TAILQ_EMPTY(&store->finished))
        return false;
    remove_finished(store, TAILQ_FIRST(&store->finished));
    return true;
}

static void activate(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    stored->alive_at = pt_clock_monotonic_ns(store->clock);
    TAILQ_INSERT_TAIL(&store->active, stored, in_queue);
    TAILQ_INSERT_TAIL(&stored->node->active, stored, in_node);
    store->active_count++;
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

// The pull has reached a final phase: it leaves the active ones and is told.
static void retire(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    TAILQ_REMOVE(&store->active, stored, in_queue);
    TAILQ_REMOVE(&stored->node->active, stored, in_node);
    store->active_count--;
    stored->finished_at = pt_clock_monotonic_ns(store->clock);
    stored->final_version = stored->version;
    TAILQ_INSERT_TAIL(&store->finished, stored, in_queue);
    bool completed = stored->pull.phase == PT_PULL_COMPLETED;
    if (completed) {
        store->completed_count++;
        pt_duration_histogram_add(&store->durations, duration_seconds(stored));
        learn_extraction(store, stored);
    } else {
        store->failed_count++;
        if (!stored->error_class)
            stored->error_class = "other";
    }
    if (stored->legacy) // its key may come again for another pull
        pt_map_remove(&stored->node->pulls, stored->key);
    store->on_event(store->context, completed ? PT_EVENT_PULL_COMPLETED : PT_EVENT_PULL_FAILED,
                    stored);
}

// A pull that was given up moves again.
static int revive(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    if (pt_map_put(&stored->node->pulls, stored->key, stored) < 0)
        return -ENOMEM;
    uncount_finished(store, stored);
    stored->pull.phase = PT_PULL_DOWNLOADING;
    stored->pull.completed_at = 0;
    stored->error_class = NULL;
    stored->final_version = 0;
    pt_stored_pull_set_error(stored, NULL);
    activate(store, stored);
    return 0;
}

static int add_pull(struct pt_pull_store *store, struct pt_node *node, const char *key,
                    const struct pt_pull *told, struct pt_stored_pull **ret_stored)
{
    bool legacy = !told->id;
    struct pt_stored_pull *stored = pt_stored_pull_create(node, key, legacy ? told->started_at : 0);
    if (!stored)
        return -ENOMEM;
    struct pt_stored_pull *earlier = pt_map_get(&store->pulls, stored->id);
    if (earlier) { // a legacy pull that had been missing in one report
        pt_stored_pull_destroy(stored);
        int r = earlier->node == node ? revive(store, earlier) : -EEXIST;
        *ret_stored = earlier;
        return r;
    }
    if (!make_room(store)) {
        pt_stored_pull_destroy(stored);
        return -EDQUOT;
    }
    int r = pt_map_put(&store->pulls, stored->id, stored);
    if (r == 0 && (r = pt_map_put(&node->pulls, stored->key, stored)) == 0)
        r = pt_change_log_add(&store->changes, stored);
    if (r < 0) {
        pt_map_remove(&node->pulls, stored->key);
        pt_map_remove(&store->pulls, stored->id);
        pt_stored_pull_destroy(stored);
        return r;
    }
    stored->legacy = legacy;
    stored->created_version = stored->version;
    activate(store, stored);
    *ret_stored = stored;
    return 0;
}

// Keys of a node's pulls. The first character keeps the kinds apart, whatever an agent writes.
#define KEY_SIZE (PT_LIMIT_REFERENCE_BYTES + 2)

static void make_key(const struct pt_pull *told, bool merged, char key[static KEY_SIZE])
{
    if (merged)
        snprintf(key, KEY_SIZE, "m");
    else if (told->id)
        snprintf(key, KEY_SIZE, "i%s", told->id);
    else
        snprintf(key, KEY_SIZE, "r%s", told->image_ref);
}

// One pull of a report. A late report does not turn back what a newer one has told.
static int apply_pull(struct pt_pull_store *store, struct pt_node *node, const struct pt_pull *told,
                      bool merged, int64_t timestamp, bool late)
{
    char key[KEY_SIZE];
    make_key(told, merged, key);
    struct pt_stored_pull *stored = pt_map_get(&node->pulls, key);
    bool is_new = !stored;
    bool final = pt_pull_phase_is_final(told->phase);
    if (stored) {
        stored->last_report = node->report_number;
        bool given_up =
            stored->error_class && strcmp(stored->error_class, PT_ERROR_CLASS_STALE) == 0;
        if (pt_stored_pull_is_final(stored) && !given_up)
            return 0; // told again until the agent knows that it has arrived
        if (late && !final)
            return 0;
        if (given_up) {
            int r = revive(store, stored);
            if (r < 0)
                return r;
        }
    } else {
        int r = add_pull(store, node, key, told, &stored);
        if (r < 0)
            return r;
        stored->last_report = node->report_number;
    }
    struct pt_pull_change change;
    uint64_t version = is_new ? stored->version : store->changes.newest_version + 1;
    int r = pt_stored_pull_update(stored, told, timestamp, version, &change);
    if (r < 0)
        return r;
    store->received_bytes += (uint64_t)change.received_bytes;
    if (change.moved) {
        stored->alive_at = node->reported_ns;
        TAILQ_REMOVE(&store->active, stored, in_queue);
        TAILQ_INSERT_TAIL(&store->active, stored, in_queue);
    }
    if (change.visible && !is_new)
        pt_change_log_touch(&store->changes, stored);
    if (is_new)
        store->on_event(store->context, PT_EVENT_PULL_STARTED, stored);
    if (pt_stored_pull_is_final(stored))
        retire(store, stored);
    return 0;
}

// What a legacy agent's report no longer names has completed.
static void complete_absent(struct pt_pull_store *store, struct pt_node *node, int64_t timestamp)
{
    struct pt_stored_pull *stored, *next;
    for (stored = TAILQ_FIRST(&node->active); stored; stored = next) {
        next = TAILQ_NEXT(stored, in_node);
        if (!stored->legacy || stored->last_report == node->report_number)
            continue;
        pt_change_log_touch(&store->changes, stored);
        int64_t received_before = stored->received_bytes;
        pt_stored_pull_complete(stored, timestamp, stored->version);
        store->received_bytes += (uint64_t)(stored->received_bytes - received_before);
        retire(store, stored);
    }
}

static int apply_merged(struct pt_pull_store *store, struct pt_node *node,
                        const struct pt_report *report, bool late)
{
    struct pt_pull merged;
    int r = pt_legacy_merge(report, &merged);
    if (r < 0)
        return r;
    if (merged.image_ref)
        r = apply_pull(store, node, &merged, true, report->timestamp, late);
    free(merged.layers);
    return r;
}

int pt_store_apply(struct pt_pull_store *store, const struct pt_report *report,
                   struct pt_error *err)
{
    struct pt_node *node = pt_map_get(&store->nodes, report->node_name);
    if (!node) {
        node = add_node(store, report->node_name, err);
        if (!node)
            return -err->code;
    } else if (pt_clock_monotonic_ns(store->clock) - node->reported_ns < MIN_REPORT_DISTANCE_NS) {
        return pt_error_set(err, EAGAIN, "a report of this node came less than 500 ms ago");
    }
    int r = note_report(store, node, report);
    bool late = report->timestamp < node->newest_timestamp &&
                report->timestamp > node->newest_timestamp - LATE_WINDOW_NS;
    if (!late)
        node->newest_timestamp = report->timestamp;

    int worst = r;
    for (size_t i = 0; i < report->pull_count; i++) {
        if (pt_legacy_is_merged(&report->pulls[i]))
            continue;
        r = apply_pull(store, node, &report->pulls[i], false, report->timestamp, late);
        worst = r < 0 && worst != -ENOMEM ? r : worst;
    }
    r = apply_merged(store, node, report, late);
    worst = r < 0 && worst != -ENOMEM ? r : worst;
    if (!late)
        complete_absent(store, node, report->timestamp);
    if (worst == -EDQUOT)
        return pt_error_set(err, EDQUOT, "the server holds its maximum of %zu pulls",
                            store->settings.max_pulls);
    return worst < 0 ? pt_error_set(err, -worst, "out of memory") : 0;
}

// --- what time does ---

static void set_reason(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    char text[128], timeout[PT_DURATION_SIZE];
    pt_duration_format(store->settings.stale_timeout_ns, timeout);
    if (stored->node->silent)
        snprintf(text, sizeof(text), "the node's agent has not reported for %s", timeout);
    else if (stored->last_report != stored->node->report_number)
        snprintf(text, sizeof(text), "the node's agent no longer reports this pull");
    else
        snprintf(text, sizeof(text), "no progress for %s", timeout);
    pt_stored_pull_set_error(stored, text);
}

static void give_up(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    set_reason(store, stored);
    stored->error_class = PT_ERROR_CLASS_STALE;
    stored->pull.phase = PT_PULL_FAILED;
    stored->pull.completed_at = pt_clock_wall_ns(store->clock);
    stored->reported_at = stored->pull.completed_at;
    pt_change_log_touch(&store->changes, stored);
    retire(store, stored);
}

static void fall_silent(struct pt_pull_store *store, struct pt_node *node)
{
    node->silent = true;
    store->silent_count++;
    struct pt_stored_pull *stored;
    TAILQ_FOREACH(stored, &node->active, in_node)
    {
        stored->rate = (struct pt_rate){0};
        pt_change_log_touch(&store->changes, stored);
    }
}

static void sweep_nodes(struct pt_pull_store *store, int64_t now)
{
    struct pt_node *node, *next;
    for (node = TAILQ_FIRST(&store->nodes_by_report); node; node = next) {
        next = TAILQ_NEXT(node, in_store);
        int64_t age = now - node->reported_ns;
        if (age < SILENT_AFTER_NS)
            break;
        if (!node->silent && age / PT_NS_PER_MS >= 3 * node->interval_ms)
            fall_silent(store, node);
        if (node->silent && node->pins == 0 && age >= store->settings.history_ttl_ns) {
            store->silent_count--;
            TAILQ_REMOVE(&store->nodes_by_report, node, in_store);
            pt_map_remove(&store->nodes, node->name);
            free_node(node);
        }
    }
}

bool pt_store_sweep(struct pt_pull_store *store)
{
    int64_t now = pt_clock_monotonic_ns(store->clock);
    int left = SWEEP_ITEMS;
    struct pt_stored_pull *stored;
    sweep_nodes(store, now);
    for (; left > 0 && (stored = TAILQ_FIRST(&store->active)); left--) {
        if (now - stored->alive_at < store->settings.stale_timeout_ns)
            break;
        give_up(store, stored);
    }
    for (; left > 0 && (stored = TAILQ_FIRST(&store->finished)); left--) {
        if (now - stored->finished_at < store->settings.history_ttl_ns)
            break;
        remove_finished(store, stored);
    }
    return left == 0;
}
