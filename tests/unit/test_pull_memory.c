// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "pull/pull_fields.h"
#include "server/store/pull_memory.h"

#include "store_fixture.h"

#include <stdlib.h>

#define LAYERS 100
#define TAKEN 32 // fat pulls for which there is room

// A hundred layers with digests of their own, of which the pull at hand has the first ones.
static struct pt_layer layers[LAYERS];
static char digests[LAYERS][80];

static struct pt_pull make_fat_pull(const char *id, size_t layer_count)
{
    for (size_t i = 0; i < LAYERS; i++) {
        snprintf(digests[i], sizeof(digests[i]), "sha256:%064zx", i);
        layers[i] = make_layer(digests[i], 0);
        layers[i].media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    }
    return make_pull(id, "app:1", layers, layer_count);
}

static int report(struct scene *scene, const char *node, const char *id, size_t layer_count,
                  enum pt_pull_phase phase)
{
    struct pt_pull pull = make_fat_pull(id, layer_count);
    pull.phase = phase;
    return scene_report(scene, node, &pull, 1);
}

static int64_t bytes_of(struct scene *scene, struct pt_pull *pull)
{
    scene->memory = (struct pt_memory_share){0};
    assert_int_equal(scene_report(scene, "measure", pull, 1), 0);
    int64_t bytes = scene->memory.used_bytes;
    scene_restart(scene);
    assert_int_equal(scene->memory.used_bytes, 0);
    return bytes;
}

static int64_t bytes_of_one(struct scene *scene, size_t layer_count)
{
    struct pt_pull pull = make_fat_pull("i", layer_count);
    return bytes_of(scene, &pull);
}

static void a_pull_counts_what_it_holds(void **state)
{
    struct scene *scene = *state;
    int64_t small = bytes_of_one(scene, 0);
    int64_t fat = bytes_of_one(scene, LAYERS);
    int64_t node = (int64_t)sizeof(struct pt_node) + 1024; // its own bytes, but for its name
    assert_in_range(small - node, sizeof(struct pt_stored_pull), 2048);
    // A layer's figures, versions, track, and digest; the media type is a known one.
    int64_t layer = (int64_t)(sizeof(struct pt_layer) + sizeof(struct pt_layer_versions) +
                              sizeof(struct pt_layer_track)) +
                    72;
    assert_int_equal(fat - small, LAYERS * layer);
}

// The platform was once kept and not counted.
static void each_text_of_a_pull_counts(void **state)
{
    struct scene *scene = *state;
    static const char text[] = "a text that is longer than any that the pull has without it";
    struct pt_pull plain = make_fat_pull("i", 0);
    int64_t before = bytes_of(scene, &plain);
    for (size_t i = 0; i < pt_pull_fields.texts_end; i++) {
        struct pt_pull pull = plain;
        const char **place = pt_field_text(&pt_pull_fields.rows[i], &pull);
        if (!place)
            continue;
        int64_t replaced = *place ? (int64_t)strlen(*place) + 1 : 0;
        *place = text;
        check_int(pt_pull_fields.rows[i].name, bytes_of(scene, &pull) - before,
                  (int64_t)sizeof(text) - replaced);
    }
}

// Most pulls of a store are final ones.
static void a_final_pull_keeps_no_tracks(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(report(scene, "n1", "a", LAYERS, PT_PULL_DOWNLOADING), 0);
    int64_t under_way = scene->memory.used_bytes;
    assert_int_equal(report(scene, "n1", "a", LAYERS, PT_PULL_COMPLETED), 0);
    assert_int_equal(under_way - scene->memory.used_bytes, LAYERS * sizeof(struct pt_layer_track));
    assert_null(scene_last(scene)->tracks);
    // Its end is reported until the agent knows that it was taken.
    assert_int_equal(report(scene, "n1", "a", LAYERS, PT_PULL_COMPLETED), 0);
    assert_null(scene_last(scene)->tracks);
}

static void what_leaves_counts_no_more(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(report(scene, "n1", "a", 10, PT_PULL_DOWNLOADING), 0);
    assert_int_equal(report(scene, "n1", "b", 20, PT_PULL_DOWNLOADING), 0);
    assert_int_equal(report(scene, "n1", "b", 20, PT_PULL_COMPLETED), 0);
    assert_int_equal(report(scene, "n1", "a", 5, PT_PULL_FAILED), 0);
    assert_true(scene->memory.used_bytes > 0);
    struct pt_node *node = pt_map_get(&scene->store->nodes, "n1");
    assert_int_equal(node->bytes, scene->memory.used_bytes);
    scene_wait(scene, 3600);
    assert_int_equal(scene->store->pulls.count, 0);
    scene_wait(scene, 1); // the node goes behind its pulls
    assert_int_equal(scene->memory.used_bytes, 0);
}

static void nodes_count_and_a_full_store_takes_no_new_one(void **state)
{
    struct scene *scene = *state;
    scene->memory.max_bytes = 100 * 1024;
    char node[16];
    int r = 0, taken = 0;
    for (; r == 0 && taken < 1000; taken++) {
        snprintf(node, sizeof(node), "made-up-%d", taken);
        r = scene_report(scene, node, NULL, 0);
    }
    assert_int_equal(r, -ENOBUFS);
    assert_in_range(taken, 20, 100);
    assert_true(scene->memory.used_bytes <= scene->memory.max_bytes);
    assert_int_equal(scene->memory.refused, 1);
}

// 12 GB were once held for a setting whose help says 4 KB a pull.
static void a_full_store_refuses_and_never_passes_its_share(void **state)
{
    struct scene *scene = *state;
    const int nodes = 40;
    int64_t fat = bytes_of_one(scene, LAYERS);
    scene->memory.max_bytes = TAKEN * fat;
    int taken = 0;
    for (int i = 0; i < nodes; i++) {
        char node[16];
        snprintf(node, sizeof(node), "n%d", i);
        int r = report(scene, node, "i", LAYERS, PT_PULL_DOWNLOADING);
        taken += r == 0;
        if (r < 0)
            check_int("refused", r, -ENOBUFS);
        assert_true(scene->memory.used_bytes <= scene->memory.max_bytes);
    }
    assert_in_range(taken, TAKEN / 2, TAKEN);
    assert_int_equal(scene->memory.refused, nodes - taken);
    assert_non_null(strstr(scene->err.message, "memory for pulls is full"));
    // What is known goes on, and its end is shown.
    assert_int_equal(report(scene, "n0", "i", LAYERS, PT_PULL_EXTRACTING), 0);
    assert_int_equal(report(scene, "n0", "i", LAYERS, PT_PULL_COMPLETED), 0);
    assert_int_equal(scene->completed, 1);
    assert_int_equal(report(scene, "n1", "i", LAYERS, PT_PULL_COMPLETED), 0);
    assert_int_equal(report(scene, "n2", "i", LAYERS, PT_PULL_COMPLETED), 0);
    // What has ended makes room: by what it lets go, and then by leaving.
    for (int i = 0; i < 3; i++) {
        char node[16];
        snprintf(node, sizeof(node), "another-%d", i);
        assert_int_equal(report(scene, node, "i", LAYERS, PT_PULL_DOWNLOADING), 0);
    }
    assert_in_range(scene->store->completed_count, 0, 2); // of three
    assert_true(scene->memory.used_bytes <= scene->memory.max_bytes);
}

static void one_node_has_its_share_only(void **state)
{
    struct scene *scene = *state;
    static struct pt_pull pulls[400];
    static char ids[COUNT_OF(pulls)][8];
    int64_t fat = bytes_of_one(scene, LAYERS);
    int64_t share = PT_LIMIT_LOWEST_NODE_BYTES;
    assert_true((int64_t)COUNT_OF(pulls) * fat > share);
    scene->memory.max_bytes = 16 * share;
    for (size_t i = 0; i < COUNT_OF(pulls); i++) {
        snprintf(ids[i], sizeof(ids[i]), "i%zu", i);
        pulls[i] = make_fat_pull(ids[i], LAYERS);
    }
    check_int("refused", scene_report(scene, "greedy", pulls, COUNT_OF(pulls)), -EFBIG);
    assert_non_null(strstr(scene->err.message, "share"));
    assert_in_range(scene->memory.used_bytes, share - 2 * fat, share);
    assert_int_equal(report(scene, "modest", "i", LAYERS, PT_PULL_DOWNLOADING), 0);
}

// The end of a pull is shown even if its layers find no room.
static void an_end_needs_no_room(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(report(scene, "n1", "a", 0, PT_PULL_RESOLVING), 0);
    scene->memory.max_bytes = scene->memory.used_bytes + 100;
    int r = report(scene, "n1", "a", LAYERS, PT_PULL_DOWNLOADING);
    check_int("its layers", r == -ENOBUFS || r == -EFBIG, true);
    assert_int_equal(report(scene, "n1", "a", LAYERS, PT_PULL_COMPLETED), 0);
    assert_int_equal(scene->completed, 1);
    assert_int_equal(scene_last(scene)->pull.layer_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_pull_counts_what_it_holds),
        SCENE_TEST(each_text_of_a_pull_counts),
        SCENE_TEST(a_final_pull_keeps_no_tracks),
        SCENE_TEST(what_leaves_counts_no_more),
        SCENE_TEST(nodes_count_and_a_full_store_takes_no_new_one),
        SCENE_TEST(a_full_store_refuses_and_never_passes_its_share),
        SCENE_TEST(one_node_has_its_share_only),
        SCENE_TEST(an_end_needs_no_room),
    };
    return cmocka_run_group_tests_name("pull_memory", tests, NULL, NULL);
}
