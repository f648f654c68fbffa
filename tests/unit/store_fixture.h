// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_STORE_FIXTURE_H
#define PT_TESTS_STORE_FIXTURE_H

#include "server/store/pull_store.h"

#include "check.h"

#include <stdio.h>

// A store under a clock that stands still until it is told to go on, and what the store told last.
struct fixture {
    struct pt_pull_store store;
    int64_t now_ns; // of both clocks of the server and, unless skewed, of the nodes
    int64_t node_skew_ns;
    int started, completed, failed;
    char last_id[PT_PULL_ID_SIZE];
    struct pt_error err;
};

#define FIXTURE_START (INT64_C(1790000000) * PT_NS_PER_S)
#define HISTORY_NS (1800 * PT_NS_PER_S)
#define STALE_NS (600 * PT_NS_PER_S)

static inline int64_t fixture_now(void *context)
{
    const struct fixture *fixture = context;
    return fixture->now_ns;
}

static struct pt_clock fixture_clock = {fixture_now, fixture_now, NULL};

static inline void fixture_on_event(void *context, enum pt_event_type type,
                                    const struct pt_stored_pull *stored)
{
    struct fixture *fixture = context;
    fixture->started += type == PT_EVENT_PULL_STARTED;
    fixture->completed += type == PT_EVENT_PULL_COMPLETED;
    fixture->failed += type == PT_EVENT_PULL_FAILED;
    snprintf(fixture->last_id, sizeof(fixture->last_id), "%s", stored->id);
}

static inline void fixture_init(struct fixture *fixture, size_t max_pulls, size_t max_nodes)
{
    struct pt_store_settings settings = {max_pulls, max_nodes, HISTORY_NS, STALE_NS};
    *fixture = (struct fixture){.now_ns = FIXTURE_START};
    fixture_clock.context = fixture;
    pt_store_init(&fixture->store, &settings, &fixture_clock, fixture_on_event, fixture);
}

static inline void fixture_finish(struct fixture *fixture)
{
    pt_store_finish(&fixture->store);
}

static inline void fixture_wait(struct fixture *fixture, double seconds)
{
    fixture->now_ns += (int64_t)(seconds * (double)PT_NS_PER_S);
    while (pt_store_sweep(&fixture->store))
        ;
}

// A second later, the node reports these pulls.
static inline int fixture_tell(struct fixture *fixture, const char *node, struct pt_pull *pulls,
                               size_t count)
{
    fixture->now_ns += PT_NS_PER_S;
    struct pt_report report = {
        .node_name = node,
        .timestamp = fixture->now_ns + fixture->node_skew_ns,
        .interval_ms = 1000,
        .pulls = pulls,
        .pull_count = count,
    };
    return pt_store_apply(&fixture->store, &report, &fixture->err);
}

static inline const struct pt_stored_pull *fixture_last(const struct fixture *fixture)
{
    return pt_store_find(&fixture->store, fixture->last_id);
}

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

// As our own agent tells it.
static inline struct pt_pull make_pull(const char *id, const char *image, struct pt_layer *layers,
                                       size_t count)
{
    return (struct pt_pull){
        .id = id,
        .image_ref = image,
        .repository = "docker.io/library/app",
        .started_at = FIXTURE_START,
        .phase = PT_PULL_DOWNLOADING,
        .total_known = true,
        .layers = layers,
        .layer_count = count,
    };
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
