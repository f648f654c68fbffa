// SPDX-License-Identifier: Apache-2.0
#include "kube_rows_fixture.h"

static void a_queued_row_waits_as_long_as_its_pod(void **state)
{
    struct pair *pair = *state;
    const struct pt_pull_store *store = pair->scene.store;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    pass(pair, 3);
    const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
    assert_non_null(row);
    assert_int_equal(row->pull.phase, PT_PULL_QUEUED);
    assert_int_equal(store->queued_count, 1);
    assert_int_equal(pair->scene.started, 1);
    pass(pair, 700); // longer than a pull may be silent
    assert_int_equal(row->pull.phase, PT_PULL_QUEUED);
    struct pt_pull_status status = pt_stored_pull_status(row, NULL);
    check_real("queued", status.queued_seconds, 700);
    pt_correlate_pod_end(pair->correlate, "u", PT_POD_DELETED);
    settle(pair);
    assert_int_equal(row->pull.phase, PT_PULL_CANCELLED);
    assert_int_equal(store->queued_count, 0);
    assert_int_equal(store->active_count, 0);
    assert_int_equal(store->failed_count + store->completed_count, 0);
    assert_int_equal(pair->scene.completed + pair->scene.failed, 0);
}

static void a_pull_goes_on_in_the_queued_row(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    pass(pair, 3);
    const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
    report(pair, "p1", PT_PULL_DOWNLOADING);
    assert_ptr_equal(row_of(pair, "ip1"), row);
    assert_int_equal(pair->scene.store->pulls.count, 1);
    assert_int_equal(pair->scene.store->queued_count, 0);
    assert_int_equal(pair->scene.store->active_count, 1);
    assert_string_equal(pt_stored_pull_image_ref(row), IMAGE);
    assert_int_equal(row->join->waiting_count, 1);
    pt_correlate_pod_end(pair->correlate, "u", PT_POD_STARTED);
    report(pair, "p1", PT_PULL_COMPLETED);
    pass(pair, 20);
    assert_int_equal(row->pull.phase, PT_PULL_COMPLETED);
    assert_int_equal(row->join->waiting_count, 1);
    assert_int_equal(pair->scene.completed, 1);
    assert_int_equal(pair->scene.store->pulls.count, 1);
}

// A server that starts anew does not know in which order they came before.
static void the_id_of_a_row_does_not_depend_on_who_was_heard_first(void **state)
{
    char ids[3][PT_PULL_ID_SIZE];
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct pair *pair = pair_anew(state);
        if (i == 2) // the lists come last
            pt_correlate_set_listing(pair->correlate, true);
        else
            pod_says(pair, PT_KUBELET_WAITING, NULL);
        if (i == 1)
            pass(pair, 3);
        report_old(pair, "p1", PT_PULL_DOWNLOADING);
        if (i == 2) {
            assert_null(row_of(pair, "ip1"));
            pair->scene.now_ns = SCENE_START; // since when the pod waits
            pod_says(pair, PT_KUBELET_WAITING, NULL);
            pair->scene.now_ns += 3 * PT_NS_PER_S;
            settle(pair);
            pt_correlate_set_listing(pair->correlate, false);
            report_old(pair, "p1", PT_PULL_DOWNLOADING);
        }
        const struct pt_stored_pull *row = row_of(pair, "ip1");
        assert_non_null(row);
        assert_int_equal(pair->scene.store->pulls.count, 1);
        snprintf(ids[i], sizeof(ids[i]), "%s", row->id);
    }
    assert_string_equal(ids[0], ids[1]);
    assert_string_equal(ids[0], ids[2]);
}

// A node may pull an image many times at once: only the first one has the id of the image's row,
// and no id is sought among those that all the others have.
static void a_further_pull_of_an_image_has_the_id_of_its_own_key(void **state)
{
    struct pair *pair = *state;
    char own[PT_PULL_ID_SIZE];
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    report(pair, "p1", PT_PULL_DOWNLOADING);
    report(pair, "p2", PT_PULL_DOWNLOADING);
    const struct pt_stored_pull *row = row_of(pair, "ip2");
    assert_non_null(row);
    assert_int_equal(pt_pull_id_make(row->node->name, "ip2", 0, own), 0);
    assert_string_equal(row->id, own);
}

// Its agent says once what came while no server ran, and the row begins with a later report.
static void what_is_held_back_has_its_bytes_counted(void **state)
{
    static const struct {
        const char *name;
        bool is_old;
        int64_t unreported, held; // of the first report, and what is counted of it at once
        int64_t in_the_end;
    } rows[] = {
        {"came while no server ran", true, 40, 40, 40 + 25},
        {"the server before has counted all", true, 0, 0, 25},
        {"its agent says too much", true, 100, 60, 60 + 25},
        {"it is no older than the server", false, 40, 60, 60 + 25},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pair *pair = pair_anew(state);
        const struct pt_pull_store *store = pair->scene.store;
        pt_correlate_set_listing(pair->correlate, true);
        struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
        pull.started_at -= rows[i].is_old ? 10 * PT_NS_PER_S : 0;
        pull.kind = PT_KIND_PULL;
        pull.bytes_fetched = 60;
        pull.bytes_unreported = rows[i].unreported;
        scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
        assert_true(!row_of(pair, "ip1") == rows[i].is_old);
        check_int(rows[i].name, (int64_t)store->received_bytes, rows[i].held);
        pull.bytes_fetched = 70;
        pull.bytes_unreported = 10;
        scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
        check_int("and then", (int64_t)store->received_bytes, rows[i].held + 10);
        pt_correlate_set_listing(pair->correlate, false);
        pull.bytes_fetched = 85;
        pull.bytes_unreported = 15;
        scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
        assert_non_null(row_of(pair, "ip1"));
        check_int(rows[i].name, (int64_t)store->received_bytes, rows[i].in_the_end);
        check_text("registry", store->registries.rows[0].name, "a.io");
        check_int("of it", (int64_t)store->registries.rows[0].bytes, rows[i].in_the_end);
    }
}

// What is new is not held back, and what has ended neither: its agent has no more to say of it.
static void an_end_is_taken_before_the_lists_have_come(void **state)
{
    struct pair *pair = *state;
    pt_correlate_set_listing(pair->correlate, true);
    report_old(pair, "p1", PT_PULL_COMPLETED);
    assert_non_null(row_of(pair, "ip1"));
    report(pair, "p2", PT_PULL_DOWNLOADING);
    assert_non_null(row_of(pair, "ip2"));
}

// Two tags wait since the same moment, and the pull's name turns out to be the other one.
static void a_wrong_guess_keeps_the_row_that_it_took(void **state)
{
    static const enum pt_pull_phase when_named[] = {PT_PULL_EXTRACTING, PT_PULL_COMPLETED};
    for (size_t i = 0; i < COUNT_OF(when_named); i++) {
        struct pair *pair = pair_anew(state);
        a_pod_says(pair, "one", IMAGE, PT_KUBELET_WAITING, NULL);
        a_pod_says(pair, "two", "a.io/b:2", PT_KUBELET_WAITING, NULL);
        pass(pair, 3);
        report(pair, "p1", PT_PULL_DOWNLOADING);
        const struct pt_stored_pull *row = row_of(pair, "ip1");
        assert_string_equal(pt_stored_pull_image_ref(row), IMAGE);
        struct pt_pull named = a_pull(pair, "p1", when_named[i]);
        named.image_ref = "a.io/b:2";
        named.image_ref_exact = true;
        uint64_t seen = scene_version(&pair->scene);
        scene_deliver_pulls(&pair->scene, NODE, &named, 1);
        pass(pair, 2);
        assert_ptr_equal(row_of(pair, "ip1"), row);
        // Readers that knew the id as the other's see that it is another row's now.
        assert_true(row->created_version > seen);
        assert_true(row_of(pair, "k" IMAGE)->created_version > seen);
        assert_int_equal(row->pull.phase, when_named[i]);
        assert_string_equal(pt_stored_pull_image_ref(row), "a.io/b:2");
        const struct pt_stored_pull *other = row_of(pair, "k" IMAGE);
        assert_ptr_not_equal(other, row);
        assert_string_not_equal(other->id, row->id);
        assert_int_equal(other->pull.phase, PT_PULL_QUEUED);
        report(pair, "p2", PT_PULL_DOWNLOADING);
        assert_ptr_equal(row_of(pair, "ip2"), other);
        assert_string_equal(pt_stored_pull_image_ref(other), IMAGE);
    }
}

// The row's own name was certain, as that of an image that waits; the pull's is a guess.
static void a_row_that_goes_on_in_a_guess_shows_no_tag_not_even_for_a_moment(void **state)
{
    struct pair *pair = *state;
    a_pod_says(pair, "one", "a.io/b:1", PT_KUBELET_WAITING, NULL);
    a_pod_says(pair, "two", "a.io/b:2", PT_KUBELET_WAITING, NULL);
    for (int i = 0; i < 2; i++) {
        struct pt_kube_event event =
            make_event(pair, i ? "two" : "one", "Pulling",
                       i ? "Pulling image \"a.io/b:2\"" : "Pulling image \"a.io/b:1\"");
        event.last_at += i;
        event.written_at += i;
        pt_correlate_event(pair->correlate, &event);
    }
    settle(pair);
    assert_non_null(row_of(pair, "ka.io/b:1"));
    scene_wait(&pair->scene, 1);
    struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    const struct pt_stored_pull *row = row_of(pair, "ip1");
    assert_ptr_equal(row, row_of(pair, "ka.io/b:1"));
    struct pt_pull_status status = pt_stored_pull_status(row, NULL);
    check_text("name", pt_stored_pull_image_ref(row), "a.io/b");
    check_int("exact", status.image_ref_exact, 0);
}

static void attempts_are_one_row_and_each_is_logged_once(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_PULL_FAILED, "no such host");
    const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
    assert_int_equal(pair->scene.failed, 1);
    assert_int_equal(row->pull.error_class, PT_FAILURE_NETWORK);
    pod_says(pair, PT_KUBELET_BACK_OFF, "no such host");
    pass(pair, 10);
    pod_says(pair, PT_KUBELET_PULL_FAILED, "no such host");
    assert_int_equal(pair->scene.failed, 2);
    assert_int_equal(row->join->attempts, 2);
    pass(pair, 10);
    report(pair, "p1", PT_PULL_DOWNLOADING); // the third attempt finds its host
    assert_ptr_equal(row_of(pair, "ip1"), row);
    assert_null(row->pull.error);
    report(pair, "p1", PT_PULL_FAILED);
    assert_int_equal(pair->scene.failed, 3);
    pod_says(pair, PT_KUBELET_BACK_OFF, "no such host");
    pod_says(pair, PT_KUBELET_PULL_FAILED, "unexpected EOF"); // the same third attempt
    assert_int_equal(pair->scene.failed, 3);
    assert_string_equal(row->pull.error, "unexpected EOF");
    assert_int_equal(pair->scene.store->failed_count, 1);
    pass(pair, 40);
    report(pair, "p2", PT_PULL_DOWNLOADING);
    assert_ptr_equal(row_of(pair, "ip2"), row);
    report(pair, "p1", PT_PULL_FAILED); // again, since its agent does not know that it arrived
    assert_int_equal(pair->scene.store->pulls.count, 1);
    assert_int_equal(row->pull.phase, PT_PULL_DOWNLOADING);
    pt_correlate_pod_end(pair->correlate, "u", PT_POD_STARTED);
    report(pair, "p2", PT_PULL_COMPLETED);
    assert_int_equal(pair->scene.store->failed_count, 0);
    assert_int_equal(pair->scene.store->completed_count, 1);
    assert_int_equal(pair->scene.failed, 3);
    assert_null(row->pull.error);
    assert_int_equal(row->pull.error_class, PT_FAILURE_NONE);
}

static void an_attempt_that_the_kubelet_has_called_failed_first_counts_once(void **state)
{
    struct pair *pair = *state;
    struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
    pass(pair, 1);
    event_says(pair, NODE, "Failed", "Failed to pull image \"" IMAGE "\": not found", 1);
    pod_says(pair, PT_KUBELET_BACK_OFF, "not found");
    event_says(pair, NODE, "Failed", "Failed to pull image \"" IMAGE "\": not found", 1);
    assert_int_equal(pair->scene.failed, 1);

    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
    report(pair, "p1", PT_PULL_FAILED);
    assert_ptr_equal(row_of(pair, "ip1"), row_of(pair, "k" IMAGE));
    assert_int_equal(row_of(pair, "ip1")->pull.phase, PT_PULL_FAILED);
    assert_int_equal(pair->scene.failed, 1);

    pass(pair, 10);
    report(pair, "p2", PT_PULL_DOWNLOADING);
    report(pair, "p2", PT_PULL_FAILED);
    assert_int_equal(pair->scene.failed, 2);
    event_says(pair, NODE, "Failed", "Failed to pull image \"" IMAGE "\": not found", 2);
    assert_int_equal(pair->scene.failed, 2);
}

static void a_quick_pull_goes_on_in_its_row_though_the_kubelet_was_first(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
    const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
    assert_non_null(row);
    struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
    pull.started_at += 300 * PT_NS_PER_MS;
    pass(pair, 1);
    event_says(pair, NODE, "Pulled",
               "Successfully pulled image \"" IMAGE "\" in 800ms (800ms including waiting)", 1);

    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
    assert_ptr_equal(row_of(pair, "ip1"), row);
    report(pair, "p1", PT_PULL_COMPLETED);
    assert_int_equal(pair->scene.store->pulls.count, 1);
    assert_int_equal(pair->scene.completed, 1);
}

// Its agent could not reach the server for a while, and the kubelet asks for the image once more.
static void what_ended_before_the_image_was_asked_for_takes_no_row(void **state)
{
    static const struct {
        const char *reason, *message;
        enum pt_pull_phase phase;
    } cases[] = {
        {"Pulling", "Pulling image \"" IMAGE "\"", PT_PULL_QUEUED},
        {"Failed", "Failed to pull image \"" IMAGE "\": not found", PT_PULL_FAILED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pair *pair = pair_anew(state);
        pod_says(pair, PT_KUBELET_WAITING, NULL);
        struct pt_pull ended = a_named_pull(pair, "p1", PT_PULL_COMPLETED);
        pass(pair, 400);
        event_says(pair, NODE, cases[i].reason, cases[i].message, 1);
        const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
        assert_non_null(row);

        scene_deliver_pulls(&pair->scene, NODE, &ended, 1);
        settle(pair);
        const struct pt_stored_pull *late = row_of(pair, "ip1");
        assert_ptr_not_equal(late, row);
        assert_int_equal(late->pull.phase, PT_PULL_COMPLETED);
        assert_int_equal(late->join ? late->join->waiting_count : 0, 0);
        assert_int_equal(row->pull.phase, cases[i].phase);
        assert_int_equal(row->join->waiting_count, 1);

        report(pair, "p2", PT_PULL_DOWNLOADING);
        assert_ptr_equal(row_of(pair, "ip2"), row);
    }
}

// Likewise, and the kubelet has called it failed meanwhile.
static void an_attempt_that_failed_before_the_next_one_was_asked_for_counts_once(void **state)
{
    struct pair *pair = *state;
    event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 1);
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    struct pt_pull pulls[2] = {a_pull(pair, "p1", PT_PULL_FAILED)};
    pulls[0].completed_at += 800 * PT_NS_PER_MS;
    pass(pair, 1);
    event_says(pair, NODE, "Failed", "Failed to pull image \"" IMAGE "\": not found", 1);
    pod_says(pair, PT_KUBELET_BACK_OFF, "not found");
    pass(pair, 10);
    event_says(pair, NODE, "Pulling", "Pulling image \"" IMAGE "\"", 2);
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
    assert_int_equal(pair->scene.failed, 1);

    pass(pair, 1);
    pulls[1] = a_pull(pair, "p2", PT_PULL_DOWNLOADING);
    scene_deliver_pulls(&pair->scene, NODE, pulls, 2);
    settle(pair);
    assert_int_equal(pair->scene.failed, 1);
    assert_ptr_equal(row_of(pair, "ip2"), row);
    assert_int_equal(row->pull.phase, PT_PULL_DOWNLOADING);
    assert_int_equal(row->join->attempts, 1);
    assert_int_equal(pair->scene.store->pulls.count, 1);
}

static void a_row_that_was_taken_for_resolving_counts_its_failure_once(void **state)
{
    struct pair *pair = *state;
    struct pt_image_row row = {.node_name = NODE,
                               .key = "k" IMAGE,
                               .image_ref = IMAGE,
                               .repository = "a.io/b",
                               .phase = PT_PULL_FAILED,
                               .started_at = pair->scene.now_ns,
                               .ended_at = pair->scene.now_ns,
                               .new_failures = 1};
    row.join = (struct pt_join){
        .image_ref = IMAGE, .error = "not found", .attempts = 1, .queued_seconds = -1};
    pt_store_apply_row(pair->scene.store, &row);
    row.phase = PT_PULL_RESOLVING;
    row.new_failures = 0;
    pt_store_apply_row(pair->scene.store, &row);
    row.phase = PT_PULL_FAILED;
    pt_store_apply_row(pair->scene.store, &row);
    assert_int_equal(row_of(pair, "k" IMAGE)->pull.phase, PT_PULL_FAILED);
    assert_int_equal(pair->scene.failed, 1);
    assert_int_equal(pair->scene.store->failed_count, 1);

    row.phase = PT_PULL_RESOLVING;
    pt_store_apply_row(pair->scene.store, &row);
    row.phase = PT_PULL_FAILED;
    row.new_failures = 1;
    row.join.attempts = 2;
    pt_store_apply_row(pair->scene.store, &row);
    assert_int_equal(pair->scene.failed, 2);
}

static void a_great_many_attempts_at_once_are_not_logged_one_by_one(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_PULL_FAILED, "no such host");
    for (int count = 1; count <= 1001; count += 1000)
        event_says(pair, NODE, "Failed", "Failed to pull image \"" IMAGE "\": no such host", count);
    assert_int_equal(row_of(pair, "k" IMAGE)->join->attempts, 1001);
    assert_int_equal(pair->scene.failed, 101);
}

static void rows_leave_with_their_time(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_PULL_FAILED, "no such host");
    report(pair, "p1", PT_PULL_DOWNLOADING);
    report(pair, "p1", PT_PULL_FAILED);
    pt_correlate_pod_end(pair->correlate, "u", PT_POD_DELETED);
    pass(pair, 20);
    scene_wait(&pair->scene, 1900);
    settle(pair);
    assert_int_equal(pair->scene.store->pulls.count, 0);
    assert_int_equal(pair->scene.store->failed_count, 0);
    assert_int_equal(pt_correlate_figures(pair->correlate).nodes, 0);
}

static void a_pull_that_was_given_up_is_no_failed_attempt(void **state)
{
    struct pair *pair = *state;
    report(pair, "p1", PT_PULL_DOWNLOADING);
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    scene_wait(&pair->scene, 700);
    settle(pair);
    const struct pt_stored_pull *row = row_of(pair, "ip1");
    assert_int_equal(row->pull.error_class, PT_FAILURE_STALE);
    assert_int_equal(row->join->attempts, 0);
    report(pair, "p1", PT_PULL_DOWNLOADING);
    assert_int_equal(row->pull.phase, PT_PULL_DOWNLOADING);
    assert_int_equal(row->join->waiting_count, 1);
}

static void at_the_limit_rows_are_left_out(void **state)
{
    struct pair *pair = *state;
    pair->scene.store->settings.max_pulls = 1;
    report(pair, "p1", PT_PULL_DOWNLOADING); // of the node, and not to be given up
    struct pt_pull other = a_pull(pair, "p2", PT_PULL_DOWNLOADING);
    other.repository = other.image_ref = "a.io/other";
    assert_int_equal(scene_report(&pair->scene, "n2", &other, 1), -EDQUOT);
    pt_correlate_pod_end(pair->correlate, "u", PT_POD_DELETED);
    event_says(pair, "n2", "Pulling", "Pulling image \"a.io/c:1\"", 1);
    assert_int_equal(pair->scene.store->pulls.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_queued_row_waits_as_long_as_its_pod),
        TEST(a_pull_goes_on_in_the_queued_row),
        TEST(the_id_of_a_row_does_not_depend_on_who_was_heard_first),
        TEST(a_further_pull_of_an_image_has_the_id_of_its_own_key),
        TEST(what_is_held_back_has_its_bytes_counted),
        TEST(an_end_is_taken_before_the_lists_have_come),
        TEST(a_wrong_guess_keeps_the_row_that_it_took),
        TEST(a_row_that_goes_on_in_a_guess_shows_no_tag_not_even_for_a_moment),
        TEST(attempts_are_one_row_and_each_is_logged_once),
        TEST(an_attempt_that_the_kubelet_has_called_failed_first_counts_once),
        TEST(a_quick_pull_goes_on_in_its_row_though_the_kubelet_was_first),
        TEST(what_ended_before_the_image_was_asked_for_takes_no_row),
        TEST(an_attempt_that_failed_before_the_next_one_was_asked_for_counts_once),
        TEST(a_row_that_was_taken_for_resolving_counts_its_failure_once),
        TEST(a_great_many_attempts_at_once_are_not_logged_one_by_one),
        TEST(rows_leave_with_their_time),
        TEST(a_pull_that_was_given_up_is_no_failed_attempt),
        TEST(at_the_limit_rows_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
