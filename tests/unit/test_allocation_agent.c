// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/manifest.h"
#include "base/limits.h"
#include "containerd/arena.h"
#include "containerd/grpc_frame.h"

#include "round_scene.h"
#include "scarce_memory.h"

// --- parsers ---

static int parse(const char *json)
{
    struct pt_document document;
    int r = pt_document_parse(json, strlen(json), &document);
    if (r == 0)
        pt_document_finish(&document);
    return r;
}

static int parse_an_index(void)
{
    return parse("{\"manifests\":[{\"digest\":\"" D(
        "1") "\",\"platform\":{\"os\":\"linux\","
             "\"architecture\":\"arm64\",\"variant\":\"v8\"}},{\"digest\":\"" D("2") "\"}]}");
}

static int parse_a_manifest(void)
{
    return parse("{\"config\":{\"digest\":\"" D("1") "\"},\"layers\":[{\"digest\":\"" D(
        "2") "\","
             "\"size\":1,\"mediaType\":\"a/b\"},{\"digest\":\"" D("3") "\",\"size\":2}]}");
}

static int parse_a_config(void)
{
    return parse("{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[\"" D(
        "1") "\",\"" D("2") "\"]}}");
}

static int on_message(void *context, const uint8_t *message, size_t length)
{
    (void)context, (void)message, (void)length;
    return 0;
}

static int parse_frames(void)
{
    static const uint8_t frames[] = {0, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 1, 'd'};
    struct pt_grpc_parser parser;
    int r = 0;
    pt_grpc_parser_init(&parser, 100);
    for (size_t i = 0; r == 0 && i < sizeof(frames); i++)
        r = pt_grpc_parser_feed(&parser, frames + i, 1, on_message, NULL);
    pt_grpc_parser_finish(&parser);
    return r;
}

// A message of which a list is longer than the arena's first piece.
static int unpack_a_message(void)
{
    static Ctrd__Resource resources[500];
    static Ctrd__Resource *list[COUNT_OF(resources)];
    static uint8_t bytes[64 * 1024];
    Ctrd__ListResourcesResponse response = CTRD__LIST_RESOURCES_RESPONSE__INIT;
    struct pt_arena arena;
    for (size_t i = 0; i < COUNT_OF(resources); i++) {
        ctrd__resource__init(&resources[i]);
        resources[i].id = (char *)D("1");
        list[i] = &resources[i];
    }
    response.resources = list;
    response.n_resources = COUNT_OF(resources);
    size_t length = ctrd__list_resources_response__pack(&response, bytes);
    pt_arena_init(&arena);
    const Ctrd__ListResourcesResponse *got =
        ctrd__list_resources_response__unpack(&arena.allocator, length, bytes);
    int r = got ? 0 : -ENOMEM;
    if (got)
        assert_string_equal(got->resources[COUNT_OF(resources) - 1]->id, D("1"));
    pt_arena_finish(&arena);
    return r;
}

// --- a pull, from the first look to its end ---

// Memory is short in the first looks: the pull is seen whole once there is some.
static int begin_a_pull(void)
{
    struct scene scene;
    int r = scene_create(&scene, "k8s.io");
    if (r < 0)
        return r;
    scene_look(&scene);
    scene.world.offset = 400;
    scene_look(&scene);
    memory_is_back();
    for (int i = 0; i < 12; i++)
        scene_look(&scene);
    check_int("started", scene.started, 1);
    const struct pt_tracked *tracked = pt_tracker_next(scene.tracker, NULL);
    assert_non_null(tracked);
    check_int("layers", (int64_t)tracked->pull.layer_count, 1);
    check_int("bytes", tracked->pull.layers[0].downloaded_bytes, 400);
    scene.world.offset = BYTES;
    scene.world.is_over = true;
    scene_look(&scene);
    scene_look(&scene);
    check_int("completed", scene.completed, 1);
    check_int("failed", scene.failed, 0);
    scene_end(&scene);
    return 0;
}

// Memory is short at the first look: a lease that somebody has left is no pull at the second one.
static int find_an_old_lease(void)
{
    struct scene scene = {.world = {.broken = CALL_COUNT}};
    struct pt_seen_layer layer = {
        .digest = (char *)D("1"), .size = BYTES, .has_ingest = true, .owns_ingest = true};
    struct pt_seen_lease lease = {
        .namespace = (char *)"k8s.io",
        .id = (char *)"old",
        .created_at = START,
        .fingerprint = 1,
        .layers = &layer,
        .layer_count = 1,
        .layers_known = true,
    };
    struct pt_seen_lease *leases[] = {&lease};
    struct pt_observation observation = {.leases = leases, .lease_count = 1};
    const struct pt_tracker_options options = {.on_change = on_change, .context = &scene};
    int r = pt_tracker_create(&options, &scene.tracker, NULL);
    if (r < 0)
        return r;
    for (int second = 0; second < 3; second++) {
        observation.taken_at = START + (600 + second) * PT_NS_PER_S;
        observation.taken_monotonic = observation.taken_at;
        pt_tracker_observe(scene.tracker, &observation);
        memory_is_back();
    }
    check_int("started", scene.started, 0);
    pt_tracker_destroy(scene.tracker);
    return 0;
}

// Memory is short when the pull ends: it ends once, and nothing of it is lost but words.
static int end_a_pull(void)
{
    struct scene scene;
    const struct scarce_memory scarce = scarce_memory;
    memory_is_back();
    scene_begin(&scene, "k8s.io");
    scene_look(&scene);
    scene.world.offset = 400;
    scene_look(&scene);
    scene.world.offset = BYTES;
    scene.world.is_over = true;
    scarce_memory = scarce;
    scene_look(&scene);
    memory_is_back();
    for (int i = 0; i < 4; i++)
        scene_look(&scene);
    check_int("ended", scene.completed + scene.failed, 1);
    check_int("active", (int64_t)pt_tracker_active_count(scene.tracker), 0);
    scene_end(&scene);
    return 0;
}

static void every_failure_is_an_error_or_mended(void **state)
{
    (void)state;
    static const struct scarce_row rows[] = {
        SCARCE_ROW(parse_an_index, false),   SCARCE_ROW(parse_a_manifest, false),
        SCARCE_ROW(parse_a_config, false),   SCARCE_ROW(parse_frames, false),
        SCARCE_ROW(unpack_a_message, false), SCARCE_ROW(begin_a_pull, true),
        SCARCE_ROW(end_a_pull, true),        SCARCE_ROW(find_an_old_lease, true),
    };
    scarce_sweep(rows, COUNT_OF(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_is_an_error_or_mended),
    };
    return cmocka_run_group_tests_name("allocation_agent", tests, NULL, NULL);
}
