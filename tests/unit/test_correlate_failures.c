// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// Attempts that failed, and what follows them.

static void a_pull_that_never_began_is_a_failed_row(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:nope");
    pulling(scene, "web", "a.io/b:nope", 1000);
    settle(scene);
    failed(scene, "web", "a.io/b:nope", "a.io/b:nope: not found", 1);
    expect(scene, "ka.io/b:nope",
           "failed a.io/b:nope! ns/web/c error=a.io/b:nope: not found(not_found) attempts=1 "
           "next=1010");
    // The status names the same attempt, and so does the event when it comes again.
    pod_says(scene, "web", "a.io/b:nope", PT_KUBELET_PULL_FAILED, "a.io/b:nope: not found");
    pod_says(scene, "web", "a.io/b:nope", PT_KUBELET_BACK_OFF, "a.io/b:nope: not found");
    failed(scene, "web", "a.io/b:nope", "a.io/b:nope: not found", 1);
    settle(scene);
    assert_int_equal(scene->failures, 1);
    pass(scene, 12);
    pulling(scene, "web", "a.io/b:nope", 1012);
    failed(scene, "web", "a.io/b:nope", "a.io/b:nope: not found", 2);
    expect(scene, "ka.io/b:nope",
           "failed a.io/b:nope! ns/web/c error=a.io/b:nope: not found(not_found) attempts=2 "
           "next=1032");
    assert_int_equal(scene->failures, 2);
}

static void a_failure_is_known_without_events(void **state)
{
    struct scene *scene = *state;
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "401 Unauthorized");
    expect(scene, "ka.io/b:1",
           "failed a.io/b:1! ns/web/c error=401 Unauthorized(unauthorized) attempts=1 next=1010");
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_BACK_OFF, "401 Unauthorized");
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "401 Unauthorized");
    settle(scene);
    assert_int_equal(scene->failures, 2);
}

static void what_is_never_pulled_has_no_next_attempt(void **state)
{
    struct scene *scene = *state;
    pod_says(scene, "a", "A:B:C", PT_KUBELET_INVALID_NAME, "invalid reference format");
    pod_says(scene, "b", "x:1", PT_KUBELET_NEVER_PULL, "pull policy of Never");
    pod_says(scene, "d", "a/b:1", PT_KUBELET_INSPECT_FAILED, "did not resolve to an alias");
    expect(scene, "kdocker.io/a/b:1",
           "failed docker.io/a/b:1! ns/d/c error=did not resolve to an alias(invalid_reference) "
           "attempts=1");
    expect(scene, "kA:B:C",
           "failed A:B:C! ns/a/c error=invalid reference format(invalid_reference) attempts=1");
    expect(scene, "kdocker.io/library/x:1",
           "failed docker.io/library/x:1! ns/b/c error=pull policy of Never(policy) attempts=1");
}

// The kubelet asks for what web waits for, and the pull has run for five seconds.
static void web_is_pulled_for_a_while(struct scene *scene)
{
    pod_waits(scene, "web", "a.io/b:1");
    pulling(scene, "web", "a.io/b:1", 1000);
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    pass(scene, 5);
}

static void a_failed_pull_gets_the_kubelets_words(void **state)
{
    struct scene *scene = *state;
    web_is_pulled_for_a_while(scene);
    failed(scene, "web", "a.io/b:1", "unexpected EOF", 1);
    pull_ends(scene, "i1", 1000, "a.io/b", NULL, PT_PULL_FAILED);
    expect(scene, "i1",
           "a.io/b:1! ns/web/c error=unexpected EOF(network) attempts=1 next=1015 queued=0");
    expect(scene, "ka.io/b:1", "");
    assert_int_equal(scene->failures, 0); // the agent's row says it
}

// In between its pods wait for no pull that is known.
static void a_pull_that_failed_before_the_kubelet_said_so_is_one_row(void **state)
{
    struct scene *scene = *state;
    web_is_pulled_for_a_while(scene);
    pull_ends(scene, "i1", 1000, "a.io/b", NULL, PT_PULL_FAILED);
    settle(scene);
    failed(scene, "web", "a.io/b:1", "unexpected EOF", 1);
    expect(scene, "i1",
           "a.io/b:1! ns/web/c error=unexpected EOF(network) attempts=1 next=1015 queued=0");
    expect(scene, "ka.io/b:1", "");
}

static void the_next_attempt_goes_on_in_the_failed_row(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    pull_ends(scene, "i1", 1000, "a.io/b", NULL, PT_PULL_FAILED);
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "unexpected EOF");
    pass(scene, 20);
    struct pt_pull pull = make_pull(1020, "a.io/b", NULL);
    check_text("row", row_taken_by(scene, &pull), "i1");
    pt_correlate_pull(scene->correlate, NODE, "i2", &pull);
    expect(scene, "i2", "a.io/b:1! ns/web/c attempts=1");
    pass(scene, 5);
    pull_ends(scene, "i2", 1020, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pod_ends(scene, "web", PT_POD_STARTED);
    pass(scene, 10);
    expect(scene, "i2", "-! ns/web/c attempts=1");
    expect(scene, "ka.io/b:1", "");
}

static void a_success_after_failures_closes_the_row(void **state)
{
    struct scene *scene = *state;
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "no such host");
    settle(scene);
    pass(scene, 15);
    pulled(scene, "web", "a.io/b:1");
    pod_ends(scene, "web", PT_POD_STARTED);
    expect(scene, "ka.io/b:1", "completed a.io/b:1! ns/web/c attempts=1");
}

static void a_failed_row_stays_failed_when_its_pod_is_deleted(void **state)
{
    struct scene *scene = *state;
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "no such host");
    settle(scene);
    pod_ends(scene, "web", PT_POD_DELETED);
    expect(scene, "ka.io/b:1", "failed a.io/b:1! error=no such host(network) attempts=1");
    pass(scene, 119);
    assert_int_equal(pt_correlate_figures(scene->correlate).nodes, 1);
    pass(scene, 2);
    assert_int_equal(pt_correlate_figures(scene->correlate).nodes, 0);
    assert_int_equal(scene->failures, 1);
}

// Of a pod that is deleted and made anew so much later: whether it has the row of the one before.
static void a_pod_that_is_made_anew_waits_in_the_row_of_the_one_before(void **state)
{
    static const struct {
        const char *name;
        int later;
        bool has_failed;
        int64_t started;
        const char *queued, *failed;
    } rows[] = {
        {"at once", 1, true, 1000, "queued a.io/b:1! ns/web/c attempts=1 queued=0",
         "failed a.io/b:1! ns/web/c error=no such host(network) attempts=2 next=1015"},
        {"a minute later", 60, true, 1000, "queued a.io/b:1! ns/web/c attempts=1 queued=60",
         "failed a.io/b:1! ns/web/c error=no such host(network) attempts=2 next=1074"},
        {"too late", 121, true, 1123, "queued a.io/b:1! ns/web/c queued=0",
         "failed a.io/b:1! ns/web/c error=no such host(network) attempts=1 next=1135"},
        {"one that was queued", 10, false, 1000, "queued a.io/b:1! ns/web/c queued=10",
         "failed a.io/b:1! ns/web/c error=no such host(network) attempts=1 next=1024"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_anew(state);
        pod_waits(scene, "web", "a.io/b:1");
        pass(scene, 2);
        if (rows[i].has_failed)
            pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "no such host");
        settle(scene);
        pod_ends(scene, "web", PT_POD_DELETED);
        pass(scene, rows[i].later);
        struct pt_kube_pod pod = make_pod(scene, "web", "a.io/b:1");
        pod.uid = "another one";
        pt_correlate_pod(scene->correlate, &pod);
        pass(scene, 2);
        print_message("%s\n", rows[i].name);
        expect(scene, "ka.io/b:1", rows[i].queued);
        check_int("started", scene->started_at / PT_NS_PER_S, rows[i].started);
        pod.waiting[0].word = PT_KUBELET_PULL_FAILED;
        pod.waiting[0].error = "no such host";
        pt_correlate_pod(scene->correlate, &pod);
        expect(scene, "ka.io/b:1", rows[i].failed);
        check_int("failures", scene->failures, rows[i].has_failed ? 2 : 1);
    }
}

static void a_pod_that_is_made_anew_waits_in_the_row_of_a_pull_that_failed(void **state)
{
    struct scene *scene = *state;
    web_is_pulled(scene);
    pull_ends(scene, "i1", 1000, "a.io/b", NULL, PT_PULL_FAILED);
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "unexpected EOF");
    settle(scene);
    pod_ends(scene, "web", PT_POD_DELETED);
    pass(scene, 60);
    pod_waits(scene, "web-2", "a.io/b:1");
    pass(scene, 3);
    expect(scene, "i1", "a.io/b:1! ns/web/c ns/web-2/c error=unexpected EOF(network) attempts=1");
    expect(scene, "ka.io/b:1", "");
    struct pt_pull pull = make_pull(1063, "a.io/b", NULL);
    check_text("row", row_taken_by(scene, &pull), "i1");
}

static void a_pull_goes_on_in_a_row_that_has_just_ended(void **state)
{
    struct scene *scene = *state;
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "no such host");
    settle(scene);
    pod_ends(scene, "web", PT_POD_DELETED);
    pass(scene, 5);
    pod_waits(scene, "web-2", "a.io/b:1");
    struct pt_pull pull = make_pull(1005, "a.io/b", NULL);
    check_text("row", row_taken_by(scene, &pull), "ka.io/b:1");
}

static void an_event_without_a_pod_says_a_failure(void **state)
{
    struct scene *scene = *state;
    failed(scene, "unknown", "a.io/b:1", "no space left on device", 1);
    expect(scene, "ka.io/b:1",
           "failed a.io/b:1! ns/unknown/c error=no space left on device(disk_full) attempts=1 "
           "next=1010");
}

static void old_failures_are_no_news(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:1");
    failed(scene, "web", "a.io/b:1", "no such host", 57);
    settle(scene);
    assert_non_null(strstr(shown_slot(scene, "ka.io/b:1"), "attempts=57"));
    assert_int_equal(scene->failures, 1);
}

static void each_kind_of_words_counts_once_however_often_it_is_said(void **state)
{
    struct scene *scene = *state;
    char message[100], uid[20];
    pod_waits(scene, "web", "a.io/b:1");
    for (int list = 0; list < 3; list++) { // each new list has all events again
        for (int i = 0; i < 14; i++) {
            snprintf(uid, sizeof(uid), "event-%d", i);
            snprintf(message, sizeof(message),
                     "Failed to pull image \"a.io/b:1\": request %d: not found", i);
            event_at(scene, "web", "Failed", message, uid, 1, 900 + i);
            settle(scene);
        }
    }
    assert_int_equal(scene->failures, 14);
    assert_non_null(strstr(shown_slot(scene, "ka.io/b:1"), "attempts=14"));
}

static void backs_off(struct scene *scene, const char *pod, int count, int64_t seconds)
{
    event_at(scene, pod, "BackOff", "Back-off pulling image \"a.io/b:1\"", "back-off", count,
             seconds);
}

// The image is there for a pod that has the Secret, and not for one that lacks it.
static void who_may_not_use_what_came_for_another_pod_fails_on(void **state)
{
    static const char again[] =
        "failed a.io/b:1! ns/b/c error=pull access denied(unauthorized) attempts=1 next=1022";
    struct scene *scene = *state;
    pod_waits(scene, "b", "a.io/b:1");
    failed(scene, "b", "a.io/b:1", "pull access denied", 1);
    pass(scene, 4);
    pod_waits(scene, "a", "a.io/b:1");
    pulling(scene, "a", "a.io/b:1", 1004);
    pass(scene, 1);
    pulled(scene, "a", "a.io/b:1"); // at 1005
    pod_ends(scene, "a", PT_POD_STARTED);
    pass(scene, 5);
    backs_off(scene, "b", 2, 1004); // is heard of late
    pass(scene, 1);
    expect(scene, "ka.io/b:1", "completed a.io/b:1! ns/b/c attempts=1");
    backs_off(scene, "b", 3, 1011);
    pass(scene, 1);
    expect(scene, "ka.io/b:1", again);
    check_int("the attempt is no news", scene->failures, 1);
    pass(scene, 10);
    failed(scene, "b", "a.io/b:1", "pull access denied", 2);
    pass(scene, 1);
    check_int("the next one is", scene->failures, 2);
    pulled(scene, "b", "a.io/b:1");
    pod_ends(scene, "b", PT_POD_STARTED);
    pass(scene, 7);
    expect(scene, "ka.io/b:1", "completed a.io/b:1! ns/b/c attempts=2");
}

// The kubelet backs off from an image for a pod: it tries for the first of two containers.
static void of_two_containers_of_an_image_an_attempt_counts_once(void **state)
{
    static const struct {
        const char *name;
        bool has_events;
        enum pt_kubelet_word first;
    } rows[] = {
        {"by events and states", true, PT_KUBELET_PULL_FAILED},
        {"by states", false, PT_KUBELET_PULL_FAILED},
        {"by states, heard of in the back-off", false, PT_KUBELET_BACK_OFF},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_anew(state);
        struct pt_kube_pod pod = make_pod(scene, "web", "a.io/b:1");
        pod.waiting[1] = pod.waiting[0];
        pod.waiting[1].name = "d";
        pod.waiting_count = 2;
        pt_correlate_pod(scene->correlate, &pod);
        for (int attempt = 1; attempt <= 2; attempt++) {
            if (rows[i].has_events) {
                failed(scene, "web", "a.io/b:1", "no such host", attempt);
                struct pt_kube_event event =
                    make_event("web", "BackOff", "Back-off pulling image \"a.io/b:1\"", "back-off",
                               scene->seconds);
                snprintf(event.container, sizeof(event.container), "d");
                pt_correlate_event(scene->correlate, &event);
            }
            pod.waiting[0].word = attempt == 1 ? rows[i].first : PT_KUBELET_PULL_FAILED;
            pod.waiting[1].word = PT_KUBELET_BACK_OFF;
            pod.waiting[0].error = pod.waiting[1].error = "no such host";
            pt_correlate_pod(scene->correlate, &pod);
            settle(scene);
            check_int(rows[i].name, scene->failures, attempt);
            pod.waiting[0].word = PT_KUBELET_BACK_OFF;
            pt_correlate_pod(scene->correlate, &pod);
            pass(scene, 12);
        }
        char *row = shown_slot(scene, "ka.io/b:1");
        check_int(row, strstr(row, "ns/web/c ns/web/d") && strstr(row, "attempts=2 "), 1);
    }
}

static void words_without_end_are_cut(void **state)
{
    struct scene *scene = *state;
    char words[3 * PT_LIMIT_ERROR_BYTES] = "";
    memset(words, 'x', sizeof(words) - 1);
    pod_says(scene, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, words);
    settle(scene);
    assert_int_equal(scene->error_length, PT_LIMIT_ERROR_BYTES);
}

// A good rollout follows a bad one in the same repository, and the agent sees its pull before the
// kubelet's event has come. What fails and waits out its back-off is not pulled meanwhile.
static void a_pull_is_not_of_an_image_that_is_in_its_back_off(void **state)
{
    static const struct {
        const char *name;
        int64_t started;
        const char *row; // that it goes on in
    } rows[] = {
        {"the failed attempt itself", 1000, "ka.io/b:bad"},
        {"in the back-off", 1003, NULL},
        {"in the middle of it", 1007, NULL},
        {"when it is over", 1010, "ka.io/b:bad"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_anew(state);
        pod_waits(scene, "web", "a.io/b:bad");
        pulling(scene, "web", "a.io/b:bad", 1000);
        failed(scene, "web", "a.io/b:bad", "not found", 1);
        settle(scene);
        scene->seconds = rows[i].started;
        struct pt_pull pull = make_pull(rows[i].started, "a.io/b", NULL);
        const char *key = row_taken_by(scene, &pull);
        check_text(rows[i].name, key, rows[i].row);
    }
}

static void a_good_tag_behind_a_bad_one_is_named_when_its_pod_comes(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "bad", "a.io/b:bad");
    pulling(scene, "bad", "a.io/b:bad", 1000);
    failed(scene, "bad", "a.io/b:bad", "not found", 1);
    settle(scene);
    scene->seconds = 1003;
    pull_runs(scene, "i1", 1003, "a.io/b", NULL);
    expect(scene, "i1", "-");
    pod_waits(scene, "good", "a.io/b:good");
    pulling(scene, "good", "a.io/b:good", 1003);
    expect(scene, "i1", "a.io/b:good! ns/good/c queued=0");
    check_int("failed once", scene->failures, 1);
    assert_non_null(strstr(shown_slot(scene, "ka.io/b:bad"), "failed a.io/b:bad! ns/bad/c"));
}

// A kubelet that was restarted has forgotten its back-off: it asks, and that decides.
static void what_the_kubelet_asks_for_is_pulled_in_spite_of_a_back_off(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", "a.io/b:bad");
    pulling(scene, "web", "a.io/b:bad", 1000);
    failed(scene, "web", "a.io/b:bad", "not found", 1);
    settle(scene);
    scene->seconds = 1004;
    pulling(scene, "web", "a.io/b:bad", 1004);
    struct pt_pull pull = make_pull(1004, "a.io/b", NULL);
    check_text("row", row_taken_by(scene, &pull), "ka.io/b:bad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_pull_that_never_began_is_a_failed_row),
        SCENE_TEST(a_failure_is_known_without_events),
        SCENE_TEST(what_is_never_pulled_has_no_next_attempt),
        SCENE_TEST(a_failed_pull_gets_the_kubelets_words),
        SCENE_TEST(a_pull_that_failed_before_the_kubelet_said_so_is_one_row),
        SCENE_TEST(the_next_attempt_goes_on_in_the_failed_row),
        SCENE_TEST(a_success_after_failures_closes_the_row),
        SCENE_TEST(a_failed_row_stays_failed_when_its_pod_is_deleted),
        SCENE_TEST(a_pod_that_is_made_anew_waits_in_the_row_of_the_one_before),
        SCENE_TEST(a_pod_that_is_made_anew_waits_in_the_row_of_a_pull_that_failed),
        SCENE_TEST(a_pull_goes_on_in_a_row_that_has_just_ended),
        SCENE_TEST(an_event_without_a_pod_says_a_failure),
        SCENE_TEST(old_failures_are_no_news),
        SCENE_TEST(each_kind_of_words_counts_once_however_often_it_is_said),
        SCENE_TEST(who_may_not_use_what_came_for_another_pod_fails_on),
        SCENE_TEST(of_two_containers_of_an_image_an_attempt_counts_once),
        SCENE_TEST(words_without_end_are_cut),
        SCENE_TEST(a_pull_is_not_of_an_image_that_is_in_its_back_off),
        SCENE_TEST(a_good_tag_behind_a_bad_one_is_named_when_its_pod_comes),
        SCENE_TEST(what_the_kubelet_asks_for_is_pulled_in_spite_of_a_back_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
