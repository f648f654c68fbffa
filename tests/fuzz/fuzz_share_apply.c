// SPDX-License-Identifier: Apache-2.0
#include "small_store.h"
#include "source.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PULLS 3 // of a report, at most
#define ID "0123456789abcdef0123456789abcde"

static const char *const node_names[] = {"n1", "n2", "n3"};
static const char *const agent_ids[] = {"a", "b", "c", NULL};
static const char *const images[] = {"a.io/b:1", "a.io/c:2", "sha256:abc", "__pulling__"};
static const char *const runs[] = {"1", "2", NULL};
// Those of several rows may be the same, of one node or of another.
static const char *const row_ids[] = {ID "0",
                                      ID "1",
                                      ID "2",
                                      ID "3",
                                      "--------------------------------",
                                      "-0-0-0-0-0-0-0-0-0-0-0-0-0-0-0-0"};
static const enum pt_pull_phase phases[] = {PT_PULL_RESOLVING, PT_PULL_DOWNLOADING,
                                            PT_PULL_COMPLETED, PT_PULL_FAILED};

struct made {
    struct pt_report report;
    struct pt_pull pulls[PULLS];
    struct pt_layer layers[PULLS];
    char ids[PULLS * PT_PULL_ID_LENGTH];
};

static void make(struct source *source, struct made *made)
{
    *made = (struct made){0};
    made->report = (struct pt_report){
        .node_name = ANY(source, node_names),
        .timestamp = fuzz_now_ns - take_below(source, 20) * PT_NS_PER_S,
        .run = ANY(source, runs),
        .sequence = take_below(source, 8) == 7 ? INT64_MAX : take_below(source, 16),
        .pulls = made->pulls,
        .pull_count = take_below(source, PULLS + 1),
    };
    for (size_t i = 0; i < made->report.pull_count; i++) {
        struct pt_pull *pull = &made->pulls[i];
        made->layers[i] = (struct pt_layer){
            .digest = "sha256:a", .total_bytes = 100, .downloaded_bytes = take_below(source, 101)};
        *pull = (struct pt_pull){
            .id = ANY(source, agent_ids),
            .image_ref = ANY(source, images),
            .phase = ANY(source, phases),
            .started_at = fuzz_now_ns - take_below(source, 60) * PT_NS_PER_S,
            .layers = &made->layers[i],
            .layer_count = take_below(source, 2),
        };
        pull->repository = take_below(source, 2) ? "a.io/b" : NULL;
        if (pt_pull_phase_is_final(pull->phase))
            pull->completed_at = fuzz_now_ns;
        memcpy(made->ids + i * PT_PULL_ID_LENGTH, ANY(source, row_ids), PT_PULL_ID_LENGTH);
    }
}

static void check_order(const struct pt_stored_pull_list *finished, bool of_node)
{
    const struct pt_stored_pull *stored = TAILQ_FIRST(finished), *next;
    for (; stored; stored = next) {
        next = of_node ? TAILQ_NEXT(stored, in_node) : TAILQ_NEXT(stored, in_queue);
        assert(pt_stored_pull_is_final(stored));
        assert(!next || stored->finished_at <= next->finished_at);
    }
}

// Each row is found by its id and by its node, and what is counted is there.
static void check(struct pt_pull_store *store)
{
    size_t cursor = 0, active = 0, of_nodes = 0;
    struct pt_stored_pull *stored;
    const struct pt_node *node;
    while ((stored = pt_map_next(&store->pulls, &cursor))) {
        assert(strlen(stored->id) == PT_PULL_ID_LENGTH);
        assert(pt_store_find(store, stored->id) == stored);
        // What an old agent's pull has left makes room for the next one of that name.
        bool is_out = stored->legacy && pt_stored_pull_is_final(stored);
        assert(is_out || pt_map_get(&stored->node->pulls, stored->key) == stored);
        (void)is_out;
        active += !pt_stored_pull_is_final(stored);
    }
    cursor = 0;
    while ((node = pt_map_next(&store->nodes, &cursor))) {
        of_nodes += node->pull_count;
        check_order(&node->finished, true);
    }
    check_order(&store->finished, false);
    assert(active == store->active_count);
    assert(of_nodes == store->pulls.count);
    assert(store->pulls.count <= store->settings.max_pulls);
}

// As an entry of the log is applied; others come between its steps.
static void replay(struct pt_pull_store *store, struct source *source)
{
    struct made made;
    struct pt_error err;
    make(source, &made);
    int64_t age_ns = take_below(source, 2) ? take_below(source, 256) * PT_NS_PER_S : 0;
    const struct pt_replay replay = {
        .row_ids = made.ids,
        .row_ids_length = made.report.pull_count * PT_PULL_ID_LENGTH - take_below(source, 8) / 7,
        .received_ns = fuzz_now_ns - age_ns,
        .received_wall_ns = fuzz_now_ns - age_ns,
        .age_ns = age_ns,
        .is_past = take_below(source, 2),
    };
    struct pt_application *application = pt_store_replay_begin(store, &made.report, &replay, &err);
    if (!application)
        return;
    while (pt_store_apply_step(application)) {
        if (take_below(source, 4) == 0)
            pt_store_sweep(store);
        check(store);
    }
    (void)!pt_store_apply_end(application, &err);
}

static void apply(struct pt_pull_store *store, struct source *source)
{
    struct made made;
    struct pt_error err;
    struct pt_buffer ids;
    make(source, &made);
    if (pt_store_apply(store, &made.report, &err) < 0)
        return;
    pt_buffer_init(&ids, sizeof(made.ids) + 1);
    int r = pt_store_write_row_ids(store, &made.report, &ids);
    assert(r == 0 && ids.length == made.report.pull_count * PT_PULL_ID_LENGTH);
    (void)r;
    pt_buffer_finish(&ids);
}

// Reports that this server takes, and entries that others have appended, with ids that clash, of
// the past or of now, late or not.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct pt_memory_share memory;
    struct pt_pull_store *store = create_small_store(&memory);
    pt_store_set_shared(store);
    while (source.size > 0) {
        unsigned what = take_below(&source, 8);
        if (what < 4)
            replay(store, &source);
        else if (what < 6)
            apply(store, &source);
        else
            pt_store_hold_still(store, what == 6);
        fuzz_now_ns += take_below(&source, 32) * PT_NS_PER_S;
        pt_store_sweep(store);
        check(store);
    }
    pt_store_destroy(store);
    return 0;
}
