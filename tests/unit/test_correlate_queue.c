// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// Images that are waited for and that no pull has begun of.

static void shows_what_the_kubelet_has_queued(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    expect(fixture, "ka.io/b:1", "");
    pulling(fixture, "web", "a.io/b:1", 1000);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    struct pt_pull pull = make_pull(1030, "a.io/b", NULL);
    fixture->seconds = 1030;
    check_text("row", pt_correlate_continued_row(fixture->correlate, NODE, &pull), "ka.io/b:1");
    pt_correlate_pull(fixture->correlate, NODE, "i1", &pull);
    expect(fixture, "i1", "a.io/b:1! ns/web/c queued=30");
    expect(fixture, "ka.io/b:1",
           "queued a.io/b:1! ns/web/c queued=0"); // nothing more was told of it
}

static void shows_as_queued_what_waits_without_an_event(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pass(fixture, 1);
    expect(fixture, "ka.io/b:1", "");
    pass(fixture, 1);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    pod_ends(fixture, "web", PT_POD_DELETED);
    expect(fixture, "ka.io/b:1", "cancelled a.io/b:1!");
}

static void does_not_queue_an_image_that_is_there(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    event_at(fixture, "web", "Pulled", "Container image \"a.io/b:1\" already present on machine",
             "e", 1, 1000);
    pass(fixture, 10);
    expect(fixture, "ka.io/b:1", "");
}

static void a_pull_that_no_agent_saw_completes(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pulling(fixture, "web", "a.io/b:1", 1000);
    settle(fixture);
    pass(fixture, 2);
    pulled(fixture, "web", "a.io/b:1");
    pod_ends(fixture, "web", PT_POD_STARTED);
    pass(fixture, 4);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    pass(fixture, 3);
    expect(fixture, "ka.io/b:1", "completed a.io/b:1!");
}

static void a_queued_pull_that_got_a_row_too_early_is_cancelled(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pulling(fixture, "web", "a.io/b:1", 1000);
    settle(fixture);
    pull_runs(fixture, "i1", 1001, "a.io/b", NULL); // its repository was not known at first
    settle(fixture);
    expect(fixture, "ka.io/b:1", "cancelled a.io/b:1! ns/web/c");
}

static void forgets_an_event_without_end(void **state)
{
    struct fixture *fixture = *state;
    pulling(fixture, "runs", "a.io/b:1", 1000);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/runs/c queued=0");
    pass(fixture, 599);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/runs/c queued=590");
    pass(fixture, 2);
    expect(fixture, "ka.io/b:1", "cancelled a.io/b:1!");
    assert_int_equal(pt_correlate_figures(fixture->correlate).nodes, 0);
}

static void takes_events_in_any_order(void **state)
{
    struct fixture *fixture = *state;
    pulled(fixture, "runs", "a.io/b:1");
    pulling(fixture, "runs", "a.io/b:1", 995);
    pass(fixture, 5);
    expect(fixture, "ka.io/b:1", "");
    event_at(fixture, "old", "Pulling", "Pulling image \"a.io/c:1\"", "e", 1, 100);
    expect(fixture, "ka.io/c:1", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shows_what_the_kubelet_has_queued),
        TEST(shows_as_queued_what_waits_without_an_event),
        TEST(does_not_queue_an_image_that_is_there),
        TEST(a_pull_that_no_agent_saw_completes),
        TEST(a_queued_pull_that_got_a_row_too_early_is_cancelled),
        TEST(forgets_an_event_without_end),
        TEST(takes_events_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
