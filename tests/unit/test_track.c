// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "track_fixture.h"

// --- a pull that goes well ---

static void phases_of_a_pull(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = add_lease(scene, "a", 0.5);

    observe(scene, 1);
    const struct pt_pull *pull = first_pull(scene);
    check_int("resolving", pull->phase, PT_PULL_RESOLVING);
    check_int("no total", pull->total_known, false);
    check_text("by its digest", pull->image_ref, ROOT);

    add_layers(lease, 2);
    lease->platform = "linux/arm64/v8";
    fetch(lease, 0, 0);
    observe(scene, 2);
    pull = first_pull(scene);
    check_text("platform", pull->platform, "linux/arm64/v8");
    check_int("downloading", pull->phase, PT_PULL_DOWNLOADING);
    check_int("total", pull->total_known, true);
    check_text("repository", pull->image_ref, "registry.example/app");
    check_int("not exact", pull->image_ref_exact, false);
    check_int("no byte yet", pull->layers[0].phase, PT_LAYER_QUEUED);
    check_int("queued", pull->layers[1].phase, PT_LAYER_QUEUED);

    fetch(lease, 0, 400);
    observe(scene, 3);
    pull = first_pull(scene);
    check_int("layer downloading", pull->layers[0].phase, PT_LAYER_DOWNLOADING);
    check_int("bytes", pull->layers[0].downloaded_bytes, 400);
    check_int("since its ingest was made", pull->layers[0].started_at, at(0.6));

    fetch(lease, 0, 1000);
    observe(scene, 4);
    check_int("committing", first_pull(scene)->layers[0].phase, PT_LAYER_COMMITTING);

    commit(lease, 0, 4.5);
    fetch(lease, 1, 1000);
    observe(scene, 5);
    pull = first_pull(scene);
    check_int("downloaded", pull->layers[0].phase, PT_LAYER_DOWNLOADED);
    check_int("completed at", pull->layers[0].completed_at, at(4.5));
    check_int("not cached", pull->layers[0].cached, false);

    extract(lease, 0, 4.2, 0);
    commit(lease, 1, 5.5);
    observe(scene, 6);
    pull = first_pull(scene);
    check_int("extracting", pull->phase, PT_PULL_EXTRACTING);
    check_int("layer extracting", pull->layers[0].phase, PT_LAYER_EXTRACTING);
    check_int("not before its bytes", pull->layers[0].extract_started_at, at(4.5));

    extract(lease, 0, 4.2, 6.5);
    extract(lease, 1, 6.5, 7.5);
    end_lease(lease, "registry.example/app:1", 7.6);
    observe(scene, 8);
    pull = first_pull(scene);
    check_int("completed", pull->phase, PT_PULL_COMPLETED);
    check_text("exact name", pull->image_ref, "registry.example/app:1");
    check_int("exact", pull->image_ref_exact, true);
    check_int("done", pull->layers[1].phase, PT_LAYER_DONE);
    check_int("extracted from", pull->layers[1].extract_started_at, at(6.5));
    check_int("extracted until", pull->layers[1].extract_completed_at, at(7.5));
    check_int("end", pull->completed_at, at(7.6));
    check_int("begin", pull->started_at, at(0.5));
    check_int("one start", scene->started, 1);
    check_int("one end", scene->completed, 1);
}

// As containerd 2 shows four layers of which it fetches two at once, at a mebibyte a second: all
// ingests are there from the start, and say nothing of a layer's first mebibyte.
static void a_layer_begins_when_another_has_come(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 4);
    for (size_t i = 0; i < 4; i++)
        fetch(lease, i, 0);
    observe(scene, 1);
    fetch(lease, 2, 500);
    fetch(lease, 3, 500);
    observe(scene, 2);
    commit(lease, 3, 2.4);
    observe(scene, 3);
    commit(lease, 2, 3.2);
    fetch(lease, 0, 500);
    observe(scene, 4);
    fetch(lease, 1, 500);
    observe(scene, 5);
    const struct pt_pull *pull = first_pull(scene);
    check_int("one of the first", pull->layers[2].started_at, at(0.6));
    check_int("the other", pull->layers[3].started_at, at(0.6));
    check_int("the third", pull->layers[0].started_at, at(2.4));
    check_int("the fourth", pull->layers[1].started_at, at(3.2));
}

static void pulls_are_reported_as_they_began(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    static const double begins[] = {0.8, 0.5, 0.9, 0.6};
    static const char *const ids[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < COUNT_OF(begins); i++)
        add_lease(scene, ids[i], begins[i]);
    observe(scene, 1);
    add_lease(scene, "e", 0.7);
    observe(scene, 2);
    int64_t last = 0;
    const struct pt_tracked *tracked = NULL;
    while ((tracked = pt_tracker_next(scene->tracker, tracked))) {
        assert_true(tracked->pull.started_at > last);
        last = tracked->pull.started_at;
    }
    check_int("the last one", last, at(0.9));
}

// The smallest one may be the first, and come before another look.
static void one_that_came_unseen_may_have_been_the_first(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 2);
    fetch(lease, 0, 0);
    fetch(lease, 1, 0);
    observe(scene, 1.5);
    commit(lease, 1, 1.6);
    observe(scene, 2);
    fetch(lease, 0, 400);
    observe(scene, 3);
    check_int("with its ingest", first_pull(scene)->layers[1].started_at, at(0.6));
    check_int("then the other", first_pull(scene)->layers[0].started_at, at(1.6));
}

// The small one of two that wait may be fetched first, and between two looks.
static void one_that_came_unseen_began_when_another_had_come(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 3);
    fetch(lease, 0, 400);
    fetch(lease, 1, 0);
    fetch(lease, 2, 0);
    observe(scene, 1);
    commit(lease, 0, 1.8);
    observe(scene, 2);
    observe(scene, 2.5);
    commit(lease, 2, 2.9);
    observe(scene, 3);
    fetch(lease, 1, 400);
    observe(scene, 4);
    check_int("it began", first_pull(scene)->layers[2].started_at, at(1.8));
    check_int("the next one", first_pull(scene)->layers[1].started_at, at(2.9));
}

// Between the end of its ingest and the first sight of its blob there may be a look.
static void a_layer_that_has_just_come_is_not_queued(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 2, 1000);
    fetch(lease, 1, 400);
    observe(scene, 2);
    lease->layers[0].has_ingest = lease->layers[1].has_ingest = false;
    observe(scene, 3);
    check_int("committing", first_pull(scene)->layers[0].phase, PT_LAYER_COMMITTING);
    check_int("downloading", first_pull(scene)->layers[1].phase, PT_LAYER_DOWNLOADING);
    lease->layers[0].blob_at = at(3.1);
    observe(scene, 4);
    check_int("has come", first_pull(scene)->layers[0].phase, PT_LAYER_DOWNLOADED);
    check_int("was given up", first_pull(scene)->layers[1].phase, PT_LAYER_QUEUED);
}

// Who took which place is not known of two pulls: then a layer begins after it was last seen idle.
static void of_two_pulls_a_layer_begins_with_its_bytes(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    add_layers(add_lease(scene, "b", 0.6), 1);
    struct pt_seen_lease *lease = add_lease(scene, "a", 0.5);
    add_layers(lease, 1);
    lease->layers[0].digest = (char *)DIGEST(3);
    fetch(lease, 0, 0);
    observe(scene, 1);
    observe(scene, 2);
    fetch(lease, 0, 500);
    observe(scene, 3);
    const struct pt_tracked *tracked = NULL;
    unsigned begun = 0;
    while ((tracked = pt_tracker_next(scene->tracker, tracked))) {
        if (tracked->pull.layers[0].started_at) {
            check_int("seen idle", tracked->pull.layers[0].started_at, at(2));
            begun++;
        }
    }
    check_int("one has begun", begun, 1);
}

static void events_give_exact_times(void **state)
{
    struct scene *scene = *state;
    begin_pull(scene, 2, 100);
    see_event(scene, PT_SEEN_SNAPSHOT_PREPARED, CHAIN(0), 1.1);
    see_event(scene, PT_SEEN_CONTENT_CREATED, DIGEST(0), 1.25);
    see_event(scene, PT_SEEN_SNAPSHOT_COMMITTED, CHAIN(0), 1.5);
    see_event(scene, PT_SEEN_SNAPSHOT_COMMITTED, CHAIN(3), 1.6); // nobody's
    observe(scene, 2);
    const struct pt_layer *layer = &first_pull(scene)->layers[0];
    check_int("done", layer->phase, PT_LAYER_DONE);
    check_int("downloaded", layer->completed_at, at(1.25));
    check_int("extract start", layer->extract_started_at, at(1.25));
    check_int("extract end", layer->extract_completed_at, at(1.5));
}

// Of an extraction before the pull; whether it still counts, the observation says.
static void an_event_before_the_pull_is_not_its_own(void **state)
{
    struct scene *scene = *state;
    begin_pull(scene, 1, 100);
    see_event(scene, PT_SEEN_SNAPSHOT_COMMITTED, CHAIN(0), 0.1);
    see_event(scene, PT_SEEN_CONTENT_CREATED, DIGEST(0), 0.1);
    observe(scene, 2);
    check_int("goes on", first_pull(scene)->layers[0].phase, PT_LAYER_DOWNLOADING);
    check_int("is not cached", first_pull(scene)->layers[0].cached, false);
}

static void what_was_there_is_cached(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = add_lease(scene, "a", 1);
    add_layers(lease, 3);
    lease->layers[0].extracted_at = at(-100); // its blob is gone
    lease->layers[1].blob_at = at(-50);
    fetch(lease, 2, 10);
    observe(scene, 1.5);
    const struct pt_pull *pull = first_pull(scene);
    struct pt_totals totals;
    pt_pull_totals(pull, &totals);
    check_int("snapshot", pull->layers[0].phase, PT_LAYER_EXISTS);
    check_int("snapshot cached", pull->layers[0].cached, true);
    check_int("blob", pull->layers[1].phase, PT_LAYER_DOWNLOADED);
    check_int("blob cached", pull->layers[1].cached, true);
    check_int("blob is not downloaded", pull->layers[1].started_at, 0);
    check_int("new", pull->layers[2].cached, false);
    check_int("cached bytes", totals.cached_bytes, 2000);
    check_int("downloaded bytes", totals.downloaded_bytes, 2010);
}

static void a_repeated_pull_is_completed_by_the_record_written_anew(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = add_lease(scene, "a", 1);
    add_layers(lease, 1);
    lease->layers[0].blob_at = at(-50);
    lease->layers[0].extracted_at = at(-49);
    end_lease(lease, "registry.example/app:1", 1.2);
    observe(scene, 2);
    check_int("completed", first_pull(scene)->phase, PT_PULL_COMPLETED);
    check_int("at", first_pull(scene)->completed_at, at(1.2));
}

// With neither ingest nor blob: a remote snapshotter, or one that fetches layers itself.
static void what_a_snapshotter_brings_is_not_fetched(void **state)
{
    static const struct {
        const char *name;
        bool brings_layers;
        enum pt_layer_source brought;
        bool has_ingest, has_blob, is_foreign;
        int64_t fetched;
        enum pt_layer_source source;
    } rows[] = {
        {"mounted", true, PT_SOURCE_REMOTE, false, false, false, 0, PT_SOURCE_REMOTE},
        {"cached", true, PT_SOURCE_SNAPSHOTTER_CACHE, false, false, false, 0,
         PT_SOURCE_SNAPSHOTTER_CACHE},
        {"fetched by it", true, 0, false, false, false, 1000, PT_SOURCE_SNAPSHOTTER},
        {"fetched as usual", true, 0, true, true, false, 1000, PT_SOURCE_FETCHED},
        {"fetched and discarded", true, 0, true, false, false, 1000, PT_SOURCE_FETCHED},
        {"fetched between two looks", true, 0, false, true, false, 1000, PT_SOURCE_FETCHED},
        {"one of containerd's own", false, 0, false, false, false, 1000, PT_SOURCE_FETCHED},
        {"another namespace's", false, 0, false, true, true, 0, PT_SOURCE_NAMESPACE},
        {"another namespace's, fetched all the same", false, 0, true, true, true, 1000,
         PT_SOURCE_FETCHED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_begin(&scene);
        struct pt_seen_lease *lease = new_pull(&scene, 1);
        lease->brings_layers = rows[i].brings_layers;
        lease->layers[0].brought = rows[i].brought;
        lease->layers[0].is_foreign = rows[i].is_foreign;
        if (rows[i].has_ingest)
            fetch(lease, 0, 500);
        observe(&scene, 1);
        if (rows[i].has_blob)
            commit(lease, 0, 1.5);
        lease->layers[0].has_ingest = lease->layers[0].owns_ingest = false;
        extract(lease, 0, 1.6, 1.7);
        observe(&scene, 2);
        end_lease(lease, "registry.example/app:1", 2.5);
        observe(&scene, 3);
        const struct pt_pull *pull = first_pull(&scene);
        check_int(rows[i].name, pull->phase, PT_PULL_COMPLETED);
        check_int(rows[i].name, pull->kind, PT_KIND_PULL);
        check_int(rows[i].name, pull->bytes_fetched, rows[i].fetched);
        check_int(rows[i].name, pull->layers[0].source, rows[i].source);
        check_int(rows[i].name, pull->layers[0].cached, pt_source_is_cached(rows[i].source));
        check_int(rows[i].name, pull->layers[0].downloaded_bytes, 1000);
        check_int(rows[i].name, pull->layers[0].phase, PT_LAYER_DONE);
        scene_end(&scene);
    }
    (void)state;
}

// --- bytes ---

static void bytes_never_fall(void **state)
{
    (void)state;
    static const int64_t offsets[] = {100, 700, 700, 0, 50, 400, 900};
    static const int64_t shown[] = {100, 700, 700, 700, 700, 700, 900};
    struct scene scene;
    scene_begin(&scene);
    struct pt_seen_lease *lease = new_pull(&scene, 1);
    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        fetch(lease, 0, offsets[i]);
        observe(&scene, 1 + (double)i);
        check_int("shown", first_pull(&scene)->layers[0].downloaded_bytes, shown[i]);
    }
    check_int("said to be fetched anew", scene.restarted, 1);
    scene_end(&scene);
}

static void more_bytes_than_the_manifest_says_are_not_shown(void **state)
{
    struct scene *scene = *state;
    (void)begin_pull(scene, 1, INT64_MAX);
    check_int("cut", first_pull(scene)->layers[0].downloaded_bytes, 1000);
}

static void layers_keep_their_bytes_when_the_manifest_comes(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 2);
    lease->layers[0] = lease->layers[1]; // only one layer is known, by its ingest
    lease->layer_count = 1;
    lease->layers_known = false;
    lease->layers[0].size = -1;
    fetch(lease, 0, 300);
    observe(scene, 1);
    check_int("no total", first_pull(scene)->layers[0].total_known, false);
    check_int("bytes", first_pull(scene)->layers[0].downloaded_bytes, 300);
    add_layers(lease, 2);
    observe(scene, 2);
    const struct pt_pull *pull = first_pull(scene);
    check_int("both", (int64_t)pull->layer_count, 2);
    check_text("in the manifest's order", pull->layers[1].digest, DIGEST(1));
    check_int("its bytes", pull->layers[1].downloaded_bytes, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(phases_of_a_pull),
        SCENE_TEST(a_layer_begins_when_another_has_come),
        SCENE_TEST(one_that_came_unseen_began_when_another_had_come),
        SCENE_TEST(one_that_came_unseen_may_have_been_the_first),
        SCENE_TEST(pulls_are_reported_as_they_began),
        SCENE_TEST(a_layer_that_has_just_come_is_not_queued),
        SCENE_TEST(of_two_pulls_a_layer_begins_with_its_bytes),
        SCENE_TEST(events_give_exact_times),
        SCENE_TEST(an_event_before_the_pull_is_not_its_own),
        SCENE_TEST(what_was_there_is_cached),
        SCENE_TEST(a_repeated_pull_is_completed_by_the_record_written_anew),
        cmocka_unit_test(what_a_snapshotter_brings_is_not_fetched),
        cmocka_unit_test(bytes_never_fall),
        SCENE_TEST(more_bytes_than_the_manifest_says_are_not_shown),
        SCENE_TEST(layers_keep_their_bytes_when_the_manifest_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
