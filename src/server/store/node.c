// SPDX-License-Identifier: Apache-2.0
#include "server/store/node.h"

#include "base/rhythm.h"
#include "base/shared_text.h"
#include "pull/image_ref.h"
#include "server/store/pull_store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FALL_SHARE 0.002  // of the distance, a report: half in some six minutes
#define COMPARED_PULLS 64 // with a pull that fetches nothing
#define NODE_OVERHEAD_BYTES 1024
#define SILENT_AFTER_NS (PT_REPORT_SILENT_MS * PT_NS_PER_MS)
#define LATE_WINDOW_NS (10 * PT_NS_PER_S)   // an older report than this means that a clock jumped
#define NUMBER_STANDS_NS (60 * PT_NS_PER_S) // an agent sends something more often

static void drop_past(struct pt_pull_store *store, struct pt_node *node)
{
    if (node->past)
        pt_memory_share_add(store->memory, -(int64_t)sizeof(*node->past));
    free(node->past);
    node->past = NULL;
}

void pt_node_destroy(struct pt_pull_store *store, struct pt_node *node)
{
    pt_map_finish(&node->pulls);
    free(node->flow);
    drop_past(store, node);
    pt_shared_text_release(&store->versions, node->agent_version);
    pt_shared_text_release(&store->versions, node->runtime_name);
    pt_shared_text_release(&store->versions, node->runtime_version);
    free(node);
}

// With its versions and its flow, which are shorter together, and its places in maps.
static int64_t bytes_of_node(const char *name)
{
    return (int64_t)(sizeof(struct pt_node) + strlen(name) + NODE_OVERHEAD_BYTES);
}

struct pt_node *pt_store_add_node(struct pt_pull_store *store, const char *name,
                                  struct pt_error *err)
{
    if (store->nodes.count >= store->settings.max_nodes) {
        pt_error_set(err, ENOSPC, "the server holds its maximum of %zu nodes",
                     store->settings.max_nodes);
        return NULL;
    }
    if (!pt_memory_share_take(store->memory, bytes_of_node(name))) {
        pt_error_set(err, ENOBUFS, "the server's memory for pulls is full: %lld bytes",
                     (long long)store->memory->max_bytes);
        return NULL;
    }
    size_t name_size = strlen(name) + 1;
    struct pt_node *node = calloc(1, sizeof(*node) + name_size);
    if (node) {
        pt_map_init(&node->pulls);
        TAILQ_INIT(&node->active);
        TAILQ_INIT(&node->finished);
        memcpy(node->name, name, name_size);
        node->bytes = bytes_of_node(name);
    }
    if (!node || pt_map_put(&store->nodes, node->name, node) < 0) {
        if (node)
            pt_node_destroy(store, node);
        pt_memory_share_add(store->memory, -bytes_of_node(name));
        pt_error_set(err, ENOMEM, "out of memory");
        return NULL;
    }
    TAILQ_INSERT_TAIL(&store->nodes_by_report, node, in_store);
    TAILQ_INSERT_TAIL(&store->nodes_in_order, node, in_order);
    node->number = ++store->nodes_added;
    return node;
}

// An agent that follows a fast pull says so by its interval; half of that may have been lost on the
// way.
static int64_t min_distance_ms(const struct pt_report *report)
{
    int64_t interval_ms = report->interval_ms;
    if (interval_ms <= 0 || interval_ms >= 2 * PT_REPORT_DISTANCE_MS)
        return PT_REPORT_DISTANCE_MS;
    return interval_ms > 2 * PT_REPORT_SHORTEST_DISTANCE_MS ? interval_ms / 2
                                                            : PT_REPORT_SHORTEST_DISTANCE_MS;
}

struct pt_node *pt_store_admit(struct pt_pull_store *store, const struct pt_report *report,
                               struct pt_error *err)
{
    struct pt_node *node = pt_map_get(&store->nodes, report->node_name);
    int64_t distance_ms = min_distance_ms(report);
    if (!node)
        return pt_store_add_node(store, report->node_name, err);
    if (node->is_applying) {
        pt_error_set(err, EAGAIN, "a report of this node is still being applied");
        return NULL;
    }
    if (pt_clock_monotonic_ns(store->clock) - node->reported_ns >= distance_ms * PT_NS_PER_MS)
        return node;
    pt_error_set(err, EAGAIN, "a report of this node came less than %lld ms ago",
                 (long long)distance_ms);
    return NULL;
}

struct pt_node *pt_store_get_node(struct pt_pull_store *store, const char *name)
{
    struct pt_node *node = pt_map_get(&store->nodes, name);
    if (node)
        return node;
    node = pt_store_add_node(store, name, NULL);
    if (!node)
        return NULL;
    node->reported_ns = pt_clock_monotonic_ns(store->clock) - SILENT_AFTER_NS;
    node->silent = true;
    store->silent_count++;
    node->is_unheard = true;
    store->unheard_count++;
    return node;
}

// The node leaves its place in the order of reports.
static void leave_order(struct pt_pull_store *store, struct pt_node *node)
{
    if (store->swept_next == node)
        store->swept_next = TAILQ_NEXT(node, in_store);
    TAILQ_REMOVE(&store->nodes_by_report, node, in_store);
}

int64_t pt_store_heartbeat_ms(const struct pt_pull_store *store)
{
    size_t reporting = store->nodes.count - store->silent_count;
    int64_t seconds = (int64_t)((reporting + PT_REPORT_HEARTBEATS_PER_SECOND - 1) /
                                PT_REPORT_HEARTBEATS_PER_SECOND);
    if (seconds * 1000 <= PT_REPORT_HEARTBEAT_MS)
        return PT_REPORT_HEARTBEAT_MS;
    return seconds * 1000 < PT_REPORT_LONGEST_HEARTBEAT_MS ? seconds * 1000
                                                           : PT_REPORT_LONGEST_HEARTBEAT_MS;
}

// The agent reports again before its next heartbeat.
static bool has_pull_under_way(const struct pt_report *report)
{
    for (size_t i = 0; i < report->pull_count; i++) {
        if (!pt_pull_phase_is_final(report->pulls[i].phase))
            return true;
    }
    return false;
}

// --- which report is the newest ---

static uint64_t run_of(const struct pt_report *report)
{
    return report->run ? strtoull(report->run, NULL, 16) : 0;
}

bool pt_node_is_late(const struct pt_pull_store *store, const struct pt_node *node,
                     const struct pt_report *report, const struct pt_replay *replay)
{
    uint64_t run = run_of(report);
    int64_t received_ns = replay ? replay->received_ns : pt_clock_monotonic_ns(store->clock);
    int64_t since = received_ns - node->newest_ns;
    if (run && run == node->agent_run && report->sequence > 0)
        return report->sequence <= node->sequence && since < NUMBER_STANDS_NS;
    return report->timestamp < node->newest_timestamp &&
           report->timestamp > node->newest_timestamp - LATE_WINDOW_NS;
}

void pt_node_note_newest(const struct pt_pull_store *store, struct pt_node *node,
                         const struct pt_report *report)
{
    node->newest_ns = pt_clock_monotonic_ns(store->clock);
    node->newest_timestamp = report->timestamp;
    node->agent_run = run_of(report);
    node->sequence = report->sequence;
}

void pt_node_note_old_end(const struct pt_pull_store *store, struct pt_node *node,
                          const struct pt_report *report)
{
    uint64_t run = run_of(report);
    bool is_of_run = run && (run == node->agent_run || node->agent_run == 0);
    if (!is_of_run || report->sequence - 1 <= node->sequence)
        return;
    node->newest_ns = pt_clock_monotonic_ns(store->clock);
    node->agent_run = run;
    node->sequence = report->sequence - 1;
}

int pt_store_note_report(struct pt_pull_store *store, struct pt_node *node,
                         const struct pt_report *report, const struct pt_replay *replay)
{
    if (replay && node->reported_ns > replay->received_ns)
        return 0; // a newer one has come before
    store->unheard_count -= node->is_unheard;
    node->is_unheard = false;
    node->is_of_others = replay;
    node->reported_ns = replay ? replay->received_ns : pt_clock_monotonic_ns(store->clock);
    node->reported_wall_ns = replay ? replay->received_wall_ns : pt_clock_wall_ns(store->clock);
    node->interval_ms = report->interval_ms;
    node->heartbeat_ms = has_pull_under_way(report) ? 0 : pt_store_heartbeat_ms(store);
    node->report_number++;
    if (node->extract_bytes_per_second <= 0)
        node->extract_bytes_per_second = store->extract_bytes_per_second;
    store->silent_count -= node->silent;
    node->silent = false;
    leave_order(store, node);
    TAILQ_INSERT_TAIL(&store->nodes_by_report, node, in_store);
    if (pt_shared_text_replace(&store->versions, &node->agent_version, report->agent_version) < 0 ||
        pt_shared_text_replace(&store->versions, &node->runtime_name, report->runtime_name) < 0 ||
        pt_shared_text_replace(&store->versions, &node->runtime_version, report->runtime_version) <
            0)
        return -ENOMEM;
    return 0;
}

void pt_store_hold_still(struct pt_pull_store *store, bool holds)
{
    store->holds_still = holds;
}

void pt_store_date_report(struct pt_pull_store *store, const char *node_name,
                          int64_t received_wall_ns)
{
    struct pt_node *node = pt_map_get(&store->nodes, node_name);
    if (node)
        node->reported_wall_ns = received_wall_ns;
}

static void add_sample(struct pt_node_flow *flow, int64_t timestamp, int64_t bytes)
{
    pt_rate_add(&flow->rate, timestamp, bytes);
    pt_pauses_add(&flow->pauses, timestamp, bytes);
    flow->rate.bytes_per_second =
        pt_pauses_speed(&flow->pauses, timestamp, flow->rate.bytes_per_second);
}

// The flow of a node that has pulls; without any it is let go.
static struct pt_node_flow *flow_of(struct pt_node *node, int64_t before, int64_t bytes_before)
{
    if (node->pull_count == 0) {
        free(node->flow);
        node->flow = NULL;
    } else if (!node->flow) {
        node->flow = calloc(1, sizeof(*node->flow));
        if (node->flow && before)
            add_sample(node->flow, before, bytes_before);
    }
    return node->flow;
}

void pt_node_note_received(struct pt_node *node, int64_t before, int64_t bytes_before,
                           int64_t timestamp)
{
    struct pt_node_flow *flow = flow_of(node, before, bytes_before);
    if (flow)
        add_sample(flow, timestamp, node->received_bytes);
    double more = (flow ? flow->rate.bytes_per_second : 0) - node->most_bytes_per_second;
    node->most_bytes_per_second += more > 0 ? more : FALL_SHARE * more;
}

double pt_node_speed(const struct pt_node *node)
{
    return TAILQ_EMPTY(&node->active) || node->silent || !node->flow
               ? 0
               : node->flow->rate.bytes_per_second;
}

void pt_node_count_speed(struct pt_pull_store *store, struct pt_node *node)
{
    int64_t speed = (int64_t)pt_node_speed(node);
    store->bytes_per_second += speed - node->counted_speed;
    node->counted_speed = speed;
}

// --- what it did in the last half hour ---

static struct pt_node_past *keep_past(struct pt_pull_store *store, struct pt_node *node)
{
    if (node->past || !pt_memory_share_take(store->memory, sizeof(*node->past)))
        return node->past;
    node->past = calloc(1, sizeof(*node->past));
    if (!node->past)
        pt_memory_share_add(store->memory, -(int64_t)sizeof(*node->past));
    return node->past;
}

void pt_node_note_past(struct pt_pull_store *store, struct pt_node *node, uint64_t step,
                       double bytes_per_second, size_t stalled)
{
    struct pt_node_past *past = keep_past(store, node);
    if (past)
        pt_node_past_note(past, step, bytes_per_second, stalled);
}

void pt_node_note_past_failed(struct pt_pull_store *store, struct pt_node *node, uint64_t step)
{
    struct pt_node_past *past = keep_past(store, node);
    if (past)
        pt_node_past_note_failed(past, step);
}

bool pt_node_has_past(const struct pt_node *node)
{
    return node->past;
}

struct pt_node_past_step pt_node_past_at(const struct pt_node *node, uint64_t step)
{
    return node->past ? pt_node_past_step_at(node->past, step) : (struct pt_node_past_step){0};
}

void pt_node_let_past_go(struct pt_pull_store *store, struct pt_node *node, uint64_t newest_step)
{
    if (node->past && pt_node_past_is_over(node->past, newest_step))
        drop_past(store, node);
}

// --- silence ---

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
    pt_node_count_speed(store, node);
}

// When an agent that reports is late beyond doubt, if that is later than PT_REPORT_SILENT_MS.
static int64_t late_after_ms(const struct pt_node *node)
{
    int64_t interval_ms =
        node->interval_ms > node->heartbeat_ms ? node->interval_ms : node->heartbeat_ms;
    return PT_REPORT_SILENT_INTERVALS * interval_ms;
}

static void remove_node(struct pt_pull_store *store, struct pt_node *node)
{
    store->silent_count--;
    store->unheard_count -= node->is_unheard;
    leave_order(store, node);
    TAILQ_REMOVE(&store->nodes_in_order, node, in_order);
    pt_map_remove(&store->nodes, node->name);
    pt_memory_share_add(store->memory, -bytes_of_node(node->name));
    pt_node_destroy(store, node);
}

bool pt_store_sweep_nodes(struct pt_pull_store *store, int64_t now, int *left)
{
    struct pt_node *node = store->swept_next;
    if (!node)
        node = TAILQ_FIRST(&store->nodes_by_report);
    for (; node && now - node->reported_ns >= SILENT_AFTER_NS; node = store->swept_next) {
        int64_t age = now - node->reported_ns;
        store->swept_next = node;
        if (*left <= 0)
            return false;
        store->swept_next = TAILQ_NEXT(node, in_store);
        --*left;
        if (store->holds_still && node->is_of_others)
            continue;
        if (!node->silent && age / PT_NS_PER_MS >= late_after_ms(node)) {
            *left -= (int)node->active_count;
            fall_silent(store, node);
        }
        if (node->silent && node->pins == 0 && age >= store->settings.history_ttl_ns)
            remove_node(store, node);
    }
    store->swept_next = NULL;
    return true;
}

// --- several pulls of one image at once ---

// A kubelet that pulls several images at once asks the runtime once for each pod, and a node's
// first sandboxes ask for theirs. One of them fetches, the others wait for its bytes. While it runs
// it stands for them; what has fetched nothing in the end is a check.

static bool is_of_same_image(const struct pt_stored_pull *stored, const struct pt_pull *reported)
{
    const struct pt_pull *pull = &stored->pull;
    return !stored->of_kubelet && stored->life != PT_LIFE_GIVEN_UP && pull->root_digest &&
           pull->repository && strcmp(pull->root_digest, reported->root_digest) == 0 &&
           pt_repository_is_same(pull->repository, reported->repository);
}

static bool fetches_nothing(const struct pt_pull *reported)
{
    return reported->id && reported->root_digest && reported->repository &&
           reported->bytes_fetched == 0 && reported->kind != PT_KIND_CHECK;
}

// Of the oldest pulls under way.
bool pt_node_waits_for_another(const struct pt_node *node, const struct pt_pull *reported)
{
    const struct pt_stored_pull *other = TAILQ_FIRST(&node->active);
    if (!fetches_nothing(reported) || pt_pull_phase_is_final(reported->phase))
        return false;
    for (int i = 0; i < COMPARED_PULLS && other; i++) {
        if (is_of_same_image(other, reported) && other->pull.started_at <= reported->started_at)
            return true;
        other = TAILQ_NEXT(other, in_node);
    }
    return false;
}

static bool has_fetched_for(const struct pt_stored_pull *other, const struct pt_pull *reported)
{
    int64_t ended_at = other->pull.completed_at;
    return is_of_same_image(other, reported) && other->pull.bytes_fetched > 0 &&
           other->pull.started_at <= reported->completed_at &&
           (ended_at == 0 || ended_at >= reported->started_at);
}

// Of the oldest pulls under way and those that ended last.
bool pt_node_has_waited_for_another(const struct pt_node *node, const struct pt_pull *reported)
{
    const struct pt_stored_pull *active = TAILQ_FIRST(&node->active);
    const struct pt_stored_pull *finished = TAILQ_LAST(&node->finished, pt_stored_pull_list);
    if (!fetches_nothing(reported) || reported->phase != PT_PULL_COMPLETED)
        return false;
    for (int i = 0; i < COMPARED_PULLS && (active || finished); i++) {
        if ((active && has_fetched_for(active, reported)) ||
            (finished && has_fetched_for(finished, reported)))
            return true;
        active = active ? TAILQ_NEXT(active, in_node) : NULL;
        finished = finished ? TAILQ_PREV(finished, pt_stored_pull_list, in_node) : NULL;
    }
    return false;
}
