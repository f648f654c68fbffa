// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_store.h"

#include "store_fixture.h"

// When a pull stalls, and when it is only slow: containerd shows bytes by the mebibyte.

#define MEBIBYTE ((int64_t)1 << 20)

static void a_stall_is_shown_with_its_seconds(void **state)
{
    struct scene *scene = *state;
    scene->layers[0].downloaded_bytes = 50;
    for (int second = 0; second <= 8; second++) {
        uint64_t version = scene_version(scene);
        scene_deliver(scene);
        check_real("stalled", scene_last_status(scene).stalled_seconds, second < 5 ? 0 : second);
        if (second >= 5)
            assert_true(scene_version(scene) > version);
    }
    scene->layers[0].downloaded_bytes++;
    scene_deliver(scene);
    check_real("moves", scene_last_status(scene).stalled_seconds, 0);
}

// containerd has asked for the layer, and has not a mebibyte of it.
static void a_registry_that_sends_nothing_is_a_stall(void **state)
{
    struct scene *scene = *state;
    scene->layers[0].phase = PT_LAYER_QUEUED;
    for (int second = 0; second < 60; second++) {
        scene_deliver(scene);
        check_real("not asked for", scene_last_status(scene).stalled_seconds, 0);
    }
    scene->layers[0].source = PT_SOURCE_FETCHED;
    for (int second = 0; second <= 40; second++) {
        scene_deliver(scene);
        double wanted = second < 30 ? 0 : second;
        check_real("asked for", scene_last_status(scene).stalled_seconds, wanted);
    }
    scene->layers[0].phase = PT_LAYER_DOWNLOADING;
    scene->layers[0].downloaded_bytes = 50;
    scene_deliver(scene);
    check_real("comes", scene_last_status(scene).stalled_seconds, 0);
}

// At 100 KB/s containerd writes a mebibyte each ten seconds.
static void a_slow_download_is_not_stalled_between_its_pieces(void **state)
{
    struct scene *scene = *state;
    scene->layers[0].total_bytes = 100 * MEBIBYTE;
    for (int second = 0; second <= 60; second++) {
        scene->layers[0].downloaded_bytes = second / 10 * MEBIBYTE;
        scene_deliver(scene);
        struct pt_pull_status status = scene_last_status(scene);
        check_real("stalled", second > 10 ? status.stalled_seconds : 0, 0);
        if (second > 10)
            check_real("speed", status.bytes_per_second, MEBIBYTE / 10.0);
    }
    for (int second = 0; second < 31; second++)
        scene_deliver(scene);
    check_real("now it is", scene_last_status(scene).stalled_seconds, 31);
    check_real("and its speed", scene_last_status(scene).bytes_per_second, 0);
}

// A layer at 100 KB/s beside a quick one, which is there after a while.
static void a_slow_layer_that_is_left_is_not_stalled(void **state)
{
    struct scene *scene = *state;
    scene->pull.layer_count = 2;
    scene->layers[1] = make_layer("sha256:quick", 0);
    for (int i = 0; i < 2; i++)
        scene->layers[i].total_bytes = 64 * MEBIBYTE;
    for (int second = 0; second <= 70; second++) {
        scene->layers[0].downloaded_bytes = second / 10 * MEBIBYTE;
        scene->layers[1].downloaded_bytes = (second < 32 ? 2 * second : 64) * MEBIBYTE;
        if (second == 32)
            scene->layers[1].phase = PT_LAYER_DONE;
        scene_deliver(scene);
        check_real("stalled", scene_last_status(scene).stalled_seconds, 0);
    }
    for (int second = 0; second < 60; second++)
        scene_deliver(scene);
    check_real("now it is", scene_last_status(scene).stalled_seconds, 60);
}

// containerd 2 fetches three layers at once, of all pulls: others wait for minutes, and then are as
// quick. Of the slow one the first pieces come at 53 s, of the quick one at 40 s.
static void what_waited_for_others_has_its_own_speed(void **state)
{
    static const struct {
        const char *name;
        int first, step; // seconds
    } rows[] = {{"quick", 40, 1}, {"slow", 53, 13}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_anew(state);
        struct pt_layer other = make_layer("sha256:other", 0);
        scene->layers[0].total_bytes = other.total_bytes = 1000 * MEBIBYTE;
        struct pt_pull pulls[] = {make_pull("lease-0", "other:1", &other, 1), scene->pull};
        for (int second = 1; second <= 90; second++) {
            int pieces = second < rows[i].first ? 0 : 1 + (second - rows[i].first) / rows[i].step;
            scene->layers[0].downloaded_bytes = pieces * MEBIBYTE;
            scene->layers[0].phase = pieces > 0 ? PT_LAYER_DOWNLOADING : PT_LAYER_QUEUED;
            other.downloaded_bytes += 2 * MEBIBYTE;
            scene_deliver_pulls(scene, "n1", pulls, 2);
            struct pt_pull_status status = scene_last_status(scene);
            check_real(rows[i].name, status.stalled_seconds, 0);
            double wanted = pieces < 2 ? 0 : (double)MEBIBYTE / rows[i].step;
            check_real(rows[i].name, status.bytes_per_second, wanted);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_stall_is_shown_with_its_seconds),
        SCENE_TEST(a_registry_that_sends_nothing_is_a_stall),
        SCENE_TEST(a_slow_layer_that_is_left_is_not_stalled),
        SCENE_TEST(a_slow_download_is_not_stalled_between_its_pieces),
        SCENE_TEST(what_waited_for_others_has_its_own_speed),
    };
    return cmocka_run_group_tests_name("stalls", tests, NULL, NULL);
}
