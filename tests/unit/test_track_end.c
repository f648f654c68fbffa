// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "track_fixture.h"

// How a pull ends.

static const struct {
    const char *name;
    bool has_record;
    bool is_accepted; // by the CRI plugin
    bool is_fetched;
    double prepared, extracted; // of layer 0 of 2; layer 1 is never extracted
    enum pt_pull_phase phase;
    const char *error; // part of it
} ends[] = {
    {"no record", false, false, false, 0, 0, PT_PULL_FAILED,
     "with 0 of 2 layers fetched, at 500 B of 2.0 KB"},
    {"no record, all fetched", false, false, true, 0, 0, PT_PULL_FAILED, "every layer"},
    {"never extracted", true, false, true, 0, 0, PT_PULL_FAILED, "not unpacked: everything was"},
    {"never fetched", true, false, false, 0, 0, PT_PULL_FAILED, "not unpacked: stored without"},
    {"never extracted, accepted", true, true, true, 0, 0, PT_PULL_COMPLETED, NULL},
    {"one layer extracted", true, false, true, 2, 3, PT_PULL_FAILED, "extracting layer 2 of 2"},
    {"one layer begun", true, false, true, 2, 0, PT_PULL_FAILED, "extracting layer 1 of 2"},
};

static void how_it_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct scene scene;
        scene_begin(&scene);
        struct pt_seen_lease *lease = begin_pull(&scene, 2, 500);
        if (ends[i].is_fetched) {
            commit(lease, 0, 1.5);
            commit(lease, 1, 1.6);
        }
        if (ends[i].prepared > 0)
            extract(lease, 0, ends[i].prepared, ends[i].extracted);
        end_lease(lease, ends[i].has_record ? "registry.example/app:1" : NULL, 3);
        lease->is_unpacked = false;
        lease->is_accepted = ends[i].is_accepted;
        observe(&scene, 4);
        const struct pt_pull *pull = first_pull(&scene);
        check_int(ends[i].name, pull->phase, ends[i].phase);
        bool is_packed = ends[i].error && strstr(ends[i].error, "not unpacked");
        check_int(ends[i].name, pull->error_class,
                  is_packed ? PT_FAILURE_NOT_UNPACKED : PT_FAILURE_NONE);
        if (ends[i].error && !strstr(pull->error, ends[i].error))
            fail_msg("%s: got \"%s\"", ends[i].name, pull->error);
        scene_end(&scene);
    }
}

// Any layer that is not there may be the one that the registry refused.
static void the_layer_that_is_named_is_the_one(void **state)
{
    static const struct {
        const char *name;
        bool fetched[3];
        const char *error;
    } rows[] = {
        {"the third is missing",
         {true, true, false},
         "ended without an image while fetching layer 3 of 3"},
        {"two are", {true, false, false}, "ended without an image with 1 of 3 layers fetched, at "},
        {"all are",
         {false, false, false},
         "ended without an image with 0 of 3 layers fetched, at "},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_begin(&scene);
        struct pt_seen_lease *lease = begin_pull(&scene, 3, 400);
        for (size_t k = 0; k < 3; k++) {
            if (rows[i].fetched[k])
                commit(lease, k, 1.5);
        }
        end_lease(lease, NULL, 2);
        observe(&scene, 3);
        if (strncmp(scene.last_error, rows[i].error, strlen(rows[i].error)) != 0)
            fail_msg("%s: got \"%s\"", rows[i].name, scene.last_error);
        scene_end(&scene);
    }
    (void)state;
}

// containerd refuses what its manifest describes in this way, and keeps the reason to itself.
static void a_size_that_no_layer_has_is_named(void **state)
{
    static const struct {
        const char *name;
        int64_t size;
        bool is_total_known;
    } rows[] = {{"none, or one that is absurd", -1, false}, {"zero", 0, true}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_begin(&scene);
        struct pt_seen_lease *lease = new_pull(&scene, 3);
        lease->layers[1].size = rows[i].size;
        commit(lease, 0, 0.8);
        observe(&scene, 1);
        check_int(rows[i].name, first_pull(&scene)->total_known, rows[i].is_total_known);
        check_int(rows[i].name, (int64_t)first_pull(&scene)->layer_count, 3);
        end_lease(lease, NULL, 2);
        observe(&scene, 3);
        check_text(
            rows[i].name, scene.last_error,
            "ended without an image: its manifest gives layer 2 of 3 (sha256:aaaaaaaaaaaa) a "
            "size that no layer has, or none");
        check_int(rows[i].name, first_pull(&scene)->error_class, PT_FAILURE_CORRUPT);
        scene_end(&scene);
    }
    (void)state;
}

// Of an index without this machine's platform ctr writes the record, and then fails.
static void what_has_no_manifest_is_no_success(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = add_lease(scene, "a", 0.5);
    end_lease(lease, "registry.example/app:1", 0.8);
    lease->is_unpacked = false;
    observe(scene, 1);
    check_int("failed", scene->failed, 1);
    check_text("words", scene->last_error, "not unpacked: stored without any layer");
}

// The config's label says so, whatever is known of the snapshots.
static void what_is_labelled_as_unpacked_has_completed(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 500);
    commit(lease, 0, 1.5);
    end_lease(lease, "registry.example/app:1", 2);
    observe(scene, 2);
    check_int("completed", first_pull(scene)->phase, PT_PULL_COMPLETED);
    check_int("its layer", (int64_t)first_pull(scene)->layer_count, 1);
}

// Of an artifact the CRI plugin fetches no ordinary layers, and is content.
static void layers_that_were_not_wanted_are_not_counted(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 3, 0);
    commit(lease, 1, 1.5);
    end_lease(lease, "registry.example/app:1", 2);
    lease->is_unpacked = false;
    lease->is_accepted = true;
    observe(scene, 2);
    const struct pt_pull *pull = first_pull(scene);
    struct pt_totals totals;
    pt_pull_totals(pull, &totals);
    check_int("completed", pull->phase, PT_PULL_COMPLETED);
    check_int("layers", (int64_t)pull->layer_count, 1);
    check_text("the one that came", pull->layers[0].digest, DIGEST(1));
    check_int("total", totals.total_bytes, 1000);
    check_int("bytes", totals.downloaded_bytes, 1000);
}

static void the_layer_that_failed_stays_as_it_was_seen_last(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 2, 400);
    lease->layers[0].has_ingest = false;
    end_lease(lease, NULL, 0);
    observe(scene, 2);
    const struct pt_pull *pull = first_pull(scene);
    check_int("failed", pull->phase, PT_PULL_FAILED);
    check_int("was on its way", pull->layers[0].phase, PT_LAYER_DOWNLOADING);
    check_int("bytes", pull->layers[0].downloaded_bytes, 400);
    check_int("never began", pull->layers[1].phase, PT_LAYER_QUEUED);
}

static void nothing_known_fails_in_words(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = add_lease(scene, "a", 0.5);
    observe(scene, 1);
    end_lease(lease, NULL, 0);
    observe(scene, 2);
    check_int("failed", scene->failed, 1);
    check_text("words", scene->last_error, "ended before the image's manifest was there");
}

// Its event has given the name; the record may be deleted before the lease is.
static void the_record_s_event_is_enough(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 500);
    commit(lease, 0, 1.5);
    extract(lease, 0, 1.5, 1.6);
    add_image(scene, "registry.example/app:1", 1.7);
    end_lease(lease, NULL, 0);
    observe(scene, 2);
    check_int("completed", first_pull(scene)->phase, PT_PULL_COMPLETED);
}

static void names_go_to_the_pull_that_they_fit(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    add_layers(add_lease(scene, "a", 0.5), 1);
    struct pt_seen_lease *other = add_lease(scene, "b", 0.6);
    add_layers(other, 1);
    other->repository = (char *)"mirror.example/app";
    observe(scene, 1);
    add_image(scene, ROOT, 1.1); // the CRI plugin's record of the image ID
    add_image(scene, "mirror.example/app:1", 1.2);
    observe(scene, 2);
    const struct pt_tracked *first = pt_tracker_next(scene->tracker, NULL);
    const struct pt_tracked *second = pt_tracker_next(scene->tracker, first);
    check_text("the older one", first->pull.image_ref, "registry.example/app");
    check_text("the one of that repository", second->pull.image_ref, "mirror.example/app:1");
    add_image(scene, "mirror.example/app@" ROOT, 1.3);
    observe(scene, 3);
    check_text("stays", second->pull.image_ref, "mirror.example/app:1");
}

// A registry and whoever writes records choose names; the server refuses a report that holds one
// which is too long.
static void a_name_is_cut_to_what_a_report_holds(void **state)
{
    static char name[5000];
    struct scene *scene = *state;
    memset(name, 'a', sizeof(name) - 1);
    struct pt_seen_lease *lease = begin_pull(scene, 1, 100);
    lease->repository = name;
    observe(scene, 2);
    check_int("repository", (int64_t)strlen(first_pull(scene)->repository),
              PT_LIMIT_REFERENCE_BYTES);
    commit(lease, 0, 2.5);
    end_lease(lease, name, 3);
    observe(scene, 4);
    check_int("completed", first_pull(scene)->phase, PT_PULL_COMPLETED);
    check_int("name", (int64_t)strlen(first_pull(scene)->image_ref), PT_LIMIT_REFERENCE_BYTES);
}

static void an_older_record_names_nothing(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = add_lease(scene, "a", 1);
    add_layers(lease, 1);
    add_image(scene, "registry.example/app:0", 0.9);
    observe(scene, 1.5);
    end_lease(lease, NULL, 0);
    observe(scene, 2);
    check_int("failed", first_pull(scene)->phase, PT_PULL_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_it_ends),
        cmocka_unit_test(the_layer_that_is_named_is_the_one),
        cmocka_unit_test(a_size_that_no_layer_has_is_named),
        SCENE_TEST(what_has_no_manifest_is_no_success),
        SCENE_TEST(what_is_labelled_as_unpacked_has_completed),
        SCENE_TEST(layers_that_were_not_wanted_are_not_counted),
        SCENE_TEST(the_layer_that_failed_stays_as_it_was_seen_last),
        SCENE_TEST(nothing_known_fails_in_words),
        SCENE_TEST(the_record_s_event_is_enough),
        SCENE_TEST(names_go_to_the_pull_that_they_fit),
        SCENE_TEST(a_name_is_cut_to_what_a_report_holds),
        SCENE_TEST(an_older_record_names_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
