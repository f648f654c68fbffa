// SPDX-License-Identifier: Apache-2.0
#include "server/store/reader.h"

#include "server/eta/pull_eta.h"
#include "server/store/pull_store_internal.h"

#include <string.h>

// --- the whole ---

struct pt_store_figures pt_store_figures(const struct pt_pull_store *store)
{
    return (struct pt_store_figures){
        .pulls = store->pulls.count,
        .under_way = store->active_count - store->queued_count,
        .queued = store->queued_count,
        .failing = store->failing_count,
        .completed = store->completed_count,
        .checks = store->check_count,
        .failed = store->failed_count,
        .nodes_reporting = store->nodes.count - store->silent_count,
        .nodes_silent = store->silent_count - store->unheard_count,
        .received_bytes = store->received_bytes,
        .history_ns = store->settings.history_ttl_ns,
    };
}

double pt_store_speed(const struct pt_pull_store *store)
{
    return (double)store->bytes_per_second;
}

double pt_store_pull_seconds(const struct pt_pull_store *store, double share)
{
    return pt_duration_histogram_quantile(&store->durations, share);
}

const struct pt_registries *pt_store_registries(const struct pt_pull_store *store)
{
    return &store->registries;
}

// --- a pull ---

struct pt_stored_pull *pt_store_find(const struct pt_pull_store *store, const char *id)
{
    return pt_map_get(&store->pulls, id);
}

const char *pt_stored_pull_id(const struct pt_stored_pull *stored)
{
    return stored->id;
}

const char *pt_stored_pull_node_name(const struct pt_stored_pull *stored)
{
    return stored->node->name;
}

const struct pt_pull *pt_stored_pull_model(const struct pt_stored_pull *stored)
{
    return &stored->pull;
}

const struct pt_join *pt_stored_pull_join(const struct pt_stored_pull *stored)
{
    return stored->join;
}

int64_t pt_stored_pull_reported_at(const struct pt_stored_pull *stored)
{
    return stored->reported_at;
}

const char *pt_stored_pull_agent_id(const struct pt_stored_pull *stored)
{
    return !stored->of_kubelet && stored->key[0] == 'i' ? stored->key + 1 : NULL;
}

int64_t pt_stored_pull_failures(const struct pt_stored_pull *stored)
{
    return stored->failures_reported;
}

int64_t pt_stored_pull_ended_ns(const struct pt_stored_pull *stored)
{
    return stored->finished_at;
}

bool pt_stored_pull_is_final(const struct pt_stored_pull *stored)
{
    return stored->life >= PT_LIFE_GIVEN_UP;
}

bool pt_stored_pull_has_ended(const struct pt_stored_pull *stored)
{
    return stored->life == PT_LIFE_FINAL;
}

bool pt_store_knows_end(const struct pt_pull_store *store, const char *id)
{
    const struct pt_stored_pull *stored = pt_store_find(store, id);
    return stored && stored->pull.phase == PT_PULL_COMPLETED;
}

bool pt_stored_pull_is_of_kubelet(const struct pt_stored_pull *stored)
{
    return stored->of_kubelet;
}

bool pt_stored_pull_is_ended_row(const struct pt_stored_pull *stored)
{
    enum pt_pull_phase phase = stored->pull.phase;
    bool is_waited_for = stored->join && stored->join->is_waited_for;
    return stored->of_kubelet && stored->life == PT_LIFE_FINAL &&
           (phase == PT_PULL_COMPLETED || (phase == PT_PULL_FAILED && !is_waited_for));
}

double pt_stored_pull_percent(const struct pt_stored_pull *stored)
{
    return stored->percent_floor;
}

enum pt_hold_up_kind pt_stored_pull_hold_up(const struct pt_stored_pull *stored)
{
    return stored->hold_up.kind;
}

double pt_stored_pull_speed(const struct pt_stored_pull *stored)
{
    return stored->pull.phase == PT_PULL_DOWNLOADING ? stored->rate.bytes_per_second : 0;
}

const char *pt_stored_pull_image_ref(const struct pt_stored_pull *stored)
{
    const struct pt_join *join = stored->join;
    // A name with tag and digest says more than containerd's, which has the digest alone.
    bool has_better =
        join && join->image_ref &&
        (!stored->pull.image_ref_exact || (join->image_ref_exact && strchr(join->image_ref, '@')));
    return has_better ? join->image_ref : stored->pull.image_ref;
}

// Of a pull that no agent reports the kubelet says in the end how large it was and how long it
// took.
static void add_kubelet_figures(const struct pt_stored_pull *stored, struct pt_pull_status *status)
{
    const struct pt_join *join = stored->join;
    if (!join || !stored->of_kubelet || stored->pull.phase != PT_PULL_COMPLETED)
        return;
    if (join->pull_ns > 0)
        status->download_seconds = (double)join->pull_ns / (double)PT_NS_PER_S;
    if (join->image_bytes == 0)
        return;
    status->totals.total_bytes = status->totals.downloaded_bytes = join->image_bytes;
    status->pull.total_known = true;
}

// Nothing waits for an image that has come. For what was given up, the row of the image that the
// kubelet still asks for says who waits.
bool pt_stored_pull_is_waited_for(const struct pt_stored_pull *stored)
{
    bool is_over =
        stored->pull.phase == PT_PULL_COMPLETED || stored->pull.phase == PT_PULL_CANCELLED;
    return stored->join && stored->join->is_waited_for && !is_over &&
           stored->life != PT_LIFE_GIVEN_UP;
}

static struct pt_hold_up hold_up_of(const struct pt_stored_hold_up *stored)
{
    return (struct pt_hold_up){
        .kind = stored->kind,
        .since = stored->since,
        .pull_id = *stored->pull_id ? stored->pull_id : NULL,
        .node_bytes_per_second = stored->node_bytes_per_second,
        .registry_bytes_per_second = stored->registry_bytes_per_second,
    };
}

// What is over is held up by nothing, whatever was so a moment ago.
static bool may_be_held_up(const struct pt_stored_pull *stored)
{
    return !pt_stored_pull_is_final(stored) ||
           (stored->pull.phase == PT_PULL_FAILED && pt_stored_pull_is_waited_for(stored));
}

static void add_join(const struct pt_join *join, struct pt_pull_status *status)
{
    status->image_ref_exact |= join->image_ref_exact;
    status->waiting = join->waiting;
    status->waiting_count = join->waiting_count;
    status->queued_seconds = join->queued_seconds;
    status->attempts = join->attempts;
    status->next_attempt_at = join->next_attempt_at;
}

static struct pt_eta_basis eta_basis(const struct pt_stored_pull *stored)
{
    const struct pt_node *node = stored->node;
    const struct pt_registry *registry = stored->registry;
    return (struct pt_eta_basis){
        .steps = &stored->steps,
        .bytes_per_second = pt_stored_pull_speed(stored),
        .connection_bytes_per_second = registry ? registry->connection_bytes_per_second : 0,
        .node_bytes_per_second = node->most_bytes_per_second,
        .extract_bytes_per_second = node->extract_bytes_per_second,
        .seconds_between = registry ? registry->seconds_between : 0,
        .finish_seconds = node->finish_seconds,
        .slots = node->slots > stored->slots ? node->slots : stored->slots,
        .is_still = node->silent || pt_stored_pull_stalled_seconds(stored) > 0,
    };
}

struct pt_pull_status pt_stored_pull_status(const struct pt_stored_pull *stored,
                                            struct pt_layer_rate *layer_rates)
{
    struct pt_pull_status status = pt_pull_status_make(&stored->pull);
    status.id = stored->id;
    status.node_name = stored->node->name;
    for (size_t i = 0; i < stored->pull.layer_count; i++) {
        bool moving = stored->pull.layers[i].phase == PT_LAYER_DOWNLOADING &&
                      !pt_stored_pull_is_final(stored);
        layer_rates[i].bytes_per_second = moving ? stored->tracks[i].rate.bytes_per_second : 0;
    }
    status.layer_rates = layer_rates;
    if (status.totals.percent < stored->percent_floor)
        status.totals.percent = stored->percent_floor;
    status.bytes_per_second = pt_stored_pull_speed(stored);
    status.stalled_seconds = pt_stored_pull_stalled_seconds(stored);
    status.stale_reason = stored->stale_reason;
    status.version = stored->version;
    status.image_ref = pt_stored_pull_image_ref(stored);
    if (stored->join) {
        add_join(stored->join, &status);
        status.is_waited_for = pt_stored_pull_is_waited_for(stored);
    }
    const struct pt_eta_basis basis = eta_basis(stored);
    pt_pull_eta(&stored->pull, stored->tracks, &basis, stored->reported_at, &status);
    add_kubelet_figures(stored, &status);
    if (may_be_held_up(stored))
        status.hold_up = hold_up_of(&stored->hold_up);
    return status;
}

// --- changes ---

uint64_t pt_store_first_version(const struct pt_pull_store *store)
{
    return store->changes.first_version;
}

uint64_t pt_store_newest_version(const struct pt_pull_store *store)
{
    return store->changes.newest_version;
}

struct pt_stored_pull *pt_store_changed_after(const struct pt_pull_store *store, uint64_t version,
                                              size_t *ret_cursor)
{
    return pt_change_log_after(&store->changes, version, ret_cursor);
}

struct pt_stored_pull *pt_store_changed_next(const struct pt_pull_store *store, size_t *cursor)
{
    return pt_change_log_next(&store->changes, cursor);
}

struct pt_pull_versions pt_stored_pull_versions(const struct pt_stored_pull *stored)
{
    return (struct pt_pull_versions){
        .newest = stored->version,
        .created = stored->created_version,
        .final = stored->final_version,
    };
}

struct pt_layer_versions pt_stored_pull_layer_versions(const struct pt_stored_pull *stored,
                                                       size_t layer_index)
{
    return stored->versions[layer_index];
}

// --- all pulls ---

void pt_store_walk_begin(struct pt_pull_store *store, struct pt_store_walk *walk)
{
    walk->next = TAILQ_FIRST(&store->all);
    LIST_INSERT_HEAD(&store->walks, walk, in_store);
}

void pt_store_walk_end(struct pt_store_walk *walk)
{
    LIST_REMOVE(walk, in_store);
}

struct pt_stored_pull *pt_store_walk_next(struct pt_store_walk *walk)
{
    struct pt_stored_pull *stored = walk->next;
    if (stored)
        walk->next = TAILQ_NEXT(stored, in_store);
    return stored;
}

void pt_store_walk_past(struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    struct pt_store_walk *walk;
    LIST_FOREACH(walk, &store->walks, in_store)
    {
        if (walk->next == stored)
            walk->next = TAILQ_NEXT(stored, in_store);
    }
}

// --- nodes ---

struct pt_node_status pt_node_status(const struct pt_node *node)
{
    return (struct pt_node_status){
        .name = node->name,
        .agent_version = node->agent_version,
        .runtime_name = node->runtime_name,
        .runtime_version = node->runtime_version,
        .reported_at = node->reported_wall_ns,
        .bytes_per_second = pt_node_speed(node),
        .active_pulls = node->active_count,
        .is_silent = node->silent,
    };
}

bool pt_node_has_reported(const struct pt_node *node)
{
    return node->reported_wall_ns > 0;
}

bool pt_node_is_silent(const struct pt_node *node)
{
    return node->silent;
}

int64_t pt_node_reported_at(const struct pt_node *node)
{
    return node->reported_wall_ns;
}

struct pt_node *pt_store_find_node(const struct pt_pull_store *store, const char *name)
{
    return pt_map_get(&store->nodes, name);
}

struct pt_node *pt_store_next_node(const struct pt_pull_store *store, size_t *cursor)
{
    return pt_map_next(&store->nodes, cursor);
}

struct pt_node *pt_store_node_after(const struct pt_pull_store *store, const struct pt_node *node)
{
    return node ? TAILQ_NEXT(node, in_order) : TAILQ_FIRST(&store->nodes_in_order);
}

bool pt_node_came_after(const struct pt_node *node, const struct pt_node *other)
{
    return !other || node->number > other->number;
}

const struct pt_stored_pull *pt_node_find_pull(const struct pt_node *node, const char *key)
{
    return pt_map_get(&node->pulls, key);
}

struct pt_stored_pull *pt_node_next_active(const struct pt_node *node,
                                           const struct pt_stored_pull *stored)
{
    return stored ? TAILQ_NEXT(stored, in_node) : TAILQ_FIRST(&node->active);
}

struct pt_stored_pull *pt_node_next_finished(const struct pt_node *node,
                                             const struct pt_stored_pull *stored)
{
    return stored ? TAILQ_NEXT(stored, in_node) : TAILQ_FIRST(&node->finished);
}

void pt_node_note_first(struct pt_node *node, const struct pt_stored_pull *stored)
{
    node->first = stored;
}

const struct pt_stored_pull *pt_node_first(const struct pt_node *node)
{
    return node->first;
}

void pt_node_walk_begin(struct pt_pull_store *store, struct pt_stored_pull *first,
                        struct pt_node_walk *walk)
{
    walk->next = first;
    LIST_INSERT_HEAD(&store->node_walks, walk, in_store);
}

void pt_node_walk_end(struct pt_node_walk *walk)
{
    LIST_REMOVE(walk, in_store);
}

struct pt_stored_pull *pt_node_walk_next(struct pt_node_walk *walk)
{
    struct pt_stored_pull *stored = walk->next;
    if (stored)
        walk->next = TAILQ_NEXT(stored, in_node);
    return stored;
}

void pt_node_walk_past(struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    struct pt_node_walk *walk;
    LIST_FOREACH(walk, &store->node_walks, in_store)
    {
        if (walk->next == stored)
            walk->next = TAILQ_NEXT(stored, in_node);
    }
}

void pt_node_pin(struct pt_node *node)
{
    node->pins++;
}

void pt_node_unpin(struct pt_node *node)
{
    node->pins--;
}
