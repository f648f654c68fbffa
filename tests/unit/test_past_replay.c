// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_life.h"

#include "store_fixture.h"

// A pull that ended so many seconds ago, as what is kept beside the log has it.
static void replay(struct scene *scene, int age_s)
{
    char id[16], row_id[PT_PULL_ID_SIZE];
    snprintf(id, sizeof(id), "pull-%d", age_s);
    snprintf(row_id, sizeof(row_id), "%032d", age_s);
    struct pt_pull pull = make_pull(id, "app:1", scene->layers, 1);
    pull.phase = PT_PULL_FAILED;
    pull.error = "it failed";
    const struct pt_report report = {.node_name = "n1", .pulls = &pull, .pull_count = 1};
    const struct pt_replay past = {
        .row_ids = row_id,
        .row_ids_length = PT_PULL_ID_LENGTH,
        .received_ns = scene->now_ns - age_s * PT_NS_PER_S,
        .received_wall_ns = scene->now_ns - age_s * PT_NS_PER_S,
        .age_ns = age_s * PT_NS_PER_S,
        .is_past = true,
    };
    struct pt_application *application =
        pt_store_replay_begin(scene->store, &report, &past, &scene->err);
    assert_non_null(application);
    while (pt_store_apply_step(application))
        ;
    assert_int_equal(pt_store_apply_end(application, &scene->err), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(the_past_is_in_its_order_however_it_comes),
        SCENE_TEST(what_is_gone_is_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
