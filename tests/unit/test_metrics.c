// SPDX-License-Identifier: Apache-2.0
#include "server/api/metrics.h"

#include "stream_fixture.h"

// Names that agents make up may be as long as they like, and each character escaped.
static void no_name_of_a_registry_makes_them_too_long(void **state)
{
    struct world *world = *state;
    struct pt_metrics metrics = {0};
    struct pt_buffer out;
    for (int i = 0; i < PT_NAMED_REGISTRIES; i++) {
        char repository[PT_LIMIT_NAME_BYTES + 8];
        memset(repository, '"', PT_LIMIT_NAME_BYTES);
        repository[0] = (char)('a' + i);
        repository[PT_LIMIT_NAME_BYTES - 1] = '.';
        strcpy(repository + PT_LIMIT_NAME_BYTES, "/app");
        struct pt_registry *row =
            pt_registries_find(&world->scene.store->registries, repository, world->scene.now_ns);
        check_int("length of its name", (int64_t)strlen(row->name), PT_LIMIT_NAME_BYTES);
        row->bytes = row->completed = UINT64_MAX;
        for (int c = 0; c < PT_FAILURE_CLASS_COUNT; c++)
            row->failed[c] = UINT64_MAX / PT_FAILURE_CLASS_COUNT;
    }
    pt_buffer_init(&out, PT_METRICS_MAX_BYTES);
    assert_int_equal(
        pt_metrics_write(&metrics, world->scene.store, world->stream, SCENE_START, &out), 0);
    assert_true(out.length > 256 * 1024); // so that they are counted here at all
    assert_true(out.length < PT_METRICS_MAX_BYTES - PT_METRICS_REST_BYTES);
    pt_buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_name_of_a_registry_makes_them_too_long, world_setup,
                                        world_teardown),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
