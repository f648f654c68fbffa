// SPDX-License-Identifier: Apache-2.0

// What is heard of later than what followed it: an agent's word behind the kubelet's, a pod behind
// the pull that it waits for. Neither makes a second row.

#include "kube_rows_fixture.h"

// The way from the agent was bad when the image came.
static void an_end_that_is_heard_of_after_the_kubelets_word_fills_the_row_in(void **state)
{
    static const int seconds[] = {1, 6, 60};
    for (size_t i = 0; i < COUNT_OF(seconds); i++) {
        struct pair *pair = pair_anew(state);
        struct pt_pull_store *store = pair->scene.store;
        pod_says(pair, PT_KUBELET_WAITING, NULL);
        event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
        const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
        struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
        pull.started_at += 300 * PT_NS_PER_MS;
        pass(pair, 1);
        event_says(pair, NODE, "Pulled",
                   "Successfully pulled image \"" IMAGE "\" in 800ms (800ms including waiting)", 1);
        pt_correlate_pod_end(pair->correlate, "u", PT_POD_STARTED);
        pass(pair, seconds[i]);

        uint64_t end = row->final_version;
        scene_deliver_pulls(&pair->scene, NODE, &pull, 1); // it is still what the agent knows
        pass(pair, 1);
        pull.phase = PT_PULL_COMPLETED;
        pull.completed_at = pull.started_at + PT_NS_PER_S / 2;
        pull.image_ref = IMAGE;
        pull.image_ref_exact = true;
        scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
        pass(pair, 10);
        assert_ptr_equal(row_of(pair, "ip1"), row);
        assert_int_equal(store->pulls.count, 1);
        assert_int_equal(row->pull.phase, PT_PULL_COMPLETED);
        assert_int_equal(row->pull.completed_at, pull.completed_at);
        assert_int_equal(row->of_kubelet, false);
        assert_int_equal(pair->scene.completed, 1);
        assert_int_equal(store->completed_count, 1);
        if (!end)
            continue; // it had not ended before
        assert_int_equal(pair->scene.started, 1);
        assert_int_equal(row->final_version, end);
    }
}

// Each begins when the row has ended: a check of the same second, the next attempt of another pod.
static void what_begins_after_the_kubelets_word_has_a_row_of_its_own(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
    pass(pair, 1);
    event_says(pair, NODE, "Pulled", "Successfully pulled image \"" IMAGE "\" in 800ms", 1);
    pt_correlate_pod_end(pair->correlate, "u", PT_POD_STARTED);
    pass(pair, 7);
    assert_int_equal(pair->scene.completed, 1);

    struct pt_pull check = a_pull(pair, "p1", PT_PULL_COMPLETED);
    check.started_at -= 7 * PT_NS_PER_S;
    check.kind = PT_KIND_CHECK;
    scene_deliver_pulls(&pair->scene, NODE, &check, 1);
    settle(pair);
    assert_int_equal(pair->scene.store->pulls.count, 2);
    pass(pair, 1);
    report(pair, "p2", PT_PULL_DOWNLOADING);
    pass(pair, 1);
    report(pair, "p2", PT_PULL_COMPLETED);
    assert_int_equal(pair->scene.store->pulls.count, 3);
    assert_int_equal(pair->scene.completed, 3);
}

// Its pod was deleted, and the pull of which nothing had been heard goes on.
static void a_pull_that_is_heard_of_after_its_pod_goes_on_in_the_row(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
    const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
    struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
    pt_correlate_pod_end(pair->correlate, "u", PT_POD_DELETED);
    pass(pair, 10);
    assert_int_equal(row->pull.phase, PT_PULL_CANCELLED);
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
    assert_ptr_equal(row_of(pair, "ip1"), row);
    assert_int_equal(pair->scene.store->pulls.count, 1);
    pass(pair, 1);
    report(pair, "p1", PT_PULL_COMPLETED);
    assert_int_equal(pair->scene.completed, 1);
}

// What the kubelet says has not been flushed when its agent reports the end of the same attempt.
static void a_failure_that_both_report_at_once_counts_once(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    for (int attempt = 1; attempt <= 3; attempt++) {
        const char *id = attempt == 1 ? "p1" : attempt == 2 ? "p2" : "p3";
        event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", attempt);
        report(pair, id, PT_PULL_DOWNLOADING);
        pass(pair, 1);
        hear_event(pair, NODE, "Failed", "Failed to pull image \"" IMAGE "\": not found", attempt);
        report(pair, id, PT_PULL_FAILED);
        pass(pair, 20);
        assert_int_equal(pair->scene.failed, attempt);
        assert_int_equal(pair->scene.store->pulls.count, 1);
    }
}

static struct pt_pull an_unnamed_pull(const struct pair *pair, const char *id)
{
    struct pt_pull pull = a_pull(pair, id, PT_PULL_RESOLVING);
    pull.repository = NULL;
    pull.image_ref = "sha256:7";
    return pull;
}

// Two tags of a repository were pulled, and nothing was heard of it until both had come.
static void what_is_heard_of_late_needs_a_name_if_it_could_be_either(void **state)
{
    struct pair *pair = *state;
    static const char *const pods[] = {"one", "two"}, *const images[] = {IMAGE, "a.io/b:2"};
    struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
    for (size_t i = 0; i < COUNT_OF(pods); i++)
        a_pod_says(pair, pods[i], images[i], PT_KUBELET_WAITING, NULL);
    pass(pair, 3);
    pull.started_at = pair->scene.now_ns;
    for (size_t i = 0; i < COUNT_OF(pods); i++)
        pt_correlate_pod_end(pair->correlate, pods[i], PT_POD_DELETED);
    pass(pair, 10);
    assert_int_equal(pair->scene.store->pulls.count, 2);
    struct pt_pull named = pull;
    named.id = "p2";
    named.image_ref = "a.io/b:2";
    named.image_ref_exact = true;
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
    assert_int_equal(pair->scene.store->pulls.count, 3);
    scene_deliver_pulls(&pair->scene, NODE, &named, 1);
    settle(pair);
    assert_int_equal(pair->scene.store->pulls.count, 3);
    assert_string_equal(row_of(pair, "ip2")->earlier_key, "ka.io/b:2");
}

// No event says that its image is asked for, and its row waits.
static void a_pull_without_a_name_is_held_back_for_who_is_queued(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    pass(pair, 3);
    const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
    struct pt_pull pull = an_unnamed_pull(pair, "p1");
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
    assert_null(row_of(pair, "ip1"));
    assert_int_equal(row->pull.phase, PT_PULL_RESOLVING);
    pull.repository = pull.image_ref = "a.io/b";
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
    assert_ptr_equal(row_of(pair, "ip1"), row);
    assert_int_equal(pair->scene.store->pulls.count, 1);
}

// A pod whose times are those of the one before: the next row begins when that one did.
static void a_row_that_has_completed_does_not_fail(void **state)
{
    struct pair *pair = *state;
    struct pt_image_row row = {.node_name = NODE,
                               .key = "k" IMAGE,
                               .image_ref = IMAGE,
                               .repository = "a.io/b",
                               .started_at = pair->scene.now_ns,
                               .waits_since = pair->scene.now_ns,
                               .join = {.image_ref = IMAGE, .queued_seconds = -1}};
    static const enum pt_pull_phase phases[] = {PT_PULL_QUEUED, PT_PULL_COMPLETED, PT_PULL_FAILED,
                                                PT_PULL_COMPLETED, PT_PULL_FAILED};
    static const size_t rows[] = {1, 1, 2, 2, 3};
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        scene_wait(&pair->scene, 1);
        row.phase = phases[i];
        row.ended_at = phases[i] == PT_PULL_QUEUED ? 0 : pair->scene.now_ns;
        row.new_failures = phases[i] == PT_PULL_FAILED;
        row.join.attempts = row.new_failures;
        row.join.error = row.new_failures ? "not found" : NULL;
        pt_store_apply_row(pair->scene.store, &row);
        check_int("rows", (int64_t)pair->scene.store->pulls.count, (int64_t)rows[i]);
    }
    assert_int_equal(pair->scene.completed, 2);
    assert_int_equal(pair->scene.failed, 2);
    assert_int_equal(pair->scene.store->completed_count, 2);
    assert_int_equal(pair->scene.store->failed_count, 1);
}

// For the metric, at any moment.
static void what_fails_is_counted_as_long_as_it_is_waited_for(void **state)
{
    struct pair *pair = *state;
    const struct pt_pull_store *store = pair->scene.store;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
    report(pair, "p1", PT_PULL_DOWNLOADING);
    check_int("under way", (int64_t)pt_store_figures(store).failing, 0);
    report(pair, "p1", PT_PULL_FAILED);
    check_int("failed", (int64_t)pt_store_figures(store).failing, 1);
    event_says(pair, NODE, "Failed", "Failed to pull image \"" IMAGE "\": not found", 1);
    check_int("the same", (int64_t)pt_store_figures(store).failing, 1);
    pass(pair, 12);
    event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 2);
    report(pair, "p2", PT_PULL_DOWNLOADING);
    check_int("tried again", (int64_t)pt_store_figures(store).failing, 0);
    report(pair, "p2", PT_PULL_FAILED);
    check_int("in vain", (int64_t)pt_store_figures(store).failing, 1);
    pt_correlate_pod_end(pair->correlate, "u", PT_POD_DELETED);
    pass(pair, 1);
    check_int("given up", (int64_t)pt_store_figures(store).failing, 0);

    a_pod_says(pair, "two", "a.io/other:1", PT_KUBELET_PULL_FAILED, "not found");
    check_int("by the kubelet's word", (int64_t)pt_store_figures(store).failing, 1);
    pass(pair, 4000);
    pt_correlate_pod_end(pair->correlate, "two", PT_POD_DELETED);
    pass(pair, 4000);
    while (pt_store_sweep(pair->scene.store))
        continue;
    check_int("let go", (int64_t)pt_store_figures(store).failing, 0);
}

// The API server is away, or slow.
static void who_waits_is_heard_of_after_a_pull_without_a_name(void **state)
{
    static const char *const names[] = {"a.io/b", "a.io/other"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct pair *pair = pair_anew(state);
        struct pt_pull_store *store = pair->scene.store;
        struct pt_pull pull = an_unnamed_pull(pair, "p1");
        pull.started_at += 1300 * PT_NS_PER_MS; // a report takes the clock on by a second
        scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
        settle(pair);
        assert_int_equal(store->pulls.count, 1);
        pod_says(pair, PT_KUBELET_WAITING, NULL);
        event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
        const struct pt_stored_pull *row = row_of(pair, "ip1");
        assert_int_equal(row->join->waiting_count, 1);
        pass(pair, 3);
        assert_int_equal(store->pulls.count, 1);

        pull.repository = pull.image_ref = names[i];
        scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
        pass(pair, 3);
        assert_int_equal(store->pulls.count, 1 + i);
        assert_int_equal(row->join->waiting_count, 1 - i);
        assert_int_equal(pair->scene.completed + pair->scene.failed, 0);
    }
}

// The image before has come, or failed, and the kubelet's words on that are on their way.
static void a_pull_without_a_name_is_not_of_an_image_that_was_pulled_already(void **state)
{
    static const enum pt_pull_phase ends[] = {PT_PULL_COMPLETED, PT_PULL_FAILED};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct pair *pair = pair_anew(state);
        pod_says(pair, PT_KUBELET_WAITING, NULL);
        event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
        struct pt_pull pulls[] = {a_pull(pair, "p1", PT_PULL_DOWNLOADING),
                                  an_unnamed_pull(pair, "p2")};
        pulls[0].started_at += 100 * PT_NS_PER_MS;
        pulls[1].started_at += 2300 * PT_NS_PER_MS;
        scene_deliver_pulls(&pair->scene, NODE, pulls, 2);
        settle(pair);
        pass(pair, 1);
        pulls[0].phase = ends[i];
        pulls[0].completed_at = pair->scene.now_ns;
        scene_deliver_pulls(&pair->scene, NODE, pulls, 2);
        settle(pair);
        assert_null(row_of(pair, "ip2")->join->image_ref);
        pair->scene.now_ns -= PT_NS_PER_S;
        a_pod_says(pair, "two", "a.io/other:1", PT_KUBELET_WAITING, NULL);
        pass(pair, 3);
        assert_string_equal(row_of(pair, "ip2")->join->image_ref, "a.io/other:1");
        assert_null(row_of(pair, "ka.io/other:1"));
    }
}

// Two pulls have no name, and one image is asked for: that of the second, as its name says then.
static void of_two_pulls_without_a_name_the_second_is_that_of_who_waits(void **state)
{
    struct pair *pair = *state;
    struct pt_pull_store *store = pair->scene.store;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
    settle(pair);
    struct pt_pull pulls[] = {an_unnamed_pull(pair, "p1"), an_unnamed_pull(pair, "p2")};
    pulls[0].started_at += 1300 * PT_NS_PER_MS;
    pulls[1].started_at += 1400 * PT_NS_PER_MS;
    scene_deliver_pulls(&pair->scene, NODE, pulls, 2);
    pass(pair, 1);
    const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
    assert_int_equal(row->pull.phase, PT_PULL_RESOLVING); // by the first one
    assert_int_equal(store->pulls.count, 2);

    pulls[0].repository = pulls[0].image_ref = "a.io/other";
    pulls[1].repository = pulls[1].image_ref = "a.io/b";
    scene_deliver_pulls(&pair->scene, NODE, pulls, 2);
    pass(pair, 3);
    // Readers have seen the row; who waited there waits in that of the pull.
    assert_int_equal(row->pull.phase, PT_PULL_CANCELLED);
    assert_int_equal(row->join->is_waited_for, false);
    const struct pt_stored_pull *pull = row_of(pair, "ip2");
    assert_int_equal(pull->join->is_waited_for, true);
    assert_int_equal(pull->join->waiting_count, 1);
    assert_int_equal(row_of(pair, "ip1")->join->waiting_count, 0);
    pulls[1].phase = PT_PULL_COMPLETED;
    pulls[1].completed_at = pair->scene.now_ns;
    scene_deliver_pulls(&pair->scene, NODE, pulls, 2);
    pass(pair, 3);
    assert_int_equal(pair->scene.completed, 1);
    assert_int_equal(store->pulls.count, 3);
}

// Nothing says of which image it was, so that it serves none.
static void a_pull_that_ends_without_a_name_brings_nothing(void **state)
{
    struct pair *pair = *state;
    struct pt_pull pull = an_unnamed_pull(pair, "p1");
    pull.started_at += 1300 * PT_NS_PER_MS;
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
    pass(pair, 1);
    pull.phase = PT_PULL_COMPLETED;
    pull.completed_at = pair->scene.now_ns;
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
    assert_int_equal(row_of(pair, "k" IMAGE)->pull.phase, PT_PULL_QUEUED);
    report(pair, "p2", PT_PULL_DOWNLOADING);
    assert_string_equal(row_of(pair, "ip2")->key, "ip2");
    assert_int_equal(pair->scene.store->pulls.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_end_that_is_heard_of_after_the_kubelets_word_fills_the_row_in),
        TEST(what_begins_after_the_kubelets_word_has_a_row_of_its_own),
        TEST(a_pull_that_is_heard_of_after_its_pod_goes_on_in_the_row),
        TEST(a_failure_that_both_report_at_once_counts_once),
        TEST(what_is_heard_of_late_needs_a_name_if_it_could_be_either),
        TEST(a_pull_without_a_name_is_held_back_for_who_is_queued),
        TEST(a_row_that_has_completed_does_not_fail),
        TEST(what_fails_is_counted_as_long_as_it_is_waited_for),
        TEST(who_waits_is_heard_of_after_a_pull_without_a_name),
        TEST(a_pull_without_a_name_is_not_of_an_image_that_was_pulled_already),
        TEST(a_pull_that_ends_without_a_name_brings_nothing),
        TEST(of_two_pulls_without_a_name_the_second_is_that_of_who_waits),
    };
    return cmocka_run_group_tests_name("kube_late", tests, NULL, NULL);
}
