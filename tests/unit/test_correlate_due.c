// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// What time does to nodes where nothing happens; that it is the same as if all were looked at each
// second is the fuzzer's to show.

static int dirty_within(struct scene *scene, int seconds)
{
    int before = scene->dirty;
    pass(scene, seconds);
    return scene->dirty - before;
}

static void a_node_where_nothing_is_due_is_left_alone(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    pass(scene, 2); // it has settled
    assert_int_equal(dirty_within(scene, 700), 0);
    pod_ends(scene, "web", PT_POD_STARTED);
    settle(scene);
    assert_int_equal(dirty_within(scene, 4), 0);
    assert_int_equal(dirty_within(scene, 1), 1); // it does not linger any more
    assert_int_equal(dirty_within(scene, 700), 0);
}

static void a_queued_row_is_looked_at_each_ten_seconds(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    pulling(scene, "web", "a.io/b:1", 1000);
    settle(scene);
    pass(scene, 5);
    int calls = scene->calls;
    assert_int_equal(dirty_within(scene, 100), 10);
    assert_int_equal(scene->calls - calls, 10);
}

static void only_the_nodes_that_are_due_are_looked_at(void **state)
{
    struct scene *scene = *state;
    char name[20];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        struct pt_kube_pod pod = make_pod(scene, name, "a.io/b:1");
        pod.node = name;
        pod.waiting[0].is_on_turn = false; // no row for it
        pt_correlate_pod(scene->correlate, &pod);
    }
    settle(scene);
    pod_waits(scene, "web", "a.io/c:1");
    settle(scene);
    scene->seconds += 2;
    pt_correlate_tick(scene->correlate);
    assert_false(pt_correlate_flush(scene->correlate, 20));
    check_text("row", shown_slot(scene, "ka.io/c:1"), "queued a.io/c:1! ns/web/c queued=0");
}

// A choice is open for some seconds; then another image would have to be proven.
static void a_choice_settles_whatever_the_clock_does(void **state)
{
    struct scene *scene = *state;
    static const struct {
        const char *name;
        int passes, jump;
        const char *wanted;
    } rows[] = {
        {"open", 1, 0, "a.io/b:2"},
        {"settled", 6, 0, "a.io/b:1"},
        {"settled, and the clock is set back", 6, -900, "a.io/b:1"},
        {"settled, and the clock is set forward", 6, 900, "a.io/b:1"},
        {"open, and the clock is set back", 1, -900, "a.io/b:2"},
        {"open, and the clock is set forward", 1, 900, "a.io/b:2"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        pod_waits(scene, "web", "a.io/b:1");
        pull_runs(scene, "i0", 1000, "a.io/b", NULL);
        settle(scene);
        pass(scene, rows[i].passes);
        scene->set_seconds = rows[i].jump;
        pod_waits(scene, "late", "a.io/b:2");
        pulling(scene, "late", "a.io/b:2", 1000);
        settle(scene);
        if (strncmp(shown_slot(scene, "i0"), rows[i].wanted, strlen(rows[i].wanted)) != 0)
            fail_msg("%s: got %s, wanted %s", rows[i].name, shown_slot(scene, "i0"),
                     rows[i].wanted);
        scene_end(scene);
        scene_begin(scene);
    }
}

static void count_row(void *context, const struct pt_image_row *row)
{
    size_t *rows = context;
    *rows += row->phase == PT_PULL_QUEUED;
}

// All of a large cluster may be due in the same second.
static void of_many_nodes_that_are_due_some_are_marked_at_once(void **state)
{
    enum { NODES = 5000 };
    struct scene *scene = *state;
    char name[20];
    size_t rows = 0, before = 0;
    const struct pt_correlate_output output = {.on_row = count_row, .context = &rows};
    pt_correlate_destroy(scene->correlate);
    assert_int_equal(pt_correlate_create(&scene->clock, NODES, &output, &scene->correlate), 0);
    for (int i = 0; i < NODES; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        struct pt_kube_pod pod = make_pod(scene, name, "a.io/b:1");
        pod.node = name;
        pt_correlate_pod(scene->correlate, &pod);
    }
    settle(scene);
    assert_int_equal(rows, 0);
    scene->seconds += 2; // then each gets its row
    int ticks = 1;
    for (; pt_correlate_tick(scene->correlate); ticks++) {
        while (pt_correlate_flush(scene->correlate, 1))
            continue;
        assert_in_range(rows - before, 1, 2000);
        before = rows;
    }
    while (pt_correlate_flush(scene->correlate, 1))
        continue;
    check_int("ticks", ticks, 3);
    check_int("rows", (int64_t)rows, NODES);
}

static void a_clock_that_is_set_loses_nothing(void **state)
{
    static const int steps[] = {3600, -3600, -1};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct scene *scene = scene_anew(state);
        scene->seconds = 100000;
        pod_waits(scene, "before", "a.io/c:1");
        settle(scene);
        scene->seconds += steps[i];
        settle(scene);
        pod_waits(scene, "after", "a.io/b:1");
        settle(scene);
        pass(scene, 1);
        check_text("row", shown_slot(scene, "ka.io/b:1"), "");
        pass(scene, 1);
        check_text("row", shown_slot(scene, "ka.io/b:1"), "queued a.io/b:1! ns/after/c queued=0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_node_where_nothing_is_due_is_left_alone),
        SCENE_TEST(a_choice_settles_whatever_the_clock_does),
        SCENE_TEST(a_queued_row_is_looked_at_each_ten_seconds),
        SCENE_TEST(only_the_nodes_that_are_due_are_looked_at),
        SCENE_TEST(of_many_nodes_that_are_due_some_are_marked_at_once),
        SCENE_TEST(a_clock_that_is_set_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
