// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include "check.h"

#include <stdio.h>

#define ENTRIES 5000

struct entry {
    char key[16];
    bool there;
};

static void finds_what_was_put(void **state)
{
    (void)state;
    struct pt_map map;
    pt_map_init(&map);
    assert_null(pt_map_get(&map, "a"));
    assert_null(pt_map_remove(&map, "a"));
    int one = 1, two = 2;
    assert_int_equal(pt_map_put(&map, "a", &one), 0);
    assert_ptr_equal(pt_map_get(&map, "a"), &one);
    assert_int_equal(pt_map_put(&map, "a", &two), 0);
    assert_ptr_equal(pt_map_get(&map, "a"), &two);
    assert_int_equal(map.count, 1);
    assert_null(pt_map_get(&map, ""));
    assert_ptr_equal(pt_map_remove(&map, "a"), &two);
    assert_null(pt_map_get(&map, "a"));
    assert_int_equal(map.count, 0);
    assert_int_equal(pt_map_put(&map, "b", &one), 0);
    pt_map_finish(&map); // empty, and as good as new
    assert_null(pt_map_get(&map, "b"));
    assert_int_equal(map.count, 0);
    pt_map_finish(&map);
}

static void adds_only_what_is_not_there(void **state)
{
    (void)state;
    struct pt_map map;
    pt_map_init(&map);
    int one = 1, two = 2;
    assert_int_equal(pt_map_add(&map, "a", &one), 0);
    assert_int_equal(pt_map_add(&map, "a", &two), -EEXIST);
    assert_ptr_equal(pt_map_get(&map, "a"), &one);
    assert_int_equal(pt_map_add(&map, "b", &two), 0);
    assert_ptr_equal(pt_map_get(&map, "b"), &two);
    assert_int_equal(map.count, 2);
    pt_map_finish(&map);
}

// Puts and removes in an order that mixes both, and compares with plain flags throughout.
static void agrees_with_plain_flags(void **state)
{
    (void)state;
    static struct entry entries[ENTRIES];
    struct pt_map map;
    pt_map_init(&map);
    size_t there = 0;
    uint32_t random = 1;
    for (int i = 0; i < ENTRIES; i++)
        snprintf(entries[i].key, sizeof(entries[i].key), "key-%d", i);
    for (int step = 0; step < 20 * ENTRIES; step++) {
        random = random * 1664525 + 1013904223;
        struct entry *entry = &entries[(random >> 8) % ENTRIES];
        if (entry->there) {
            assert_ptr_equal(pt_map_remove(&map, entry->key), entry);
            there--;
        } else {
            assert_null(pt_map_get(&map, entry->key));
            assert_int_equal(pt_map_put(&map, entry->key, entry), 0);
            there++;
        }
        entry->there = !entry->there;
        assert_int_equal(map.count, there);
    }
    for (int i = 0; i < ENTRIES; i++)
        assert_ptr_equal(pt_map_get(&map, entries[i].key), entries[i].there ? &entries[i] : NULL);
    size_t cursor = 0, walked = 0;
    struct entry *entry;
    while ((entry = pt_map_next(&map, &cursor))) {
        assert_true(entry->there);
        entry->there = false; // so that a second visit would be noticed
        walked++;
    }
    assert_int_equal(walked, there);
    pt_map_finish(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put),
        cmocka_unit_test(adds_only_what_is_not_there),
        cmocka_unit_test(agrees_with_plain_flags),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
