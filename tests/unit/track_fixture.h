// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_TRACK_FIXTURE_H
#define PT_TESTS_TRACK_FIXTURE_H

#include "agent/track/track.h"
#include "base/clock.h"

#include "check.h"

#include <stdio.h>

// A scene in which a test writes what the observer would see, second by second.

#define NAMESPACE "k8s.io"
#define NOW (INT64_C(1795230245) * PT_NS_PER_S)
#define MAX_LAYERS 4
#define MAX_LEASES 40

#define ROOT "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define DIGEST(n) "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" #n
#define CHAIN(n) "sha256:ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc" #n

struct scene {
    struct pt_tracker *tracker;
    struct pt_seen_lease leases[MAX_LEASES];
    struct pt_seen_layer layers[MAX_LEASES][MAX_LAYERS];
    size_t lease_count;
    struct pt_seen_image images[2];
    size_t image_count;
    double seconds;     // since NOW
    double set_seconds; // by which the clock was set meanwhile
    int64_t containerd_pid;
    unsigned started, named, completed, failed, restarted;
    char last_error[256];
};

static inline int64_t at(double seconds)
{
    return NOW + (int64_t)(seconds * (double)PT_NS_PER_S);
}

static inline void on_change(void *context, enum pt_track_change change, const struct pt_pull *pull,
                             const struct pt_layer *layer)
{
    struct scene *scene = context;
    switch (change) {
    case PT_TRACK_STARTED:
        scene->started++;
        break;
    case PT_TRACK_NAMED:
        scene->named++;
        break;
    case PT_TRACK_COMPLETED:
        scene->completed++;
        break;
    case PT_TRACK_FAILED:
        scene->failed++;
        snprintf(scene->last_error, sizeof(scene->last_error), "%s", pull->error);
        break;
    case PT_TRACK_LAYER_RESTARTED:
        assert_non_null(layer);
        scene->restarted++;
        break;
    }
}

static inline void scene_begin(struct scene *scene)
{
    *scene = (struct scene){.containerd_pid = 100};
    const struct pt_tracker_options options = {.on_change = on_change, .context = scene};
    assert_int_equal(pt_tracker_create(&options, &scene->tracker, NULL), 0);
}

static inline void scene_end(struct scene *scene)
{
    pt_tracker_destroy(scene->tracker);
}

#include "scene_test.h"

// Shows the scene to the tracker at a time; gone leases leave it afterwards.
static inline void observe(struct scene *scene, double seconds)
{
    struct pt_seen_lease *leases[MAX_LEASES];
    size_t kept = 0;
    scene->seconds = seconds;
    for (size_t i = 0; i < scene->lease_count; i++)
        leases[i] = &scene->leases[i];
    const struct pt_observation observation = {
        .taken_at = at(seconds + scene->set_seconds),
        .taken_monotonic = at(seconds) - NOW + PT_NS_PER_S,
        .containerd_pid = scene->containerd_pid,
        .leases = leases,
        .lease_count = scene->lease_count,
        .images = scene->images,
        .image_count = scene->image_count,
    };
    pt_tracker_observe(scene->tracker, &observation);
    scene->image_count = 0;
    for (size_t i = 0; i < scene->lease_count; i++) {
        if (scene->leases[i].fate == PT_LEASE_OVER)
            continue;
        memcpy(scene->layers[kept], scene->layers[i], sizeof(scene->layers[i]));
        scene->leases[kept] = scene->leases[i];
        scene->leases[kept].layers = scene->layers[kept];
        kept++;
    }
    scene->lease_count = kept;
}

static inline struct pt_seen_lease *add_lease(struct scene *scene, const char *id,
                                              double created_seconds)
{
    struct pt_seen_lease *lease = &scene->leases[scene->lease_count];
    *lease = (struct pt_seen_lease){
        .namespace = (char *)NAMESPACE,
        .id = (char *)id,
        .created_at = at(created_seconds),
        .fingerprint = 1,
        .root_digest = (char *)ROOT,
        .layers = scene->layers[scene->lease_count],
    };
    scene->lease_count++;
    return lease;
}

// Gives the lease an image of `count` layers of 1000 bytes each.
static inline void add_layers(struct pt_seen_lease *lease, size_t count)
{
    static const char *const digests[] = {DIGEST(0), DIGEST(1), DIGEST(2), DIGEST(3)};
    static const char *const chains[] = {CHAIN(0), CHAIN(1), CHAIN(2), CHAIN(3)};
    for (size_t i = 0; i < count; i++)
        lease->layers[i] = (struct pt_seen_layer){
            .digest = (char *)digests[i], .chain_id = (char *)chains[i], .size = 1000};
    lease->layer_count = count;
    lease->layers_known = true;
    lease->manifest_digest = (char *)ROOT;
    lease->repository = (char *)"registry.example/app";
    lease->fingerprint++;
}

static inline void fetch(struct pt_seen_lease *lease, size_t index, int64_t offset)
{
    struct pt_seen_layer *layer = &lease->layers[index];
    if (!layer->has_ingest)
        lease->fingerprint++;
    layer->has_ingest = layer->owns_ingest = true;
    layer->ingest_started_at = lease->created_at + PT_NS_PER_S / 10;
    layer->offset = offset;
}

// The agent looks, at 0, before a pull of so many layers begins.
static inline struct pt_seen_lease *new_pull(struct scene *scene, size_t layers)
{
    observe(scene, 0);
    struct pt_seen_lease *lease = add_lease(scene, "a", 0.5);
    add_layers(lease, layers);
    return lease;
}

// Such a pull has, by the look at 1, so many bytes of its first layer.
static inline struct pt_seen_lease *begin_pull(struct scene *scene, size_t layers, int64_t bytes)
{
    struct pt_seen_lease *lease = new_pull(scene, layers);
    fetch(lease, 0, bytes);
    observe(scene, 1);
    return lease;
}

static inline void commit(struct pt_seen_lease *lease, size_t index, double seconds)
{
    struct pt_seen_layer *layer = &lease->layers[index];
    layer->has_ingest = layer->owns_ingest = false;
    layer->blob_at = at(seconds);
    lease->fingerprint++;
}

static inline void extract(struct pt_seen_lease *lease, size_t index, double prepared, double done)
{
    lease->layers[index].prepared_at = at(prepared);
    lease->layers[index].extract_begun = true;
    if (done > 0)
        lease->layers[index].extracted_at = at(done);
    lease->fingerprint++;
}

// The lease is gone; with a name, its image record is there and it is unpacked.
static inline void end_lease(struct pt_seen_lease *lease, const char *image_name, double seconds)
{
    lease->fate = PT_LEASE_OVER;
    lease->image_name = (char *)image_name;
    lease->image_updated_at = image_name ? at(seconds) : 0;
    lease->is_unpacked = image_name != NULL;
}

// A pull of one layer that began and ended, well if it is given a name, between two looks.
static inline void pull_at_once(struct scene *scene, const char *id, const char *image_name,
                                double seconds)
{
    struct pt_seen_lease *lease = add_lease(scene, id, seconds - 0.2);
    add_layers(lease, 1);
    if (image_name)
        commit(lease, 0, seconds - 0.1);
    end_lease(lease, image_name, seconds - 0.05);
    observe(scene, seconds);
}

static inline void add_image(struct scene *scene, const char *name, double seconds)
{
    scene->images[scene->image_count++] = (struct pt_seen_image){
        .namespace = (char *)NAMESPACE,
        .name = (char *)name,
        .target_digest = (char *)ROOT,
        .written_at = at(seconds),
    };
}

static inline void see_event(struct scene *scene, enum pt_seen_event_kind kind, const char *subject,
                             double seconds)
{
    const struct pt_seen_event event = {
        .kind = kind, .namespace = NAMESPACE, .subject = subject, .at = at(seconds)};
    pt_tracker_event(scene->tracker, &event);
}

// The pull that is shown first; finished ones come before active ones.
static inline const struct pt_pull *first_pull(struct scene *scene)
{
    const struct pt_tracked *tracked = pt_tracker_next(scene->tracker, NULL);
    return tracked ? &tracked->pull : NULL;
}

#endif
