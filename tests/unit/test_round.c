// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/round.h"

#include "base/limits.h"
#include "round_scene.h"

// What rounds make of a containerd that does not always answer.

static void look_in_vain(struct scene *scene, enum call call, const struct pt_grpc_status *fault)
{
    scene->world.broken = call;
    scene->world.fault = *fault;
    scene_look(scene);
    scene->world.broken = CALL_COUNT;
}

static void finish(struct pt_containerd *world)
{
    world->offset = BYTES;
    world->is_over = true;
}

static const struct pt_grpc_status faults[] = {
    {PT_GRPC_UNAVAILABLE, false, "unavailable"},
    {PT_GRPC_DEADLINE_EXCEEDED, false, "context deadline exceeded"},
    {PT_GRPC_INTERNAL, false, "internal"},
    {PT_GRPC_UNKNOWN, false, "database not open"},
    {PT_GRPC_UNKNOWN, true, "timed out"},
};

// Whichever call fails in whichever round: the pull goes on, and ends once and well.
static void no_fault_ends_a_pull(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALL_COUNT * COUNT_OF(faults); i++) {
        enum call call = (enum call)(i / COUNT_OF(faults));
        const struct pt_grpc_status *fault = &faults[i % COUNT_OF(faults)];
        struct scene scene;
        char name[96];
        snprintf(name, sizeof(name), "%s: %s", call_names[call], fault->message);
        scene_begin(&scene, "*");
        look_in_vain(&scene, call, fault);
        scene_look(&scene);
        check_int(name, scene.started, 1);
        for (int round = 1; round <= 4; round++) {
            scene.world.offset = 200 * round;
            look_in_vain(&scene, call, fault);
            check_int(name, (int64_t)pt_tracker_active_count(scene.tracker), 1);
        }
        scene_look(&scene);
        check_int(name, scene.downloaded, 800);
        finish(&scene.world);
        look_in_vain(&scene, call, fault);
        check_int(name, scene.failed, 0);
        scene_look(&scene);
        check_int(name, scene.completed, 1);
        check_int(name, scene.failed, 0);
        check_int(name, scene.started, 1);
        if (call != SNAPSHOT_USAGE) // which is asked of what is still for long only
            check_int(name, scene.world.faults > 0, true);
        scene_end(&scene);
    }
}

// It was listed, and is gone when it is asked for: as if it had not been listed.
static void a_lease_that_goes_between_two_questions_ends_once(void **state)
{
    (void)state;
    const struct pt_grpc_status gone = {PT_GRPC_NOT_FOUND, false, "lease not found"};
    struct scene scene;
    scene_begin(&scene, "*");
    scene_look(&scene);
    scene.world.offset = 400;
    scene_look(&scene);
    scene.world.now += 5 * PT_NS_PER_S; // it is asked for again
    scene.world.offset = BYTES;
    look_in_vain(&scene, LIST_RESOURCES, &gone);
    check_int("it was asked for", scene.world.faults > 0, true);
    scene.world.is_over = true;
    scene_look(&scene);
    scene_look(&scene);
    check_int("started", scene.started, 1);
    check_int("ended", scene.completed + scene.failed, 1);
    check_int("rounds that failed", scene.rounds_failed, 0);
    scene_end(&scene);
}

static void of_too_many_leases_the_oldest_idle_one_gives_way(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, "*");
    scene.world.idle_leases = PT_LIMIT_LEASES;
    scene.world.idle_since = START - 10 * PT_NS_PER_S;
    scene.world.is_over = true;
    scene_look(&scene);
    check_int("before", scene.started, 0);
    scene.world.is_over = false;
    scene_look(&scene);
    scene.world.offset = 400;
    scene_look(&scene);
    check_int("started", scene.started, 1);
    check_int("bytes", scene.downloaded, 400);
    scene_end(&scene);
}

// A containerd that cannot answer is not asked for a conclusion.
static void a_round_without_its_lists_is_none(void **state)
{
    (void)state;
    static const enum call lists[] = {LIST_LEASES, LIST_INGESTS, LIST_IMAGES};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct scene scene;
        scene_begin(&scene, "k8s.io");
        scene_look(&scene);
        if (lists[i] == LIST_IMAGES)
            finish(&scene.world);
        for (size_t k = 0; k < COUNT_OF(faults); k++)
            look_in_vain(&scene, lists[i], &faults[k]);
        check_int(call_names[lists[i]], scene.rounds_failed, COUNT_OF(faults));
        scene_end(&scene);
    }
}

// containerd writes what has come before it gives up, and drops that a moment later.
static void what_a_broken_pull_has_fetched_last_counts(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, "k8s.io");
    scene_look(&scene);
    scene.world.offset = 200;
    scene_look(&scene);
    scene.world.offset = 350;
    scene.world.is_over = scene.world.has_failed = true;
    scene_look(&scene);
    check_int("failed", scene.failed, 1);
    check_int("bytes", pt_tracker_next(scene.tracker, NULL)->pull.bytes_fetched, 350);
    scene_end(&scene);
}

// Only the root of a pull whose manifest was not seen is looked for in all of them.
static void more_image_records_than_are_taken_stop_no_round(void **state)
{
    (void)state;
    static const struct pt_grpc_status too_large = {PT_GRPC_TOO_LARGE, false, "too large"};
    struct scene scene;
    scene_begin(&scene, "k8s.io");
    scene.world.is_bare = true;
    scene_look(&scene);
    check_int("begun", scene.started, 1);
    finish(&scene.world);
    look_in_vain(&scene, LIST_IMAGES, &too_large);
    check_int("asked", scene.world.faults > 0, true);
    scene_look(&scene);
    check_int("rounds that failed", scene.rounds_failed, 0);
    check_int("ended", scene.failed, 1);
    scene_end(&scene);
}

// So many seconds, with a look each ten of them.
static void look_for(struct scene *scene, int seconds, int64_t written_each_time)
{
    for (int second = 0; second < seconds; second += 10) {
        scene_look(scene);
        scene->world.now += 9 * PT_NS_PER_S;
        scene->world.written += written_each_time;
    }
}

static void a_long_extraction_goes_on_as_long_as_it_writes(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, "k8s.io");
    scene_look(&scene);
    scene.world.offset = BYTES;
    scene.world.is_extracting = true;
    look_for(&scene, 6 * 60, 1000);
    check_int("not asked before it has been still for long", scene.world.usages_asked, 0);
    look_for(&scene, 24 * 60, 1000);
    check_int("goes on", scene.failed, 0);
    if (scene.world.usages_asked < 20 || scene.world.usages_asked > 24)
        fail_msg("asked %u times in 24 minutes", scene.world.usages_asked);
    scene.world.broken = SNAPSHOT_USAGE;
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        scene.world.fault = faults[i];
        look_for(&scene, 60, 1000);
    }
    check_int("no round fails for want of it", scene.rounds_failed, 0);
    scene.world.broken = CALL_COUNT;
    look_for(&scene, 2 * 60, 1000);
    look_for(&scene, 9 * 60, 0);
    check_int("some time is left", scene.failed, 0);
    look_for(&scene, 3 * 60, 0);
    check_int("given up", scene.failed, 1);
    scene_end(&scene);
}

// Usage was asked for an hour later then, and the pull given up after ten minutes.
static void an_extraction_outlives_a_clock_that_is_set_back(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, "k8s.io");
    scene_look(&scene);
    scene.world.offset = BYTES;
    scene.world.is_extracting = true;
    look_for(&scene, 60, 1000);
    scene_set_clock_back(&scene, 3600 * PT_NS_PER_S);
    look_for(&scene, 24 * 60, 1000);
    check_int("goes on", scene.failed, 0);
    check_int("asked", scene.world.usages_asked > 10, true);
    scene_end(&scene);
}

// A machine begins with a wrong clock, and NTP sets it soon: what the pull brings then is older
// than its lease.
static void a_pull_is_completed_though_the_clock_is_set_back(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_known; // the agent had seen the pull before
        bool is_slow;  // a part of its layer is seen on its way
    } rows[] = {
        {"an agent that was there", true, false},
        {"and has seen the layer come", true, true},
        {"an agent that begins afterwards", false, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_begin(&scene, "k8s.io");
        for (int look = 0; look < 2 && rows[i].is_known; look++)
            scene_look(&scene);
        scene_set_clock_back(&scene, 3600 * PT_NS_PER_S);
        for (int look = 1; look <= 3 && rows[i].is_slow; look++) {
            scene.world.offset = 100 * look;
            scene_look(&scene);
        }
        int64_t now = scene.world.now;
        finish(&scene.world);
        scene_look(&scene);
        check_int(rows[i].name, scene.completed, 1);
        check_int(rows[i].name, scene.failed, 0);
        const struct pt_pull *pull = &pt_tracker_next(scene.tracker, NULL)->pull;
        check_int(rows[i].name, pull->layers[0].cached, false);
        check_int(rows[i].name, pull->bytes_fetched == BYTES || !rows[i].is_known, true);
        check_int(rows[i].name, pull->started_at <= pull->completed_at, true);
        check_int(rows[i].name, pull->completed_at <= now, true);
        scene_end(&scene);
    }
}

// The first image after the agent's start: which snapshotter the node has nobody knows yet.
static void a_snapshotter_that_has_shown_nothing_is_waited_for(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, "k8s.io");
    scene.world.snapshotter = "other";
    scene.world.is_blocked = true;
    scene_look(&scene);
    look_for(&scene, 40 * 60, 0);
    check_int("goes on", scene.failed, 0);
    scene.world.is_blocked = false;
    scene.world.is_committed = true;
    scene_look(&scene);
    finish(&scene.world);
    scene_look(&scene);
    check_int("completed", scene.completed, 1);
    scene_end(&scene);
}

// Whatever containerd fetches is nothing that a snapshotter does.
static void a_fetch_of_which_nothing_comes_is_given_up(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, "k8s.io");
    scene_look(&scene);
    scene.world.offset = BYTES / 2;
    look_for(&scene, 9 * 60, 0);
    check_int("some time is left", scene.failed, 0);
    look_for(&scene, 3 * 60, 0);
    check_int("given up", scene.failed, 1);
    scene_end(&scene);
}

// It has neither ingest nor blob, and no event names it.
static void a_snapshot_that_the_lease_holds_is_asked_for(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene, "k8s.io");
    scene.world.snapshotter = "other";
    for (int i = 0; i < 3; i++)
        scene_look(&scene);
    const struct pt_tracked *tracked = pt_tracker_next(scene.tracker, NULL);
    check_int("before", tracked->pull.layers[0].phase, PT_LAYER_QUEUED);
    scene.world.is_committed = true;
    scene_look(&scene);
    tracked = pt_tracker_next(scene.tracker, NULL);
    check_int("there with the next look", tracked->pull.layers[0].phase, PT_LAYER_DONE);
    scene_end(&scene);
}

// The name on what it extracts into is a stranger's text.
static void the_name_of_a_snapshot_is_taken_if_it_may_be_the_images(void **state)
{
    static const struct {
        const char *name, *reference;
        bool is_exact;
    } rows[] = {
        {"its own", "registry.example/app:1", true},
        {"with a port", "registry.example:5000/app:1", true},
        {"of another repository", "registry.example/other:1", false},
        {"of another registry", "registry.example.org/app:1", false},
        {"no reference", "registry.example/app:1 and more", false},
        {"empty", "", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_begin(&scene, "k8s.io");
        scene.world.label[0] = "containerd.io/snapshot/cri.image-ref";
        scene.world.label[1] = rows[i].reference;
        scene.world.offset = BYTES;
        scene.world.is_extracting = true;
        scene_look(&scene);
        scene_look(&scene);
        const struct pt_tracked *tracked = pt_tracker_next(scene.tracker, NULL);
        check_int(rows[i].name, tracked->pull.image_ref_exact, rows[i].is_exact);
        check_text(rows[i].name, tracked->pull.image_ref,
                   rows[i].is_exact ? rows[i].reference : "registry.example/app");
        scene_end(&scene);
    }
    (void)state;
}

static void where_a_layer_comes_from(void **state)
{
    static const struct {
        const char *name, *snapshotter, *label, *other;
        enum pt_layer_source source;
    } rows[] = {
        {"mounted", "other", "containerd.io/snapshot/remote", NULL, PT_SOURCE_REMOTE},
        {"mounted by nydus", "other", "containerd.io/snapshot/nydus-blob", NULL, PT_SOURCE_REMOTE},
        {"fetched by it", "other", "containerd.io/snapshot/remote/namespace", NULL,
         PT_SOURCE_SNAPSHOTTER},
        {"of another namespace", NULL, NULL, "moby", PT_SOURCE_NAMESPACE},
        {"fetched", NULL, NULL, NULL, PT_SOURCE_FETCHED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_begin(&scene, "k8s.io");
        scene.world.snapshotter = rows[i].snapshotter;
        scene.world.is_committed = rows[i].snapshotter != NULL;
        scene.world.offset = rows[i].snapshotter ? 0 : BYTES;
        scene.world.label[0] = rows[i].label;
        scene.world.label[1] = "x";
        scene.world.other = rows[i].other;
        for (int round = 0; round < 4; round++)
            scene_look(&scene);
        const struct pt_tracked *tracked = pt_tracker_next(scene.tracker, NULL);
        check_int(rows[i].name, tracked->pull.layers[0].source, rows[i].source);
        scene_end(&scene);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_fault_ends_a_pull),
        cmocka_unit_test(a_lease_that_goes_between_two_questions_ends_once),
        cmocka_unit_test(of_too_many_leases_the_oldest_idle_one_gives_way),
        cmocka_unit_test(a_round_without_its_lists_is_none),
        cmocka_unit_test(what_a_broken_pull_has_fetched_last_counts),
        cmocka_unit_test(more_image_records_than_are_taken_stop_no_round),
        cmocka_unit_test(a_long_extraction_goes_on_as_long_as_it_writes),
        cmocka_unit_test(a_pull_is_completed_though_the_clock_is_set_back),
        cmocka_unit_test(an_extraction_outlives_a_clock_that_is_set_back),
        cmocka_unit_test(a_snapshotter_that_has_shown_nothing_is_waited_for),
        cmocka_unit_test(a_fetch_of_which_nothing_comes_is_given_up),
        cmocka_unit_test(a_snapshot_that_the_lease_holds_is_asked_for),
        cmocka_unit_test(the_name_of_a_snapshot_is_taken_if_it_may_be_the_images),
        cmocka_unit_test(where_a_layer_comes_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
