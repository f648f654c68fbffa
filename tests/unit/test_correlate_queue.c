// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// Images that are waited for and that no pull has begun of.

static void shows_what_the_kubelet_has_queued(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    expect(scene, "ka.io/b:1", "");
    pulling(scene, "web", "a.io/b:1", 1000);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    struct pt_pull pull = make_pull(1030, "a.io/b", NULL);
    scene->seconds = 1030;
    check_text("row", row_taken_by(scene, &pull), "ka.io/b:1");
    pt_correlate_pull(scene->correlate, NODE, "i1", &pull);
    expect(scene, "i1", "a.io/b:1! ns/web/c queued=30");
    expect(scene, "ka.io/b:1",
           "queued a.io/b:1! ns/web/c queued=0"); // nothing more was said of it
}

static void shows_as_queued_what_waits_without_an_event(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    pass(scene, 1);
    expect(scene, "ka.io/b:1", "");
    pass(scene, 1);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    pod_ends(scene, "web", PT_POD_DELETED);
    expect(scene, "ka.io/b:1", "cancelled a.io/b:1!");
}

static void does_not_queue_an_image_that_is_there(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    event_at(scene, "web", "Pulled", "Container image \"a.io/b:1\" already present on machine", "e",
             1, 1000);
    pass(scene, 10);
    expect(scene, "ka.io/b:1", "");
}

static void a_pull_that_no_agent_saw_completes(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    pulling(scene, "web", "a.io/b:1", 1000);
    settle(scene);
    pass(scene, 2);
    pulled(scene, "web", "a.io/b:1");
    pod_ends(scene, "web", PT_POD_STARTED);
    pass(scene, 4);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    pass(scene, 3);
    expect(scene, "ka.io/b:1", "completed a.io/b:1!");
}

static void a_queued_pull_that_got_a_row_too_early_is_cancelled(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    pulling(scene, "web", "a.io/b:1", 1000);
    settle(scene);
    pull_runs(scene, "i1", 1001, "a.io/b", NULL); // its repository was not known at first
    settle(scene);
    expect(scene, "ka.io/b:1", "cancelled a.io/b:1! ns/web/c");
}

static void forgets_an_event_without_end(void **state)
{
    struct scene *scene = *state;
    pulling(scene, "runs", "a.io/b:1", 1000);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/runs/c queued=0");
    pass(scene, 599);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/runs/c queued=590");
    pass(scene, 2);
    expect(scene, "ka.io/b:1", "cancelled a.io/b:1!");
    pass(scene, 121); // who waits now would wait in that row
    assert_int_equal(pt_correlate_figures(scene->correlate).nodes, 0);
}

static void takes_events_in_any_order(void **state)
{
    struct scene *scene = *state;
    pulled(scene, "runs", "a.io/b:1");
    pulling(scene, "runs", "a.io/b:1", 995);
    pass(scene, 5);
    expect(scene, "ka.io/b:1", "");
    event_at(scene, "old", "Pulling", "Pulling image \"a.io/c:1\"", "e", 1, 100);
    expect(scene, "ka.io/c:1", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(shows_what_the_kubelet_has_queued),
        SCENE_TEST(shows_as_queued_what_waits_without_an_event),
        SCENE_TEST(does_not_queue_an_image_that_is_there),
        SCENE_TEST(a_pull_that_no_agent_saw_completes),
        SCENE_TEST(a_queued_pull_that_got_a_row_too_early_is_cancelled),
        SCENE_TEST(forgets_an_event_without_end),
        SCENE_TEST(takes_events_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
