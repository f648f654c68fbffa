// SPDX-License-Identifier: Apache-2.0
#include "agent/track/pace.h"
#include "track_fixture.h"

// A pull of two layers, 2000 bytes, that gets so many bytes each second: how soon to look again.
static const struct {
    const char *name;
    int64_t interval_ms;
    int64_t bytes_per_second;
    int64_t pace_ms;
} paces[] = {
    {"a slow one: the interval", 1000, 10, 1000},       {"a point each half second", 1000, 40, 500},
    {"a point each quarter second", 1000, 80, 250},     {"no faster than that", 1000, 200, 250},
    {"a quarter of a long interval", 10000, 200, 2500}, {"a short interval", 600, 10, 600},
};

static void a_point_at_a_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(paces); i++) {
        struct scene scene;
        scene_begin(&scene);
        observe(&scene, 0);
        check_int("nothing is pulled", pt_pace_ms(scene.tracker, paces[i].interval_ms),
                  paces[i].interval_ms);
        struct pt_seen_lease *lease = add_lease(&scene, "a", 0);
        add_layers(lease, 2);
        for (int second = 1; second <= 6; second++) {
            fetch(lease, 0, paces[i].bytes_per_second * second);
            observe(&scene, second);
        }
        check_int(paces[i].name, pt_pace_ms(scene.tracker, paces[i].interval_ms), paces[i].pace_ms);
        scene_end(&scene);
    }
}

// It may be a fast one; but one that waits for its registry is not looked at so often for long.
static void one_without_bytes_is_fast_for_some_seconds(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    observe(&scene, 0);
    add_layers(add_lease(&scene, "a", 0), 2);
    observe(&scene, 0.25);
    check_int("at first", pt_pace_ms(scene.tracker, 1000), 250);
    for (double second = 1; second < 10; second++)
        observe(&scene, second);
    check_int("later", pt_pace_ms(scene.tracker, 1000), 1000);
    scene_end(&scene);
}

static void one_that_is_extracted_does_not_move(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    observe(&scene, 0);
    struct pt_seen_lease *lease = add_lease(&scene, "a", 0);
    add_layers(lease, 1);
    fetch(lease, 0, 500);
    observe(&scene, 0.5);
    fetch(lease, 0, 900);
    observe(&scene, 1);
    check_int("fetched", pt_pace_ms(scene.tracker, 1000), 250);
    commit(lease, 0, 1.5);
    observe(&scene, 2);
    check_int("extracted", pt_pace_ms(scene.tracker, 1000), 1000);
    scene_end(&scene);
}

// Each layer is work at each look.
static void many_layers_are_looked_at_less_often(void **state)
{
    (void)state;
    static struct pt_seen_layer layers[400];
    static char digests[COUNT_OF(layers)][80];
    for (size_t i = 0; i < COUNT_OF(layers); i++) {
        snprintf(digests[i], sizeof(digests[i]), "sha256:%064zu", i);
        layers[i] = (struct pt_seen_layer){.digest = digests[i], .size = 1000};
    }
    for (size_t count = 200; count <= COUNT_OF(layers); count += 200) {
        struct scene scene;
        scene_begin(&scene);
        observe(&scene, 0);
        struct pt_seen_lease *lease = add_lease(&scene, "a", 0);
        lease->layers = layers;
        lease->layer_count = count;
        observe(&scene, 0.5);
        check_int("a millisecond each", pt_pace_ms(scene.tracker, 1000), count < 250 ? 250 : 400);
        scene_end(&scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_at_a_time),
        cmocka_unit_test(one_without_bytes_is_fast_for_some_seconds),
        cmocka_unit_test(one_that_is_extracted_does_not_move),
        cmocka_unit_test(many_layers_are_looked_at_less_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
