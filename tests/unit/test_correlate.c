// SPDX-License-Identifier: Apache-2.0
#include "pull/legacy_report.h"

#include "correlate_fixture.h"

#include <time.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_HEX "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

// Which image a pull is of, and who waits for it.

static void names_a_pull_by_its_only_tag(void **state)
{
    struct scene *scene = *state;
    pull_runs(scene, "i1", 1000, "docker.io/library/nginx", NULL);
    expect(scene, "i1", "-");
    pod_waits(scene, "web", "nginx:1.29");
    pod_waits(scene, "other", "redis");
    expect(scene, "i1", "docker.io/library/nginx:1.29! ns/web/c");
}

static void joins_by_host_without_port_and_by_repository(void **state)
{
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
        struct scene *scene = scene_anew(state);
        pull_runs(scene, "i1", 1000, cases[i].repository, NULL);
        pod_waits(scene, "w", cases[i].image);
        settle(scene);
        check_text(cases[i].image, shown_slot(scene, "i1"), cases[i].wanted);
    }
}

static void a_digest_decides(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "by-tag", "a.io/b:1");
    pod_waits(scene, "by-digest", "a.io/b@sha256:" HEX);
    pod_waits(scene, "by-other", "a.io/b@sha256:" OTHER_HEX);
    pull_runs(scene, "i1", 1000, "a.io/b", "sha256:" HEX);
    expect(scene, "i1", "a.io/b@sha256:" HEX "! ns/by-digest/c");
}

// containerd's image record of a pull by digest names no tag.
static void end_pull_by_digest(struct scene *scene, const char *key, int64_t started)
{
    struct pt_pull pull = make_pull(started, "a.io/b", "sha256:" HEX);
    pull.phase = PT_PULL_COMPLETED;
    pull.completed_at = scene->seconds * PT_NS_PER_S;
    pull.image_ref = "a.io/b@sha256:" HEX;
    pull.image_ref_exact = true;
    pt_correlate_pull(scene->correlate, NODE, key, &pull);
}

// Pods one and two wait for two tags of a repository, for which the kubelet asks at these times.
static void two_tags_are_pulled(struct scene *scene, int64_t one_seconds, int64_t two_seconds)
{
    pod_waits(scene, "one", "a.io/b:1");
    pod_waits(scene, "two", "a.io/b:2");
    pulling(scene, "one", "a.io/b:1", one_seconds);
    pulling(scene, "two", "a.io/b:2", two_seconds);
}

// Pods one and two have asked at 970 and 999, and three after the pull has begun.
static void three_tags_are_asked_for(struct scene *scene)
{
    two_tags_are_pulled(scene, 970, 999);
    pod_waits(scene, "three", "a.io/b:3");
    pulling(scene, "three", "a.io/b:3", 1005);
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
}

static void of_several_tags_the_kubelet_pulls_the_one_it_asked_for_first(void **state)
{
    struct scene *scene = *state;
    three_tags_are_asked_for(scene);
    expect(scene, "i1", "a.io/b:1 ns/one/c queued=30");
}

static void a_kubelet_that_pulls_several_at_once_does_so_as_soon_as_it_asks(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "x", "a.io/x:1");
    pod_waits(scene, "y", "a.io/y:1");
    pull_runs(scene, "ix", 900, "a.io/x", NULL);
    pull_runs(scene, "iy", 900, "a.io/y", NULL);
    settle(scene);
    pull_ends(scene, "ix", 900, "a.io/x", "a.io/x:1", PT_PULL_COMPLETED);
    three_tags_are_asked_for(scene);
    expect(scene, "i1", "a.io/b:2 ns/two/c queued=1");
}

static void two_pulls_of_a_repository_are_two_tags(void **state)
{
    static const struct {
        const char *name;
        int64_t started[2];
        const char *wanted[2];
    } cases[] = {
        {"each after its event",
         {999, 1001},
         {"a.io/b:1 ns/one/c queued=0", "a.io/b:2 ns/two/c queued=1"}},
        {"both after both",
         {1001, 1001},
         {"a.io/b:1 ns/one/c queued=2", "a.io/b:2 ns/two/c queued=1"}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scene *scene = scene_anew(state);
        two_tags_are_pulled(scene, 999, 1000);
        pull_runs(scene, "i1", cases[i].started[0], "a.io/b", NULL);
        pull_runs(scene, "i2", cases[i].started[1], "a.io/b", NULL);
        settle(scene);
        check_text(cases[i].name, shown_slot(scene, "i1"), cases[i].wanted[0]);
        check_text(cases[i].name, shown_slot(scene, "i2"), cases[i].wanted[1]);
    }
}

static void behind_the_kubelets_queue_the_oldest_is_first(void **state)
{
    struct scene *scene = *state;
    two_tags_are_pulled(scene, 960, 970);
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    expect(scene, "i1", "a.io/b:1 ns/one/c queued=40");
}

static void the_image_record_corrects_a_guess(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "one", "a.io/b:1");
    pod_waits(scene, "two", "a.io/b:2");
    pulling(scene, "two", "a.io/b:2", 999);
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    expect(scene, "i1", "a.io/b:2 ns/two/c queued=1");
    scene->seconds += 10;
    pull_ends(scene, "i1", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    settle(scene);
    assert_non_null(strstr(shown_slot(scene, "i1"), "ns/one/c"));
    assert_int_equal(strncmp(shown_slot(scene, "i1"), "-!", 2), 0);
}

static void fifty_pods_wait_for_one_pull(void **state)
{
    struct scene *scene = *state;
    char name[20];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        pod_waits(scene, name, "a.io/b:1");
    }
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    pull_runs(scene, "i2", 1000, "a.io/b", NULL); // a kubelet that pulls in parallel
    settle(scene);
    assert_non_null(strstr(shown_slot(scene, "i1"), "ns/p0/c ns/p1/c"));
    assert_string_equal(shown_slot(scene, "i1"), shown_slot(scene, "i2"));
    assert_int_equal(pt_correlate_figures(scene->correlate).waiting_containers, 50);
}

static void a_later_tag_does_not_take_a_running_pull(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    pass(scene, 6);
    pod_waits(scene, "two", "a.io/b:2");
    pulling(scene, "two", "a.io/b:2", 1000);
    expect(scene, "i1", "a.io/b:1! ns/web/c");
}

static void a_deleted_pod_leaves_its_pull(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "gone", "a.io/b:1");
    pod_waits(scene, "stays", "a.io/b:1");
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    expect(scene, "i1", "a.io/b:1! ns/gone/c ns/stays/c");
    pod_ends(scene, "gone", PT_POD_DELETED);
    expect(scene, "i1", "a.io/b:1! ns/stays/c");
}

static void a_finished_pull_keeps_the_pods_that_it_served(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    pass(scene, 3);
    pod_ends(scene, "web", PT_POD_STARTED); // quicker than the agent's report
    expect(scene, "i1", "a.io/b:1! ns/web/c");
    pass(scene, 1);
    pull_ends(scene, "i1", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pass(scene, 30);
    expect(scene, "i1", "-! ns/web/c");
}

static void a_pull_may_be_over_before_its_pod_is_known(void **state)
{
    struct scene *scene = *state;
    pull_ends(scene, "i1", 999, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pod_waits(scene, "web", "a.io/b:1");
    expect(scene, "i1", "-! ns/web/c");
    pass(scene, 5);
    pod_waits(scene, "later", "a.io/b:1"); // finds the image there
    expect(scene, "i1", "-! ns/web/c");
}

static void an_event_names_a_container_of_a_running_pod(void **state)
{
    struct scene *scene = *state;
    pulling(scene, "runs", "a.io/b:1", 999);
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    expect(scene, "i1", "a.io/b:1! ns/runs/c queued=1");
}

static void merged_content_gets_the_only_name_there_is(void **state)
{
    struct scene *scene = *state;
    struct pt_pull pull = {.image_ref = PT_MERGED_IMAGE_REF,
                           .started_at = 1000 * PT_NS_PER_S,
                           .phase = PT_PULL_DOWNLOADING};
    pod_waits(scene, "web", "a.io/b:1");
    pt_correlate_pull(scene->correlate, NODE, "m", &pull);
    expect(scene, "m", "a.io/b:1 ns/web/c");
}

static void forgets_finished_pulls_where_nothing_waits(void **state)
{
    struct scene *scene = *state;
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    settle(scene);
    pull_ends(scene, "i1", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pass(scene, 9);
    assert_int_equal(pt_correlate_figures(scene->correlate).nodes, 1);
    pass(scene, 2);
    assert_int_equal(pt_correlate_figures(scene->correlate).nodes, 0);
}

static void says_nothing_twice(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    pod_says(scene, "other", "a.io/c:1", PT_KUBELET_PULL_FAILED, "no such host");
    settle(scene);
    int calls = scene->calls;
    pod_waits(scene, "web", "a.io/b:1");
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    pass(scene, 9);
    assert_int_equal(scene->calls, calls);
    pass(scene, 31); // the next attempt is due, each second, and then was heard of no more
    calls = scene->calls;
    pass(scene, 20);
    assert_int_equal(scene->calls, calls);
}

static void a_rescheduled_pod_is_another_one(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    pod_ends(scene, "web", PT_POD_LOST); // missing in a new list
    expect(scene, "i1", "a.io/b:1! ns/web/c");
    pass(scene, 6);
    expect(scene, "i1", "a.io/b:1!");
    pt_correlate_pull_gone(scene->correlate, NODE, "i1");
    settle(scene);
    assert_int_equal(pt_correlate_figures(scene->correlate).nodes, 0);
}

static void a_pod_that_is_made_anew_under_its_name_is_named_once(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    pod_ends(scene, "web", PT_POD_LOST);
    struct pt_kube_pod again = make_pod(scene, "web", "a.io/b:1");
    again.uid = "another uid";
    pt_correlate_pod(scene->correlate, &again);
    expect(scene, "i1", "a.io/b:1! ns/web/c");
}

static void passes_over_pods_when_a_node_has_too_many(void **state)
{
    struct scene *scene = *state;
    char name[20];
    for (int i = 0; i < PT_LIMIT_CONTAINERS_PER_NODE + 5; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        pod_waits(scene, name, "a.io/b:1");
    }
    struct pt_correlate_figures figures = pt_correlate_figures(scene->correlate);
    assert_int_equal(figures.waiting_containers, PT_LIMIT_CONTAINERS_PER_NODE);
    assert_int_equal(figures.left_out_pods, 5);
    pod_ends(scene, "p0", PT_POD_DELETED);
    settle(scene);
    pod_waits(scene, "late", "a.io/b:1");
    assert_int_equal(pt_correlate_figures(scene->correlate).left_out_pods, 5);
}

static void passes_over_nodes_when_there_are_too_many(void **state)
{
    struct scene *scene = *state;
    char name[20];
    for (int i = 0; i < MAX_NODES + 3; i++) {
        struct pt_kube_pod pod = make_pod(scene, "web", "a.io/b:1");
        snprintf(name, sizeof(name), "n%d", i);
        pod.uid = pod.node = name;
        pt_correlate_pod(scene->correlate, &pod);
    }
    struct pt_correlate_figures figures = pt_correlate_figures(scene->correlate);
    assert_int_equal(figures.nodes, MAX_NODES);
    assert_int_equal(figures.left_out_nodes, 3);
}

// Of many pulls of one node each costs the same. It took 7 s when each was compared with all.
static void many_pulls_of_a_node_take_time_in_proportion(void **state)
{
    struct scene *scene = *state;
    enum { PULLS = 16000, IMAGES = 10 };
    char key[20], repository[40], image[48];
    for (int i = 0; i < IMAGES; i++) {
        snprintf(key, sizeof(key), "pod%d", i);
        snprintf(image, sizeof(image), "a.io/wanted-%d:1", i);
        pod_waits(scene, key, image);
    }
    settle(scene);
    scene->is_deaf = true;
    clock_t before = clock();
    for (int i = 0; i < PULLS; i++) {
        snprintf(key, sizeof(key), "i%d", i);
        snprintf(repository, sizeof(repository), "a.io/wanted-%d", i % IMAGES);
        pull_runs(scene, key, 1000 + (i * 7919) % PULLS, repository, NULL);
    }
    settle(scene);
    for (int i = 0; i < PULLS; i++) {
        snprintf(key, sizeof(key), "i%d", i);
        snprintf(repository, sizeof(repository), "a.io/wanted-%d", i % IMAGES);
        pull_ends(scene, key, 1000, repository, NULL, PT_PULL_COMPLETED);
    }
    settle(scene);
    double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
    if (seconds > 2)
        fail_msg("%d pulls took %.2f s", PULLS, seconds);
}

static void who_waits_for_another_tag_is_not_of_a_finished_pull(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "by-digest", "a.io/b@sha256:" HEX);
    pod_waits(scene, "other", "a.io/b:2");
    pull_runs(scene, "i1", 1000, "a.io/b", "sha256:" HEX);
    expect(scene, "i1", "a.io/b@sha256:" HEX "! ns/by-digest/c");
    scene->seconds += 5;
    end_pull_by_digest(scene, "i1", 1000);
    pod_ends(scene, "by-digest", PT_POD_STARTED);
    pass(scene, 8); // longer than it lingers
    expect(scene, "i1", "a.io/b@sha256:" HEX "! ns/by-digest/c");
}

static void tag_and_digest_of_a_pod_stay_the_name_of_its_pull(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "before", "a.io/b@sha256:" HEX);
    settle(scene);
    pod_ends(scene, "before", PT_POD_STARTED); // its image is there
    pod_waits(scene, "web", "a.io/b:1@sha256:" HEX);
    pull_runs(scene, "i1", 1000, "a.io/b", "sha256:" HEX);
    expect(scene, "i1", "a.io/b:1@sha256:" HEX "! ns/web/c");
    scene->seconds += 2;
    end_pull_by_digest(scene, "i1", 1000);
    expect(scene, "i1", "a.io/b:1@sha256:" HEX "! ns/web/c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(names_a_pull_by_its_only_tag),
        SCENE_TEST(joins_by_host_without_port_and_by_repository),
        SCENE_TEST(a_digest_decides),
        SCENE_TEST(of_several_tags_the_kubelet_pulls_the_one_it_asked_for_first),
        SCENE_TEST(a_kubelet_that_pulls_several_at_once_does_so_as_soon_as_it_asks),
        SCENE_TEST(two_pulls_of_a_repository_are_two_tags),
        SCENE_TEST(behind_the_kubelets_queue_the_oldest_is_first),
        SCENE_TEST(the_image_record_corrects_a_guess),
        SCENE_TEST(fifty_pods_wait_for_one_pull),
        SCENE_TEST(a_later_tag_does_not_take_a_running_pull),
        SCENE_TEST(a_deleted_pod_leaves_its_pull),
        SCENE_TEST(a_finished_pull_keeps_the_pods_that_it_served),
        SCENE_TEST(a_pull_may_be_over_before_its_pod_is_known),
        SCENE_TEST(an_event_names_a_container_of_a_running_pod),
        SCENE_TEST(merged_content_gets_the_only_name_there_is),
        SCENE_TEST(forgets_finished_pulls_where_nothing_waits),
        SCENE_TEST(says_nothing_twice),
        SCENE_TEST(a_rescheduled_pod_is_another_one),
        SCENE_TEST(a_pod_that_is_made_anew_under_its_name_is_named_once),
        SCENE_TEST(who_waits_for_another_tag_is_not_of_a_finished_pull),
        SCENE_TEST(tag_and_digest_of_a_pod_stay_the_name_of_its_pull),
        SCENE_TEST(passes_over_pods_when_a_node_has_too_many),
        SCENE_TEST(passes_over_nodes_when_there_are_too_many),
        SCENE_TEST(many_pulls_of_a_node_take_time_in_proportion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
