// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_STORE_FIXTURE_H
#define PT_TESTS_STORE_FIXTURE_H

#include "server/store/pull_store_internal.h"

#include "check.h"

#include <stdio.h>

#define SCENE_START (INT64_C(1790000000) * PT_NS_PER_S)
#define HISTORY_NS (1800 * PT_NS_PER_S)
#define STALE_NS (600 * PT_NS_PER_S)

// A store under a clock that stands still until a test moves it, what the store announced last, and
// the pull that the agent of node n1 has to report: of app:1, with one layer.
struct scene {
    struct pt_pull_store *store;
    struct pt_clock clock;
    int64_t now_ns; // of both clocks of the server and, unless skewed, of the nodes
    int64_t node_skew_ns;
    const char *run; // of the nodes' agents, and the number of the next report; NULL: not said
    int64_t sequence;
    struct pt_layer layers[2];
    struct pt_pull pull;
    int started, completed, failed;
    int changes; // how often the store said that it has changed
    int rows_ended;
    char last_id[PT_PULL_ID_SIZE];
    struct pt_layer_rate rates[2]; // of the status that was asked for last
    struct pt_memory_share memory; // without a maximum unless a test sets one
    struct pt_error err;
};

// A layer of 100 bytes, of which so many have come.
static inline struct pt_layer make_layer(const char *digest, int64_t bytes)
{
    return (struct pt_layer){
        .digest = digest,
        .total_bytes = 100,
        .downloaded_bytes = bytes,
        .total_known = true,
        .phase = bytes < 100 ? PT_LAYER_DOWNLOADING : PT_LAYER_DOWNLOADED,
    };
}

// As our own agent reports it.
static inline struct pt_pull make_pull(const char *id, const char *image, struct pt_layer *layers,
                                       size_t count)
{
    return (struct pt_pull){
        .id = id,
        .image_ref = image,
        .repository = "docker.io/library/app",
        .started_at = SCENE_START,
        .phase = PT_PULL_DOWNLOADING,
        .total_known = true,
        .layers = layers,
        .layer_count = count,
    };
}

static inline int64_t scene_now(void *context)
{
    const struct scene *scene = context;
    return scene->now_ns;
}

static inline void scene_on_event(void *context, enum pt_event_type type,
                                  const struct pt_stored_pull *stored)
{
    struct scene *scene = context;
    scene->started += type == PT_EVENT_PULL_STARTED;
    scene->completed += type == PT_EVENT_PULL_COMPLETED;
    scene->failed += type == PT_EVENT_PULL_FAILED;
    snprintf(scene->last_id, sizeof(scene->last_id), "%s", stored->id);
}

static inline void scene_on_row_ended(void *context, const struct pt_stored_pull *stored)
{
    struct scene *scene = context;
    assert_true(pt_stored_pull_is_ended_row(stored));
    scene->rows_ended++;
}

static inline void scene_on_change(void *context)
{
    struct scene *scene = context;
    scene->changes++;
}

static inline void scene_begin(struct scene *scene)
{
    const struct pt_store_settings settings = {1000, 100, HISTORY_NS, STALE_NS, &scene->memory};
    *scene = (struct scene){.now_ns = SCENE_START, .clock = {scene_now, scene_now, scene}};
    scene->layers[0] = make_layer("sha256:a", 0);
    scene->pull = make_pull("lease-1", "app:1", scene->layers, 1);
    const struct pt_store_output output = {.on_event = scene_on_event,
                                           .on_change = scene_on_change,
                                           .on_row_ended = scene_on_row_ended,
                                           .context = scene};
    scene->store = pt_store_create(&settings, &scene->clock, &output);
    assert_non_null(scene->store);
}

static inline void scene_end(struct scene *scene)
{
    pt_store_destroy(scene->store);
}

#include "scene_test.h"

// As after a restart of the server: the clock, too, begins anew.
static inline void scene_restart(struct scene *scene)
{
    scene_end(scene);
    scene_begin(scene);
}

static inline void scene_wait(struct scene *scene, double seconds)
{
    scene->now_ns += (int64_t)(seconds * (double)PT_NS_PER_S);
    while (pt_store_sweep(scene->store))
        ;
}

// A second later, the node reports these pulls; returns what the store answers.
static inline int scene_report(struct scene *scene, const char *node, struct pt_pull *pulls,
                               size_t count)
{
    scene->now_ns += PT_NS_PER_S;
    struct pt_report report = {
        .run = scene->run,
        .sequence = scene->sequence,
        .node_name = node,
        .timestamp = scene->now_ns + scene->node_skew_ns,
        .interval_ms = 1000,
        .pulls = pulls,
        .pull_count = count,
    };
    return pt_store_apply(scene->store, &report, &scene->err);
}

// The same, of a report that is taken.
static inline void scene_deliver_pulls(struct scene *scene, const char *node, struct pt_pull *pulls,
                                       size_t count)
{
    check_int("report", scene_report(scene, node, pulls, count), 0);
}

// A second later, n1 reports its pull.
static inline void scene_deliver(struct scene *scene)
{
    scene_deliver_pulls(scene, "n1", &scene->pull, 1);
}

// The pull has two layers, sha256:a and sha256:b, of which so many bytes have come.
static inline void scene_two_layers(struct scene *scene, int64_t a_bytes, int64_t b_bytes)
{
    scene->layers[0] = make_layer("sha256:a", a_bytes);
    scene->layers[1] = make_layer("sha256:b", b_bytes);
    scene->pull.layer_count = 2;
}

// The pull that an event came of last.
static inline struct pt_stored_pull *scene_last(const struct scene *scene)
{
    return pt_store_find(scene->store, scene->last_id);
}

static inline struct pt_pull_status scene_last_status(struct scene *scene)
{
    const struct pt_stored_pull *stored = scene_last(scene);
    assert_in_range(stored->pull.layer_count, 0, COUNT_OF(scene->rates));
    return pt_stored_pull_status(stored, scene->rates);
}

static inline uint64_t scene_version(const struct scene *scene)
{
    return scene->store->changes.newest_version;
}

// Two images with a base layer in common, all of 100 bytes a layer.
struct sharing_pulls {
    struct pt_layer first[2], second[1];
    struct pt_pull pulls[2];
};

static inline void make_sharing_pulls(struct sharing_pulls *made)
{
    made->first[0] = made->second[0] = make_layer("sha256:base", 0);
    made->first[1] = make_layer("sha256:a", 0);
    made->pulls[0] = make_pull("lease-1", "app:1", made->first, 2);
    made->pulls[1] = make_pull("lease-2", "app:2", made->second, 1);
}

#endif
