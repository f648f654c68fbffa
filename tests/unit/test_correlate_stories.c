// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// What belongs to whom: events, states and pulls that could be taken for another image's.

// A pod with containers web and side.
static void two_wait(struct scene *scene, const char *web, const char *side)
{
    struct pt_kube_pod pod = make_pod(scene, "p", web);
    pod.waiting[0].name = "web";
    pod.waiting[1] = pod.waiting[0];
    pod.waiting[1].name = "side";
    pod.waiting[1].image = side;
    pod.waiting_count = 2;
    pt_correlate_pod(scene->correlate, &pod);
}

static void says_of(struct scene *scene, const char *container, const char *reason,
                    const char *message, const char *uid, int count)
{
    struct pt_kube_event event = {.uid = uid,
                                  .name_space = "ns",
                                  .pod = "p",
                                  .pod_uid = "p",
                                  .node = NODE,
                                  .first_at = scene->seconds * PT_NS_PER_S,
                                  .last_at = scene->seconds * PT_NS_PER_S,
                                  .written_at = scene->seconds * PT_NS_PER_S,
                                  .count = count};
    event.kind = *container ? PT_KUBE_CONTAINER : PT_KUBE_IMAGE_VOLUME;
    snprintf(event.container, sizeof(event.container), "%s", container);
    pt_kubelet_message_parse(reason, message, &event.message);
    pt_correlate_event(scene->correlate, &event);
}

static void an_event_counts_for_the_image_that_it_names(void **state)
{
    struct scene *scene = *state;
    two_wait(scene, "a.io/web:1", "a.io/side:9");
    says_of(scene, "web", "Pulling", "Pulling image \"a.io/web:1\"", "e1", 1);
    says_of(scene, "web", "Failed",
            "(combined from similar events): Failed to pull image \"a.io/side:9\": no such host",
            "e2", 7);
    expect(scene, "ka.io/web:1", "queued a.io/web:1! ns/p/web queued=0");
    expect(scene, "ka.io/side:9",
           "failed a.io/side:9! ns/p/side error=no such host(network) attempts=1 next=1010");
    // Its count grew, by events of whatever image: one more attempt of this one.
    scene->seconds += 20;
    says_of(scene, "web", "Failed",
            "(combined from similar events): Failed to pull image \"a.io/side:9\": no such host",
            "e2", 9);
    expect(scene, "ka.io/side:9",
           "failed a.io/side:9! ns/p/side error=no such host(network) attempts=2 next=1040");
}

static void an_event_about_an_image_of_the_past_counts_for_none(void **state)
{
    struct scene *scene = *state;
    two_wait(scene, "a.io/web:2", "a.io/side:9");
    says_of(scene, "web", "Failed", "Failed to pull image \"a.io/web:1\": not found", "e1", 4);
    says_of(scene, "web", "Pulled", "Successfully pulled image \"a.io/web:1\" in 1s", "e2", 1);
    pass(scene, 3);
    expect(scene, "ka.io/web:1", "");
    expect(scene, "ka.io/web:2", "queued a.io/web:2! ns/p/web queued=0");
}

static void short_words_name_no_image(void **state)
{
    struct scene *scene = *state;
    two_wait(scene, "a.io/web:1", "a.io/side:9");
    says_of(scene, "web", "Failed", "Error: ErrImagePull", "e1", 3);
    settle(scene);
    expect(scene, "ka.io/web:1", "");
}

static void the_state_that_follows_an_event_is_the_same_attempt(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    failed(scene, "web", "a.io/b:1", "no such host", 1);
    scene->seconds += 13; // the kubelet writes the state when it looks at the pod again
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "no such host");
    expect(scene, "ka.io/b:1",
           "failed a.io/b:1! ns/web/c error=no such host(network) attempts=1 next=1013");
}

static void the_event_that_follows_a_state_says_when_it_was(void **state)
{
    struct scene *scene = *state;
    scene->seconds = 1008;
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "no such host");
    expect(scene, "ka.io/b:1",
           "failed a.io/b:1! ns/web/c error=no such host(network) attempts=1 next=1018");
    event_at(scene, "web", "Failed", "Failed to pull image \"a.io/b:1\": no such host", "f", 1,
             1001);
    expect(scene, "ka.io/b:1",
           "failed a.io/b:1! ns/web/c error=no such host(network) attempts=1 next=1011");
}

static void the_kubelet_tries_when_it_looks_again(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    failed(scene, "web", "a.io/b:1", "no such host", 2);
    event_at(scene, "web", "BackOff", "Back-off pulling image \"a.io/b:1\"", "b", 1, 1011);
    settle(scene);
    assert_non_null(strstr(shown_slot(scene, "ka.io/b:1"), "attempts=2 next=1022"));
    event_at(scene, "web", "BackOff", "Back-off pulling image \"a.io/b:1\"", "b", 1, 1003);
    settle(scene);
    assert_non_null(strstr(shown_slot(scene, "ka.io/b:1"), "attempts=2 next=1022"));
}

static void an_attempt_that_is_due_is_so_now(void **state)
{
    struct scene *scene = *state;
    static const struct {
        int64_t seconds;
        const char *next;
    } rows[] = {{1009, "next=1010"}, {1010, "next=1010"}, {1011, "next=1011"},
                {1016, "next=1016"}, {1030, "next=1030"}, {1033, "next=1030"}};
    pod_waits(scene, "web", "a.io/b:1");
    failed(scene, "web", "a.io/b:1", "no such host", 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        pass(scene, (int)(rows[i].seconds - scene->seconds));
        if (!strstr(shown_slot(scene, "ka.io/b:1"), rows[i].next))
            fail_msg("at %lld: %s, not %s", (long long)rows[i].seconds,
                     shown_slot(scene, "ka.io/b:1"), rows[i].next);
    }
}

static void the_earliest_back_off_ends_first(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "a", "a.io/b:1");
    pod_waits(scene, "b", "a.io/b:1");
    event_at(scene, "a", "Failed", "Failed to pull image \"a.io/b:1\": no such host", "fa", 5, 990);
    event_at(scene, "b", "Failed", "Failed to pull image \"a.io/b:1\": no such host", "fb", 1,
             1000);
    settle(scene);
    assert_non_null(strstr(shown_slot(scene, "ka.io/b:1"), "next=1010"));
}

static void a_node_whose_clock_is_behind_succeeds_after_a_failure(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    event_at(scene, "web", "Failed", "Failed to pull image \"a.io/b:1\": no such host", "f", 1,
             940);
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "no such host");
    settle(scene);
    pass(scene, 12);
    event_at(scene, "web", "Pulled", "Successfully pulled image \"a.io/b:1\" in 1s", "p", 1, 952);
    pod_ends(scene, "web", PT_POD_LOST);
    pass(scene, 6);
    expect(scene, "ka.io/b:1", "completed a.io/b:1! ns/web/c attempts=1");
}

static void what_waits_for_a_volume_is_not_queued(void **state)
{
    struct scene *scene = *state;
    two_wait(scene, "a.io/web:1", "a.io/side:9");
    says_of(scene, "", "FailedMount", "MountVolume.SetUp failed for volume \"c\"", "e1", 1);
    pass(scene, 10);
    expect(scene, "ka.io/web:1", "");
    says_of(scene, "web", "Pulling", "Pulling image \"a.io/web:1\"", "e2", 1);
    expect(scene, "ka.io/web:1", "queued a.io/web:1! ns/p/web queued=0");
}

static void what_waits_for_its_sandbox_is_not_queued(void **state)
{
    struct scene *scene = *state;
    struct pt_kube_pod pod = make_pod(scene, "web", "a.io/b:1");
    pod.sandbox = PT_KUBE_SANDBOX_MISSING;
    pt_correlate_pod(scene->correlate, &pod);
    pass(scene, 10);
    expect(scene, "ka.io/b:1", "");
    pod.sandbox = PT_KUBE_SANDBOX_READY;
    pt_correlate_pod(scene->correlate, &pod);
    pass(scene, 1);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=10");
}

static void the_image_of_a_sandbox_is_a_row_until_the_sandbox_stands(void **state)
{
    struct scene *scene = *state;
    static const char words[] = "Failed to create pod sandbox: rpc error: code = Unknown desc = "
                                "failed to get sandbox image \"a.io/pause:3\": i/o timeout";
    two_wait(scene, "a.io/web:1", "a.io/side:9");
    says_of(scene, "", "FailedCreatePodSandBox", words, "e1", 1);
    pass(scene, 5);
    assert_non_null(
        strstr(shown_slot(scene, "ka.io/pause:3"), "failed a.io/pause:3! ns/p/sandbox"));
    assert_non_null(strstr(shown_slot(scene, "ka.io/pause:3"), "(timeout) attempts=1"));
    expect(scene, "ka.io/web:1", "");
    says_of(scene, "", "FailedCreatePodSandBox", words, "e1", 2);
    two_wait(scene, "a.io/web:1", "a.io/side:9"); // the pod is said again
    settle(scene);
    assert_non_null(strstr(shown_slot(scene, "ka.io/pause:3"), "attempts=2"));
    says_of(scene, "web", "Pulling", "Pulling image \"a.io/web:1\"", "e2", 1);
    pass(scene, 1);
    assert_non_null(strstr(shown_slot(scene, "ka.io/pause:3"), "completed a.io/pause:3!"));
}

static void an_image_that_was_there_is_waited_for_no_more(void **state)
{
    struct scene *scene = *state;
    two_wait(scene, "a.io/web:1", "a.io/side:9");
    pass(scene, 3);
    expect(scene, "ka.io/web:1", "queued a.io/web:1! ns/p/web queued=0");
    says_of(scene, "web", "Pulled", "Container image \"a.io/web:1\" already present on machine",
            "e1", 1);
    expect(scene, "ka.io/web:1", "cancelled a.io/web:1! ns/p/web");
}

static void an_image_that_was_put_there_after_a_failure_ends_its_row(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    failed(scene, "web", "a.io/b:1", "not found", 1);
    settle(scene);
    pass(scene, 5);
    event_at(scene, "web", "Pulled", "Container image \"a.io/b:1\" already present on machine", "e",
             1, 1005);
    expect(scene, "ka.io/b:1", "completed a.io/b:1! ns/web/c attempts=1");
}

// Its pod runs and its node's clock is a quarter of an hour late; the API server's is not.
static void a_container_asks_again_by_the_clock_of_the_api_server(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    pod_ends(scene, "web", PT_POD_STARTED);
    pass(scene, 3);
    struct pt_kube_event event =
        make_event("web", "Pulling", "Pulling image \"a.io/b:1\"", "again", 100);
    event.written_at = 1003 * PT_NS_PER_S;
    pt_correlate_event(scene->correlate, &event);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=900");
    event.pod_uid = event.pod = "other"; // which no list has named
    event.uid = "of the other";
    pt_correlate_event(scene->correlate, &event);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/other/c ns/web/c queued=900");
}

static void a_deleted_pod_does_not_come_back(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    failed(scene, "web", "a.io/b:1", "not found", 1);
    settle(scene);
    pod_ends(scene, "web", PT_POD_DELETED);
    pass(scene, 20);
    failed(scene, "web", "a.io/b:1", "not found", 2);
    pulling(scene, "web", "a.io/b:1", 1020);
    expect(scene, "ka.io/b:1", "failed a.io/b:1! error=not found(not_found) attempts=1");
    assert_int_equal(pt_correlate_figures(scene->correlate).waiting_containers, 0);
    pass(scene, 110);
    assert_int_equal(pt_correlate_figures(scene->correlate).nodes, 0);
    failed(scene, "web", "a.io/b:1", "not found", 2);
    pulling(scene, "web", "a.io/b:1", 1020);
    settle(scene);
    assert_int_equal(pt_correlate_figures(scene->correlate).nodes, 0);
}

static void a_list_of_events_makes_no_pods(void **state)
{
    struct scene *scene = *state;
    struct pt_kube_event event =
        make_event("gone", "Pulling", "Pulling image \"a.io/b:1\"", "e", 990);
    event.is_listed = true;
    pt_correlate_event(scene->correlate, &event);
    settle(scene);
    assert_int_equal(pt_correlate_figures(scene->correlate).nodes, 0);
    event.is_listed = false; // it is news
    pt_correlate_event(scene->correlate, &event);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/gone/c queued=10");
}

static void a_volume_that_an_event_names_first_is_one(void **state)
{
    struct scene *scene = *state;
    struct pt_kube_pod pod = make_pod(scene, "p", "a.io/model:1");
    says_of(scene, "", "Failed", "Failed to pull image \"a.io/model:1\": not found", "e1", 1);
    pod.waiting[0].name = "model";
    pod.waiting[0].kind = PT_KUBE_IMAGE_VOLUME;
    pod.waiting[0].word = PT_KUBELET_PULL_FAILED;
    pod.waiting[0].error = "not found";
    pt_correlate_pod(scene->correlate, &pod);
    expect(scene, "ka.io/model:1",
           "failed a.io/model:1! ns/p/model error=not found(not_found) attempts=1 next=1010");
}

// --- several tags of a repository ---

static void pulls_are_of_the_images_in_the_order_in_which_they_were_asked_for(void **state)
{
    struct scene *scene = *state;
    static const char *const tags[] = {"a.io/b:1", "a.io/b:2", "a.io/b:3"};
    for (int i = 0; i < 3; i++) {
        char pod[8];
        snprintf(pod, sizeof(pod), "pod%d", i);
        pod_waits(scene, pod, tags[i]);
    }
    pull_runs(scene, "i2", 1002, "a.io/b", NULL);
    pull_runs(scene, "i1", 1001, "a.io/b", NULL);
    scene->seconds = 1003;
    settle(scene);
    // The events come later than the pulls, and in another order.
    pulling(scene, "pod1", tags[1], 1001);
    pulling(scene, "pod2", tags[2], 1002);
    pulling(scene, "pod0", tags[0], 1000);
    expect(scene, "i1", "a.io/b:1 ns/pod0/c queued=1");
    expect(scene, "i2", "a.io/b:2 ns/pod1/c queued=1");
}

static void a_container_that_another_pull_has_served_does_not_take_the_next_one(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "one", "a.io/b:1");
    pod_waits(scene, "two", "a.io/b:2");
    pulling(scene, "one", "a.io/b:1", 1000);
    pulling(scene, "two", "a.io/b:2", 1001);
    pull_runs(scene, "i1", 1001, "a.io/b", NULL);
    scene->seconds = 1005;
    pull_ends(scene, "i1", 1001, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pull_runs(scene, "i2", 1005, "a.io/b", NULL);
    expect(scene, "i2", "a.io/b:2! ns/two/c queued=4");
    pull_runs(scene, "i3", 1004, "a.io/b", NULL); // before the agent has seen the end
    settle(scene);
    assert_null(strstr(shown_slot(scene, "i3"), "a.io/b:1"));
    scene->seconds = 1006;
    pod_ends(scene, "one", PT_POD_LOST); // it runs
    expect(scene, "i2", "a.io/b:2! ns/two/c queued=4");
}

static void replicas_that_each_ask_are_of_the_image_that_was_brought_before(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "bad", "a.io/b:bad");
    pod_waits(scene, "one", "a.io/b:good");
    pod_waits(scene, "two", "a.io/b:good");
    pulling(scene, "one", "a.io/b:good", 1000);
    pulling(scene, "two", "a.io/b:good", 1000);
    struct pt_pull pull = make_pull(1001, "a.io/b", "sha256:7");
    pt_correlate_pull(scene->correlate, NODE, "i1", &pull);
    scene->seconds = 1005;
    pull.phase = PT_PULL_COMPLETED;
    pull.completed_at = 1005 * PT_NS_PER_S;
    pull.image_ref = "a.io/b:good";
    pull.image_ref_exact = true;
    pt_correlate_pull(scene->correlate, NODE, "i1", &pull);
    pulling(scene, "bad", "a.io/b:bad", 1005);
    pull_runs(scene, "i2", 1006, "a.io/b", "sha256:7");
    settle(scene);
    assert_non_null(strstr(shown_slot(scene, "i2"), "a.io/b:good!"));
}

static void what_is_asked_for_at_once_has_no_tag_until_it_is_known(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "one", "a.io/b:1");
    pod_waits(scene, "two", "a.io/b:2");
    pulling(scene, "one", "a.io/b:1", 1000);
    pulling(scene, "two", "a.io/b:2", 1000);
    settle(scene);
    struct pt_pull pull = make_pull(1001, "a.io/b", NULL);
    check_text("row", row_taken_by(scene, &pull), "ka.io/b:1");
    pt_correlate_pull(scene->correlate, NODE, "i1", &pull);
    expect(scene, "i1", "- ns/one/c queued=1");
    scene->seconds = 1009;
    // It was the other one: its row and the one that seemed its are exchanged.
    pull_ends(scene, "i1", 1001, "a.io/b", "a.io/b:2", PT_PULL_COMPLETED);
    settle(scene);
    check_text("exchanged", scene->exchanged, "i1 <> ka.io/b:2, now ka.io/b:1");
    assert_non_null(strstr(shown_slot(scene, "i1"), "-! ns/two/c"));
    assert_non_null(strstr(shown_slot(scene, "ka.io/b:1"), "queued a.io/b:1! ns/one/c"));
}

static void a_pull_whose_container_runs_is_not_given_to_one_that_still_waits(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "bad", "a.io/b:bad");
    failed(scene, "bad", "a.io/b:bad", "not found", 1);
    pod_waits(scene, "good", "a.io/b:good");
    pulling(scene, "good", "a.io/b:good", 1000);
    pull_runs(scene, "i1", 1001, "a.io/b", NULL);
    expect(scene, "i1", "a.io/b:good ns/good/c queued=1");
    scene->seconds = 1003;
    pod_ends(scene, "good", PT_POD_LOST);
    pulling(scene, "bad", "a.io/b:bad", 1003);
    pass(scene, 1);
    expect(scene, "i1", "a.io/b:good ns/good/c queued=1");
}

static void the_pods_of_a_check_join_the_pull_that_brought_the_image(void **state)
{
    struct scene *scene = *state;
    struct pt_pull check = make_pull(1014, "a.io/b", "sha256:7");
    pod_waits(scene, "first", "a.io/b:1");
    pull_runs(scene, "i0", 1000, "a.io/b", "sha256:7");
    scene->seconds = 1010;
    pull_ends(scene, "i0", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    scene->seconds = 1014;
    pod_waits(scene, "second", "a.io/b:1");
    pulling(scene, "second", "a.io/b:1", 1014);
    expect(scene, "i0", "-! ns/first/c");
    check.image_ref = "a.io/b:1";
    check.image_ref_exact = true;
    check.kind = PT_KIND_CHECK;
    check.phase = PT_PULL_COMPLETED;
    check.completed_at = 1014 * PT_NS_PER_S;
    pt_correlate_pull(scene->correlate, NODE, "i1", &check);
    expect(scene, "i0", "-! ns/first/c ns/second/c");
    assert_non_null(strstr(shown_slot(scene, "i1"), "ns/second/c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(an_event_counts_for_the_image_that_it_names),
        SCENE_TEST(an_event_about_an_image_of_the_past_counts_for_none),
        SCENE_TEST(short_words_name_no_image),
        SCENE_TEST(the_state_that_follows_an_event_is_the_same_attempt),
        SCENE_TEST(the_event_that_follows_a_state_says_when_it_was),
        SCENE_TEST(the_kubelet_tries_when_it_looks_again),
        SCENE_TEST(an_attempt_that_is_due_is_so_now),
        SCENE_TEST(the_earliest_back_off_ends_first),
        SCENE_TEST(a_node_whose_clock_is_behind_succeeds_after_a_failure),
        SCENE_TEST(what_waits_for_a_volume_is_not_queued),
        SCENE_TEST(what_waits_for_its_sandbox_is_not_queued),
        SCENE_TEST(the_image_of_a_sandbox_is_a_row_until_the_sandbox_stands),
        SCENE_TEST(an_image_that_was_there_is_waited_for_no_more),
        SCENE_TEST(an_image_that_was_put_there_after_a_failure_ends_its_row),
        SCENE_TEST(a_container_asks_again_by_the_clock_of_the_api_server),
        SCENE_TEST(a_deleted_pod_does_not_come_back),
        SCENE_TEST(a_list_of_events_makes_no_pods),
        SCENE_TEST(a_volume_that_an_event_names_first_is_one),
        SCENE_TEST(pulls_are_of_the_images_in_the_order_in_which_they_were_asked_for),
        SCENE_TEST(a_container_that_another_pull_has_served_does_not_take_the_next_one),
        SCENE_TEST(replicas_that_each_ask_are_of_the_image_that_was_brought_before),
        SCENE_TEST(what_is_asked_for_at_once_has_no_tag_until_it_is_known),
        SCENE_TEST(a_pull_whose_container_runs_is_not_given_to_one_that_still_waits),
        SCENE_TEST(the_pods_of_a_check_join_the_pull_that_brought_the_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
