// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_ROUND_SCENE_H
#define PT_TESTS_ROUND_SCENE_H

// A fake containerd, the rounds that look at it, and the tracker that makes pulls of what they see.

#include "agent/observe/steps.h"
#include "agent/track/track.h"

#include "fake_containerd.h"

struct scene {
    struct pt_containerd world;
    struct pt_clock clock;
    struct pt_tracker *tracker;
    struct pt_round *round;
    unsigned started, completed, failed; // pulls
    unsigned rounds_failed;
    int64_t downloaded; // of the first pull, as shown last
};

static inline int64_t fake_monotonic(void *context)
{
    const struct pt_containerd *world = context;
    return world->now + world->set_back;
}

static inline void on_change(void *context, enum pt_track_change change, const struct pt_pull *pull,
                             const struct pt_layer *layer)
{
    struct scene *scene = context;
    (void)pull, (void)layer;
    scene->started += change == PT_TRACK_STARTED;
    scene->completed += change == PT_TRACK_COMPLETED;
    scene->failed += change == PT_TRACK_FAILED;
}

static inline void on_observation(void *context, const struct pt_observation *observation)
{
    struct scene *scene = context;
    struct pt_totals totals;
    pt_tracker_observe(scene->tracker, observation);
    const struct pt_tracked *tracked = pt_tracker_next(scene->tracker, NULL);
    if (!tracked)
        return;
    pt_pull_totals(&tracked->pull, &totals);
    if (totals.downloaded_bytes < scene->downloaded)
        fail_msg("bytes fall from %lld to %lld", (long long)scene->downloaded,
                 (long long)totals.downloaded_bytes);
    scene->downloaded = totals.downloaded_bytes;
}

static inline void on_failure(void *context, const char *message)
{
    struct scene *scene = context;
    assert_true(message[0]);
    scene->rounds_failed++;
}

// Fails for want of memory only.
static inline int scene_create(struct scene *scene, const char *namespaces)
{
    *scene = (struct scene){.world = {.broken = CALL_COUNT, .now = START + PT_NS_PER_S}};
    scene->clock = (struct pt_clock){fake_monotonic, fake_now, &scene->world};
    const struct pt_tracker_options tracker = {.on_change = on_change, .context = scene};
    const struct pt_round_options round = {
        .containerd = &scene->world,
        .clock = &scene->clock,
        .namespaces = namespaces,
        .on_observation = on_observation,
        .on_failure = on_failure,
        .context = scene,
    };
    int r = pt_tracker_create(&tracker, &scene->tracker, NULL);
    if (r < 0)
        return r;
    r = pt_round_create(&round, &scene->round, NULL);
    if (r < 0)
        pt_tracker_destroy(scene->tracker);
    return r;
}

static inline void scene_begin(struct scene *scene, const char *namespaces)
{
    assert_int_equal(scene_create(scene, namespaces), 0);
}

static inline void scene_end(struct scene *scene)
{
    pt_round_destroy(scene->round);
    pt_tracker_destroy(scene->tracker);
}

static inline void scene_set_clock_back(struct scene *scene, int64_t ns)
{
    scene->world.now -= ns;
    scene->world.set_back += ns;
}

// A round, which is over at once, and a second passes.
static inline void scene_look(struct scene *scene)
{
    pt_round_start(scene->round);
    check_int("the round is over", scene->round->step, STEP_IDLE);
    scene->world.now += PT_NS_PER_S;
}

#endif
