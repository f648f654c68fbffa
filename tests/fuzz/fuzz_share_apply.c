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

static const char *const row_images[] = {"a.io/b:1", "a.io/c:2", "no reference"};
static const enum pt_pull_phase row_phases[] = {PT_PULL_QUEUED, PT_PULL_RESOLVING, PT_PULL_FAILED,
                                                PT_PULL_COMPLETED, PT_PULL_CANCELLED};
static const struct pt_waiting_container pods[] = {{"ns", "a", "c", "a.io/b:1"},
                                                   {"ns", "b", "c", NULL}};

// As Kubernetes says of an image, or another server has known.
static struct pt_image_row make_row(struct source *source, char key[static 16])
{
    struct pt_image_row row = {
        .node_name = ANY(source, node_names),
        .key = key,
        .image_ref = ANY(source, row_images),
        .repository = take_below(source, 2) ? "a.io/b" : NULL,
        .phase = ANY(source, row_phases),
        .waits_since = fuzz_now_ns - take_below(source, 4) * PT_NS_PER_S,
        .started_at = fuzz_now_ns - take_below(source, 128) * PT_NS_PER_S,
        .new_failures = take_below(source, 3),
        .join = {.waiting = pods,
                 .waiting_count = take_below(source, 3),
                 .is_waited_for = take_below(source, 2),
                 .attempts = take_below(source, 4),
                 .queued_seconds = take_below(source, 3) - 1.0,
                 .image_bytes = take_below(source, 2)},
    };
    snprintf(key, 16, "k%s", row.image_ref);
    row.join.image_ref = row.image_ref;
    if (pt_pull_phase_is_final(row.phase))
        row.ended_at = row.started_at + (take_below(source, 64) - 4) * PT_NS_PER_S;
    if (row.phase == PT_PULL_FAILED && take_below(source, 2)) {
        row.join.error = "it failed";
        row.join.error_class = PT_FAILURE_OTHER;
    }
    return row;
}

static void hear(struct pt_pull_store *store, struct source *source)
{
    char key[16];
    const struct pt_image_row row = make_row(source, key);
    pt_store_apply_row(store, &row);
}

static void restore(struct pt_pull_store *store, struct source *source)
{
    char key[16];
    struct pt_image_row row = make_row(source, key);
    const char *id = row_ids[take_below(source, 4)];
    int64_t age_ns = take_below(source, 256) * PT_NS_PER_S;
    row.new_failures = 0;
    row.join.is_waited_for = false;
    if (row.phase != PT_PULL_COMPLETED)
        row.phase = PT_PULL_FAILED;
    int r = pt_store_restore_row(store, id, &row, age_ns);
    assert(r <= 0 && (r < 0 || store->pulls.count > 0));
    (void)r;
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
    size_t cursor = 0, active = 0, of_nodes = 0, completed = 0, failed = 0, failing = 0;
    struct pt_stored_pull *stored;
    const struct pt_node *node;
    while ((stored = pt_map_next(&store->pulls, &cursor))) {
        assert(strlen(stored->id) == PT_PULL_ID_LENGTH);
        assert(pt_store_find(store, stored->id) == stored);
        // What an old agent's pull has left makes room for the next one of that name, as does a row
        // that has ended for the next one of its image.
        bool is_out = (stored->legacy || stored->of_kubelet) && pt_stored_pull_is_final(stored);
        assert(is_out || pt_map_get(&stored->node->pulls, stored->key) == stored);
        (void)is_out;
        active += !pt_stored_pull_is_final(stored);
        completed += stored->pull.phase == PT_PULL_COMPLETED;
        failed += stored->pull.phase == PT_PULL_FAILED;
        failing += stored->is_failing;
        assert(!stored->is_failing || stored->join->is_waited_for);
    }
    cursor = 0;
    while ((node = pt_map_next(&store->nodes, &cursor))) {
        of_nodes += node->pull_count;
        check_order(&node->finished, true);
    }
    check_order(&store->finished, false);
    assert(active == store->active_count);
    assert(completed == store->completed_count + store->check_count);
    assert(failed == store->failed_count && failing == store->failing_count);
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

// Reports that this server takes, entries that others have appended, with ids that clash, of the
// past or of now, late or not, what Kubernetes says here, and rows of which others have heard.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct pt_memory_share memory;
    struct pt_pull_store *store = create_small_store(&memory);
    pt_store_set_shared(store);
    while (source.size > 0) {
        unsigned what = take_below(&source, 16);
        if (what < 8 && what % 2)
            restore(store, &source);
        else if (what < 8)
            replay(store, &source);
        else if (what < 10)
            hear(store, &source);
        else if (what < 14)
            apply(store, &source);
        else
            pt_store_hold_still(store, what == 14);
        fuzz_now_ns += take_below(&source, 32) * PT_NS_PER_S;
        pt_store_sweep(store);
        check(store);
    }
    pt_store_destroy(store);
    return 0;
}
