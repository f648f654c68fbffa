// SPDX-License-Identifier: Apache-2.0
#include "track_fixture.h"

// Where bytes come from, which of them are fetched, and what is known of a pull before its end.

static void what_was_left_is_resumed_and_not_fetched(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 1);
    fetch(lease, 0, 400);
    lease->layers[0].ingest_started_at = at(-60);
    observe(scene, 1);
    fetch(lease, 0, 700);
    observe(scene, 2);
    check_int("fetched on the way", first_pull(scene)->bytes_fetched, 300);
    commit(lease, 0, 2.5);
    observe(scene, 3);
    const struct pt_layer *layer = &first_pull(scene)->layers[0];
    check_int("fetched", first_pull(scene)->bytes_fetched, 600);
    check_int("resumed", layer->resumed_bytes, 400);
    check_int("there", layer->downloaded_bytes, 1000);
    check_int("source", layer->source, PT_SOURCE_FETCHED);
}

// An ingest may be larger than what the manifest says: of another attempt, or a broken registry's.
static void no_more_is_resumed_than_the_layer_has(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 1);
    fetch(lease, 0, 1400);
    lease->layers[0].ingest_started_at = at(-60);
    observe(scene, 1);
    const struct pt_layer *layer = &first_pull(scene)->layers[0];
    check_int("there", layer->downloaded_bytes, 1000);
    check_int("resumed", layer->resumed_bytes, 1000);
}

// Its size is heard of when its bytes are on their way no more.
static void no_more_has_come_than_a_layer_has_whose_size_is_heard_of_late(void **state)
{
    static const enum pt_lease_fate fates[] = {PT_LEASE_LISTED, PT_LEASE_OVER};
    for (size_t i = 0; i < COUNT_OF(fates); i++) {
        struct scene *scene = scene_anew(state);
        struct pt_seen_lease *lease = new_pull(scene, 1);
        lease->layers[0].size = -1;
        fetch(lease, 0, 1400);
        observe(scene, 1);
        check_int("before", first_pull(scene)->layers[0].downloaded_bytes, 1400);
        lease->layers[0].size = 1000;
        lease->layers[0].has_ingest = false;
        lease->fate = fates[i];
        lease->fingerprint++;
        observe(scene, 2);
        check_int("total", first_pull(scene)->layers[0].total_bytes, 1000);
        check_int("there", first_pull(scene)->layers[0].downloaded_bytes, 1000);
    }
}

static void what_was_there_is_whole_also_if_its_size_is_heard_of_when_it_is_gone(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 1);
    lease->layers[0].size = -1;
    lease->layers[0].extracted_at = at(-60);
    observe(scene, 1);
    check_int("cached", first_pull(scene)->layers[0].cached, true);
    lease->layers[0].size = 1000;
    lease->layers[0].extracted_at = 0;
    lease->fate = PT_LEASE_OVER;
    lease->fingerprint++;
    observe(scene, 2);
    check_int("there", first_pull(scene)->layers[0].downloaded_bytes, 1000);
}

static void what_is_fetched_anew_is_fetched_twice(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 600);
    fetch(lease, 0, 200);
    observe(scene, 2);
    check_int("there", first_pull(scene)->layers[0].downloaded_bytes, 600);
    check_int("fetched", first_pull(scene)->bytes_fetched, 800);
}

static void what_is_fetched_anew_does_not_add_up_beyond_its_type(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 1);
    lease->layers[0].size = INT64_MAX;
    fetch(lease, 0, INT64_MAX - 1);
    observe(scene, 1);
    fetch(lease, 0, INT64_MAX / 2);
    observe(scene, 2);
    check_int("fetched", first_pull(scene)->bytes_fetched, INT64_MAX);
}

// Its event comes first, and whether another namespace had it is known with the next look.
static void another_namespaces_content_is_never_counted(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 1);
    lease->layers[0].is_foreign_open = true;
    commit(lease, 0, 0.6);
    observe(scene, 1);
    check_int("while that is open", first_pull(scene)->bytes_fetched, 0);
    lease->layers[0].is_foreign_open = false;
    lease->layers[0].is_foreign = true;
    observe(scene, 2);
    const struct pt_layer *layer = &first_pull(scene)->layers[0];
    check_int("fetched", first_pull(scene)->bytes_fetched, 0);
    check_int("source", layer->source, PT_SOURCE_NAMESPACE);
    check_int("begun", layer->started_at, 0);
    check_int("cached", layer->cached, true);
}

// Of a snapshotter that shows nothing until a layer is there.
static void what_is_silent_has_its_source_and_no_speed(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 2);
    lease->brings_layers = lease->may_be_silent = true;
    observe(scene, 1);
    check_int("at first", first_pull(scene)->layers[0].source, PT_SOURCE_UNKNOWN);
    observe(scene, 3);
    check_int("later", first_pull(scene)->layers[0].source, PT_SOURCE_SNAPSHOTTER);
    lease->layers[0].extracted_at = at(4);
    observe(scene, 5);
    const struct pt_tracked *tracked = pt_tracker_next(scene->tracker, NULL);
    check_int("fetched", tracked->pull.bytes_fetched, 1000);
    check_int("speed", (int)tracked->rate.bytes_per_second, 0);
    check_int("extraction", tracked->pull.layers[0].extract_started_at, 0);
}

// containerd fetches the layer above an ordinary one until its Prepare has answered.
static void what_is_mounted_while_it_is_fetched_is_remote(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 400);
    lease->brings_layers = true;
    lease->layers[0].has_ingest = false;
    lease->layers[0].extracted_at = at(1.5);
    lease->layers[0].brought = PT_SOURCE_REMOTE;
    observe(scene, 2);
    const struct pt_layer *layer = &first_pull(scene)->layers[0];
    check_int("source", layer->source, PT_SOURCE_REMOTE);
    check_int("fetched", first_pull(scene)->bytes_fetched, 400);
    check_int("phase", layer->phase, PT_LAYER_DONE);
}

static void layers_beside_each_other_are_extracted_from_their_bytes_on(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 2, 100);
    commit(lease, 1, 1.5);
    const struct pt_seen_event event = {.kind = PT_SEEN_SNAPSHOT_PREPARED,
                                        .namespace = NAMESPACE,
                                        .subject = CHAIN(1),
                                        .at = at(0.7),
                                        .is_apart = true};
    pt_tracker_event(scene->tracker, &event);
    observe(scene, 2);
    check_int("while the one below comes", first_pull(scene)->layers[1].phase, PT_LAYER_EXTRACTING);
    check_int("since", first_pull(scene)->layers[1].extract_started_at, at(1.5));
}

// Its snapshot is there when the copy is, but it is at work on the layer from before.
static void what_is_copied_is_extracted_since_the_layer_below(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 2, 100);
    lease->copies_layers = true;
    lease->layers[0].prepared_at = at(0.2);
    lease->layers[0].blob_at = at(1);
    lease->layers[1].blob_at = at(1.5);
    observe(scene, 2);
    check_int("the lowest", first_pull(scene)->layers[0].phase, PT_LAYER_EXTRACTING);
    check_int("waits for it", first_pull(scene)->layers[1].phase, PT_LAYER_DOWNLOADED);
    lease->layers[0].extracted_at = at(2.5);
    observe(scene, 3);
    check_int("is copied onto", first_pull(scene)->layers[1].phase, PT_LAYER_EXTRACTING);
    check_int("since", first_pull(scene)->layers[1].extract_started_at, at(2.5));
    lease->layers[1].prepared_at = at(6);
    lease->layers[1].extracted_at = at(7);
    observe(scene, 8);
    check_int("since then", first_pull(scene)->layers[1].extract_started_at, at(2.5));
}

// The snapshot was that of a snapshotter which turns out not to be the pull's, or was removed.
static void a_layer_whose_snapshot_is_gone_is_extracted_anew(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 2);
    commit(lease, 0, 1);
    commit(lease, 1, 1);
    lease->layers[1].extracted_at = at(2);
    observe(scene, 2);
    const struct pt_layer *layer = &first_pull(scene)->layers[1];
    check_int("before", layer->phase, PT_LAYER_DONE);
    lease->layers[1].extracted_at = 0;
    lease->fingerprint++;
    observe(scene, 3);
    check_int("not extracted", layer->phase, PT_LAYER_DOWNLOADED);
    check_int("its end", layer->extract_completed_at, 0);
    lease->layers[0].extracted_at = at(4);
    lease->layers[1].prepared_at = at(5);
    lease->fingerprint++;
    observe(scene, 6);
    check_int("begun", layer->phase, PT_LAYER_EXTRACTING);
    check_int("since then", layer->extract_started_at, at(5));
    check_int("no end", layer->extract_completed_at, 0);
    lease->layers[1].extracted_at = at(7);
    lease->fingerprint++;
    observe(scene, 8);
    check_int("extracted", layer->phase, PT_LAYER_DONE);
    check_int("since", layer->extract_started_at, at(5));
    check_int("until", layer->extract_completed_at, at(7));
}

static void a_layer_that_was_there_by_such_a_snapshot_alone_is_fetched(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 1);
    lease->layers[0].extracted_at = at(1);
    observe(scene, 2);
    const struct pt_layer *layer = &first_pull(scene)->layers[0];
    check_int("before", layer->completed_at, at(1));
    lease->layers[0].extracted_at = 0;
    lease->fingerprint++;
    observe(scene, 3);
    check_int("waits", layer->phase, PT_LAYER_QUEUED);
    check_int("has not come", layer->completed_at, 0);
    check_int("has not begun", layer->started_at, 0);
    fetch(lease, 0, 400);
    observe(scene, 4);
    check_int("comes", layer->phase, PT_LAYER_DOWNLOADING);
    commit(lease, 0, 5);
    observe(scene, 6);
    check_int("has come", layer->completed_at, at(5));
}

static void a_label_names_the_image_before_its_record(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 100);
    lease->labelled_name = (char *)"registry.example:5000/app:1";
    observe(scene, 2);
    const struct pt_pull *pull = first_pull(scene);
    check_text("name", pull->image_ref, "registry.example:5000/app:1");
    check_int("exact", pull->image_ref_exact, true);
    check_int("which is news", scene->named, 1);
    check_text("which says the registry's port", pull->repository, "registry.example:5000/app");
    add_image(scene, "registry.example:5000/app:other", 2.5);
    observe(scene, 3);
    check_text("another tag of it", pull->image_ref, "registry.example:5000/app:1");
    end_lease(lease, NULL, 0);
    observe(scene, 4);
    check_int("without a record", first_pull(scene)->phase, PT_PULL_FAILED);
}

// Two registries on one host, and a pull from each.
static void a_record_says_the_port_of_its_registry(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 100);
    observe(scene, 2);
    check_text("of content", first_pull(scene)->repository, "registry.example/app");
    add_image(scene, "registry.example:5001/app:1", 2.5);
    observe(scene, 3);
    observe(scene, 4);
    check_text("of its record", first_pull(scene)->repository, "registry.example:5001/app");
    check_int("its name is news", scene->named, 1);
    lease->repository = (char *)"registry.example/other";
    observe(scene, 5);
    check_text("another one", first_pull(scene)->repository, "registry.example/other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(what_was_left_is_resumed_and_not_fetched),
        SCENE_TEST(no_more_is_resumed_than_the_layer_has),
        SCENE_TEST(no_more_has_come_than_a_layer_has_whose_size_is_heard_of_late),
        SCENE_TEST(what_was_there_is_whole_also_if_its_size_is_heard_of_when_it_is_gone),
        SCENE_TEST(what_is_fetched_anew_is_fetched_twice),
        SCENE_TEST(what_is_fetched_anew_does_not_add_up_beyond_its_type),
        SCENE_TEST(another_namespaces_content_is_never_counted),
        SCENE_TEST(what_is_silent_has_its_source_and_no_speed),
        SCENE_TEST(what_is_mounted_while_it_is_fetched_is_remote),
        SCENE_TEST(layers_beside_each_other_are_extracted_from_their_bytes_on),
        SCENE_TEST(what_is_copied_is_extracted_since_the_layer_below),
        SCENE_TEST(a_layer_whose_snapshot_is_gone_is_extracted_anew),
        SCENE_TEST(a_layer_that_was_there_by_such_a_snapshot_alone_is_fetched),
        SCENE_TEST(a_label_names_the_image_before_its_record),
        SCENE_TEST(a_record_says_the_port_of_its_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
