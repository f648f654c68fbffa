// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/gone_pods.h"

#include "correlate_fixture.h"

// Pods as readers get them.

static const char *const states[] = {
    [PT_POD_CONTAINER_WAITING] = "waiting",
    [PT_POD_CONTAINER_FAILED] = "failed",
    [PT_POD_CONTAINER_READY] = "ready",
    [PT_POD_CONTAINER_STARTED] = "started",
};

static void view(const struct scene *scene, const char *name, struct pt_pod_view *ret_view)
{
    const struct correlate_pod *pod = pt_correlate_find_pod(scene->correlate, "ns", name);
    assert_non_null(pod);
    pt_correlate_view_pod(pod, ret_view);
}

static void check_container(const struct scene *scene, size_t index, const char *name,
                            const char *state, const char *key)
{
    struct pt_pod_view web;
    view(scene, "web", &web);
    assert_in_range(index + 1, 1, web.container_count);
    check_text("name", web.containers[index].name, name);
    check_text(name, states[web.containers[index].state], state);
    check_text(name, web.containers[index].pull_key, key);
}

static void containers_come_in_the_order_of_their_start(void **state)
{
    struct scene *scene = *state;
    struct pt_kube_pod pod = make_pod(scene, "web", "a.io/main:1");
    pod.waiting[0].name = "main";
    pod.waiting[1] = pod.waiting[2] = pod.waiting[0];
    pod.waiting[1].name = "init";
    pod.waiting[1].kind = PT_KUBE_INIT_CONTAINER;
    pod.waiting[1].image = "a.io/init:1";
    pod.waiting[2].name = "side";
    pod.waiting[2].image = "a.io/side:1";
    pod.waiting_count = 3;
    pt_correlate_pod(scene->correlate, &pod);
    check_container(scene, 0, "init", "waiting", NULL);
    check_container(scene, 1, "main", "waiting", NULL);
    check_container(scene, 2, "side", "waiting", NULL);
}

static void a_container_names_the_pull_that_it_waits_for(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    pass(scene, 3);
    check_container(scene, 0, "c", "waiting", "ka.io/b:1");
    struct pt_pull pull = make_pull(1003, "a.io/b", NULL);
    (void)row_taken_by(scene, &pull);
    pull_runs(scene, "i1", 1003, "a.io/b", NULL);
    settle(scene);
    check_container(scene, 0, "c", "waiting", "i1");
    pull_ends(scene, "i1", 1003, "a.io/b", NULL, PT_PULL_FAILED);
    failed(scene, "web", "a.io/b:1", "no such host", 1);
    settle(scene);
    check_container(scene, 0, "c", "failed", "i1");
}

static void a_container_whose_image_has_come_is_ready(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    pulling(scene, "web", "a.io/b:1", 1000);
    scene->seconds += 2;
    pulled(scene, "web", "a.io/b:1");
    settle(scene);
    struct pt_pod_view web;
    view(scene, "web", &web);
    check_text("state", states[web.containers[0].state], "ready");
    assert_true(web.is_waiting);
    check_int("since", web.since, 1000 * PT_NS_PER_S);
}

static void pod_event(struct scene *scene, const char *reason, const char *message)
{
    struct pt_kube_event event = {.uid = "e",
                                  .name_space = "ns",
                                  .pod = "web",
                                  .pod_uid = "web",
                                  .node = NODE,
                                  .first_at = scene->seconds * PT_NS_PER_S,
                                  .last_at = scene->seconds * PT_NS_PER_S,
                                  .written_at = scene->seconds * PT_NS_PER_S,
                                  .count = 1};
    pt_kubelet_message_parse(reason, message, &event.message);
    pt_correlate_event(scene->correlate, &event);
}

static void a_volume_is_no_sandbox(void **state)
{
    struct scene *scene = *state;
    struct pt_pod_view web;
    pod_waits(scene, "web", "a.io/b:1");
    view(scene, "web", &web);
    assert_false(web.waits_for_volume || web.waits_for_sandbox);
    scene->seconds++;
    pod_event(scene, "FailedMount", "MountVolume.SetUp failed for volume \"v\"");
    view(scene, "web", &web);
    assert_true(web.waits_for_volume && !web.waits_for_sandbox);
    scene->seconds++;
    pod_event(scene, "FailedCreatePodSandBox", "Failed to create pod sandbox: no network");
    view(scene, "web", &web);
    assert_true(web.waits_for_sandbox && !web.waits_for_volume);
}

static void a_place_outlives_its_pod(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    struct scene *scene = *state;
    uint64_t place = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        pod_waits(scene, names[i], "a.io/b:1");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct correlate_pod *pod = pt_correlate_next_pod(scene->correlate, place);
        struct pt_pod_view seen;
        assert_non_null(pod);
        pt_correlate_view_pod(pod, &seen);
        check_text("in order", seen.name, names[i]);
        place = pt_correlate_pod_number(pod);
        pod_ends(scene, names[i], PT_POD_DELETED); // before the next page is asked for
        settle(scene);
        assert_null(pt_correlate_find_pod(scene->correlate, "ns", names[i]));
    }
    assert_null(pt_correlate_next_pod(scene->correlate, place));
}

static void of_two_pods_of_a_name_the_later_one_is_found(void **state)
{
    struct scene *scene = *state;
    struct pt_kube_pod pod = make_pod(scene, "web", "a.io/b:1");
    pod.uid = "first";
    pt_correlate_pod(scene->correlate, &pod);
    pod.uid = "second";
    pt_correlate_pod(scene->correlate, &pod);
    struct pt_pod_view web;
    view(scene, "web", &web);
    check_text("uid", web.uid, "second");
    pod_ends(scene, "first", PT_POD_DELETED);
    settle(scene);
    view(scene, "web", &web);
    check_text("uid", web.uid, "second");
}

static const char *const outcomes[] = {
    [PT_POD_WAITS] = "waits",
    [PT_POD_HAS_ALL] = "ready",
    [PT_POD_WAS_GONE] = "deleted",
    [PT_POD_HAS_LEFT] = "left",
};

static void check_gone(const struct scene *scene, const char *what, const char *outcome,
                       const char *state, int64_t ended_at)
{
    struct pt_pod_view web;
    assert_null(pt_correlate_find_pod(scene->correlate, "ns", "web"));
    assert_true(pt_correlate_view_gone_pod(scene->correlate, "ns", "web", &web));
    check_text(what, outcomes[web.outcome], outcome);
    check_int(what, web.ended_at, ended_at * PT_NS_PER_S);
    check_int(what, web.since, 1000 * PT_NS_PER_S);
    assert_false(web.is_waiting);
    check_text(what, web.node_name, NODE);
    check_text(what, web.containers[0].image, "a.io/b:1");
    check_text(what, states[web.containers[0].state], state);
    check_text(what, web.containers[0].pull_key, "i1");
}

static void begin_to_keep(struct scene *scene)
{
    pt_correlate_keep_pods(scene->correlate, 1800 * PT_NS_PER_S, 1000000);
    web_is_pulled(scene);
}

// A page that an alert links to is opened when the pod has long been running, or is gone.
static void the_last_of_a_pod_is_kept_for_a_while(void **state)
{
    static const struct {
        const char *name;
        bool is_pulled;
        enum pt_pod_end end;
        const char *outcome, *state;
    } rows[] = {
        {"runs", true, PT_POD_STARTED, "ready", "started"},
        {"left the waiting ones with its image", true, PT_POD_LOST, "ready", "started"},
        {"left them without", false, PT_POD_LOST, "left", "waiting"},
        {"deleted", false, PT_POD_DELETED, "deleted", "waiting"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_anew(state);
        struct pt_pod_view web;
        begin_to_keep(scene);
        scene->seconds = 1004;
        if (rows[i].is_pulled)
            pull_ends(scene, "i1", 1000, "a.io/b", NULL, PT_PULL_COMPLETED);
        scene->seconds = 1005;
        pod_ends(scene, "web", rows[i].end);
        if (rows[i].end != PT_POD_DELETED) {
            view(scene, "web", &web);
            check_text(rows[i].name, outcomes[web.outcome], rows[i].outcome);
        }
        pass(scene, 10);
        check_gone(scene, rows[i].name, rows[i].outcome, rows[i].state, 1005);
        check_int("kept", (int64_t)pt_correlate_figures(scene->correlate).gone_pods, 1);
        pass(scene, 1789);
        check_gone(scene, rows[i].name, rows[i].outcome, rows[i].state, 1005);
        pass(scene, 20);
        assert_false(pt_correlate_view_gone_pod(scene->correlate, "ns", "web", &web));
    }
}

// A StatefulSet makes its pod anew under the same name.
static void many_that_are_gone_at_once_expire_in_parts(void **state)
{
    (void)state;
    struct pt_gone_pods pods;
    static const struct pt_pod_view view = {.name_space = "ns", .name = "web"};
    pt_gone_pods_init(&pods);
    pods.ttl_ns = PT_NS_PER_S;
    pods.max_count = pods.max_bytes = SIZE_MAX;
    for (int i = 0; i < 1500; i++) {
        char key[16];
        snprintf(key, sizeof(key), "ns/%d", i);
        pt_gone_pods_add(&pods, key, &view, 0);
    }
    pt_gone_pods_expire(&pods, PT_NS_PER_S);
    check_int("at once", (int64_t)pods.by_name.count, 500);
    pt_gone_pods_expire(&pods, PT_NS_PER_S);
    check_int("then", (int64_t)pods.by_name.count, 0);
    pt_gone_pods_finish(&pods);
}

static void a_later_pod_of_the_name_counts_and_not_the_one_that_is_gone(void **state)
{
    struct scene *scene = *state;
    begin_to_keep(scene);
    pod_ends(scene, "web", PT_POD_DELETED);
    settle(scene);
    struct pt_kube_pod pod = make_pod(scene, "web", "a.io/b:2");
    pod.uid = "second";
    pt_correlate_pod(scene->correlate, &pod);
    check_container(scene, 0, "c", "waiting", NULL);
    pod_ends(scene, "second", PT_POD_DELETED);
    settle(scene);
    struct pt_pod_view web;
    assert_true(pt_correlate_view_gone_pod(scene->correlate, "ns", "web", &web));
    check_text("of the second", web.containers[0].image, "a.io/b:2");
    check_int("one of a name", (int64_t)pt_correlate_figures(scene->correlate).gone_pods, 1);
}

static void the_oldest_gone_pods_give_way(void **state)
{
    struct scene *scene = *state;
    pt_correlate_keep_pods(scene->correlate, 1800 * PT_NS_PER_S, 3000);
    for (int i = 0; i < 50; i++) {
        char name[20];
        snprintf(name, sizeof(name), "pod-%d", i);
        pod_waits(scene, name, "a.io/b:1");
        pod_ends(scene, name, PT_POD_DELETED);
        settle(scene);
    }
    struct pt_pod_view pod;
    struct pt_correlate_figures figures = pt_correlate_figures(scene->correlate);
    assert_in_range(figures.gone_pods, 5, 20);
    check_int("all", (int64_t)(figures.gone_pods + figures.dropped_pods), 50);
    assert_true(pt_correlate_view_gone_pod(scene->correlate, "ns", "pod-49", &pod));
    assert_false(pt_correlate_view_gone_pod(scene->correlate, "ns", "pod-0", &pod));
}

static void a_failed_container_says_its_class_and_next_attempt(void **state)
{
    struct scene *scene = *state;
    struct pt_pod_view web;
    pod_waits(scene, "web", "a.io/b:1");
    failed(scene, "web", "a.io/b:1", "no such host", 1);
    settle(scene);
    view(scene, "web", &web);
    check_text("class", pt_failure_class_name(web.containers[0].error_class), "network");
    check_int("next", web.containers[0].next_attempt_at, 1010 * PT_NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(containers_come_in_the_order_of_their_start),
        SCENE_TEST(a_container_names_the_pull_that_it_waits_for),
        SCENE_TEST(a_container_whose_image_has_come_is_ready),
        SCENE_TEST(a_volume_is_no_sandbox),
        SCENE_TEST(a_place_outlives_its_pod),
        SCENE_TEST(of_two_pods_of_a_name_the_later_one_is_found),
        SCENE_TEST(the_last_of_a_pod_is_kept_for_a_while),
        SCENE_TEST(many_that_are_gone_at_once_expire_in_parts),
        SCENE_TEST(a_later_pod_of_the_name_counts_and_not_the_one_that_is_gone),
        SCENE_TEST(the_oldest_gone_pods_give_way),
        SCENE_TEST(a_failed_container_says_its_class_and_next_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
