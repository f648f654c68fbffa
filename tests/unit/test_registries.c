// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"

#define NOW (1000 * PT_NS_PER_S)

static void each_host_has_a_row_until_there_are_many(void **state)
{
    (void)state;
    struct pt_registries registries = {0};
    struct pt_registry *docker = pt_registries_find(&registries, "docker.io/library/app", NOW);
    assert_string_equal(docker->name, "docker.io");
    assert_ptr_equal(pt_registries_find(&registries, "docker.io/other", NOW), docker);
    assert_ptr_not_equal(pt_registries_find(&registries, "docker.io.example/app", NOW), docker);
    assert_ptr_not_equal(pt_registries_find(&registries, "docker/app", NOW), docker);
    for (int i = 3; i < PT_NAMED_REGISTRIES; i++) {
        char repository[32];
        snprintf(repository, sizeof(repository), "host-%d.example/app", i);
        assert_string_not_equal(pt_registries_find(&registries, repository, NOW)->name, "");
    }
    struct pt_registry *other = pt_registries_find(&registries, "one-too-many.example/app", NOW);
    assert_string_equal(other->name, "");
    assert_ptr_equal(pt_registries_find(&registries, "two-too-many.example/app", NOW), other);
    assert_ptr_equal(pt_registries_find(&registries, "docker.io/library/app", NOW), docker);
}

// Names that an agent makes up give way once nobody uses them; one in use never does.
static void who_is_idle_for_longest_gives_way(void **state)
{
    (void)state;
    struct pt_registries registries = {0};
    char repository[32];
    for (int i = 0; i < PT_NAMED_REGISTRIES; i++) {
        snprintf(repository, sizeof(repository), "made-up-%d.example/app", i);
        struct pt_registry *row = pt_registries_find(&registries, repository, NOW + i);
        row->bytes = 10;
        row->completed = 1;
        row->failed[PT_FAILURE_TIMEOUT] = 2;
        pt_histogram_add(&row->pull_seconds, 7);
        pt_histogram_add(&row->download_seconds, 6);
    }
    int64_t later = NOW + PT_REGISTRY_IDLE_NS - 1;
    assert_string_equal(pt_registries_find(&registries, "real.example/app", later)->name, "");
    later += PT_NAMED_REGISTRIES;
    pt_registries_find(&registries, "made-up-0.example/app", later); // in use
    struct pt_registry *real = pt_registries_find(&registries, "real.example/app", later);
    assert_string_equal(real->name, "real.example");
    check_int("its bytes", (int64_t)real->bytes, 0);
    const struct pt_registry *other = &registries.rows[PT_NAMED_REGISTRIES];
    check_int("bytes of other", (int64_t)other->bytes, 10);
    check_int("completed of other", (int64_t)other->completed, 1);
    check_int("failures of other", (int64_t)other->failed[PT_FAILURE_TIMEOUT], 2);
    check_real("seconds of other", other->pull_seconds.sum, 7);
    check_real("seconds of its downloads", other->download_seconds.sum, 6);
    check_real("its own", real->pull_seconds.sum, 0);
    assert_string_equal(pt_registries_find(&registries, "made-up-0.example/app", later)->name,
                        "made-up-0.example");
    check_int("names", (int64_t)registries.named_count, PT_NAMED_REGISTRIES);
}

static void what_has_no_host_has_no_row(void **state)
{
    (void)state;
    static const char *const without[] = {NULL, "", "app", "/app"};
    struct pt_registries registries = {0};
    for (size_t i = 0; i < COUNT_OF(without); i++)
        assert_null(pt_registries_find(&registries, without[i], NOW));
    check_int("rows", (int64_t)registries.named_count, 0);

    char long_name[400] = "";
    memset(long_name, 'h', 300);
    memcpy(long_name + 300, "/app", 5);
    assert_string_equal(pt_registries_find(&registries, long_name, NOW)->name, "");
}

// Bytes count as they come, a layer of two pulls once, and those that came before the repository
// was known are not lost.
static void bytes_count_for_their_registry(void **state)
{
    struct scene *scene = *state;
    struct sharing_pulls it;
    make_sharing_pulls(&it);
    it.pulls[0].repository = NULL;
    scene_deliver_pulls(scene, "n1", it.pulls, 2);
    struct pt_registry *docker = pt_registries_find(&scene->store->registries, "docker.io/", NOW);
    it.first[0].downloaded_bytes = it.second[0].downloaded_bytes = 40;
    it.first[1].downloaded_bytes = 10;
    scene_deliver_pulls(scene, "n1", it.pulls, 2);
    check_int("none of them known yet", (int64_t)docker->bytes, 0);

    it.pulls[0].repository = "docker.io/library/app";
    scene_deliver_pulls(scene, "n1", it.pulls, 2);
    check_int("known now", (int64_t)docker->bytes, 50);
    it.second[0].downloaded_bytes = it.first[0].downloaded_bytes = 70;
    scene_deliver_pulls(scene, "n1", it.pulls, 2);
    check_int("more of the common layer", (int64_t)docker->bytes, 80);
    check_int("of the node", (int64_t)scene->store->received_bytes, 80);
}

// Two registries on one host are two, whichever name comes first.
static void a_port_is_part_of_the_registry(void **state)
{
    struct scene *scene = *state;
    const struct pt_registries *registries = &scene->store->registries;
    static const struct pt_join join = {.image_ref = "local.example:5001/app:1"};
    scene->pull.repository = "localhost/app";
    scene->pull.bytes_fetched = 10;
    scene_deliver(scene);
    check_int("of one that is not known", (int64_t)registries->named_count, 0);
    scene->pull.repository = "localhost:5000/app";
    scene->pull.image_ref = "localhost:5000/app:1";
    scene->pull.image_ref_exact = true;
    scene->pull.phase = PT_PULL_COMPLETED;
    scene_deliver(scene);
    check_int("known in the end", (int64_t)registries->named_count, 1);
    check_text("by its name", registries->rows[0].name, "localhost:5000");

    struct pt_pull other = make_pull("lease-2", "local.example/app", scene->layers, 1);
    other.repository = "local.example/app";
    scene_deliver_pulls(scene, "n2", &other, 1);
    pt_store_apply_join(scene->store, "n2", "ilease-2", &join);
    const struct pt_stored_pull *stored = pt_store_find(scene->store, scene->last_id);
    check_text("by a pod", stored->pull.repository, "local.example:5001/app");
    uint64_t version = scene->store->changes.newest_version;
    scene_deliver_pulls(scene, "n2", &other, 1);
    check_int("and nothing is new with each report",
              (int64_t)(scene->store->changes.newest_version - version), 0);
    check_int("may be another", pt_registries_may_have_port(registries, "localhost/app"), true);
    check_int("an address", pt_registries_may_have_port(registries, "10.0.0.1/app"), true);
    check_int("a domain", pt_registries_may_have_port(registries, "quay.io/app"), false);
}

// One that was given up has nothing to do with its registry.
static void ends_count_for_their_registry(void **state)
{
    struct scene *scene = *state;
    struct sharing_pulls it;
    make_sharing_pulls(&it);
    it.pulls[0].repository = "ghcr.io/app";
    scene_deliver_pulls(scene, "n1", it.pulls, 2);
    const struct pt_registry *ghcr = pt_registries_find(&scene->store->registries, "ghcr.io/", NOW);
    const struct pt_registry *docker =
        pt_registries_find(&scene->store->registries, "docker.io/", NOW);
    it.pulls[0].phase = PT_PULL_FAILED;
    it.pulls[0].error = "toomanyrequests: slow down";
    scene_deliver_pulls(scene, "n1", it.pulls, 2);
    check_int("none completed", (int64_t)ghcr->completed, 0);
    check_int("by its class", (int64_t)ghcr->failed[PT_FAILURE_RATE_LIMITED], 1);
    check_int("under way", (int64_t)docker->completed, 0);
    scene_wait(scene, 601);
    check_int("given up", scene->failed, 2);
    check_int("of no registry", (int64_t)docker->completed, 0);
    it.second[0].downloaded_bytes = 100;
    it.pulls[1].phase = PT_PULL_COMPLETED;
    scene_deliver_pulls(scene, "n1", it.pulls, 2);
    check_int("completed", (int64_t)docker->completed, 1);
    check_real("how long it took", docker->pull_seconds.sum, 604);
    check_int("none of them failed", (int64_t)docker->failed[PT_FAILURE_STALE], 0);
    check_int("what failed has no duration", (int64_t)ghcr->pull_seconds.counts[0], 0);
    check_int("and the other once", (int64_t)ghcr->failed[PT_FAILURE_RATE_LIMITED], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_host_has_a_row_until_there_are_many),
        cmocka_unit_test(who_is_idle_for_longest_gives_way),
        cmocka_unit_test(what_has_no_host_has_no_row),
        SCENE_TEST(bytes_count_for_their_registry),
        SCENE_TEST(a_port_is_part_of_the_registry),
        SCENE_TEST(ends_count_for_their_registry),
    };
    return cmocka_run_group_tests_name("registries", tests, NULL, NULL);
}
