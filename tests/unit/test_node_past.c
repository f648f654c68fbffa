// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"

#include <math.h>

static struct pt_node *make_node(struct scene *scene, const char *name)
{
    scene_deliver_pulls(scene, name, &scene->pull, 0);
    return pt_store_find_node(scene->store, name);
}

static void what_a_step_did_is_kept(void **state)
{
    struct scene *scene = *state;
    struct pt_node *node = make_node(scene, "n1");
    pt_node_note_past(scene->store, node, 5, 1000, 2);
    pt_node_note_past(scene->store, node, 5, 500, 1);
    pt_node_note_past_failed(scene->store, node, 5);
    check_int("under way", (int64_t)pt_node_past_at(node, 5).bytes_per_second, 1500);
    pt_node_note_past(scene->store, node, 8, 7, 0);
    struct pt_node_past_step step = pt_node_past_at(node, 5);
    check_int("stalled", step.stalled, 2);
    check_int("failed", step.failed, 1);
    check_int("nothing was noted", (int64_t)pt_node_past_at(node, 7).bytes_per_second, 0);
    check_int("newest", (int64_t)pt_node_past_at(node, 8).bytes_per_second, 7);
    check_int("to come", (int64_t)pt_node_past_at(node, 9).bytes_per_second, 0);
}

static void figures_are_right_to_a_thousandth(void **state)
{
    struct scene *scene = *state;
    static const double figures[] = {0, 1, 1022, 1023.4, 1023.6, 1e6, 123456789, 3e13};
    for (size_t i = 0; i < COUNT_OF(figures); i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%zu", i);
        struct pt_node *node = make_node(scene, name);
        pt_node_note_past(scene->store, node, 1, figures[i], 0);
        pt_node_note_past(scene->store, node, 2, 0, 0);
        double kept = pt_node_past_at(node, 1).bytes_per_second;
        if (fabs(kept - figures[i]) > 0.5 + 0.001 * figures[i])
            fail_msg("%f is kept as %f", figures[i], kept);
    }
}

static void half_an_hour_is_kept(void **state)
{
    struct scene *scene = *state;
    struct pt_node *node = make_node(scene, "n1");
    pt_node_note_past(scene->store, node, 3, 100, 1);
    pt_node_let_past_go(scene->store, node, 62);
    assert_true(pt_node_has_past(node));
    pt_node_note_past_failed(scene->store, node, 62);
    check_int("the oldest", (int64_t)pt_node_past_at(node, 3).bytes_per_second, 100);
    pt_node_note_past_failed(scene->store, node, 63);
    check_int("gone", (int64_t)pt_node_past_at(node, 3).bytes_per_second, 0);
    check_int("the one before", pt_node_past_at(node, 62).failed, 1);
    pt_node_note_past(scene->store, node, 100000, 5, 0); // it was idle for long
    for (uint64_t step = 99941; step < 100000; step++)
        check_int("idle", pt_node_past_at(node, step).failed, 0);
    int64_t bytes = scene->memory.used_bytes;
    pt_node_let_past_go(scene->store, node, 100060);
    assert_false(pt_node_has_past(node));
    check_int("bytes", bytes - scene->memory.used_bytes, sizeof(struct pt_node_past));
}

static void what_is_too_much_for_four_bits_counts_as_fifteen(void **state)
{
    struct scene *scene = *state;
    struct pt_node *node = make_node(scene, "n1");
    for (int i = 0; i < 100; i++)
        pt_node_note_past_failed(scene->store, node, 1);
    pt_node_note_past(scene->store, node, 1, 0, 4000);
    check_int("failed", pt_node_past_at(node, 1).failed, 15);
    check_int("stalled", pt_node_past_at(node, 1).stalled, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(what_a_step_did_is_kept),
        SCENE_TEST(figures_are_right_to_a_thousandth),
        SCENE_TEST(half_an_hour_is_kept),
        SCENE_TEST(what_is_too_much_for_four_bits_counts_as_fifteen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
