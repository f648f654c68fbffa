// SPDX-License-Identifier: Apache-2.0
#include "server/store/learn.h"

#include "base/clock.h"

#include "check.h"

#include <string.h>

// What a completed pull teaches, on a store and a node of which nothing is known but what a test
// sets.

#define MEBIBYTE ((int64_t)1 << 20)
#define NOW (INT64_C(1790000000) * PT_NS_PER_S)
#define LAYERS 4

static struct pt_node node; // it ends with its name, and so stands in no other struct

struct lesson {
    struct pt_pull_store store;
    struct pt_registry registry;
    struct pt_layer layers[LAYERS];
    struct pt_layer_track tracks[LAYERS];
    struct pt_stored_pull stored;
};

// Layers of ten mebibytes that came in so many seconds each, two at once.
static void begin(struct lesson *lesson, double seconds)
{
    *lesson = (struct lesson){0};
    memset(&node, 0, sizeof(node));
    for (size_t i = 0; i < LAYERS; i++) {
        lesson->layers[i] = (struct pt_layer){.total_bytes = 10 * MEBIBYTE,
                                              .downloaded_bytes = 10 * MEBIBYTE,
                                              .phase = PT_LAYER_DONE};
        lesson->tracks[i].steps = (struct pt_step_rate){
            .first = {NOW, 0}, .newest = {NOW + (int64_t)(seconds * 1e9), 10 * MEBIBYTE}};
    }
    lesson->stored = (struct pt_stored_pull){
        .pull = {.layers = lesson->layers, .layer_count = LAYERS, .phase = PT_PULL_COMPLETED},
        .tracks = lesson->tracks,
        .registry = &lesson->registry,
        .node = &node,
        .slots = 2};
}

static void learn(struct lesson *lesson)
{
    pt_learn_from_pull(&lesson->store, &lesson->stored);
}

// Steps may have been seen a quarter of a second late: 10 MiB in 4.875 s are as many in 5 s.
static void the_speed_of_a_layer_is_learned_for_its_registry(void **state)
{
    (void)state;
    const double seen = 2 * (double)MEBIBYTE;
    const struct {
        const char *name;
        double seconds, known, most, learned;
    } cases[] = {
        {"nothing is known", 4.875, 0, 0, seen},
        {"it was slower before", 4.875, seen / 2, 10 * seen, seen},
        {"it was faster before", 4.875, 2 * seen, 10 * seen, 0.8 * 2 * seen + 0.2 * seen},
        {"and the node can no more", 4.875, 2 * seen, 2 * seen, 0.98 * 2 * seen + 0.02 * seen},
        {"too short to say", 1.9, 5, 0, 5},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lesson lesson;
        begin(&lesson, cases[i].seconds);
        lesson.registry.connection_bytes_per_second = cases[i].known;
        node.most_bytes_per_second = cases[i].most;
        learn(&lesson);
        check_real(cases[i].name, lesson.registry.connection_bytes_per_second, cases[i].learned);
    }
}

static void how_many_layers_come_at_once_is_learned_for_the_node(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t known, at_once;
        bool had_queue;
        size_t learned;
    } cases[] = {
        {"others waited", 0, 2, true, 2},
        {"fewer than before, others waited", 3, 2, true, 2},
        {"nobody waited: the image had no more", 0, 2, false, 0},
        {"more than is usual", 0, 5, false, 5},
        {"more than is known", 2, 3, false, 3},
        {"another large one waited", 5, LAYERS - 1, true, LAYERS - 1},
        {"only small ones waited", 5, LAYERS, true, 5},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lesson lesson;
        begin(&lesson, 4);
        node.slots = cases[i].known;
        lesson.stored.slots = cases[i].at_once;
        lesson.stored.had_queue = cases[i].had_queue;
        learn(&lesson);
        check_int(cases[i].name, (int64_t)node.slots, (int64_t)cases[i].learned);
    }
}

static void the_speed_of_extraction_is_learned_for_node_and_all(void **state)
{
    (void)state;
    struct lesson lesson;
    begin(&lesson, 4);
    lesson.layers[1].extract_started_at = NOW;
    lesson.layers[1].extract_completed_at = NOW + 2 * PT_NS_PER_S;
    node.extract_bytes_per_second = lesson.store.extract_bytes_per_second = MEBIBYTE;
    learn(&lesson);
    check_real("node", node.extract_bytes_per_second, 3 * MEBIBYTE);
    check_real("all", lesson.store.extract_bytes_per_second, 1.4 * MEBIBYTE);
}

// Until it is reported, at most half a second later, nobody knows of its end.
static void the_time_to_the_end_is_learned_for_the_node(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double after, heard, learned; // seconds behind the last extraction, and behind the end
    } cases[] = {
        {"heard of at once", 1, 0, 1},     {"heard of a little later", 1, 0.25, 1.25},
        {"heard of late", 1, 60, 1.5},     {"its clock was set", 1, -5, 1},
        {"too long for a habit", 6, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lesson lesson;
        begin(&lesson, 4);
        lesson.layers[0].extract_started_at = NOW;
        lesson.layers[0].extract_completed_at = NOW + PT_NS_PER_S;
        lesson.stored.pull.completed_at = NOW + PT_NS_PER_S + (int64_t)(cases[i].after * 1e9);
        lesson.stored.reported_at =
            lesson.stored.pull.completed_at + (int64_t)(cases[i].heard * 1e9);
        learn(&lesson);
        check_real(cases[i].name, node.finish_seconds, cases[i].learned);
    }
}

static void nothing_is_learned_of_what_nobody_followed(void **state)
{
    (void)state;
    struct lesson lesson;
    begin(&lesson, 4);
    lesson.stored.of_kubelet = true;
    learn(&lesson);
    check_real("of the kubelet alone", lesson.registry.connection_bytes_per_second, 0);
    begin(&lesson, 4);
    lesson.stored.tracks = NULL;
    learn(&lesson);
    check_real("without tracks", lesson.registry.connection_bytes_per_second, 0);
    begin(&lesson, 4);
    lesson.stored.registry = NULL;
    lesson.stored.slots = 5;
    learn(&lesson);
    check_int("without a registry the node is", (int64_t)node.slots, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_speed_of_a_layer_is_learned_for_its_registry),
        cmocka_unit_test(how_many_layers_come_at_once_is_learned_for_the_node),
        cmocka_unit_test(the_speed_of_extraction_is_learned_for_node_and_all),
        cmocka_unit_test(the_time_to_the_end_is_learned_for_the_node),
        cmocka_unit_test(nothing_is_learned_of_what_nobody_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
