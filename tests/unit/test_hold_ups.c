// SPDX-License-Identifier: Apache-2.0
#include "server/holdup/hold_ups.h"

#include "store_fixture.h"

#include "server/store/pull_life.h"

// The round that works out what holds up each pull of a store.

static const struct pt_waiting_container pod = {"ns", "web", "c", "a.io/b:1"};

static struct pt_hold_ups *begin(struct scene *scene)
{
    struct pt_hold_ups *hold_ups = pt_hold_ups_create(scene->store, &scene->clock);
    assert_non_null(hold_ups);
    return hold_ups;
}

static void go_round(struct pt_hold_ups *hold_ups)
{
    while (pt_hold_ups_turn(hold_ups))
        continue;
}

static struct pt_hold_up hold_up_of(const struct pt_stored_pull *stored)
{
    struct pt_layer_rate rates[2];
    return pt_stored_pull_status(stored, rates).hold_up;
}

static struct pt_stored_pull *only_of(struct scene *scene, const char *image)
{
    struct pt_stored_pull *stored;
    TAILQ_FOREACH(stored, &scene->store->all, in_store)
    {
        if (strcmp(pt_stored_pull_image_ref(stored), image) == 0)
            return stored;
    }
    fail_msg("no pull of %s", image);
    return NULL;
}

static void check_kind(const char *name, const struct pt_stored_pull *stored,
                       enum pt_hold_up_kind wanted)
{
    check_text(name, pt_hold_up_words.words[hold_up_of(stored).kind],
               pt_hold_up_words.words[wanted]);
}

static void apply_row(struct scene *scene, enum pt_pull_phase phase, int64_t next_attempt_at)
{
    struct pt_image_row row = {.node_name = "n1",
                               .key = "ka.io/b:1",
                               .image_ref = "a.io/b:1",
                               .repository = "a.io/b",
                               .phase = phase,
                               .started_at = SCENE_START,
                               .ended_at = phase == PT_PULL_FAILED ? SCENE_START + 5 : 0,
                               .join = {.image_ref = "a.io/b:1",
                                        .waiting = &pod,
                                        .waiting_count = 1,
                                        .is_waited_for = true,
                                        .next_attempt_at = next_attempt_at,
                                        .queued_seconds = -1}};
    if (phase == PT_PULL_FAILED) {
        row.join.error_class = PT_FAILURE_NOT_FOUND;
        row.join.error = "not found";
        row.new_failures = row.join.attempts = 1;
    }
    pt_store_apply_row(scene->store, &row);
}

// Only a change of kind, or of what stands before it, is one of the pull.
static void a_queued_row_names_what_stands_before_it(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    scene_deliver(scene);
    apply_row(scene, PT_PULL_QUEUED, 0);
    const struct pt_stored_pull *row = only_of(scene, "a.io/b:1");
    const struct pt_stored_pull *before = only_of(scene, "app:1");
    check_kind("before the first round", row, PT_HOLD_UP_NONE);
    uint64_t version = row->version;
    go_round(hold_ups);
    check_kind("queued", row, PT_HOLD_UP_QUEUE);
    check_text("behind", hold_up_of(row).pull_id, before->id);
    check_int("since", hold_up_of(row).since, SCENE_START);
    assert_true(row->version > version);
    version = row->version;
    int changes = scene->changes;
    go_round(hold_ups);
    check_int("no news", (int64_t)row->version, (int64_t)version);
    check_int("no change", scene->changes, changes);
    scene->pull.phase = PT_PULL_COMPLETED;
    scene_deliver(scene);
    go_round(hold_ups);
    check_text("behind nothing", hold_up_of(row).pull_id, NULL);
    assert_true(row->version > version);
    pt_hold_ups_destroy(hold_ups);
}

static void what_resolves_for_long_is_held_up_until_it_goes_on(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    scene->pull.phase = PT_PULL_RESOLVING;
    scene->pull.layer_count = 0;
    scene_deliver(scene);
    go_round(hold_ups);
    const struct pt_stored_pull *stored = only_of(scene, "app:1");
    check_kind("at first", stored, PT_HOLD_UP_NONE);
    scene_wait(scene, 10);
    go_round(hold_ups);
    check_kind("after 11 s", stored, PT_HOLD_UP_RESOLVING);
    scene->pull.phase = PT_PULL_DOWNLOADING;
    scene_deliver(scene);
    go_round(hold_ups);
    check_kind("it goes on", stored, PT_HOLD_UP_NONE);
    pt_hold_ups_destroy(hold_ups);
}

static void a_failed_row_is_held_up_while_it_is_waited_for(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    apply_row(scene, PT_PULL_FAILED, 0);
    go_round(hold_ups);
    const struct pt_stored_pull *row = only_of(scene, "a.io/b:1");
    check_kind("failed", row, PT_HOLD_UP_FAILED);
    check_int("since", hold_up_of(row).since, SCENE_START + 5);
    apply_row(scene, PT_PULL_FAILED, SCENE_START + 10 * PT_NS_PER_S);
    go_round(hold_ups);
    check_kind("tried again", row, PT_HOLD_UP_BACKOFF);
    struct pt_join gone = {.queued_seconds = -1, .attempts = 1};
    pt_store_apply_join(scene->store, "n1", "ka.io/b:1", &gone);
    check_kind("its pods are gone", row, PT_HOLD_UP_NONE);
    pt_hold_ups_destroy(hold_ups);
}

static void a_silent_node_holds_up_its_pulls(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    scene_deliver(scene);
    int64_t reported_at = scene->now_ns;
    scene_wait(scene, 60);
    go_round(hold_ups);
    const struct pt_stored_pull *stored = only_of(scene, "app:1");
    check_kind("silent", stored, PT_HOLD_UP_NODE_SILENT);
    check_int("since", hold_up_of(stored).since, reported_at);
    pt_hold_ups_destroy(hold_ups);
}

// Agents need some seconds to report to a server that has just started.
static void a_node_without_an_agent_is_known_after_a_while(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    apply_row(scene, PT_PULL_QUEUED, 0);
    go_round(hold_ups);
    const struct pt_stored_pull *row = only_of(scene, "a.io/b:1");
    check_kind("at first", row, PT_HOLD_UP_QUEUE);
    scene_wait(scene, 49);
    go_round(hold_ups);
    check_kind("not yet", row, PT_HOLD_UP_QUEUE);
    scene_wait(scene, 1);
    go_round(hold_ups);
    check_kind("then", row, PT_HOLD_UP_AGENT_MISSING);
    pt_hold_ups_destroy(hold_ups);
}

// Three nodes get 100 bytes a second from a registry, n4 gets 10.
static void a_slow_pull_is_compared_with_its_registrys_others(void **state)
{
    static const char *const nodes[] = {"n1", "n2", "n3", "n4"};
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    struct pt_stored_pull *slow = NULL;
    for (int second = 0; second < 20; second++) {
        for (size_t i = 0; i < COUNT_OF(nodes); i++) {
            struct pt_layer layer = make_layer("sha256:a", 0);
            layer.total_bytes = 1000000;
            layer.downloaded_bytes = second * (i == 3 ? 40 : 400);
            struct pt_pull pull = make_pull(nodes[i], nodes[i], &layer, 1);
            scene_deliver_pulls(scene, nodes[i], &pull, 1);
        }
        go_round(hold_ups);
    }
    go_round(hold_ups);
    slow = only_of(scene, "n4");
    check_kind("n4", slow, PT_HOLD_UP_SLOW);
    check_kind("n1", only_of(scene, "n1"), PT_HOLD_UP_NONE);
    assert_in_range(hold_up_of(slow).registry_bytes_per_second, 90, 110);
    check_int("its node has no others", hold_up_of(slow).node_bytes_per_second, 0);
    struct pt_registry_status registry;
    assert_true(pt_hold_ups_registry(hold_ups, 0, &registry));
    check_text("registry", registry.name, "docker.io");
    check_int("active", (int64_t)registry.active, 4);
    assert_in_range((int64_t)registry.bytes_per_second, 290, 330);
    assert_false(pt_hold_ups_registry(hold_ups, 1, &registry));
    pt_hold_ups_destroy(hold_ups);
}

// Two pulls of a node wait for the same layer, whose bytes come once, and a third for another.
static void a_shared_layer_counts_once_for_its_registry(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    for (int second = 0; second < 20; second++) {
        struct pt_layer layers[] = {make_layer("sha256:a", 0), make_layer("sha256:b", 0)};
        for (size_t i = 0; i < COUNT_OF(layers); i++) {
            layers[i].total_bytes = 1000000;
            layers[i].downloaded_bytes = second * 400;
        }
        struct pt_pull pulls[] = {make_pull("one", "app:1", &layers[0], 1),
                                  make_pull("two", "app:2", &layers[0], 1),
                                  make_pull("three", "app:3", &layers[1], 1)};
        scene_deliver_pulls(scene, "n1", pulls, COUNT_OF(pulls));
        go_round(hold_ups);
    }
    go_round(hold_ups);
    struct pt_registry_status registry;
    assert_true(pt_hold_ups_registry(hold_ups, 0, &registry));
    check_int("active", (int64_t)registry.active, 3);
    assert_in_range((int64_t)pt_stored_pull_speed(only_of(scene, "app:2")), 390, 410);
    assert_in_range((int64_t)registry.bytes_per_second, 790, 810);
    assert_in_range((int64_t)registry.median_bytes_per_second, 380, 420);
    pt_hold_ups_destroy(hold_ups);
}

static void registries_beyond_the_limit_are_one(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    for (int i = 0; i < PT_LIMIT_REGISTRIES + 10; i++) {
        char repository[40], id[40];
        snprintf(repository, sizeof(repository), "r%d.io/app", i);
        snprintf(id, sizeof(id), "lease-%d", i);
        struct pt_pull pull = make_pull(id, "app:1", NULL, 0);
        pull.repository = repository;
        pull.phase = PT_PULL_FAILED;
        pull.error = "not found";
        scene_deliver_pulls(scene, "n1", &pull, 1);
    }
    go_round(hold_ups);
    struct pt_registry_status registry;
    assert_true(pt_hold_ups_registry(hold_ups, PT_LIMIT_REGISTRIES - 1, &registry));
    check_text("last", registry.name, "other");
    check_int("failed", (int64_t)registry.failed[PT_FAILURE_NOT_FOUND], 11);
    assert_false(pt_hold_ups_registry(hold_ups, PT_LIMIT_REGISTRIES, &registry));
    pt_hold_ups_destroy(hold_ups);
}

// However many pulls there are, a turn looks at those of some nodes only.
static void a_round_is_made_of_bounded_turns(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    for (int i = 0; i < 90; i++) {
        char node[20];
        struct pt_pull pulls[10];
        char ids[10][20];
        snprintf(node, sizeof(node), "node-%d", i);
        for (int p = 0; p < 10; p++) {
            snprintf(ids[p], sizeof(ids[p]), "lease-%d", p);
            pulls[p] = make_pull(ids[p], "app:1", NULL, 0);
        }
        scene_deliver_pulls(scene, node, pulls, 10);
    }
    int turns = 1;
    while (pt_hold_ups_turn(hold_ups))
        turns++;
    check_int("turns", turns, 3);
    check_int("pulls", (int64_t)scene->store->pulls.count, 900);
    pt_hold_ups_destroy(hold_ups);
}

// One node may have 4,000 pulls, and they come and go between the turns.
static void the_pulls_of_one_node_are_looked_at_in_several_turns(void **state)
{
    enum { PULLS = 900 };
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    static struct pt_pull pulls[PULLS];
    static char ids[PULLS][20];
    for (int i = 0; i < PULLS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "lease-%d", i);
        pulls[i] = make_pull(ids[i], "app:1", NULL, 0);
        pulls[i].phase = PT_PULL_RESOLVING;
    }
    scene_deliver_pulls(scene, "n1", pulls, PULLS);
    scene_wait(scene, 15);
    assert_true(pt_hold_ups_turn(hold_ups));
    check_kind("the first", TAILQ_FIRST(&scene->store->all), PT_HOLD_UP_RESOLVING);
    const struct pt_stored_pull *last = TAILQ_LAST(&scene->store->all, pt_stored_pull_list);
    check_kind("the last", last, PT_HOLD_UP_NONE);
    for (int i = 0; i < PULLS - 1; i++)
        pulls[i].phase = PT_PULL_COMPLETED;
    scene_deliver_pulls(scene, "n1", pulls, PULLS); // the next one, too, is under way no more
    go_round(hold_ups);
    go_round(hold_ups);
    check_kind("in the end", last, PT_HOLD_UP_RESOLVING);
    assert_ptr_equal(pt_hold_ups_first_of(last->node), last);
    check_int("unpinned", last->node->pins, PULLS);
    assert_true(pt_hold_ups_turn(hold_ups));
    pt_hold_ups_destroy(hold_ups); // in the middle of a node
    check_int("unpinned", last->node->pins, PULLS);
}

// The page draws what each registry did in the last half hour.
static void a_registry_has_a_history_in_steps(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    const struct pt_registry_history *history = pt_hold_ups_history(hold_ups);
    struct pt_pull pull = make_pull("a", "app:1", NULL, 0);
    pull.phase = PT_PULL_FAILED;
    pull.error = "not found";
    scene_deliver_pulls(scene, "n1", &pull, 1);
    go_round(hold_ups);
    pt_hold_ups_note_failed(hold_ups, only_of(scene, "app:1"));
    check_int("steps", (int64_t)pt_registry_history_steps(history), 1);
    check_int("failed", pt_registry_history_step(history, 0, 0).failed, 1);
    scene_wait(scene, 60);
    go_round(hold_ups);
    check_int("steps", (int64_t)pt_registry_history_steps(history), 3);
    check_int("now", pt_registry_history_step(history, 0, 0).failed, 0);
    check_int("then", pt_registry_history_step(history, 0, 2).failed, 1);
    pt_hold_ups_destroy(hold_ups);
}

// So does a node, in some bytes of the store's memory, for as long as they say something.
static void a_node_that_pulls_has_a_history_while_there_is_one(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    struct pt_pull pull = make_pull("a", "app:1", NULL, 0);
    pull.phase = PT_PULL_RESOLVING;
    scene_deliver_pulls(scene, "n1", &pull, 1);
    struct pt_node *node = pt_store_find_node(scene->store, "n1");
    go_round(hold_ups);
    assert_false(pt_node_has_past(node)); // nothing to say
    int64_t bytes = scene->memory.used_bytes;
    scene_wait(scene, 20);
    go_round(hold_ups);
    assert_true(pt_node_has_past(node));
    check_int("bytes", scene->memory.used_bytes - bytes, sizeof(struct pt_node_past));
    check_int("stalled", pt_hold_ups_node_step(hold_ups, node, 0).stalled, 1);
    pull.phase = PT_PULL_FAILED;
    pull.error = "not found";
    scene_deliver_pulls(scene, "n1", &pull, 1);
    pt_hold_ups_note_failed(hold_ups, only_of(scene, "app:1"));
    check_int("failed", pt_hold_ups_node_step(hold_ups, node, 0).failed, 1);
    pt_life_remove(scene->store, only_of(scene, "app:1"));
    scene_wait(scene, 29 * 60);
    go_round(hold_ups);
    check_int("kept", pt_hold_ups_node_step(hold_ups, node, 58).failed, 1);
    scene_deliver_pulls(scene, "n1", &pull, 0);
    scene_wait(scene, 2 * 60);
    go_round(hold_ups);
    go_round(hold_ups);
    assert_false(pt_node_has_past(node));
    pt_hold_ups_destroy(hold_ups);
}

// Where the memory is full, pulls go on without.
static void a_node_without_room_has_no_history(void **state)
{
    struct scene *scene = *state;
    struct pt_hold_ups *hold_ups = begin(scene);
    struct pt_pull pull = make_pull("a", "app:1", NULL, 0);
    pull.phase = PT_PULL_FAILED;
    scene_deliver_pulls(scene, "n1", &pull, 1);
    scene->memory.max_bytes = scene->memory.used_bytes + 10;
    pt_hold_ups_note_failed(hold_ups, only_of(scene, "app:1"));
    assert_false(pt_node_has_past(pt_store_find_node(scene->store, "n1")));
    scene->memory.max_bytes = INT64_MAX;
    pt_hold_ups_destroy(hold_ups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_queued_row_names_what_stands_before_it),
        SCENE_TEST(what_resolves_for_long_is_held_up_until_it_goes_on),
        SCENE_TEST(a_failed_row_is_held_up_while_it_is_waited_for),
        SCENE_TEST(a_silent_node_holds_up_its_pulls),
        SCENE_TEST(a_node_without_an_agent_is_known_after_a_while),
        SCENE_TEST(a_slow_pull_is_compared_with_its_registrys_others),
        SCENE_TEST(a_shared_layer_counts_once_for_its_registry),
        SCENE_TEST(registries_beyond_the_limit_are_one),
        SCENE_TEST(a_round_is_made_of_bounded_turns),
        SCENE_TEST(the_pulls_of_one_node_are_looked_at_in_several_turns),
        SCENE_TEST(a_registry_has_a_history_in_steps),
        SCENE_TEST(a_node_that_pulls_has_a_history_while_there_is_one),
        SCENE_TEST(a_node_without_room_has_no_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
