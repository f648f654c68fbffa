// SPDX-License-Identifier: Apache-2.0
#include "kube_rows_fixture.h"

// An image's next row behind its success: when that begins, and how it ends.

// No flush follows.
static void hear(struct pair *pair, const char *uid, const char *reason, const char *message)
{
    struct pt_kube_event event = make_event(pair, uid, reason, message);
    pt_correlate_event(pair->correlate, &event);
}

static void asks(struct pair *pair, const char *uid)
{
    hear(pair, uid, "Pulling", "Pulling image \"" IMAGE "\"");
    settle(pair);
}

// The next row is queued, while one pull has completed.
static void check_next_row(struct pair *pair, int64_t began_at)
{
    const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
    assert_non_null(row);
    check_text("phase", pt_pull_phase_name(row->pull.phase), "queued");
    check_int("began", row->pull.started_at, began_at);
    check_int("completed", pair->scene.completed, 1);
}

// Who has the image, and waits for something else since, was not the one that asks now; also
// if it had failed and asked again before the image came.
static void the_row_of_the_next_pull_begins_when_that_is_asked_for(void **state)
{
    for (int has_asked = 0; has_asked < 2; has_asked++) {
        struct pair *pair = pair_anew(state);
        a_pod_says(pair, "stuck", IMAGE, has_asked ? PT_KUBELET_PULL_FAILED : PT_KUBELET_WAITING,
                   NULL);
        pass(pair, 3);
        if (has_asked)
            asks(pair, "stuck");
        report(pair, "p1", PT_PULL_DOWNLOADING);
        report(pair, "p1", PT_PULL_COMPLETED);
        pass(pair, 100);
        pod_says(pair, PT_KUBELET_WAITING, NULL);
        pass(pair, 1);
        int64_t asked_at = pair->scene.now_ns;
        asks(pair, "u");
        pass(pair, 20);
        check_next_row(pair, asked_at);
        check_int("rows", (int64_t)pair->scene.store->pulls.count, 2);
    }
}

// One is refused that the kubelet found in back-off since, though the image had come for another.
static void the_row_of_the_next_pull_begins_when_another_one_was_refused(void **state)
{
    struct pair *pair = *state;
    pod_says(pair, PT_KUBELET_WAITING, NULL);
    a_pod_says(pair, "refused", IMAGE, PT_KUBELET_PULL_FAILED, "no such host");
    pass(pair, 98);
    struct pt_pull pull = a_named_pull(pair, "p1", PT_PULL_COMPLETED);
    pass(pair, 2);
    int64_t refused_at = pair->scene.now_ns;
    hear(pair, "refused", "BackOff", "Back-off pulling image \"" IMAGE "\"");
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
    check_int("completed", pair->scene.completed, 1);
    pass(pair, 1);
    asks(pair, "u");
    pass(pair, 20);
    check_next_row(pair, refused_at);
}

// So was the one that had it, by a pull or without one, and then failed to have it again.
static void the_row_of_a_later_failure_does_not_end_with_the_success_before(void **state)
{
    for (int is_present = 0; is_present < 2; is_present++) {
        struct pair *pair = pair_anew(state);
        pod_says(pair, PT_KUBELET_PULL_FAILED, "no such host");
        pass(pair, 3);
        if (is_present) {
            event_says(pair, NODE, "Pulled",
                       "Container image \"" IMAGE "\" already present on machine", 1);
        } else {
            report(pair, "p1", PT_PULL_DOWNLOADING);
            report(pair, "p1", PT_PULL_COMPLETED);
        }
        pass(pair, 100);
        check_int("completed", pair->scene.completed, 1);
        int64_t failed_at = pair->scene.now_ns;
        event_says(pair, NODE, "Failed", "Failed to pull image \"" IMAGE "\": no such host", 1);
        const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
        assert_non_null(row);
        check_int("began", row->pull.started_at, failed_at);
        pt_correlate_pod_end(pair->correlate, "u", PT_POD_DELETED);
        pass(pair, 20);
        check_text("phase", pt_pull_phase_name(row->pull.phase), "failed");
        check_int("completed", pair->scene.completed, 1);
    }
}

// The kubelet said that it had the image, failed to have it again at once, and may have found it.
static void a_row_that_failed_behind_a_success_does_not_end_with_that(void **state)
{
    static const struct {
        const char *reason, *message;
        const char *phase;
    } cases[] = {
        {"Pulled", "Container image \"" IMAGE "\" already present on machine", "completed"},
        {NULL, NULL, "failed"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pair *pair = pair_anew(state);
        pod_says(pair, PT_KUBELET_WAITING, NULL);
        pass(pair, 3);
        event_says(pair, NODE, "Pulled", "Successfully pulled image \"" IMAGE "\"", 1);
        pass(pair, 1);
        event_says(pair, NODE, "Failed", "Failed to pull image \"" IMAGE "\": not found", 1);
        pass(pair, 20);
        const struct pt_stored_pull *row = row_of(pair, "k" IMAGE);
        assert_non_null(row);
        check_text("before", pt_pull_phase_name(row->pull.phase), "failed");
        int64_t ended_at = row->pull.completed_at;
        if (cases[i].reason) {
            event_says(pair, NODE, cases[i].reason, cases[i].message, 1);
            ended_at = pair->scene.now_ns;
        } else {
            pt_correlate_pod_end(pair->correlate, "u", PT_POD_DELETED);
        }
        pass(pair, 20);
        check_text(cases[i].phase, pt_pull_phase_name(row->pull.phase), cases[i].phase);
        check_int(cases[i].phase, row->pull.completed_at, ended_at);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_row_of_the_next_pull_begins_when_that_is_asked_for),
        TEST(the_row_of_the_next_pull_begins_when_another_one_was_refused),
        TEST(the_row_of_a_later_failure_does_not_end_with_the_success_before),
        TEST(a_row_that_failed_behind_a_success_does_not_end_with_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
