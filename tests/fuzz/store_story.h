// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FUZZ_STORE_STORY_H
#define PT_TESTS_FUZZ_STORE_STORY_H

#include "server/store/pull_memory.h"
#include "server/store/pull_store_internal.h"

#include <assert.h>
#include <string.h>

// What must hold of a store whose agents, and whose correlate, say what is well formed.

#define LAYERS 3
#define IMAGES 3
#define MAX_SEEN 256

static const char *const images[IMAGES] = {"a.io/b:1", "a.io/b:2", "c.io/d:1"};

// What was shown of a pull so far.
struct seen {
    char id[PT_PULL_ID_SIZE];
    double percent;
    uint64_t version;
    int64_t completed_at; // its last end that was sent as completed, 0: none
    bool is_forgotten;    // since then
};

static struct {
    struct pt_pull_store *store;
    struct seen seen[MAX_SEEN];
    size_t seen_count;
    uint64_t received_bytes, newest_version;
} store_story;

static inline struct seen *see(const char *id)
{
    for (size_t i = 0; i < store_story.seen_count; i++) {
        if (strcmp(store_story.seen[i].id, id) == 0)
            return &store_story.seen[i];
    }
    if (store_story.seen_count == MAX_SEEN)
        return NULL;
    struct seen *seen = &store_story.seen[store_story.seen_count++];
    *seen = (struct seen){0};
    strcpy(seen->id, id);
    return seen;
}

static inline void store_story_on_event(void *context, enum pt_event_type type,
                                        const struct pt_stored_pull *stored)
{
    struct seen *seen = see(stored->id);
    (void)context;
    assert(type == PT_EVENT_PULL_STARTED || pt_stored_pull_is_final(stored) || stored->of_kubelet);
    if (seen && type == PT_EVENT_PULL_COMPLETED) {
        assert(stored->pull.phase == PT_PULL_COMPLETED);
        // A pod that waits on may have its image pulled again when the row of the first time is
        // gone.
        assert(!seen->completed_at ||
               (seen->is_forgotten && stored->pull.completed_at > seen->completed_at));
        seen->completed_at = stored->pull.completed_at;
        seen->is_forgotten = false;
    }
}

static inline void check_layers(const struct pt_pull *pull, const struct pt_totals *totals)
{
    int64_t total = 0, downloaded = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        assert(layer->downloaded_bytes >= 0);
        assert(!layer->total_known || layer->downloaded_bytes <= layer->total_bytes);
        total += layer->total_bytes;
        downloaded += layer->downloaded_bytes;
    }
    // A row that no agent reports has the kubelet's size and no layers.
    if (pull->layer_count > 0)
        assert(totals->total_bytes == total && totals->downloaded_bytes == downloaded);
    assert(totals->percent >= 0 && totals->percent <= 100);
}

static inline void check_pull(struct pt_stored_pull *stored)
{
    struct pt_layer_rate rates[LAYERS + 1];
    struct pt_buffer out;
    struct seen *seen = see(stored->id);
    assert(stored->pull.layer_count <= LAYERS);
    struct pt_pull_status status = pt_stored_pull_status(stored, rates);
    bool is_final = pt_pull_phase_is_final(stored->pull.phase);
    check_layers(&stored->pull, &status.totals);
    assert(pt_stored_pull_is_final(stored) == is_final);
    assert(stored->pull.phase != PT_PULL_COMPLETED || !status.pull.error);
    assert((stored->final_version != 0) == is_final);
    assert(stored->version <= store_story.store->changes.newest_version);
    // The next row of an image takes the key of one that has ended.
    assert(pt_map_get(&stored->node->pulls, stored->key) == stored ||
           (stored->of_kubelet && is_final));
    assert(pt_store_find(store_story.store, stored->id) == stored);
    pt_buffer_init(&out, 1 << 20);
    int r = pt_pull_status_encode(&status, true, &out);
    assert(r == 0);
    pt_buffer_finish(&out);
    if (!seen)
        return;
    // Another attempt in the same row begins anew, which readers see by its created version.
    assert(stored->version >= seen->version);
    assert(status.totals.percent >= seen->percent || stored->created_version > seen->version);
    seen->percent = status.totals.percent;
    seen->version = stored->version;
}

struct sums {
    size_t active, queued, completed, checks, failed, all;
};

static inline void add_up(const struct pt_stored_pull *stored, struct sums *sums)
{
    const struct pt_pull *pull = &stored->pull;
    bool is_final = pt_stored_pull_is_final(stored);
    sums->all++;
    sums->active += !is_final;
    sums->queued += stored->life == PT_LIFE_QUEUED;
    sums->completed += is_final && pull->phase == PT_PULL_COMPLETED && pull->kind != PT_KIND_CHECK;
    sums->checks += is_final && pull->phase == PT_PULL_COMPLETED && pull->kind == PT_KIND_CHECK;
    sums->failed += is_final && pull->phase == PT_PULL_FAILED;
}

// No image has two rows on a node of which nobody pulls.
static inline void check_rows(const struct pt_node *node)
{
    size_t rows[IMAGES] = {0};
    const struct pt_stored_pull *stored = NULL;
    while ((stored = pt_node_next_active(node, stored))) {
        for (size_t i = 0; i < IMAGES; i++)
            rows[i] += stored->of_kubelet && strcmp(stored->pull.image_ref, images[i]) == 0;
    }
    for (size_t i = 0; i < IMAGES; i++)
        assert(rows[i] <= 1);
}

static inline void check_node(const struct pt_node *node, struct sums *sums)
{
    const struct pt_stored_pull *stored = NULL;
    size_t active = 0, all = 0, keys = 0;
    while ((stored = pt_node_next_active(node, stored))) {
        assert(stored->node == node && !pt_stored_pull_is_final(stored));
        active++;
    }
    all = keys = active;
    while ((stored = pt_node_next_finished(node, stored))) {
        all++;
        keys += pt_map_get(&node->pulls, stored->key) == stored;
    }
    assert(active == node->active_count && all == node->pull_count);
    assert(node->pulls.count >= keys); // an earlier attempt's key may stand for its row too
    check_rows(node);
    sums->all -= all;
}

// To be called when rows may have gone, before others begin.
static inline void store_story_forget(void)
{
    for (size_t i = 0; i < store_story.seen_count; i++)
        store_story.seen[i].is_forgotten |=
            !pt_store_find(store_story.store, store_story.seen[i].id);
}

static inline void store_story_check(void)
{
    struct pt_pull_store *store = store_story.store;
    struct sums sums = {0};
    struct pt_stored_pull *stored;
    size_t cursor = 0;
    while ((stored = pt_map_next(&store->pulls, &cursor))) {
        check_pull(stored);
        add_up(stored, &sums);
    }
    const struct pt_store_figures figures = pt_store_figures(store);
    assert(sums.all == figures.pulls && sums.all == store->changes.pull_count);
    assert(sums.active - sums.queued == figures.under_way && sums.queued == figures.queued);
    assert(sums.completed == figures.completed && sums.checks == figures.checks);
    assert(sums.failed == figures.failed);
    assert(figures.received_bytes >= store_story.received_bytes);
    assert(store->changes.newest_version >= store_story.newest_version);
    assert(store->memory->used_bytes >= 0 && store->memory->used_bytes <= store->memory->max_bytes);
    store_story.received_bytes = figures.received_bytes;
    store_story.newest_version = store->changes.newest_version;
    struct pt_node *node;
    for (cursor = 0; (node = pt_store_next_node(store, &cursor));)
        check_node(node, &sums);
    assert(sums.all == 0);
}

#endif
