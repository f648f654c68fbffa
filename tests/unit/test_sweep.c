// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_store.h"

#include "store_fixture.h"

// What falls silent or grows old, however much it is at once, and what is counted of it.

#define NODES 90
#define PULLS 10 // of each

static void fill(struct scene *scene, int64_t bytes)
{
    for (int node = 0; node < NODES; node++) {
        struct pt_layer layers[PULLS];
        struct pt_pull pulls[PULLS];
        char name[20], ids[PULLS][20], digests[PULLS][20];
        for (int i = 0; i < PULLS; i++) {
            snprintf(ids[i], sizeof(ids[i]), "lease-%d", i);
            snprintf(digests[i], sizeof(digests[i]), "sha256:%d", i);
            layers[i] = make_layer(digests[i], bytes);
            pulls[i] = make_pull(ids[i], "app:1", &layers[i], 1);
        }
        snprintf(name, sizeof(name), "node-%d", node);
        struct pt_report report = {
            .node_name = name,
            .timestamp = scene->now_ns,
            .interval_ms = 1000,
            .pulls = pulls,
            .pull_count = PULLS,
        };
        check_int("report", pt_store_apply(scene->store, &report, &scene->err), 0);
    }
}

// What is kept is what counting anew would give.
static void check_counts(const struct scene *scene)
{
    int64_t speed = 0;
    const struct pt_node *node;
    TAILQ_FOREACH(node, &scene->store->nodes_by_report, in_store)
    {
        size_t active = 0;
        const struct pt_stored_pull *stored = NULL;
        for (; (stored = pt_node_next_active(node, stored)); active++)
            continue;
        check_int(node->name, (int64_t)pt_node_status(node).active_pulls, (int64_t)active);
        speed += (int64_t)pt_node_speed(node);
    }
    check_int("speed of all", (int64_t)pt_store_speed(scene->store), speed);
}

static void speed_and_pulls_of_nodes_are_kept_right(void **state)
{
    struct scene *scene = *state;
    for (int64_t bytes = 0; bytes <= 60; bytes += 20) {
        fill(scene, bytes);
        check_counts(scene);
        scene->now_ns += PT_NS_PER_S;
    }
    assert_true(pt_store_speed(scene->store) > NODES * 100);
    scene_wait(scene, 31);
    check_counts(scene);
    check_real("silent", pt_store_speed(scene->store), 0);
    fill(scene, 80);
    check_counts(scene);
    assert_true(pt_store_speed(scene->store) > 0);
    scene_wait(scene, 31 + (double)STALE_NS / (double)PT_NS_PER_S);
    check_counts(scene);
    scene_wait(scene, (double)HISTORY_NS / (double)PT_NS_PER_S);
    scene_wait(scene, 1); // the nodes of pulls that have just gone
    check_counts(scene);
    check_int("nodes", (int64_t)scene->store->nodes.count, 0);
    check_int("speed", scene->store->bytes_per_second, 0);
}

static size_t most_in_one_sweep(struct scene *scene, size_t (*count)(const struct scene *scene))
{
    size_t most = 0;
    for (bool more = true; more;) {
        size_t before = count(scene);
        more = pt_store_sweep(scene->store);
        size_t now = count(scene);
        size_t done = now > before ? now - before : before - now;
        most = done > most ? done : most;
    }
    return most;
}

static size_t silent_nodes(const struct scene *scene)
{
    return scene->store->silent_count;
}

static size_t failed_pulls(const struct scene *scene)
{
    return scene->store->failed_count;
}

static size_t all_pulls(const struct scene *scene)
{
    return scene->store->pulls.count;
}

static size_t all_nodes(const struct scene *scene)
{
    return scene->store->nodes.count;
}

// All nodes of a cluster fall silent together when its network does.
static void each_step_of_a_sweep_is_bounded(void **state)
{
    struct scene *scene = *state;
    fill(scene, 10);
    scene->now_ns += 31 * PT_NS_PER_S;
    assert_in_range(most_in_one_sweep(scene, silent_nodes), 1, 20);
    check_int("silent", (int64_t)scene->store->silent_count, NODES);
    scene->now_ns += STALE_NS;
    assert_in_range(most_in_one_sweep(scene, failed_pulls), 1, 100);
    check_int("given up", (int64_t)scene->store->failed_count, NODES * PULLS);
    scene->now_ns += HISTORY_NS;
    assert_in_range(most_in_one_sweep(scene, all_pulls), 1, 100);
    check_int("pulls", (int64_t)scene->store->pulls.count, 0);
    assert_in_range(most_in_one_sweep(scene, all_nodes), 1, 100);
    check_int("nodes", (int64_t)scene->store->nodes.count, 0);
}

// The sweep goes on behind a node that reports meanwhile.
static void a_node_that_reports_between_two_steps_is_not_silent(void **state)
{
    struct scene *scene = *state;
    fill(scene, 10);
    scene->now_ns += 31 * PT_NS_PER_S;
    assert_true(pt_store_sweep(scene->store));
    const struct pt_node *next = scene->store->swept_next;
    assert_non_null(next);
    assert_false(pt_node_is_silent(next));
    scene->now_ns -= PT_NS_PER_S;
    char name[20];
    snprintf(name, sizeof(name), "%s", next->name);
    scene_deliver_pulls(scene, name, NULL, 0);
    while (pt_store_sweep(scene->store))
        continue;
    check_int("silent", (int64_t)scene->store->silent_count, NODES - 1);
    assert_false(pt_node_is_silent(pt_store_find_node(scene->store, name)));
}

// A row of Kubernetes, or a pull that ended before this server began, makes a node known from which
// no agent has reported here: that is no agent that has stopped.
static void only_an_agent_that_has_reported_falls_silent(void **state)
{
    struct scene *scene = *state;
    static const struct {
        const char *name;
        int after_s; // since the step before
        bool reports;
        size_t reporting, silent;
    } steps[] = {{"known", 0, false, 0, 0},
                 {"for a while", 60, false, 0, 0},
                 {"reports", 1, true, 1, 0},
                 {"stops", 31, false, 0, 1},
                 {"reports again", 1, true, 1, 0},
                 {"stops again", 31, false, 0, 1},
                 {"is gone", HISTORY_NS / PT_NS_PER_S, false, 0, 0}};
    assert_non_null(pt_store_get_node(scene->store, "n1"));
    assert_non_null(pt_store_get_node(scene->store, "other"));
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        scene->now_ns += steps[i].after_s * PT_NS_PER_S;
        if (steps[i].reports)
            scene_deliver_pulls(scene, "n1", NULL, 0);
        while (pt_store_sweep(scene->store))
            continue;
        const struct pt_store_figures figures = pt_store_figures(scene->store);
        check_int(steps[i].name, (int64_t)figures.nodes_reporting, (int64_t)steps[i].reporting);
        check_int(steps[i].name, (int64_t)figures.nodes_silent, (int64_t)steps[i].silent);
    }
    check_int("all", (int64_t)scene->store->nodes.count, 0);
}

static void add_nodes_up_to(struct scene *scene, size_t count)
{
    while (scene->store->nodes.count < count) {
        char name[20];
        snprintf(name, sizeof(name), "many-%zu", scene->store->nodes.count);
        struct pt_report report = {.node_name = name, .timestamp = scene->now_ns};
        check_int("report", pt_store_apply(scene->store, &report, &scene->err), 0);
    }
}

static void many_nodes_are_asked_to_report_less_often(void **state)
{
    struct scene *scene = *state;
    static const struct {
        size_t nodes;
        int heartbeat_ms;
    } cases[] = {
        {1, 10000},     {30000, 10000},  {30001, 11000},  {33000, 11000},  {33001, 12000},
        {60000, 20000}, {132000, 44000}, {132001, 45000}, {150000, 45000},
    };
    scene->store->settings.max_nodes = 200000;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char name[20];
        snprintf(name, sizeof(name), "%zu", cases[i].nodes);
        add_nodes_up_to(scene, cases[i].nodes);
        check_int(name, pt_store_heartbeat_ms(scene->store), cases[i].heartbeat_ms);
    }
    scene_wait(scene, 40);
    check_int("those asked for 13 s at most", (int64_t)scene->store->silent_count, 39000);
    scene_wait(scene, 96);
    check_int("all silent", pt_store_heartbeat_ms(scene->store), 10000);
}

// What was asked for before a pull began says nothing of an agent that is busy now.
static void a_long_heartbeat_is_no_silence(void **state)
{
    struct scene *scene = *state;
    scene->store->settings.max_nodes = 200000;
    add_nodes_up_to(scene, 59990);
    scene->now_ns += 5 * PT_NS_PER_S;
    struct pt_pull ended = scene->pull;
    ended.phase = PT_PULL_COMPLETED;
    scene_deliver_pulls(scene, "idle", NULL, 0);
    scene_deliver_pulls(scene, "done", &ended, 1);
    scene_deliver_pulls(scene, "busy", &scene->pull, 1);
    scene_wait(scene, 31);
    assert_true(pt_node_is_silent(pt_store_find_node(scene->store, "busy")));
    scene_wait(scene, 25);
    assert_false(pt_node_is_silent(pt_store_find_node(scene->store, "idle")));
    assert_false(pt_node_is_silent(pt_store_find_node(scene->store, "done")));
    scene_wait(scene, 4);
    assert_true(pt_node_is_silent(pt_store_find_node(scene->store, "idle")));
    assert_true(pt_node_is_silent(pt_store_find_node(scene->store, "done")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(speed_and_pulls_of_nodes_are_kept_right),
        SCENE_TEST(each_step_of_a_sweep_is_bounded),
        SCENE_TEST(a_node_that_reports_between_two_steps_is_not_silent),
        SCENE_TEST(only_an_agent_that_has_reported_falls_silent),
        SCENE_TEST(many_nodes_are_asked_to_report_less_often),
        SCENE_TEST(a_long_heartbeat_is_no_silence),
    };
    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
