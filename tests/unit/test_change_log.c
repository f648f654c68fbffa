// SPDX-License-Identifier: Apache-2.0
#include "server/store/change_log.h"

#include "check.h"
#include "server/store/stored_pull.h"

#include <stdlib.h>

#define PULLS 300
#define FIRST_VERSION 1000

struct scene {
    struct pt_change_log log;
    struct pt_stored_pull pulls[PULLS];
    bool is_there[PULLS];
    uint32_t random;
};

static int begin(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (!scene)
        return -1;
    pt_change_log_init(&scene->log, FIRST_VERSION);
    *state = scene;
    return 0;
}

static int end(void **state)
{
    struct scene *scene = *state;
    pt_change_log_finish(&scene->log);
    free(scene);
    return 0;
}

static size_t some_pull(struct scene *scene)
{
    scene->random = scene->random * 1664525 + 1013904223;
    return (scene->random >> 8) % PULLS;
}

static void change(struct scene *scene, size_t index)
{
    struct pt_stored_pull *pull = &scene->pulls[index];
    if (!scene->is_there[index])
        assert_int_equal(pt_change_log_add(&scene->log, pull), 0);
    else if (scene->random % 7 == 0)
        pt_change_log_remove(&scene->log, pull);
    else
        pt_change_log_touch(&scene->log, pull);
    scene->is_there[index] = !scene->is_there[index] || scene->random % 7 != 0;
}

// Each pull that changed after the version, once, in the order of versions.
static void check_changed_after(const struct scene *scene, uint64_t version)
{
    size_t expected = 0, found = 0, cursor;
    uint64_t last = version;
    for (size_t i = 0; i < PULLS; i++)
        expected += scene->is_there[i] && scene->pulls[i].version > version;
    const struct pt_stored_pull *pull = pt_change_log_after(&scene->log, version, &cursor);
    for (; pull; pull = pt_change_log_next(&scene->log, &cursor)) {
        assert_true(pull->version > last);
        last = pull->version;
        found++;
    }
    assert_int_equal(found, expected);
}

static void changes_come_in_their_order_at_any_time(void **state)
{
    struct scene *scene = *state;
    for (int step = 0; step < 20000; step++) {
        change(scene, some_pull(scene));
        if (step % 11 != 0)
            continue;
        check_changed_after(scene, 0);
        check_changed_after(scene, scene->log.newest_version - scene->random % 100);
        check_changed_after(scene, scene->pulls[some_pull(scene)].version);
    }
    check_changed_after(scene, scene->log.newest_version);
}

// With 100,000 pulls one change would otherwise move all entries: 10 ms.
static void no_change_moves_many_entries(void **state)
{
    struct scene *scene = *state;
    size_t compactions = 0, most = 0;
    for (int step = 0; step < 20000; step++) {
        size_t before[PULLS], moved = 0, scanned = scene->log.scanned;
        for (size_t i = 0; i < PULLS; i++)
            before[i] = scene->pulls[i].change_index;
        change(scene, some_pull(scene));
        for (size_t i = 0; i < PULLS; i++)
            moved += scene->pulls[i].change_index != before[i];
        most = moved > most ? moved : most;
        compactions += scanned > 0 && scene->log.scanned == 0;
    }
    assert_in_range(compactions, 20, 1000);
    assert_in_range(most, 2, 17); // and the pull itself
    assert_in_range(scene->log.capacity, 2 * PULLS, 4 * PULLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_come_in_their_order_at_any_time, begin, end),
        cmocka_unit_test_setup_teardown(no_change_moves_many_entries, begin, end),
    };
    return cmocka_run_group_tests_name("change_log", tests, NULL, NULL);
}
