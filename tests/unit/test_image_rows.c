// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"

// Rows for images that containers wait for and that no agent reports a pull of.

#define KEY "ka.io/b:1"

static const struct pt_waiting_container pod = {"ns", "web", "c", "a.io/b:1"};

static struct pt_image_row make_row(enum pt_pull_phase phase, bool is_waited_for)
{
    struct pt_image_row row = {.node_name = "n1",
                               .key = KEY,
                               .image_ref = "a.io/b:1",
                               .repository = "a.io/b",
                               .phase = phase,
                               .started_at = SCENE_START,
                               .join = {.image_ref = "a.io/b:1", .queued_seconds = -1}};
    if (pt_pull_phase_is_final(phase))
        row.ended_at = SCENE_START + PT_NS_PER_S;
    if (is_waited_for) {
        row.join.waiting = &pod;
        row.join.waiting_count = 1;
    }
    if (phase == PT_PULL_FAILED) {
        row.new_failures = row.join.attempts = 1;
        row.join.error = "no such host";
        row.join.error_class = PT_FAILURE_NETWORK;
    }
    return row;
}

static struct pt_stored_pull *apply(struct scene *scene, enum pt_pull_phase phase,
                                    bool is_waited_for)
{
    struct pt_image_row row = make_row(phase, is_waited_for);
    pt_store_apply_row(scene->store, &row);
    struct pt_node *node = pt_map_get(&scene->store->nodes, "n1");
    return node ? pt_map_get(&node->pulls, KEY) : NULL;
}

// A row ends some seconds after its last container has gone, when nothing waits any more.
static void an_ended_row_keeps_who_had_waited(void **state)
{
    static const enum pt_pull_phase ends[] = {PT_PULL_COMPLETED, PT_PULL_CANCELLED, PT_PULL_FAILED};
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        scene_restart(scene);
        apply(scene, PT_PULL_QUEUED, true);
        const struct pt_stored_pull *row = apply(scene, ends[i], false);
        check_int(pt_pull_phase_name(ends[i]), row->pull.phase, ends[i]);
        check_int("waiting", (int64_t)row->join->waiting_count, 1);
        check_text("pod", row->join->waiting[0].pod, "web");
    }
}

static void a_row_that_goes_on_has_only_who_waits_now(void **state)
{
    struct scene *scene = *state;
    apply(scene, PT_PULL_FAILED, true);
    const struct pt_stored_pull *row = apply(scene, PT_PULL_QUEUED, false);
    check_int("waiting", (int64_t)row->join->waiting_count, 0);
}

// The schema says of both that they are absent.
static void what_has_not_failed_has_neither_error_nor_class(void **state)
{
    static const enum pt_pull_phase next[] = {PT_PULL_COMPLETED, PT_PULL_QUEUED, PT_PULL_CANCELLED};
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(next); i++) {
        scene_restart(scene);
        const struct pt_stored_pull *row = apply(scene, PT_PULL_FAILED, true);
        check_text("failed", row->pull.error, "no such host");
        check_int("class", row->pull.error_class, PT_FAILURE_NETWORK);
        apply(scene, next[i], true);
        check_text(pt_pull_phase_name(next[i]), row->pull.error, NULL);
        check_int("class", row->pull.error_class, PT_FAILURE_NONE);
    }
}

static void a_row_that_goes_on_has_not_ended(void **state)
{
    struct scene *scene = *state;
    const struct pt_stored_pull *row = apply(scene, PT_PULL_FAILED, true);
    assert_int_not_equal(row->pull.completed_at, 0);
    apply(scene, PT_PULL_QUEUED, true);
    check_int("active", (int64_t)scene->store->active_count, 1);
    check_int("completed at", row->pull.completed_at, 0);
}

static void each_call_that_changes_something_says_so_once(void **state)
{
    struct scene *scene = *state;
    apply(scene, PT_PULL_FAILED, true);
    check_int("row", scene->changes, 1);
    struct pt_join join = {.queued_seconds = -1, .attempts = 3};
    pt_store_apply_join(scene->store, "n1", KEY, &join);
    check_int("join with two more failures", scene->changes, 2);
    pt_store_apply_join(scene->store, "n1", "kother", &join);
    check_int("join of no row", scene->changes, 2);
    scene_deliver(scene);
    check_int("report", scene->changes, 3);
    scene_deliver(scene);
    check_int("report of the same", scene->changes, 3);
    scene_wait(scene, 700);
    check_int("sweep", scene->changes, 4);
    scene_wait(scene, 1);
    check_int("nothing to sweep", scene->changes, 4);
}

static void who_had_waited_is_restored_where_it_is_not_known(void **state)
{
    struct scene *scene = *state;
    static const struct pt_waiting_container other = {"default", "restored", "app", NULL};
    const struct pt_join join = {
        .waiting = &other, .waiting_count = 1, .queued_seconds = 2, .image_ref_exact = true};
    const struct pt_stored_pull *row = apply(scene, PT_PULL_FAILED, true);
    pt_store_restore_join(scene->store, "none", &join);
    pt_store_restore_join(scene->store, row->id, &join);
    check_int("changes", scene->changes, 1);
    check_text("what is known stays", row->join->waiting[0].pod, "web");
    scene_restart(scene);
    scene_deliver(scene);
    pt_store_restore_join(scene->store, scene_last(scene)->id, &join);
    assert_null(scene_last(scene)->join); // it is under way: Kubernetes says who waits
    scene->pull.phase = PT_PULL_COMPLETED;
    scene->pull.completed_at = scene->now_ns;
    scene_wait(scene, 1000);
    scene_deliver(scene);
    pt_store_restore_join(scene->store, scene_last(scene)->id, &join);
    struct pt_pull_status status = pt_stored_pull_status(scene_last(scene), scene->rates);
    check_int("pods", (int64_t)status.waiting_count, 1);
    check_text("pod", status.waiting[0].pod, "restored");
    check_int("waits", status.is_waited_for, false);
}

static bool reader_sees_waiting(const struct pt_stored_pull *stored)
{
    return pt_stored_pull_status(stored, NULL).is_waited_for;
}

// What has come is waited for no more, even while the container has not started yet.
static void readers_see_whether_it_is_waited_for(void **state)
{
    static const struct {
        enum pt_pull_phase phase;
        bool is_waited_for, wanted;
    } cases[] = {
        {PT_PULL_QUEUED, true, true},     {PT_PULL_QUEUED, false, false},
        {PT_PULL_FAILED, true, true},     {PT_PULL_FAILED, false, false},
        {PT_PULL_COMPLETED, true, false}, {PT_PULL_CANCELLED, true, false},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene_restart(scene);
        apply(scene, PT_PULL_QUEUED, true);
        struct pt_image_row row = make_row(cases[i].phase, true);
        row.join.is_waited_for = cases[i].is_waited_for;
        pt_store_apply_row(scene->store, &row);
        const struct pt_node *node = pt_map_get(&scene->store->nodes, "n1");
        const struct pt_stored_pull *stored = pt_map_get(&node->pulls, KEY);
        check_int(pt_pull_phase_name(cases[i].phase), reader_sees_waiting(stored), cases[i].wanted);
    }
}

// A server that starts in the middle does not know what the one before saw, but that a pod waits.
static void the_id_of_a_row_is_the_same_after_a_restart(void **state)
{
    struct scene *scene = *state;
    char id[PT_PULL_ID_SIZE];
    struct pt_image_row row = make_row(PT_PULL_QUEUED, true);
    row.waits_since = SCENE_START - 7 * PT_NS_PER_S;
    pt_store_apply_row(scene->store, &row);
    snprintf(id, sizeof(id), "%s", pt_stored_pull_id(scene_last(scene)));
    scene_restart(scene);
    row.started_at = SCENE_START + 9 * PT_NS_PER_S;
    pt_store_apply_row(scene->store, &row);
    check_text("id", pt_stored_pull_id(scene_last(scene)), id);
    // The same pod waits once more: that is another row.
    row.phase = PT_PULL_CANCELLED;
    row.ended_at = SCENE_START + 10 * PT_NS_PER_S;
    pt_store_apply_row(scene->store, &row);
    row.phase = PT_PULL_QUEUED;
    row.ended_at = 0;
    row.started_at = SCENE_START + 20 * PT_NS_PER_S;
    pt_store_apply_row(scene->store, &row);
    assert_string_not_equal(pt_stored_pull_id(scene_last(scene)), id);
    check_int("rows", (int64_t)scene->store->pulls.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(an_ended_row_keeps_who_had_waited),
        SCENE_TEST(a_row_that_goes_on_has_only_who_waits_now),
        SCENE_TEST(what_has_not_failed_has_neither_error_nor_class),
        SCENE_TEST(a_row_that_goes_on_has_not_ended),
        SCENE_TEST(readers_see_whether_it_is_waited_for),
        SCENE_TEST(who_had_waited_is_restored_where_it_is_not_known),
        SCENE_TEST(the_id_of_a_row_is_the_same_after_a_restart),
        SCENE_TEST(each_call_that_changes_something_says_so_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
