// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_life.h"

#include "store_fixture.h"

static void apply_replay(struct scene *scene, const struct pt_report *report,
                         const struct pt_replay *replay)
{
    struct pt_application *application =
        pt_store_replay_begin(scene->store, report, replay, &scene->err);
    assert_non_null(application);
    while (pt_store_apply_step(application))
        ;
    assert_int_equal(pt_store_apply_end(application, &scene->err), 0);
}

// A pull that ended so many seconds ago, as what is kept beside the log has it. By the report of
// that run and number it ended.
static void replay_of(struct scene *scene, int age_s, const char *run, int64_t sequence)
{
    char id[16], row_id[PT_PULL_ID_SIZE];
    snprintf(id, sizeof(id), "pull-%d", age_s);
    snprintf(row_id, sizeof(row_id), "%032d", age_s);
    struct pt_pull pull = make_pull(id, "app:1", scene->layers, 1);
    pull.phase = PT_PULL_FAILED;
    pull.error = "it failed";
    const struct pt_report report = {
        .node_name = "n1", .run = run, .sequence = sequence, .pulls = &pull, .pull_count = 1};
    const struct pt_replay past = {
        .row_ids = row_id,
        .row_ids_length = PT_PULL_ID_LENGTH,
        .received_ns = scene->now_ns - age_s * PT_NS_PER_S,
        .received_wall_ns = scene->now_ns - age_s * PT_NS_PER_S,
        .age_ns = age_s * PT_NS_PER_S,
        .is_past = true,
    };
    apply_replay(scene, &report, &past);
}

static void replay(struct scene *scene, int age_s)
{
    replay_of(scene, age_s, NULL, 0);
}

static void check_order(const struct scene *scene, const int *ages, size_t count)
{
    const struct pt_stored_pull *stored = TAILQ_FIRST(&scene->store->finished);
    const struct pt_node *node = pt_map_get(&scene->store->nodes, "n1");
    const struct pt_stored_pull *of_node = TAILQ_FIRST(&node->finished);
    for (size_t i = 0; i < count; i++) {
        char row_id[PT_PULL_ID_SIZE];
        snprintf(row_id, sizeof(row_id), "%032d", ages[i]);
        assert_non_null(stored);
        check_text("in the store", stored->id, row_id);
        check_text("in the node", of_node->id, row_id);
        stored = TAILQ_NEXT(stored, in_queue);
        of_node = TAILQ_NEXT(of_node, in_node);
    }
    assert_null(stored);
}

static void the_past_is_in_its_order_however_it_comes(void **state)
{
    static const int orders[][5] = {
        {1, 2, 3, 4, 5}, {5, 4, 3, 2, 1}, {3, 5, 1, 4, 2}, {2, 1, 5, 3, 4}};
    static const int sorted[] = {5, 4, 3, 2, 1};
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        scene_restart(scene);
        for (size_t k = 0; k < COUNT_OF(orders[i]); k++)
            replay(scene, orders[i][k]);
        check_order(scene, sorted, COUNT_OF(sorted));
    }
}

// The one that came last goes, and another one comes.
static void what_is_gone_is_no_place(void **state)
{
    static const int sorted[] = {5, 3, 2, 1};
    struct scene *scene = *state;
    for (int age_s = 1; age_s <= 4; age_s++)
        replay(scene, age_s);
    pt_life_remove(scene->store, TAILQ_FIRST(&scene->store->finished));
    replay(scene, 5);
    check_order(scene, sorted, COUNT_OF(sorted));
}

static int64_t bytes_of(const struct scene *scene, const char *key)
{
    const struct pt_node *node = pt_map_get(&scene->store->nodes, "n1");
    const struct pt_stored_pull *stored = pt_map_get(&node->pulls, key);
    return stored ? stored->pull.layers[0].downloaded_bytes : -1;
}

static void report_of(struct scene *scene, const char *run, int64_t sequence, const char *id,
                      int64_t bytes)
{
    scene->run = run;
    scene->sequence = sequence;
    scene->pull.id = id;
    scene->layers[0] = make_layer("sha256:a", bytes);
    scene_deliver(scene);
}

// A server that was stopped reads what has ended meanwhile, and then what an agent sent it before:
// that is older.
static void what_was_held_up_is_older_than_the_past(void **state)
{
    static const struct {
        const char *name, *run;
        int64_t sequence, bytes;
    } rows[] = {
        {"one that was held up", "ab", 6, 10},
        {"the one that brought the end, which names others too", "ab", 9, 20},
        {"one of the agent's next process", "cd", 1, 20},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        scene_restart(scene);
        report_of(scene, "ab", 5, "before", 10);
        replay_of(scene, 1, "ab", 9);
        replay_of(scene, 3, "ab", 7);
        report_of(scene, rows[i].run, rows[i].sequence, "before", 20);
        check_int(rows[i].name, bytes_of(scene, "ibefore"), rows[i].bytes);
    }
}

// A server that has missed something reads the latest report of each node again.
static void the_latest_report_of_a_node_that_is_gone_turns_nothing_back(void **state)
{
    struct scene *scene = *state;
    report_of(scene, "ab", 5, "gone", 10);
    const struct pt_replay latest = {.received_ns = scene->now_ns,
                                     .received_wall_ns = scene->now_ns,
                                     .age_ns = 601 * PT_NS_PER_S};
    const struct pt_report report = {.node_name = "n1",
                                     .run = "ab",
                                     .sequence = 5,
                                     .timestamp = scene->now_ns,
                                     .pulls = &scene->pull,
                                     .pull_count = 1};
    scene_wait(scene, 601);
    check_int("is given up", pt_stored_pull_is_final(scene_last(scene)), true);
    apply_replay(scene, &report, &latest);
    check_int("and stays so", pt_stored_pull_is_final(scene_last(scene)), true);
}

// What has failed may go on in its row, and what was given up as it was: who reads what has ended
// meanwhile reads these, too.
static void what_may_have_gone_on_has_no_known_end(void **state)
{
    static const struct {
        const char *name;
        enum pt_pull_phase phase;
        double wait_s;
        bool has_ended, is_known;
    } rows[] = {
        {"under way", PT_PULL_DOWNLOADING, 0, false, false},
        {"given up", PT_PULL_DOWNLOADING, 601, false, false},
        {"failed", PT_PULL_FAILED, 0, true, false},
        {"completed", PT_PULL_COMPLETED, 0, true, true},
    };
    struct scene *scene = *state;
    assert_false(pt_store_knows_end(scene->store, "00000000000000000000000000000000"));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        scene_restart(scene);
        scene->pull.phase = rows[i].phase;
        scene_deliver(scene);
        scene_wait(scene, rows[i].wait_s);
        const struct pt_stored_pull *stored = scene_last(scene);
        check_int(rows[i].name, pt_stored_pull_is_final(stored), i > 0);
        check_int(rows[i].name, pt_stored_pull_has_ended(stored), rows[i].has_ended);
        check_int(rows[i].name, pt_store_knows_end(scene->store, stored->id), rows[i].is_known);
    }
}

#define ROW_X "0000000000000000000000000000000f"
#define MAX_REPORTS 3

// A report of one pull, so many seconds old, under ROW_X.
struct row_report {
    const char *id; // of the agent's; NULL: no more
    enum pt_pull_phase phase;
    int age_s;
    bool is_past; // as it is kept beside the log; else an entry of the log
};

static void replay_row(struct scene *scene, const struct row_report *row)
{
    struct pt_pull pull = make_pull(row->id, "app:1", scene->layers, 1);
    int64_t at_ns = scene->now_ns - row->age_s * PT_NS_PER_S;
    pull.phase = row->phase;
    pull.started_at = at_ns - PT_NS_PER_S;
    pull.completed_at = pt_pull_phase_is_final(row->phase) ? at_ns : 0;
    pull.error = row->phase == PT_PULL_FAILED ? row->id : NULL;
    const struct pt_report report = {.node_name = "n1",
                                     .run = "ab",
                                     .sequence = 1000 - row->age_s,
                                     .timestamp = at_ns,
                                     .pulls = &pull,
                                     .pull_count = 1};
    const struct pt_replay replay = {
        .row_ids = ROW_X,
        .row_ids_length = PT_PULL_ID_LENGTH,
        .received_ns = at_ns,
        .received_wall_ns = at_ns,
        .age_ns = row->age_s * PT_NS_PER_S,
        .is_past = row->is_past,
    };
    apply_replay(scene, &report, &replay);
}

// The attempts at a pull are one row: one that has failed goes on in the next. Who starts reads
// them from what is kept and from the log, in any order: the newest one stands.
static void the_newest_attempt_of_a_row_stands(void **state)
{
    enum { PAST = true, ENTRY = false };
    static const struct {
        const char *name;
        struct row_report rows[MAX_REPORTS];
        enum pt_pull_phase phase;
        const char *error; // NULL: none
    } cases[] = {
        {"past: failed, then completed",
         {{"p1", PT_PULL_FAILED, 20, PAST}, {"p2", PT_PULL_COMPLETED, 10, PAST}},
         PT_PULL_COMPLETED,
         NULL},
        {"past: completed, then failed before",
         {{"p2", PT_PULL_COMPLETED, 10, PAST}, {"p1", PT_PULL_FAILED, 20, PAST}},
         PT_PULL_COMPLETED,
         NULL},
        {"past: failed twice",
         {{"p1", PT_PULL_FAILED, 20, PAST}, {"p2", PT_PULL_FAILED, 10, PAST}},
         PT_PULL_FAILED,
         "p2"},
        {"past: failed twice, the other way round",
         {{"p2", PT_PULL_FAILED, 10, PAST}, {"p1", PT_PULL_FAILED, 20, PAST}},
         PT_PULL_FAILED,
         "p2"},
        {"past: failed; log: goes on",
         {{"p1", PT_PULL_FAILED, 20, PAST}, {"p2", PT_PULL_DOWNLOADING, 2, ENTRY}},
         PT_PULL_DOWNLOADING,
         NULL},
        {"log: goes on; past: failed before",
         {{"p2", PT_PULL_DOWNLOADING, 2, ENTRY}, {"p1", PT_PULL_FAILED, 20, PAST}},
         PT_PULL_DOWNLOADING,
         NULL},
        {"log: goes on; past: failed before; log: completed",
         {{"p2", PT_PULL_DOWNLOADING, 2, ENTRY},
          {"p1", PT_PULL_FAILED, 20, PAST},
          {"p2", PT_PULL_COMPLETED, 1, ENTRY}},
         PT_PULL_COMPLETED,
         NULL},
        {"past: failed; log: completed",
         {{"p1", PT_PULL_FAILED, 20, PAST}, {"p2", PT_PULL_COMPLETED, 2, ENTRY}},
         PT_PULL_COMPLETED,
         NULL},
        {"log: completed; past: failed before",
         {{"p2", PT_PULL_COMPLETED, 2, ENTRY}, {"p1", PT_PULL_FAILED, 20, PAST}},
         PT_PULL_COMPLETED,
         NULL},
        {"log: failed; past: completed behind a gap",
         {{"p1", PT_PULL_FAILED, 40, ENTRY}, {"p2", PT_PULL_COMPLETED, 20, PAST}},
         PT_PULL_COMPLETED,
         NULL},
        {"log: goes on; past: failed behind a gap",
         {{"p1", PT_PULL_DOWNLOADING, 40, ENTRY}, {"p2", PT_PULL_FAILED, 20, PAST}},
         PT_PULL_FAILED,
         "p2"},
        {"log: goes on; past: its own end; log: the next attempt",
         {{"p1", PT_PULL_DOWNLOADING, 40, ENTRY},
          {"p1", PT_PULL_FAILED, 20, PAST},
          {"p2", PT_PULL_RESOLVING, 2, ENTRY}},
         PT_PULL_RESOLVING,
         NULL},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene_restart(scene);
        scene->now_ns += 3600 * PT_NS_PER_S;
        for (size_t k = 0; k < MAX_REPORTS && cases[i].rows[k].id; k++)
            replay_row(scene, &cases[i].rows[k]);
        const struct pt_stored_pull *stored = pt_store_find(scene->store, ROW_X);
        const struct pt_store_figures figures = pt_store_figures(scene->store);
        assert_non_null(stored);
        check_int(cases[i].name, stored->pull.phase, cases[i].phase);
        check_text(cases[i].name, stored->pull.error, cases[i].error);
        check_int(cases[i].name, (int64_t)figures.pulls, 1);
        check_int(cases[i].name, (int64_t)figures.completed, cases[i].phase == PT_PULL_COMPLETED);
        check_int(cases[i].name, (int64_t)figures.failed, cases[i].phase == PT_PULL_FAILED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(the_past_is_in_its_order_however_it_comes),
        SCENE_TEST(what_is_gone_is_no_place),
        SCENE_TEST(what_was_held_up_is_older_than_the_past),
        SCENE_TEST(the_latest_report_of_a_node_that_is_gone_turns_nothing_back),
        SCENE_TEST(what_may_have_gone_on_has_no_known_end),
        SCENE_TEST(the_newest_attempt_of_a_row_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
