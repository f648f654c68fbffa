// SPDX-License-Identifier: Apache-2.0
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
    (void)pt_correlate_take_over_row(scene->correlate, NODE, &pull);
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
                                  .count = 1};
    pt_kubelet_message_parse(reason, message, &event.message);
    pt_correlate_event(scene->correlate, &event);
}

static void a_volume_and_a_sandbox_are_told_apart(void **state)
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
    struct pt_pod_place place = {0};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        pod_waits(scene, names[i], "a.io/b:1");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct correlate_pod *pod = pt_correlate_next_pod(scene->correlate, &place);
        struct pt_pod_view seen;
        assert_non_null(pod);
        pt_correlate_view_pod(pod, &seen);
        check_text("in order", seen.name, names[i]);
        pt_correlate_note_place(pod, &place);
        pod_ends(scene, names[i], PT_POD_DELETED); // before the next page is asked for
        settle(scene);
        assert_null(pt_correlate_find_pod(scene->correlate, "ns", names[i]));
    }
    assert_null(pt_correlate_next_pod(scene->correlate, &place));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(containers_come_in_the_order_of_their_start),
        SCENE_TEST(a_container_names_the_pull_that_it_waits_for),
        SCENE_TEST(a_container_whose_image_has_come_is_ready),
        SCENE_TEST(a_volume_and_a_sandbox_are_told_apart),
        SCENE_TEST(a_place_outlives_its_pod),
        SCENE_TEST(of_two_pods_of_a_name_the_later_one_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
