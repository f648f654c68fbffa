// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_life.h"

#include "store_fixture.h"

// A large report is applied in steps, and the store changes between them.

#define PULLS 300

struct large {
    struct pt_pull pulls[PULLS];
    struct pt_layer layers[PULLS];
    char ids[PULLS][20], digests[PULLS][20];
    struct pt_report report;
};

static void make_report(struct scene *scene, const char *node, int64_t bytes, struct large *large)
{
    scene->now_ns += PT_NS_PER_S;
    for (int i = 0; i < PULLS; i++) {
        snprintf(large->ids[i], sizeof(large->ids[i]), "lease-%d", i);
        snprintf(large->digests[i], sizeof(large->digests[i]), "sha256:%d", i);
        large->layers[i] = make_layer(large->digests[i], bytes);
        large->pulls[i] = make_pull(large->ids[i], "app:1", &large->layers[i], 1);
    }
    large->report = (struct pt_report){
        .node_name = node,
        .timestamp = scene->now_ns,
        .interval_ms = 1000,
        .pulls = large->pulls,
        .pull_count = PULLS,
    };
}

static struct pt_application *begin(struct scene *scene, const struct large *large)
{
    struct pt_application *application =
        pt_store_apply_begin(scene->store, &large->report, &scene->err);
    assert_non_null(application);
    return application;
}

static void end(struct scene *scene, struct pt_application *application)
{
    check_int("end", pt_store_apply_end(application, &scene->err), 0);
}

static const struct pt_node *only_node(const struct scene *scene)
{
    return TAILQ_FIRST(&scene->store->nodes_by_report);
}

static void each_step_is_small_and_all_together_are_the_report(void **state)
{
    struct scene *scene = *state;
    struct large large;
    make_report(scene, "n1", 40, &large);
    struct pt_application *application = begin(scene, &large);
    size_t steps = 0, before = 0;
    for (bool more = true; more; steps++) {
        more = pt_store_apply_step(application);
        size_t now = pt_store_figures(scene->store).pulls;
        assert_in_range(now - before, 0, 16);
        before = now;
    }
    end(scene, application);
    assert_in_range(steps, PULLS / 16, PULLS / 4);
    check_int("pulls", (int64_t)before, PULLS);
    check_int("started", scene->started, PULLS);
    check_int("bytes", (int64_t)pt_store_figures(scene->store).received_bytes, 40 * PULLS);
    assert_true(scene->changes > 2); // readers see what has been applied
    check_int("pins", only_node(scene)->pins, PULLS);
}

static void a_node_takes_one_report_at_a_time(void **state)
{
    struct scene *scene = *state;
    struct large large;
    make_report(scene, "n1", 40, &large);
    struct pt_application *application = begin(scene, &large);
    assert_true(pt_store_apply_step(application));
    check_int("the node's next", scene_report(scene, "n1", &scene->pull, 1), -EAGAIN);
    check_int("another node's", scene_report(scene, "n2", &scene->pull, 1), 0);
    while (pt_store_apply_step(application))
        continue;
    end(scene, application);
    check_int("when it is over", scene_report(scene, "n1", &scene->pull, 1), 0);
}

// Between two steps the rest of the report has not been named yet.
static void what_its_turn_has_not_come_for_is_not_given_up(void **state)
{
    struct scene *scene = *state;
    struct large large;
    make_report(scene, "n1", 40, &large);
    for (int64_t second = 0; second < STALE_NS / PT_NS_PER_S + 10; second += 10) {
        scene_wait(scene, 10);
        large.report.timestamp = scene->now_ns;
        check_int("report", pt_store_apply(scene->store, &large.report, &scene->err), 0);
    }
    scene_wait(scene, 10);
    large.report.timestamp = scene->now_ns;
    struct pt_application *application = begin(scene, &large);
    assert_true(pt_store_apply_step(application));
    scene->now_ns += STALE_NS - 20 * PT_NS_PER_S;
    while (pt_store_sweep(scene->store))
        continue;
    check_int("failed", scene->failed, 0);
    while (pt_store_apply_step(application))
        continue;
    end(scene, application);
    check_int("failed", scene->failed, 0);
}

// What a report leaves out ends behind all that it names, and may go before its turn.
static void absent_pulls_end_in_steps_too(void **state)
{
    struct scene *scene = *state;
    struct large large;
    make_report(scene, "n1", 40, &large);
    check_int("report", pt_store_apply(scene->store, &large.report, &scene->err), 0);
    scene->now_ns += 61 * PT_NS_PER_S; // so long none of them may be missing
    large.report.pull_count = 100;
    large.report.timestamp = scene->now_ns;
    struct pt_application *application = begin(scene, &large);
    while (only_node(scene)->active_count == PULLS)
        assert_true(pt_store_apply_step(application));
    size_t ended = pt_store_figures(scene->store).failed;
    assert_in_range(ended, 1, 16);
    struct pt_stored_pull *next = TAILQ_LAST(&only_node(scene)->active, pt_stored_pull_list);
    pt_life_give_up(scene->store, next);
    while (pt_store_apply_step(application))
        continue;
    end(scene, application);
    check_int("failed", (int64_t)pt_store_figures(scene->store).failed, PULLS - 100);
    check_int("active", (int64_t)only_node(scene)->active_count, 100);
}

static void a_report_may_end_before_its_last_step(void **state)
{
    struct scene *scene = *state;
    struct large large;
    for (int steps = 0; steps < 70; steps += 3) {
        make_report(scene, "n1", steps, &large);
        struct pt_application *application = begin(scene, &large);
        for (int i = 0; i < steps; i++)
            (void)pt_store_apply_step(application);
        end(scene, application);
        assert_true(LIST_EMPTY(&scene->store->node_walks));
    }
    check_int("pulls", (int64_t)pt_store_figures(scene->store).pulls, PULLS);
}

// A pull of many layers may need the room of hundreds of others.
static void making_room_is_spread_over_steps(void **state)
{
    enum { LAYERS = 500 };
    struct scene *scene = *state;
    struct large large;
    make_report(scene, "n1", 100, &large);
    for (int i = 0; i < PULLS; i++)
        large.pulls[i].phase = PT_PULL_COMPLETED;
    check_int("report", pt_store_apply(scene->store, &large.report, &scene->err), 0);
    check_int("n2", scene_report(scene, "n2", NULL, 0), 0);
    scene->memory.max_bytes = scene->memory.used_bytes;
    static struct pt_layer layers[LAYERS];
    static char digests[LAYERS][20];
    for (int i = 0; i < LAYERS; i++) {
        snprintf(digests[i], sizeof(digests[i]), "sha256:x%d", i);
        layers[i] = make_layer(digests[i], 0);
    }
    make_report(scene, "n2", 0, &large);
    large.pulls[0] = make_pull("fat", "fat:1", layers, LAYERS);
    large.report.pull_count = 1;
    struct pt_application *application = begin(scene, &large);
    size_t most = 0, before = PULLS;
    for (bool more = true; more;) {
        more = pt_store_apply_step(application);
        size_t completed = pt_store_figures(scene->store).completed;
        most = before - completed > most ? before - completed : most;
        before = completed;
    }
    end(scene, application);
    assert_in_range(PULLS - before, 110, PULLS);
    assert_in_range(most, 50, 100);
    check_int("it found room", (int64_t)pt_store_figures(scene->store).under_way, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(each_step_is_small_and_all_together_are_the_report),
        SCENE_TEST(a_node_takes_one_report_at_a_time),
        SCENE_TEST(what_its_turn_has_not_come_for_is_not_given_up),
        SCENE_TEST(absent_pulls_end_in_steps_too),
        SCENE_TEST(a_report_may_end_before_its_last_step),
        SCENE_TEST(making_room_is_spread_over_steps),
    };
    return cmocka_run_group_tests_name("apply_steps", tests, NULL, NULL);
}
