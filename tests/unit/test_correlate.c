// SPDX-License-Identifier: Apache-2.0
#include "pull/legacy_report.h"

#include "correlate_fixture.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_HEX "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

// Which image a pull is of, and who waits for it.

static void names_a_pull_by_its_only_tag(void **state)
{
    struct fixture *fixture = *state;
    pull_runs(fixture, "i1", 1000, "docker.io/library/nginx", NULL);
    expect(fixture, "i1", "-");
    pod_waits(fixture, "web", "nginx:1.29");
    pod_waits(fixture, "other", "redis");
    expect(fixture, "i1", "docker.io/library/nginx:1.29! ns/web/c");
}

static void joins_by_host_without_port_and_by_repository(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *image, *repository, *wanted;
    } cases[] = {
        {"localhost:5000/app:v1", "localhost/app", "localhost:5000/app:v1! ns/w/c"},
        {"[::1]:5000/app", "::1/app", "[::1]:5000/app:latest! ns/w/c"},
        {"nginx", "docker.io/library/nginx", "docker.io/library/nginx:latest! ns/w/c"},
        {"a.io/b@sha256:" HEX, "a.io/b", "a.io/b@sha256:" HEX "! ns/w/c"},
        {"a.io/b:1@sha256:" HEX, "a.io/b", "a.io/b:1@sha256:" HEX "! ns/w/c"},
        {"a.io/b:1", "b.io/b", "-"},
        {"a.io/b:1", "a.io/c", "-"},
        {"NOT A REFERENCE", "docker.io/library/nginx", "-"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pull_runs(fixture, "i1", 1000, cases[i].repository, NULL);
        pod_waits(fixture, "w", cases[i].image);
        settle(fixture);
        check_text(cases[i].image, told_slot(fixture, "i1"), cases[i].wanted);
        tear_down(state);
        set_up(state);
        fixture = *state;
    }
}

static void a_digest_decides(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "by-tag", "a.io/b:1");
    pod_waits(fixture, "by-digest", "a.io/b@sha256:" HEX);
    pod_waits(fixture, "by-other", "a.io/b@sha256:" OTHER_HEX);
    pull_runs(fixture, "i1", 1000, "a.io/b", "sha256:" HEX);
    expect(fixture, "i1", "a.io/b@sha256:" HEX "! ns/by-digest/c");
}

// containerd's image record of a pull by digest names no tag.
static void end_pull_by_digest(struct fixture *fixture, const char *key, int64_t started)
{
    struct pt_pull pull = make_pull(started, "a.io/b", "sha256:" HEX);
    pull.phase = PT_PULL_COMPLETED;
    pull.completed_at = fixture->seconds * PT_NS_PER_S;
    pull.image_ref = "a.io/b@sha256:" HEX;
    pull.image_ref_exact = true;
    pt_correlate_pull(fixture->correlate, NODE, key, &pull);
}

static void several_tags_go_by_the_nearest_pulling_event(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pod_waits(fixture, "two", "a.io/b:2");
    pod_waits(fixture, "three", "a.io/b:3");
    pulling(fixture, "one", "a.io/b:1", 970);
    pulling(fixture, "two", "a.io/b:2", 999);
    pulling(fixture, "three", "a.io/b:3", 1005);
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:2 ns/two/c queued=1");
}

static void two_pulls_of_a_repository_are_two_tags(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pod_waits(fixture, "two", "a.io/b:2");
    pulling(fixture, "one", "a.io/b:1", 999);
    pulling(fixture, "two", "a.io/b:2", 1000);
    pull_runs(fixture, "i1", 999, "a.io/b", NULL);
    pull_runs(fixture, "i2", 1001, "a.io/b", NULL);
    settle(fixture);
    expect(fixture, "i1", "a.io/b:1 ns/one/c queued=0");
    expect(fixture, "i2", "a.io/b:2 ns/two/c queued=1");
}

static void behind_the_kubelets_queue_the_oldest_is_first(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pod_waits(fixture, "two", "a.io/b:2");
    pulling(fixture, "one", "a.io/b:1", 960);
    pulling(fixture, "two", "a.io/b:2", 970);
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:1 ns/one/c queued=40");
}

static void the_image_record_corrects_a_guess(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pod_waits(fixture, "two", "a.io/b:2");
    pulling(fixture, "two", "a.io/b:2", 999);
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:2 ns/two/c queued=1");
    fixture->seconds += 10;
    pull_ends(fixture, "i1", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    settle(fixture);
    assert_non_null(strstr(told_slot(fixture, "i1"), "ns/one/c"));
    assert_int_equal(strncmp(told_slot(fixture, "i1"), "-!", 2), 0);
}

static void fifty_pods_wait_for_one_pull(void **state)
{
    struct fixture *fixture = *state;
    char name[20];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        pod_waits(fixture, name, "a.io/b:1");
    }
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    pull_runs(fixture, "i2", 1000, "a.io/b", NULL); // a kubelet that pulls in parallel
    settle(fixture);
    assert_non_null(strstr(told_slot(fixture, "i1"), "ns/p0/c ns/p1/c"));
    assert_string_equal(told_slot(fixture, "i1"), told_slot(fixture, "i2"));
    assert_int_equal(pt_correlate_figures(fixture->correlate).waiting_containers, 50);
}

static void a_later_tag_does_not_take_a_running_pull(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    pass(fixture, 6);
    pod_waits(fixture, "two", "a.io/b:2");
    pulling(fixture, "two", "a.io/b:2", 1000);
    expect(fixture, "i1", "a.io/b:1! ns/one/c");
}

static void a_deleted_pod_leaves_its_pull(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "gone", "a.io/b:1");
    pod_waits(fixture, "stays", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:1! ns/gone/c ns/stays/c");
    pod_ends(fixture, "gone", PT_POD_DELETED);
    expect(fixture, "i1", "a.io/b:1! ns/stays/c");
}

static void a_finished_pull_keeps_the_pods_that_it_served(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    pass(fixture, 3);
    pod_ends(fixture, "web", PT_POD_STARTED); // quicker than the agent's report
    expect(fixture, "i1", "a.io/b:1! ns/web/c");
    pass(fixture, 1);
    pull_ends(fixture, "i1", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pass(fixture, 30);
    expect(fixture, "i1", "-! ns/web/c");
}

static void a_pull_may_be_over_before_its_pod_is_known(void **state)
{
    struct fixture *fixture = *state;
    pull_ends(fixture, "i1", 999, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pod_waits(fixture, "web", "a.io/b:1");
    expect(fixture, "i1", "-! ns/web/c");
    pass(fixture, 5);
    pod_waits(fixture, "later", "a.io/b:1"); // finds the image there
    expect(fixture, "i1", "-! ns/web/c");
}

static void an_event_names_a_container_of_a_running_pod(void **state)
{
    struct fixture *fixture = *state;
    pulling(fixture, "runs", "a.io/b:1", 999);
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:1! ns/runs/c queued=1");
}

static void merged_content_gets_the_only_name_there_is(void **state)
{
    struct fixture *fixture = *state;
    struct pt_pull pull = {.image_ref = PT_MERGED_IMAGE_REF,
                           .started_at = 1000 * PT_NS_PER_S,
                           .phase = PT_PULL_DOWNLOADING};
    pod_waits(fixture, "web", "a.io/b:1");
    pt_correlate_pull(fixture->correlate, NODE, "m", &pull);
    expect(fixture, "m", "a.io/b:1 ns/web/c");
}

static void forgets_finished_pulls_where_nothing_waits(void **state)
{
    struct fixture *fixture = *state;
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    pull_ends(fixture, "i1", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pass(fixture, 9);
    assert_int_equal(pt_correlate_figures(fixture->correlate).nodes, 1);
    pass(fixture, 2);
    assert_int_equal(pt_correlate_figures(fixture->correlate).nodes, 0);
}

static void tells_nothing_twice(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    int calls = fixture->calls;
    pod_waits(fixture, "web", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    pass(fixture, 20);
    assert_int_equal(fixture->calls, calls);
}

static void a_rescheduled_pod_is_another_one(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    pod_ends(fixture, "web", PT_POD_LOST); // missing in a new list
    expect(fixture, "i1", "a.io/b:1! ns/web/c");
    pass(fixture, 6);
    expect(fixture, "i1", "a.io/b:1!");
    pt_correlate_pull_gone(fixture->correlate, NODE, "i1");
    settle(fixture);
    assert_int_equal(pt_correlate_figures(fixture->correlate).nodes, 0);
}

static void a_pod_that_is_made_anew_under_its_name_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web-0", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    pod_ends(fixture, "web-0", PT_POD_LOST);
    struct pt_kube_pod again = make_pod(fixture, "web-0", "a.io/b:1");
    again.uid = "another uid";
    pt_correlate_pod(fixture->correlate, &again);
    expect(fixture, "i1", "a.io/b:1! ns/web-0/c");
}

static void passes_over_pods_when_a_node_has_too_many(void **state)
{
    struct fixture *fixture = *state;
    char name[20];
    for (int i = 0; i < PT_LIMIT_CONTAINERS_PER_NODE + 5; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        pod_waits(fixture, name, "a.io/b:1");
    }
    struct pt_correlate_figures figures = pt_correlate_figures(fixture->correlate);
    assert_int_equal(figures.waiting_containers, PT_LIMIT_CONTAINERS_PER_NODE);
    assert_int_equal(figures.left_out_pods, 5);
    pod_ends(fixture, "p0", PT_POD_DELETED);
    settle(fixture);
    pod_waits(fixture, "late", "a.io/b:1");
    assert_int_equal(pt_correlate_figures(fixture->correlate).left_out_pods, 5);
}

static void who_waits_for_another_tag_is_not_of_a_finished_pull(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "by-digest", "a.io/b@sha256:" HEX);
    pod_waits(fixture, "other", "a.io/b:2");
    pull_runs(fixture, "i1", 1000, "a.io/b", "sha256:" HEX);
    expect(fixture, "i1", "a.io/b@sha256:" HEX "! ns/by-digest/c");
    fixture->seconds += 5;
    end_pull_by_digest(fixture, "i1", 1000);
    pod_ends(fixture, "by-digest", PT_POD_STARTED);
    pass(fixture, 8); // longer than it lingers
    expect(fixture, "i1", "a.io/b@sha256:" HEX "! ns/by-digest/c");
}

static void tag_and_digest_of_a_pod_stay_the_name_of_its_pull(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "before", "a.io/b@sha256:" HEX);
    settle(fixture);
    pod_ends(fixture, "before", PT_POD_STARTED); // its image is there
    pod_waits(fixture, "web", "a.io/b:1@sha256:" HEX);
    pull_runs(fixture, "i1", 1000, "a.io/b", "sha256:" HEX);
    expect(fixture, "i1", "a.io/b:1@sha256:" HEX "! ns/web/c");
    fixture->seconds += 2;
    end_pull_by_digest(fixture, "i1", 1000);
    expect(fixture, "i1", "a.io/b:1@sha256:" HEX "! ns/web/c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_a_pull_by_its_only_tag),
        TEST(joins_by_host_without_port_and_by_repository),
        TEST(a_digest_decides),
        TEST(several_tags_go_by_the_nearest_pulling_event),
        TEST(two_pulls_of_a_repository_are_two_tags),
        TEST(behind_the_kubelets_queue_the_oldest_is_first),
        TEST(the_image_record_corrects_a_guess),
        TEST(fifty_pods_wait_for_one_pull),
        TEST(a_later_tag_does_not_take_a_running_pull),
        TEST(a_deleted_pod_leaves_its_pull),
        TEST(a_finished_pull_keeps_the_pods_that_it_served),
        TEST(a_pull_may_be_over_before_its_pod_is_known),
        TEST(an_event_names_a_container_of_a_running_pod),
        TEST(merged_content_gets_the_only_name_there_is),
        TEST(forgets_finished_pulls_where_nothing_waits),
        TEST(tells_nothing_twice),
        TEST(a_rescheduled_pod_is_another_one),
        TEST(a_pod_that_is_made_anew_under_its_name_is_told_once),
        TEST(who_waits_for_another_tag_is_not_of_a_finished_pull),
        TEST(tag_and_digest_of_a_pod_stay_the_name_of_its_pull),
        TEST(passes_over_pods_when_a_node_has_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
