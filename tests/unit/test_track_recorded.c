// SPDX-License-Identifier: Apache-2.0
#include "agent/track/track.h"
#include "observation_json.h"

#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

// Plays what was recorded of real pulls (tests/observations) through the tracker. The argument is
// the folder of the recordings.

static const char *folder;

struct story {
    const char *name;
    unsigned started, completed, failed;
    struct pt_totals last; // of the pull, as it was shown last
    int64_t total_bytes;
    enum pt_pull_phase phase;
    char image_ref[256];
    bool image_ref_exact;
    size_t layer_count;
    size_t cached_count;
    enum pt_pull_kind kind;
    int64_t bytes_fetched;
};

static void on_change(void *context, enum pt_track_change change, const struct pt_pull *pull,
                      const struct pt_layer *layer)
{
    (void)layer;
    struct story *story = context;
    story->started += change == PT_TRACK_STARTED;
    story->completed += change == PT_TRACK_COMPLETED;
    story->failed += change == PT_TRACK_FAILED;
    if (change == PT_TRACK_FAILED && !pull->error)
        fail_msg("%s: a failure without words", story->name);
}

static void check_layer(const struct story *story, const struct pt_pull *pull,
                        const struct pt_layer *layer)
{
    if (layer->cached)
        return;
    int64_t times[] = {pull->started_at, layer->started_at, layer->completed_at,
                       layer->extract_started_at, layer->extract_completed_at};
    int64_t last = 0;
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        if (times[i] && times[i] < last)
            fail_msg("%s: time %zu of %s goes back", story->name, i, layer->digest);
        last = times[i] ? times[i] : last;
    }
}

// What is shown moves in one direction only.
static void check_progress(struct story *story, const struct pt_pull *pull)
{
    struct pt_totals totals;
    pt_pull_totals(pull, &totals);
    if (totals.percent < story->last.percent)
        fail_msg("%s: percent falls from %g to %g", story->name, story->last.percent,
                 totals.percent);
    if (pull->phase < story->phase)
        fail_msg("%s: phase goes back to %s", story->name, pt_pull_phase_name(pull->phase));
    if (story->total_bytes && totals.total_bytes != story->total_bytes)
        fail_msg("%s: the total moves", story->name);
    if (pull->total_known)
        story->total_bytes = totals.total_bytes;
    story->last = totals;
    story->phase = pull->phase;
    story->image_ref_exact = pull->image_ref_exact;
    snprintf(story->image_ref, sizeof(story->image_ref), "%s", pull->image_ref);
    story->layer_count = pull->layer_count;
    story->cached_count = 0;
    story->kind = pull->kind;
    story->bytes_fetched = pull->bytes_fetched;
    for (size_t i = 0; i < pull->layer_count; i++) {
        check_layer(story, pull, &pull->layers[i]);
        story->cached_count += pull->layers[i].cached;
    }
}

static void play(struct story *story)
{
    char path[512];
    struct pt_tracker *tracker;
    struct played_line line;
    const struct pt_tracker_options options = {.on_change = on_change, .context = story};
    const struct pt_observation nothing = {.taken_at = 1, .taken_monotonic = 1};
    snprintf(path, sizeof(path), "%s/%s.jsonl", folder, story->name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be read", path);
    assert_int_equal(pt_tracker_create(&options, &tracker, NULL), 0);
    pt_tracker_observe(tracker, &nothing); // it was there before the pull
    while (played_line_read(file, &line) == 0) {
        if (line.is_event)
            pt_tracker_event(tracker, &line.event);
        else
            pt_tracker_observe(tracker, &line.observation);
        const struct pt_tracked *tracked = pt_tracker_next(tracker, NULL);
        if (tracked)
            check_progress(story, &tracked->pull);
        played_line_finish(&line);
    }
    fclose(file);
    pt_tracker_destroy(tracker);
}

static const struct {
    const char *story;
    bool completes;
    const char *image_ref;
    size_t layers;
    size_t cached;
} wanted[] = {
    {"fresh", true, "registry.example/story/fresh:1", 3, 0},
    {"again", true, "registry.example/story/fresh:1", 3, 3},
    {"cached", true, "registry.example/story/onto:2", 3, 2},
    {"index", true, "registry.example/story/index:3", 2, 0},
    {"failed", false, "registry.example/story/failed", 3, 0},
};

// When ctr is killed its lease stays, and the pull stands still.
static void a_killed_ctr(void **state)
{
    (void)state;
    static const char *const names[] = {"1.6-ctr-failed", "2-ctr-failed"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct story story = {.name = names[i]};
        play(&story);
        check_int(names[i], story.started, 1);
        check_int(names[i], story.completed + story.failed, 0);
        check_int(names[i], story.phase, PT_PULL_DOWNLOADING);
    }
}

static void recorded_pulls(void **state)
{
    (void)state;
    static const char *const sources[] = {"1.6-ctr", "1.6-cri", "2-ctr", "2-cri"};
    for (size_t i = 0; i < COUNT_OF(sources) * COUNT_OF(wanted); i++) {
        size_t w = i % COUNT_OF(wanted);
        if (strstr(sources[i / COUNT_OF(wanted)], "ctr") && !wanted[w].completes)
            continue; // a_killed_ctr
        char name[64];
        snprintf(name, sizeof(name), "%s-%s", sources[i / COUNT_OF(wanted)], wanted[w].story);
        struct story story = {.name = name};
        play(&story);
        check_int(name, story.started, 1);
        check_int(name, story.completed, wanted[w].completes);
        check_int(name, story.failed, !wanted[w].completes);
        check_int(name, story.phase, wanted[w].completes ? PT_PULL_COMPLETED : PT_PULL_FAILED);
        check_text(name, story.image_ref, wanted[w].image_ref);
        check_int(name, story.image_ref_exact, wanted[w].completes);
        check_int(name, (int64_t)story.layer_count, (int64_t)wanted[w].layers);
        check_int(name, (int64_t)story.cached_count, (int64_t)wanted[w].cached);
        if (!wanted[w].completes)
            continue;
        bool is_check = strcmp(wanted[w].story, "again") == 0;
        check_int(name, story.kind, is_check ? PT_KIND_CHECK : PT_KIND_PULL);
        check_int(name, story.bytes_fetched, story.last.total_bytes - story.last.cached_bytes);
        check_int(name, (int64_t)story.last.layers_extracted, (int64_t)wanted[w].layers);
    }
}

int main(int argc, char **argv)
{
    folder = argc == 2 ? argv[1] : "tests/fixtures/observations";
    const struct CMUnitTest tests[] = {cmocka_unit_test(recorded_pulls),
                                       cmocka_unit_test(a_killed_ctr)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
