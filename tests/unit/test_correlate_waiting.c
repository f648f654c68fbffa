// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// Whether a container still waits, which the pods of a row do not say: they may be gone.

#define ROW "ka.io/b:1"

static void expect_waiting(struct scene *scene, const char *what, const char *key, bool wanted,
                           int64_t pods)
{
    settle(scene);
    check_int(what, *waited_slot(scene, key), wanted);
    check_int(what, (int64_t)pt_correlate_figures(scene->correlate).waiting_pods, pods);
}

static void a_running_pull_is_waited_for_until_its_pods_go(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    expect_waiting(scene, "running", "i1", true, 1);
    pod_waits(scene, "api", "a.io/b:1");
    pod_ends(scene, "web", PT_POD_DELETED);
    expect_waiting(scene, "one is gone", "i1", true, 1);
    pod_ends(scene, "api", PT_POD_DELETED);
    expect_waiting(scene, "both are gone", "i1", false, 0);
}

// The row keeps the pods that had waited, and once said by them that they still do.
static void a_failed_pull_is_not_waited_for_by_pods_that_are_gone(void **state)
{
    static const enum pt_pod_end ends[] = {PT_POD_DELETED, PT_POD_LOST, PT_POD_STARTED};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct scene *scene = scene_anew(state);
        web_is_pulled(scene);
        pull_ends(scene, "i1", 1000, "a.io/b", NULL, PT_PULL_FAILED);
        failed(scene, "web", "a.io/b:1", "no such host", 1);
        expect_waiting(scene, "failed", "i1", true, 1);
        pod_ends(scene, "web", ends[i]);
        expect_waiting(scene, "pod is gone", "i1", false, 0);
        assert_non_null(strstr(shown_slot(scene, "i1"), "ns/web/c"));
    }
}

static void a_later_pod_waits_for_the_pull_that_failed(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    pull_ends(scene, "i1", 1000, "a.io/b", NULL, PT_PULL_FAILED);
    failed(scene, "web", "a.io/b:1", "no such host", 1);
    pass(scene, 30);
    pod_waits(scene, "api", "a.io/b:1");
    pod_ends(scene, "web", PT_POD_DELETED);
    expect_waiting(scene, "another one waits", "i1", true, 1);
}

static void a_row_without_a_pull_says_it_too(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    failed(scene, "web", "a.io/b:1", "no such host", 1);
    expect_waiting(scene, "failed", ROW, true, 1);
    pod_ends(scene, "web", PT_POD_DELETED);
    expect_waiting(scene, "pod is gone", ROW, false, 0);
}

static void a_pod_whose_image_has_come_lacks_none(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    pulling(scene, "web", "a.io/b:1", 1000);
    expect_waiting(scene, "asked for", ROW, true, 1);
    scene->seconds += 2;
    pulled(scene, "web", "a.io/b:1");
    settle(scene);
    check_int("has come", (int64_t)pt_correlate_figures(scene->correlate).waiting_pods, 0);
}

// Rows and the number of waiting pods go by one rule: a volume or a sandbox comes before any image,
// unless the kubelet has asked for one all the same.
static void a_pod_that_waits_for_its_sandbox_lacks_no_image_yet(void **state)
{
    struct scene *scene = *state;
    struct pt_kube_pod pod = make_pod(scene, "web", "a.io/b:1");
    pod.sandbox = PT_KUBE_SANDBOX_MISSING;
    pt_correlate_pod(scene->correlate, &pod);
    pass(scene, 5);
    check_int("no row", (int64_t)scene->key_count, 0);
    check_int("sandbox", (int64_t)pt_correlate_figures(scene->correlate).waiting_pods, 0);
    pulling(scene, "web", "a.io/b:1", scene->seconds);
    expect_waiting(scene, "asked for", ROW, true, 1);
}

static void a_pod_whose_sandbox_image_fails_lacks_it(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    struct pt_kube_event event = {.uid = "e",
                                  .name_space = "ns",
                                  .pod = "web",
                                  .pod_uid = "web",
                                  .node = NODE,
                                  .first_at = 1001 * PT_NS_PER_S,
                                  .last_at = 1001 * PT_NS_PER_S,
                                  .written_at = 1001 * PT_NS_PER_S,
                                  .count = 1};
    pt_kubelet_message_parse("FailedCreatePodSandBox",
                             "Failed to create pod sandbox: rpc error: code = NotFound desc = "
                             "failed to get sandbox image \"a.io/pause:3\": failed to pull image "
                             "\"a.io/pause:3\": not found",
                             &event.message);
    pt_correlate_event(scene->correlate, &event);
    expect_waiting(scene, "sandbox", "ka.io/pause:3", true, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_running_pull_is_waited_for_until_its_pods_go),
        SCENE_TEST(a_failed_pull_is_not_waited_for_by_pods_that_are_gone),
        SCENE_TEST(a_later_pod_waits_for_the_pull_that_failed),
        SCENE_TEST(a_row_without_a_pull_says_it_too),
        SCENE_TEST(a_pod_whose_image_has_come_lacks_none),
        SCENE_TEST(a_pod_that_waits_for_its_sandbox_lacks_no_image_yet),
        SCENE_TEST(a_pod_whose_sandbox_image_fails_lacks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
