// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// Words that come late, together or in any order, from clocks that differ and from kubelets that
// leave something out.

#define IMAGE "a.io/b:1"
#define ROW "k" IMAGE

struct said {
    const char *pod;
    const char *reason;
    const char *message;
    int64_t at; // seconds
    int count;
    const char *node;
};

static void say(struct scene *scene, const struct said *said)
{
    char uid[40];
    snprintf(uid, sizeof(uid), "%s %d", said->reason, (int)said->at);
    struct pt_kube_event event = {.uid = uid,
                                  .name_space = "ns",
                                  .pod = said->pod,
                                  .pod_uid = said->pod,
                                  .node = said->node ? said->node : NODE,
                                  .first_at = said->at * PT_NS_PER_S,
                                  .last_at = said->at * PT_NS_PER_S,
                                  .written_at = said->at * PT_NS_PER_S,
                                  .count = said->count ? said->count : 1};
    snprintf(event.container, sizeof(event.container), "c");
    pt_kubelet_message_parse(said->reason, said->message, &event.message);
    pt_correlate_event(scene->correlate, &event);
}

static void asks(struct scene *scene, const char *pod, int64_t at)
{
    say(scene, &(struct said){pod, "Pulling", "Pulling image \"" IMAGE "\"", at, 1, NULL});
}

static void has_pulled(struct scene *scene, const char *pod, int64_t at)
{
    say(scene, &(struct said){pod, "Pulled", "Successfully pulled image \"" IMAGE "\" in 1s", at, 1,
                              NULL});
}

// Its end was heard at 1002 by the server's clock; the node's says 944 for what comes later.
static void a_container_asks_again_on_a_node_whose_clock_is_behind(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", IMAGE);
    asks(scene, "web", 940);
    pull_runs(scene, "i1", 940, "a.io/b", NULL);
    pass(scene, 2);
    has_pulled(scene, "web", 942);
    pull_ends(scene, "i1", 940, "a.io/b", IMAGE, PT_PULL_COMPLETED);
    pod_ends(scene, "web", PT_POD_STARTED);
    pass(scene, 2);
    asks(scene, "web", 944);
    pull_runs(scene, "i2", 944, "a.io/b", NULL);
    expect(scene, "i2", IMAGE "! ns/web/c queued=0");
}

// A kubelet that pulls one after the other begins the next one before an agent has seen the end of
// the one before, and both tags were asked for at once.
static void the_next_tag_is_pulled_before_the_last_ones_end_is_seen(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "one", IMAGE);
    pod_waits(scene, "two", "a.io/b:2");
    asks(scene, "one", 1000);
    say(scene, &(struct said){"two", "Pulling", "Pulling image \"a.io/b:2\"", 1000, 1, NULL});
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    pass(scene, 3);
    pull_ends(scene, "i1", 1000, "a.io/b", IMAGE, PT_PULL_COMPLETED);
    has_pulled(scene, "one", 1003);
    pull_runs(scene, "i2", 1002, "a.io/b", NULL);
    expect(scene, "i2", "a.io/b:2! ns/two/c queued=2");
}

static void what_is_repeated_after_the_end_asks_for_nothing(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", IMAGE);
    asks(scene, "web", 1000);
    pass(scene, 2);
    has_pulled(scene, "web", 1002);
    pod_ends(scene, "web", PT_POD_STARTED);
    asks(scene, "web", 1000);
    pass(scene, 8);
    expect(scene, ROW, "completed " IMAGE "!");
}

// The second of two attempts: its Pulling event has whole seconds.
static void an_answer_may_come_before_what_it_answers(void **state)
{
    static const char *const answers[] = {"Pulled", "Failed"};
    static const char *const messages[] = {"Successfully pulled image \"" IMAGE "\" in 0.2s",
                                           "Failed to pull image \"" IMAGE "\": no such host"};
    static const char *const rows[] = {
        "", "failed " IMAGE "! ns/web/c error=no such host(network) attempts=1 next=1010"};
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct scene *scene = scene_anew(state);
        pod_waits(scene, "web", IMAGE);
        say(scene, &(struct said){"web", answers[i], messages[i], 1000, 1, NULL});
        say(scene, &(struct said){"web", "Pulling", "Pulling image \"" IMAGE "\"", 1000, 2, NULL});
        pass(scene, 3);
        check_text(answers[i], shown_slot(scene, ROW), rows[i]);
    }
}

// The API server's clock is a minute ahead, so it waits since a time that is to come.
static void a_pod_that_waits_since_the_future_is_queued_as_any_other(void **state)
{
    struct scene *scene = *state;
    struct pt_kube_pod pod = make_pod(scene, "web", IMAGE);
    pod.waiting_since += 60 * PT_NS_PER_S;
    pt_correlate_pod(scene->correlate, &pod);
    pass(scene, 1);
    pt_correlate_pod(scene->correlate, &pod); // the same is said once more
    pass(scene, 2);
    expect(scene, ROW, "queued " IMAGE "! ns/web/c queued=0");
}

static void an_image_that_a_pod_is_given_later_is_waited_for_since_then(void **state)
{
    struct scene *scene = *state;
    struct pt_kube_pod pod = make_pod(scene, "web", "a.io/b:oops");
    pod.waiting_since -= 130 * PT_NS_PER_S;
    pt_correlate_pod(scene->correlate, &pod);
    pass(scene, 1);
    expect(scene, "ka.io/b:oops", "queued a.io/b:oops! ns/web/c queued=130");
    pod.waiting[0].image = IMAGE;
    pt_correlate_pod(scene->correlate, &pod);
    pass(scene, 1);
    pt_correlate_pod(scene->correlate, &pod); // the kubelet has written its status
    pass(scene, 2);
    expect(scene, ROW, "queued " IMAGE "! ns/web/c queued=0");
}

// Its pod was placed here long ago; what was let by an init container has not waited since then.
static void behind_an_init_container_it_waits_since_its_turn(void **state)
{
    static const struct {
        const char *name;
        int turn; // s before now, in whose clock
        bool is_known;
        const char *wanted;
    } rows[] = {
        {"let just now", 0, true, "queued " IMAGE "! ns/web/c queued=0"},
        {"let a minute ago, which is heard of now", 60, true,
         "queued " IMAGE "! ns/web/c queued=60"},
        {"let before the server began", 60, false, "queued " IMAGE "! ns/web/c queued=60"},
        {"let by a clock that is ahead", -500, true, "queued " IMAGE "! ns/web/c queued=0"},
        {"let by a clock that is far behind", 5000, true, "queued " IMAGE "! ns/web/c queued=3600"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_anew(state);
        struct pt_kube_pod pod = make_pod(scene, "web", IMAGE);
        scene->seconds = 10000;
        pod.waiting_since = 6398 * PT_NS_PER_S;
        pod.waiting[0].is_on_turn = false;
        if (rows[i].is_known)
            pt_correlate_pod(scene->correlate, &pod);
        settle(scene);
        check_text(rows[i].name, shown_slot(scene, ROW), "");
        pod.waiting[0].is_on_turn = true;
        pod.waiting[0].turn_at = (scene->seconds - rows[i].turn) * PT_NS_PER_S;
        pt_correlate_pod(scene->correlate, &pod);
        pass(scene, 2);
        check_text(rows[i].name, shown_slot(scene, ROW), rows[i].wanted);
    }
}

static void a_debug_container_waits_since_it_was_added(void **state)
{
    struct scene *scene = *state;
    struct pt_kube_pod pod = make_pod(scene, "web", IMAGE);
    pt_correlate_pod(scene->correlate, &pod);
    pass(scene, 600);
    pod.waiting[1] = pod.waiting[0];
    pod.waiting[1].name = "debugger";
    pod.waiting[1].image = "a.io/debug:1";
    pod.waiting[1].kind = PT_KUBE_EPHEMERAL_CONTAINER;
    pod.waiting_count = 2;
    pt_correlate_pod(scene->correlate, &pod);
    pass(scene, 3);
    expect(scene, "ka.io/debug:1", "queued a.io/debug:1! ns/web/debugger queued=0");
}

static void an_event_without_a_node_is_of_its_pods_node(void **state)
{
    struct scene *scene = *state;
    pod_waits(scene, "web", IMAGE);
    say(scene, &(struct said){"web", "Pulling", "Pulling image \"" IMAGE "\"", 1000, 1, ""});
    expect(scene, ROW, "queued " IMAGE "! ns/web/c queued=0");
    // Of a pod that nobody knows nothing can be shown.
    say(scene, &(struct said){"other", "Pulling", "Pulling image \"a.io/c:1\"", 1000, 1, ""});
    expect(scene, "ka.io/c:1", "");
    check_int("nodes", (int)pt_correlate_figures(scene->correlate).nodes, 1);
}

static void what_waits_for_network_devices_or_volumes_is_not_queued(void **state)
{
    static const char *const reasons[] = {"NetworkNotReady", "FailedMapVolume",
                                          "FailedPrepareDynamicResources"};
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        struct scene *scene = scene_anew(state);
        pod_waits(scene, "web", IMAGE);
        say(scene, &(struct said){"web", reasons[i], "not ready yet", 1000, 1, NULL});
        pass(scene, 9);
        check_text(reasons[i], shown_slot(scene, ROW), "");
        asks(scene, "web", scene->seconds);
        expect(scene, ROW, "queued " IMAGE "! ns/web/c queued=0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_container_asks_again_on_a_node_whose_clock_is_behind),
        SCENE_TEST(the_next_tag_is_pulled_before_the_last_ones_end_is_seen),
        SCENE_TEST(what_is_repeated_after_the_end_asks_for_nothing),
        SCENE_TEST(an_answer_may_come_before_what_it_answers),
        SCENE_TEST(a_pod_that_waits_since_the_future_is_queued_as_any_other),
        SCENE_TEST(an_image_that_a_pod_is_given_later_is_waited_for_since_then),
        SCENE_TEST(behind_an_init_container_it_waits_since_its_turn),
        SCENE_TEST(a_debug_container_waits_since_it_was_added),
        SCENE_TEST(an_event_without_a_node_is_of_its_pods_node),
        SCENE_TEST(what_waits_for_network_devices_or_volumes_is_not_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
