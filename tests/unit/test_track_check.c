// SPDX-License-Identifier: Apache-2.0
#include "track_fixture.h"

// Which pulls fetch nothing, and which of several has fetched what.

// A lease of an image whose layers were there, extracted, long before.
static struct pt_seen_lease *begin_check(struct scene *scene, double seconds)
{
    struct pt_seen_lease *lease = add_lease(scene, "check", seconds);
    add_layers(lease, 2);
    for (size_t i = 0; i < 2; i++) {
        lease->layers[i].blob_at = at(-100);
        lease->layers[i].extracted_at = at(-90);
    }
    return lease;
}

static const struct pt_pull *find_pull(struct scene *scene, double created_seconds)
{
    const struct pt_tracked *tracked = NULL;
    while ((tracked = pt_tracker_next(scene->tracker, tracked))) {
        if (tracked->pull.started_at == at(created_seconds))
            return &tracked->pull;
    }
    fail_msg("no pull began at %g", created_seconds);
    return NULL;
}

static void everything_is_there(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = add_lease(scene, "check", 0.5);
    observe(scene, 1);
    check_int("nobody knows yet", first_pull(scene)->kind, PT_KIND_PULL);
    scene->lease_count = 0;
    lease = begin_check(scene, 0.5);
    observe(scene, 1.2);
    check_int("as soon as all is known", first_pull(scene)->kind, PT_KIND_CHECK);
    end_lease(lease, "registry.example/app:1", 1.3);
    observe(scene, 1.5);
    check_int("completed", first_pull(scene)->phase, PT_PULL_COMPLETED);
    check_int("a check", first_pull(scene)->kind, PT_KIND_CHECK);
    check_int("no byte", first_pull(scene)->bytes_fetched, 0);
}

static void a_new_manifest_of_old_layers_is_fetched(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = begin_check(scene, 0.5);
    lease->documents_fetched = true;
    end_lease(lease, "registry.example/app:1", 1.3);
    observe(scene, 1.5);
    check_int("completed", first_pull(scene)->phase, PT_PULL_COMPLETED);
    check_int("a pull", first_pull(scene)->kind, PT_KIND_PULL);
}

static void a_layer_that_has_to_be_extracted_is_work(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = begin_check(scene, 0.5);
    lease->layers[1].extracted_at = 0;
    observe(scene, 1);
    check_int("it is packed", first_pull(scene)->kind, PT_KIND_PULL);
    extract(lease, 1, 1.1, 1.8);
    end_lease(lease, "registry.example/app:1", 1.9);
    observe(scene, 2);
    check_int("a pull", first_pull(scene)->kind, PT_KIND_PULL);
    check_int("that fetched nothing", first_pull(scene)->bytes_fetched, 0);
}

static void an_artifact_stays_packed(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = begin_check(scene, 0.5);
    lease->layers[0].extracted_at = lease->layers[1].extracted_at = 0;
    observe(scene, 1);
    check_int("it may be unpacked yet", first_pull(scene)->kind, PT_KIND_PULL);
    end_lease(lease, "registry.example/app:1", 1.9);
    lease->is_unpacked = false;
    lease->is_accepted = true;
    observe(scene, 2);
    check_int("a check", first_pull(scene)->kind, PT_KIND_CHECK);
}

static void a_check_that_fails_is_a_pull_that_failed(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    struct pt_seen_lease *lease = begin_check(scene, 0.5);
    observe(scene, 1);
    end_lease(lease, NULL, 0);
    observe(scene, 2);
    check_int("failed", first_pull(scene)->phase, PT_PULL_FAILED);
    check_int("a pull", first_pull(scene)->kind, PT_KIND_PULL);
}

static void bytes_as_they_come(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 3, 400);
    check_int("the first bytes", first_pull(scene)->bytes_fetched, 400);
    lease->layers[1].blob_at = at(-50); // was there
    commit(lease, 0, 1.5);
    observe(scene, 2);
    check_int("a layer", first_pull(scene)->bytes_fetched, 1000);
    commit(lease, 2, 2.5); // its ingest came and went between two looks
    observe(scene, 3);
    check_int("two layers", first_pull(scene)->bytes_fetched, 2000);
    check_int("a pull", first_pull(scene)->kind, PT_KIND_PULL);
}

static void what_an_interrupted_download_has_left(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = new_pull(scene, 2);
    fetch(lease, 0, 300);
    fetch(lease, 1, 0);
    lease->layers[0].ingest_started_at = lease->layers[1].ingest_started_at = at(-60);
    observe(scene, 1);
    check_int("is not fetched", first_pull(scene)->bytes_fetched, 0);
    fetch(lease, 0, 700);
    fetch(lease, 1, 100);
    lease->layers[0].ingest_started_at = lease->layers[1].ingest_started_at = at(-60);
    observe(scene, 2);
    check_int("what comes is", first_pull(scene)->bytes_fetched, 500);
    check_int("all is there", first_pull(scene)->layers[0].downloaded_bytes, 700);
}

// Two leases at once for one image: the second one names no ingest, and waits.
static void two_that_share_a_layer(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *first = begin_pull(scene, 1, 400);
    struct pt_seen_lease *second = add_lease(scene, "b", 1.2);
    add_layers(second, 1);
    second->layers[0] = first->layers[0];
    second->layers[0].owns_ingest = false;
    observe(scene, 2);
    check_int("by the first", find_pull(scene, 0.5)->bytes_fetched, 400);
    check_int("not by the second", find_pull(scene, 1.2)->bytes_fetched, 0);
    check_int("which shows them", find_pull(scene, 1.2)->layers[0].downloaded_bytes, 400);
    for (size_t i = 0; i < 2; i++) {
        commit(&scene->leases[i], 0, 2.5);
        extract(&scene->leases[i], 0, 2.5, 2.8);
        end_lease(&scene->leases[i], "registry.example/app:1", 2.9);
    }
    observe(scene, 3);
    check_int("all by the first", find_pull(scene, 0.5)->bytes_fetched, 1000);
    check_int("none by the second", find_pull(scene, 1.2)->bytes_fetched, 0);
    check_int("which has waited for it", find_pull(scene, 1.2)->kind, PT_KIND_PULL);
}

// Nobody saw who wrote it: it counts once.
static void an_unseen_layer_of_two(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    for (int i = 0; i < 2; i++) {
        struct pt_seen_lease *lease = add_lease(scene, i ? "a" : "b", i ? 0.5 : 0.6);
        add_layers(lease, 1);
        commit(lease, 0, 0.8);
    }
    observe(scene, 1);
    check_int("by the older one", find_pull(scene, 0.5)->bytes_fetched, 1000);
    check_int("not by the other", find_pull(scene, 0.6)->bytes_fetched, 0);
}

static void one_that_takes_over_a_download(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *first = begin_pull(scene, 1, 400);
    struct pt_seen_lease *second = add_lease(scene, "b", 1.2);
    add_layers(second, 1);
    second->layers[0] = first->layers[0];
    second->layers[0].owns_ingest = false;
    observe(scene, 2);
    end_lease(first, NULL, 0); // its client is gone, and the second one goes on
    first->layers[0].has_ingest = false;
    fetch(second, 0, 700);
    observe(scene, 3);
    check_int("what came since", find_pull(scene, 1.2)->bytes_fetched, 300);
    check_int("before", find_pull(scene, 0.5)->bytes_fetched, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(everything_is_there),
        SCENE_TEST(a_new_manifest_of_old_layers_is_fetched),
        SCENE_TEST(a_layer_that_has_to_be_extracted_is_work),
        SCENE_TEST(an_artifact_stays_packed),
        SCENE_TEST(a_check_that_fails_is_a_pull_that_failed),
        SCENE_TEST(bytes_as_they_come),
        SCENE_TEST(what_an_interrupted_download_has_left),
        SCENE_TEST(two_that_share_a_layer),
        SCENE_TEST(an_unseen_layer_of_two),
        SCENE_TEST(one_that_takes_over_a_download),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
