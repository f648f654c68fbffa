// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_row.h"

#include "store_fixture.h"

// Rows that no agent has reported, as other servers have known them.

#define KEY "ka.io/b:1"
#define LOG_ID "5555555555555555555555555555555f"
#define SMALL_ID "1111111111111111111111111111111f"
#define LARGE_ID "fffffffffffffffffffffffffffffff0"

static const struct pt_waiting_container pod = {"ns", "web", "c", "a.io/b:1"};

// Of an image for which a pod has waited since the beginning of the scene, between these seconds.
static struct pt_image_row make_row(enum pt_pull_phase phase, int from_s, int to_s)
{
    bool is_final = pt_pull_phase_is_final(phase);
    struct pt_image_row row = {.node_name = "n1",
                               .key = KEY,
                               .image_ref = "a.io/b:1",
                               .repository = "a.io/b",
                               .phase = phase,
                               .waits_since = SCENE_START + from_s * PT_NS_PER_S,
                               .started_at = SCENE_START + from_s * PT_NS_PER_S,
                               .ended_at = is_final ? SCENE_START + to_s * PT_NS_PER_S : 0,
                               .join = {.image_ref = "a.io/b:1",
                                        .image_ref_exact = true,
                                        .waiting = &pod,
                                        .waiting_count = 1,
                                        .queued_seconds = 2}};
    if (phase == PT_PULL_FAILED) {
        row.join.attempts = 3;
        row.join.error = "no such host";
        row.join.error_class = PT_FAILURE_NETWORK;
    } else if (phase == PT_PULL_COMPLETED) {
        row.join.pull_ns = 4 * PT_NS_PER_S;
        row.join.image_bytes = 1000;
    }
    return row;
}

// As it comes from the log, so many seconds after it was over.
static struct pt_stored_pull *restore(struct scene *scene, const char *id,
                                      const struct pt_image_row *row, int age_s)
{
    check_int(id, pt_store_restore_row(scene->store, id, row, age_s * PT_NS_PER_S), 0);
    return pt_store_find(scene->store, id);
}

// As Kubernetes says here.
static struct pt_stored_pull *hear(struct scene *scene, enum pt_pull_phase phase, int from_s,
                                   int to_s, int64_t failures, bool is_waited_for)
{
    struct pt_image_row row = make_row(phase, from_s, to_s);
    row.join.attempts = failures;
    row.new_failures = failures;
    row.join.is_waited_for = is_waited_for;
    pt_store_apply_row(scene->store, &row);
    const struct pt_node *node = pt_map_get(&scene->store->nodes, "n1");
    return node ? pt_map_get(&node->pulls, KEY) : NULL;
}

// What readers show: an id that was left behind is cancelled.
static void check_count(const struct scene *scene, int64_t rows)
{
    int64_t shown = 0;
    const struct pt_stored_pull *stored;
    TAILQ_FOREACH(stored, &scene->store->all, in_store)
    shown += stored->pull.phase != PT_PULL_CANCELLED;
    check_int("rows", shown, rows);
}

static void a_row_is_restored_and_nobody_counts_it(void **state)
{
    static const enum pt_pull_phase phases[] = {PT_PULL_COMPLETED, PT_PULL_FAILED};
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        scene_restart(scene);
        scene->now_ns += 100 * PT_NS_PER_S;
        const struct pt_image_row row = make_row(phases[i], 2, 9);
        const struct pt_stored_pull *stored = restore(scene, LOG_ID, &row, 60);
        assert_non_null(stored);
        bool has_failed = phases[i] == PT_PULL_FAILED;
        struct pt_pull_status status = pt_stored_pull_status(stored, scene->rates);
        check_int("phase", status.pull.phase, phases[i]);
        check_text("image", status.image_ref, "a.io/b:1");
        check_int("exact", status.image_ref_exact, true);
        check_text("repository", status.pull.repository, "a.io/b");
        check_int("started", status.pull.started_at, row.started_at);
        check_int("ended", status.pull.completed_at, row.ended_at);
        check_text("error", status.pull.error, has_failed ? "no such host" : NULL);
        check_int("class", status.pull.error_class,
                  has_failed ? PT_FAILURE_NETWORK : PT_FAILURE_NONE);
        check_int("attempts", status.attempts, has_failed ? 3 : 0);
        check_int("bytes", status.totals.total_bytes, has_failed ? 0 : 1000);
        assert_true(status.queued_seconds == 2);
        check_text("pod", status.waiting[0].pod, "web");
        check_int("waits", status.is_waited_for, false);
        check_int("ended row", pt_stored_pull_is_ended_row(stored), true);
        check_int("ended ago", scene->now_ns - stored->finished_at, 60 * PT_NS_PER_S);
        check_int("events", scene->started + scene->completed + scene->failed, 0);
        check_int("of the registry", (int64_t)scene->store->registries.named_count, 0);
        check_int("changes", scene->changes, 1);
        const struct pt_store_figures figures = pt_store_figures(scene->store);
        check_int("completed", (int64_t)figures.completed, !has_failed);
        check_int("failed", (int64_t)figures.failed, has_failed);
        check_int("under way", (int64_t)figures.under_way, 0);
        check_int("failing", (int64_t)figures.failing, 0);
        scene_wait(scene, (double)HISTORY_NS / PT_NS_PER_S - 59);
        check_count(scene, 0);
    }
}

// Whatever comes in which order.
static void it_stands_where_its_age_says(void **state)
{
    static const int ages[] = {30, 90, 10, 60};
    static const int wanted[] = {90, 60, 30, 10};
    struct scene *scene = *state;
    scene->now_ns += 1000 * PT_NS_PER_S;
    for (size_t i = 0; i < COUNT_OF(ages); i++) {
        char id[PT_PULL_ID_SIZE];
        snprintf(id, sizeof(id), "%032d", ages[i]);
        const struct pt_image_row row =
            make_row(PT_PULL_COMPLETED, 1000 - ages[i] - 5, 1000 - ages[i]);
        restore(scene, id, &row, ages[i]);
    }
    size_t i = 0;
    const struct pt_stored_pull *stored;
    TAILQ_FOREACH(stored, &scene->store->finished, in_queue)
    check_int("age", (scene->now_ns - stored->finished_at) / PT_NS_PER_S, wanted[i++]);
    check_int("rows", (int64_t)i, COUNT_OF(wanted));
}

// As of a server that hears its own entry back.
static void what_this_server_has_heard_itself_stays(void **state)
{
    static const struct {
        const char *name;
        enum pt_pull_phase phase, wanted;
        bool is_waited_for;
    } cases[] = {{"it still fails here", PT_PULL_FAILED, PT_PULL_FAILED, true},
                 {"it goes on here", PT_PULL_QUEUED, PT_PULL_QUEUED, true},
                 {"it is over", PT_PULL_COMPLETED, PT_PULL_COMPLETED, false},
                 {"its success was not heard here", PT_PULL_FAILED, PT_PULL_COMPLETED, false},
                 {"nor its failure", PT_PULL_CANCELLED, PT_PULL_COMPLETED, false}};
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene_restart(scene);
        const struct pt_stored_pull *own = hear(scene, PT_PULL_QUEUED, 2, 0, 0, true);
        own = hear(scene, cases[i].phase, 2, 8, 0, cases[i].is_waited_for);
        struct pt_image_row row = make_row(PT_PULL_COMPLETED, 2, 9);
        int64_t ended_at = own->pull.completed_at;
        bool is_taken = cases[i].phase != cases[i].wanted;
        assert_ptr_equal(restore(scene, own->id, &row, 0), own);
        check_int(cases[i].name, own->pull.phase, cases[i].wanted);
        check_int(cases[i].name, own->pull.completed_at, is_taken ? row.ended_at : ended_at);
        check_count(scene, 1);
    }
}

// Its row went on after it had failed, on servers that had it.
static void a_newer_end_replaces_a_restored_one(void **state)
{
    struct scene *scene = *state;
    struct pt_image_row row = make_row(PT_PULL_FAILED, 2, 9);
    scene->now_ns += 200 * PT_NS_PER_S;
    restore(scene, LOG_ID, &row, 120);
    row.ended_at += 60 * PT_NS_PER_S;
    row.join.attempts = 5;
    const struct pt_stored_pull *stored = restore(scene, LOG_ID, &row, 60);
    check_int("attempts", stored->join->attempts, 5);
    check_int("ended", stored->pull.completed_at, row.ended_at);
    check_int("ended ago", scene->now_ns - stored->finished_at, 60 * PT_NS_PER_S);
    row = make_row(PT_PULL_COMPLETED, 2, 100);
    stored = restore(scene, LOG_ID, &row, 50);
    check_int("phase", stored->pull.phase, PT_PULL_COMPLETED);
    check_text("error", stored->pull.error, NULL);
    check_int("events", scene->completed + scene->failed, 0);
    check_int("failed", (int64_t)scene->store->failed_count, 0);
    check_int("completed", (int64_t)scene->store->completed_count, 1);
    check_count(scene, 1);
}

// A server that has started or was stopped in the middle of it has it under an id of its own.
static void of_one_story_the_id_of_the_log_stays(void **state)
{
    static const struct {
        const char *name;
        enum pt_pull_phase phase; // of its own
        int from_s, to_s;
        bool is_waited_for, is_same;
    } cases[] = {
        {"it still waits", PT_PULL_QUEUED, 5, 0, true, true},
        {"its last attempt failed before", PT_PULL_FAILED, 0, 2, true, true},
        {"it has ended as well", PT_PULL_FAILED, 5, 12, false, true},
        {"it began in the second of its end", PT_PULL_FAILED, 9, 9, false, true},
        {"one of before", PT_PULL_FAILED, 0, 2, false, false},
        {"it was made anew soon", PT_PULL_QUEUED, 60, 0, true, true},
        {"it was made anew later", PT_PULL_QUEUED, 160, 0, true, false},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene_restart(scene);
        scene->now_ns += 170 * PT_NS_PER_S;
        struct pt_stored_pull *own =
            hear(scene, cases[i].phase, cases[i].from_s, cases[i].to_s, 1, cases[i].is_waited_for);
        int64_t started_at = own->pull.started_at;
        const struct pt_image_row row = make_row(PT_PULL_FAILED, 2, 9);
        const struct pt_stored_pull *found = restore(scene, LOG_ID, &row, 160);
        check_int(cases[i].name, found == own, cases[i].is_same);
        check_count(scene, cases[i].is_same ? 1 : 2);
        assert_ptr_equal(pt_store_find(scene->store, own->id), own);
        check_int(cases[i].name, own->pull.phase, cases[i].phase);
        if (cases[i].is_same)
            check_int(cases[i].name, own->pull.started_at,
                      started_at < row.started_at ? started_at : row.started_at);
    }
}

// Two servers have written one story at the same moment, and each hears of both.
static void of_two_ids_in_the_log_the_smaller_one_stays(void **state)
{
    static const char *const orders[][2] = {{SMALL_ID, LARGE_ID}, {LARGE_ID, SMALL_ID}};
    struct scene *scene = *state;
    for (size_t i = 0; i < 2 * COUNT_OF(orders); i++) {
        bool has_own = i % 2;
        scene_restart(scene);
        scene->now_ns += 10 * PT_NS_PER_S;
        if (has_own)
            hear(scene, PT_PULL_FAILED, 3, 9, 1, false);
        for (size_t k = 0; k < 4; k++) { // each of them twice
            const struct pt_image_row row = make_row(PT_PULL_FAILED, 2 + (int)k % 2, 9);
            restore(scene, orders[i / 2][k % 2], &row, 1);
        }
        check_count(scene, 1);
        assert_non_null(pt_store_find(scene->store, SMALL_ID));
    }
}

// The kubelet's times are whole seconds, and a pull that only checks takes less.
static void what_follows_at_once_is_another_story(void **state)
{
    static const struct {
        const char *name;
        int first[2], second[2]; // from and to
        int64_t rows;
    } cases[] = {
        {"behind it", {2, 5}, {5, 9}, 2},
        {"in its last second", {2, 5}, {4, 9}, 2},
        {"both in one second", {5, 5}, {5, 5}, 2},
        {"in the middle of it", {2, 9}, {4, 9}, 1},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene_restart(scene);
        scene->now_ns += 10 * PT_NS_PER_S;
        const struct pt_image_row rows[] = {
            make_row(PT_PULL_COMPLETED, cases[i].first[0], cases[i].first[1]),
            make_row(PT_PULL_COMPLETED, cases[i].second[0], cases[i].second[1])};
        restore(scene, SMALL_ID, &rows[0], 5);
        restore(scene, LARGE_ID, &rows[1], 1);
        check_int(cases[i].name, (int64_t)scene->store->completed_count, cases[i].rows);
    }
}

// --- what Kubernetes says then ---

static void what_is_heard_late_of_a_success_begins_nothing(void **state)
{
    struct scene *scene = *state;
    const struct pt_image_row row = make_row(PT_PULL_COMPLETED, 2, 9);
    scene->now_ns += 10 * PT_NS_PER_S;
    restore(scene, LOG_ID, &row, 1);
    assert_null(hear(scene, PT_PULL_QUEUED, 4, 0, 0, true));
    assert_null(hear(scene, PT_PULL_FAILED, 4, 9, 1, true));
    check_count(scene, 1);
    check_int("failed", scene->failed, 0);
    assert_non_null(hear(scene, PT_PULL_QUEUED, 10, 0, 0, true)); // another story
    check_count(scene, 2);
}

static void a_failure_goes_on_where_another_server_has_ended_it(void **state)
{
    static const struct {
        const char *name;
        int from_s;          // as this server knows it
        int after_s;         // the end
        int64_t new, wanted; // attempts that this server has seen, and that are shown
        bool goes_on;
    } cases[] = {
        {"it still waits here", 4, 1, 3, 3, true},
        {"with one attempt more", 4, 1, 4, 4, true},
        {"it was made anew", 60, 60, 1, 4, true},
        {"it was made anew long ago", 60, 600, 1, 4, true},
        {"it was made anew late", 200, 200, 1, 1, false},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene_restart(scene);
        const struct pt_image_row row = make_row(PT_PULL_FAILED, 2, 9);
        scene->now_ns += (9 + cases[i].after_s) * PT_NS_PER_S;
        const struct pt_stored_pull *past = restore(scene, LOG_ID, &row, cases[i].after_s);
        const struct pt_stored_pull *own = hear(scene, PT_PULL_QUEUED, cases[i].from_s, 0, 0, true);
        check_int(cases[i].name, own == past, cases[i].goes_on);
        check_int(cases[i].name, scene->started, !cases[i].goes_on);
        struct pt_image_row failed =
            make_row(PT_PULL_FAILED, cases[i].from_s, 10 + cases[i].after_s);
        failed.join.attempts = cases[i].new;
        failed.new_failures = cases[i].new - (cases[i].new > 3 ? 3 : 0);
        failed.join.is_waited_for = true;
        pt_store_apply_row(scene->store, &failed);
        assert_ptr_equal(hear(scene, PT_PULL_RESOLVING, cases[i].from_s, 0, 0, true), own);
        pt_store_apply_row(scene->store, &failed);
        check_int(cases[i].name, own->join->attempts, cases[i].wanted);
        check_int(cases[i].name, (int64_t)scene->store->pulls.count, cases[i].goes_on ? 1 : 2);
        if (cases[i].goes_on) {
            check_text(cases[i].name, own->id, LOG_ID);
            check_int(cases[i].name, own->pull.started_at, row.started_at);
        }
    }
}

// --- an agent's pull that goes on in it ---

static void replay(struct scene *scene, const char *row_id, enum pt_pull_phase phase, bool is_past)
{
    struct pt_pull pull = make_pull("lease-1", "a.io/b:1", scene->layers, 1);
    pull.phase = phase;
    pull.completed_at = pt_pull_phase_is_final(phase) ? scene->now_ns : 0;
    const struct pt_report report = {
        .node_name = "n1", .timestamp = scene->now_ns, .pulls = &pull, .pull_count = 1};
    const struct pt_replay taken = {.row_ids = row_id,
                                    .row_ids_length = PT_PULL_ID_LENGTH,
                                    .received_ns = scene->now_ns,
                                    .received_wall_ns = scene->now_ns,
                                    .is_past = is_past};
    struct pt_application *application =
        pt_store_replay_begin(scene->store, &report, &taken, &scene->err);
    assert_non_null(application);
    while (pt_store_apply_step(application))
        continue;
    check_int("replay", pt_store_apply_end(application, &scene->err), 0);
}

static void an_agents_pull_goes_on_in_it_by_its_takers_word(void **state)
{
    static const struct {
        const char *name;
        enum pt_pull_phase row, pull;
        bool is_past;
    } cases[] = {
        {"a failure goes on", PT_PULL_FAILED, PT_PULL_DOWNLOADING, false},
        {"a failure went on", PT_PULL_FAILED, PT_PULL_COMPLETED, true},
        {"the agent's word on a success", PT_PULL_COMPLETED, PT_PULL_COMPLETED, false},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene_restart(scene);
        scene->now_ns += 20 * PT_NS_PER_S;
        const struct pt_image_row row = make_row(cases[i].row, 2, 9);
        restore(scene, LOG_ID, &row, 5);
        replay(scene, LOG_ID, cases[i].pull, cases[i].is_past);
        const struct pt_stored_pull *stored = pt_store_find(scene->store, LOG_ID);
        check_count(scene, 1);
        check_int(cases[i].name, stored->pull.phase, cases[i].pull);
        check_text(cases[i].name, pt_stored_pull_agent_id(stored), "lease-1");
        restore(scene, LOG_ID, &row, 5); // as it was before
        check_int(cases[i].name, stored->pull.phase, cases[i].pull);
        check_text(cases[i].name, pt_stored_pull_agent_id(stored), "lease-1");
        check_count(scene, 1);
    }
}

// --- the end of a row is said once it is over ---

static void a_row_is_said_to_have_ended_when_nobody_waits_for_it(void **state)
{
    static const struct {
        enum pt_pull_phase phase;
        bool is_waited_for;
        int64_t attempts, new;
        int ended, failed;
    } steps[] = {
        {PT_PULL_QUEUED, true, 0, 0, 0, 0},     {PT_PULL_FAILED, true, 1, 1, 0, 1},
        {PT_PULL_FAILED, true, 2, 1, 0, 2},     {PT_PULL_FAILED, false, 2, 0, 1, 2},
        {PT_PULL_QUEUED, true, 2, 0, 1, 2},     {PT_PULL_CANCELLED, false, 2, 0, 1, 2},
        {PT_PULL_QUEUED, true, 2, 0, 1, 2},     {PT_PULL_FAILED, true, 3, 1, 1, 3},
        {PT_PULL_FAILED, false, 4, 1, 2, 4},    {PT_PULL_QUEUED, true, 4, 0, 2, 4},
        {PT_PULL_COMPLETED, false, 4, 0, 3, 4},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        char name[32];
        snprintf(name, sizeof(name), "step %zu", i);
        scene_wait(scene, 10);
        struct pt_image_row row = make_row(steps[i].phase, 1, 5);
        row.join.attempts = steps[i].attempts;
        row.new_failures = steps[i].new;
        row.join.is_waited_for = steps[i].is_waited_for;
        pt_store_apply_row(scene->store, &row);
        check_int(name, scene->rows_ended, steps[i].ended);
        check_int(name, scene->failed, steps[i].failed);
        check_int(name, scene->completed, steps[i].phase == PT_PULL_COMPLETED);
        const struct pt_stored_pull *stored = TAILQ_FIRST(&scene->store->all);
        bool has_ended = pt_stored_pull_is_ended_row(stored);
        check_int(name, has_ended, !steps[i].is_waited_for && steps[i].phase != PT_PULL_CANCELLED);
        if (has_ended)
            check_int(name, stored->finished_at, scene->now_ns); // not when it failed
    }
    check_count(scene, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_row_is_restored_and_nobody_counts_it),
        SCENE_TEST(it_stands_where_its_age_says),
        SCENE_TEST(what_this_server_has_heard_itself_stays),
        SCENE_TEST(a_newer_end_replaces_a_restored_one),
        SCENE_TEST(of_one_story_the_id_of_the_log_stays),
        SCENE_TEST(of_two_ids_in_the_log_the_smaller_one_stays),
        SCENE_TEST(what_follows_at_once_is_another_story),
        SCENE_TEST(what_is_heard_late_of_a_success_begins_nothing),
        SCENE_TEST(a_failure_goes_on_where_another_server_has_ended_it),
        SCENE_TEST(an_agents_pull_goes_on_in_it_by_its_takers_word),
        SCENE_TEST(a_row_is_said_to_have_ended_when_nobody_waits_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
