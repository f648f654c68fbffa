// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"

// What time changes.

static void finished_pulls_stay_for_their_time(void **state)
{
    struct scene *scene = *state;
    scene->pull.phase = PT_PULL_COMPLETED;
    scene_deliver(scene);
    scene_wait(scene, 1799);
    assert_non_null(scene_last(scene));
    check_int("durations", (int64_t)scene->store->durations.count, 1);
    scene_wait(scene, 2);
    assert_null(scene_last(scene));
    check_int("completed", (int64_t)scene->store->completed_count, 0);
    check_int("durations", (int64_t)scene->store->durations.count, 0);
    scene_wait(scene, 1);
    check_int("a node without pulls goes as well", (int64_t)scene->store->nodes.count, 0);
}

static void a_pinned_node_outlives_its_pulls(void **state)
{
    struct scene *scene = *state;
    scene->pull.phase = PT_PULL_COMPLETED;
    scene_deliver(scene);
    struct pt_node *node = pt_store_find_node(scene->store, "n1");
    pt_node_pin(node);
    scene_wait(scene, 1801);
    assert_null(scene_last(scene));
    scene_wait(scene, 1);
    check_int("pinned", (int64_t)scene->store->nodes.count, 1);
    check_text("still readable", pt_node_status(node).name, "n1");
    pt_node_unpin(node);
    scene_wait(scene, 1);
    check_int("nodes", (int64_t)scene->store->nodes.count, 0);
}

static void a_silent_node_is_announced_and_its_pulls_become_stale(void **state)
{
    struct scene *scene = *state;
    scene->layers[0].downloaded_bytes = 10;
    scene_deliver(scene);
    scene->layers[0].downloaded_bytes = 20;
    scene_deliver(scene);
    const struct pt_stored_pull *stored = scene_last(scene);
    check_real("what is left", scene_last_status(scene).eta_seconds, 8);
    scene_wait(scene, 29);
    check_int("not yet silent", (int64_t)scene->store->silent_count, 0);
    uint64_t version = stored->version;
    scene_wait(scene, 2);
    check_int("silent", (int64_t)scene->store->silent_count, 1);
    check_real("no speed is known", pt_stored_pull_speed(stored), 0);
    check_real("nor what is left", scene_last_status(scene).eta_seconds, -1);
    assert_true(stored->version > version);
    scene_wait(scene, 568);
    check_int("not yet stale", scene->failed, 0);
    scene_wait(scene, 2);
    check_int("stale", scene->failed, 1);
    check_int("class", stored->pull.error_class, PT_FAILURE_STALE);
    check_int("reason", stored->stale_reason, PT_STALE_SILENT);
    check_text("words", stored->pull.error, "the node's agent has not reported for 10m");

    scene->layers[0].downloaded_bytes = 30; // the node comes back and the pull goes on
    scene_deliver(scene);
    check_int("silent", (int64_t)scene->store->silent_count, 0);
    check_int("active again", (int64_t)scene->store->active_count, 1);
    check_int("failures kept", (int64_t)scene->store->failed_count, 0);
    assert_null(stored->pull.error);
    check_int("class", stored->pull.error_class, PT_FAILURE_NONE);
    check_int("reason", stored->stale_reason, PT_STALE_NOT);
}

static void a_stuck_pull_comes_back_when_it_moves(void **state)
{
    struct scene *scene = *state;
    scene->pull.id = NULL; // an agent of before, which gives nothing up itself
    scene->layers[0].downloaded_bytes = 50;
    for (int i = 0; i < 610; i++) {
        scene_deliver(scene);
        scene_wait(scene, 0);
    }
    check_int("failed once", scene->failed, 1);
    check_int("and stays so", (int64_t)scene->store->active_count, 0);
    scene->layers[0].downloaded_bytes = 51;
    scene_deliver(scene);
    check_int("active again", (int64_t)scene->store->active_count, 1);
}

// It ended while the node's agent was not running; the one that runs now does not know it.
static void one_that_its_agent_has_lost_is_given_up(void **state)
{
    struct scene *scene = *state;
    scene->layers[0].downloaded_bytes = 50;
    struct pt_pull pulls[] = {scene->pull, make_pull("lease-2", "app:2", scene->layers, 1)};
    scene_deliver_pulls(scene, "n1", pulls, 2);
    for (int second = 1; second < 60; second++)
        scene_deliver_pulls(scene, "n1", &pulls[1], 1);
    check_int("not yet", scene->failed, 0);
    scene_deliver_pulls(scene, "n1", &pulls[1], 1);
    check_int("given up", scene->failed, 1);
    check_int("the other one goes on", (int64_t)scene->store->active_count, 1);
    scene->layers[0].downloaded_bytes = 60;
    scene_deliver_pulls(scene, "n1", pulls, 2);
    check_int("unless it is named again", (int64_t)scene->store->active_count, 2);
}

static void what_does_not_move_becomes_stale(void **state)
{
    static const struct {
        const char *name;
        const char *id;
        enum pt_pull_phase phase;
        bool named;
        const char *error; // NULL: it goes on
        enum pt_stale_reason reason;
    } cases[] = {
        {"of an agent of before, a download without a byte", NULL, PT_PULL_DOWNLOADING, true,
         "no progress for 10m", PT_STALE_STUCK},
        {"of our own, which gives up itself", "lease-1", PT_PULL_DOWNLOADING, true, NULL,
         PT_STALE_NOT},
        {"no longer named", "lease-1", PT_PULL_DOWNLOADING, false,
         "the node's agent no longer reports this pull", PT_STALE_UNNAMED},
        {"a long extraction", "lease-1", PT_PULL_EXTRACTING, true, NULL, PT_STALE_NOT},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene_restart(scene);
        scene->layers[0].downloaded_bytes = 50;
        scene->pull.phase = cases[i].phase;
        scene->pull.id = cases[i].id;
        scene_deliver(scene);
        for (int second = 0; second < 605; second += 5) {
            scene_wait(scene, 4);
            scene_deliver_pulls(scene, "n1", &scene->pull, cases[i].named ? 1 : 0);
        }
        check_text(cases[i].name, scene_last(scene)->pull.error, cases[i].error);
        check_int(cases[i].name, scene_last_status(scene).stale_reason, cases[i].reason);
    }
}

// An agent of before sends words only; what it knows goes before what its words look like.
static void the_class_is_the_agents_or_that_of_its_words(void **state)
{
    static const struct {
        const char *error;
        enum pt_failure_class reported, wanted;
    } cases[] = {
        {"no such host", PT_FAILURE_NONE, PT_FAILURE_NETWORK},
        {"not unpacked: stored without any layer", PT_FAILURE_NONE, PT_FAILURE_NOT_UNPACKED},
        {"stored without no such host", PT_FAILURE_NOT_UNPACKED, PT_FAILURE_NOT_UNPACKED},
        {NULL, PT_FAILURE_NONE, PT_FAILURE_OTHER},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene_restart(scene);
        scene->pull.phase = PT_PULL_FAILED;
        scene->pull.error = cases[i].error;
        scene->pull.error_class = cases[i].reported;
        scene_deliver(scene);
        check_int(cases[i].error ? cases[i].error : "no words", scene_last(scene)->pull.error_class,
                  cases[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(finished_pulls_stay_for_their_time),
        SCENE_TEST(a_pinned_node_outlives_its_pulls),
        SCENE_TEST(a_silent_node_is_announced_and_its_pulls_become_stale),
        SCENE_TEST(a_stuck_pull_comes_back_when_it_moves),
        SCENE_TEST(one_that_its_agent_has_lost_is_given_up),
        SCENE_TEST(what_does_not_move_becomes_stale),
        SCENE_TEST(the_class_is_the_agents_or_that_of_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
