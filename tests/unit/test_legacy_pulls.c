// SPDX-License-Identifier: Apache-2.0
#include "pull/legacy_report.h"

#include "store_fixture.h"

// Agents that send only the first fields of the format.

static struct pt_pull make_legacy(const char *image, struct pt_layer *layers, size_t count)
{
    struct pt_pull pull = make_pull(NULL, image, layers, count);
    pull.repository = NULL;
    pull.phase = PT_PULL_UNKNOWN;
    for (size_t i = 0; i < count; i++)
        layers[i].phase = PT_LAYER_UNKNOWN;
    return pull;
}

// The scene with the pull of such an agent.
static int legacy_setup(void **state)
{
    scene_setup(state);
    struct scene *scene = *state;
    scene->layers[0].downloaded_bytes = 10;
    scene->pull = make_legacy("app:1", scene->layers, 1);
    return 0;
}

static void report_nothing(struct scene *scene)
{
    scene_deliver_pulls(scene, "n1", NULL, 0);
}

static void absence_completes_a_pull(void **state)
{
    struct scene *scene = *state;
    scene_two_layers(scene, 10, 0);
    struct pt_pull pulls[] = {make_legacy("app:1", scene->layers, 2),
                              make_pull("own", "app:2", NULL, 0)};
    scene_deliver_pulls(scene, "n1", pulls, 2);
    check_int("started", scene->started, 2);
    report_nothing(scene);
    check_int("completed", scene->completed, 1); // our own agent's goes on
    const struct pt_stored_pull *stored = scene_last(scene);
    check_text("image", stored->pull.image_ref, "app:1");
    check_real("percent", stored->percent_floor, 5);
    struct pt_pull_status status = scene_last_status(scene);
    check_real("percent shown", status.totals.percent, 100);
    check_int("layers done", (int64_t)status.totals.layers_done, 2);
    check_int("received", (int64_t)scene->store->received_bytes, 200);
}

// The report had to lose a pull, which may be this one: a pull is not called completed on a guess.
static void absence_from_a_cut_report_completes_nothing(void **state)
{
    struct scene *scene = *state;
    scene_deliver(scene);
    scene->now_ns += PT_NS_PER_S;
    const struct pt_report cut = {
        .node_name = "n1", .timestamp = scene->now_ns, .left_out = {.too_large = 1}};
    check_int("taken", pt_store_apply(scene->store, &cut, &scene->err), 0);
    check_int("not completed", scene->completed, 0);
    report_nothing(scene);
    check_int("completed", scene->completed, 1);
}

static void layers_that_are_left_out_are_done(void **state)
{
    struct scene *scene = *state;
    scene_two_layers(scene, 90, 0);
    scene->pull = make_legacy("app:1", scene->layers, 2);
    scene_deliver(scene);
    scene->pull = make_legacy("app:1", &scene->layers[1], 1);
    scene_deliver(scene);
    const struct pt_stored_pull *stored = scene_last(scene);
    check_int("layers", (int64_t)stored->pull.layer_count, 2);
    check_text("the one left out", stored->pull.layers[1].digest, "sha256:a");
    check_int("its phase", stored->pull.layers[1].phase, PT_LAYER_DOWNLOADED);
    check_int("its bytes", stored->pull.layers[1].downloaded_bytes, 100);
}

static void content_without_a_name_is_one_pull(void **state)
{
    struct scene *scene = *state;
    struct pt_layer layers[] = {make_layer("sha256:a", 10), make_layer("sha256:b", 20),
                                make_layer("sha256:a", 10)};
    struct pt_pull pulls[] = {make_legacy("layer-sha256:a", &layers[0], 1),
                              make_legacy("sha256:b", &layers[1], 1),
                              make_legacy("config-sha256:c", &layers[2], 1)};
    scene_deliver_pulls(scene, "n1", pulls, 3);
    check_int("pulls", scene->started, 1);
    const struct pt_stored_pull *stored = scene_last(scene);
    check_text("name", stored->pull.image_ref, PT_MERGED_IMAGE_REF);
    check_int("layers", (int64_t)stored->pull.layer_count, 2);

    // An image that somebody named so is another pull.
    scene->pull = make_legacy(PT_MERGED_IMAGE_REF, NULL, 0);
    scene_deliver(scene);
    check_int("pulls", scene->started, 2);
    check_int("the merged one has completed", scene->completed, 1);
}

static void a_pull_that_comes_again_is_the_same_or_another(void **state)
{
    struct scene *scene = *state;
    scene_deliver(scene);
    report_nothing(scene);
    scene_deliver(scene); // one report had missed it
    check_int("started", scene->started, 1);
    check_int("active", (int64_t)scene->store->active_count, 1);
    report_nothing(scene);
    scene->pull.started_at += 60 * PT_NS_PER_S;
    scene_deliver(scene);
    check_int("another", scene->started, 2);
    check_int("pulls", (int64_t)scene->store->pulls.count, 2);
}

int main(void)
{
#define LEGACY_TEST(test) cmocka_unit_test_setup_teardown(test, legacy_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        LEGACY_TEST(absence_completes_a_pull),
        LEGACY_TEST(absence_from_a_cut_report_completes_nothing),
        LEGACY_TEST(layers_that_are_left_out_are_done),
        LEGACY_TEST(content_without_a_name_is_one_pull),
        LEGACY_TEST(a_pull_that_comes_again_is_the_same_or_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
