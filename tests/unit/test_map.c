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

// A reader finds each entry once, whatever has moved already.
static void check_each_is_met_once(const struct pt_map *map, struct entry *entries, size_t count)
{
    size_t cursor = 0, met = 0;
    struct entry *entry;
    for (size_t i = 0; i < count; i++)
        entries[i].there = true;
    for (; (entry = pt_map_next(map, &cursor)); met++) {
        assert_true(entry->there);
        entry->there = false;
    }
    assert_int_equal(met, count);
}

// One change alone would otherwise move all entries: 4 ms with 100,000.
static void a_large_map_grows_little_by_little(void **state)
{
    (void)state;
    static struct entry entries[4 * ENTRIES];
    struct pt_map map;
    pt_map_init(&map);
    size_t count = 0, in_growth = 0;
    for (; count < 4 * ENTRIES; count++) {
        snprintf(entries[count].key, sizeof(entries[count].key), "key-%zu", count);
        assert_int_equal(pt_map_put(&map, entries[count].key, &entries[count]), 0);
        in_growth += map.growth != NULL;
        if (map.growth && in_growth % 250 == 1) {
            check_each_is_met_once(&map, entries, count + 1);
            for (size_t i = 0; i <= count; i++)
                assert_ptr_equal(pt_map_get(&map, entries[i].key), &entries[i]);
        }
    }
    assert_in_range(in_growth, 1000, 4 * ENTRIES / 2); // and ends in time
    pt_map_finish(&map);
}

static void what_has_not_moved_yet_is_replaced_and_removed(void **state)
{
    (void)state;
    static struct entry entries[ENTRIES], other;
    struct pt_map map;
    pt_map_init(&map);
    size_t count = 0;
    while (!map.growth) {
        snprintf(entries[count].key, sizeof(entries[count].key), "key-%zu", count);
        assert_int_equal(pt_map_put(&map, entries[count].key, &entries[count]), 0);
        count++;
    }
    size_t whole = count;
    assert_int_equal(pt_map_add(&map, entries[0].key, &other), -EEXIST);
    assert_int_equal(pt_map_put(&map, entries[0].key, &other), 0);
    assert_ptr_equal(pt_map_get(&map, entries[0].key), &other);
    assert_ptr_equal(pt_map_remove(&map, entries[0].key), &other);
    for (; count > 1 && map.growth; count--)
        assert_ptr_equal(pt_map_remove(&map, entries[count - 1].key), &entries[count - 1]);
    assert_int_equal(map.count, count - 1);
    for (size_t i = 0; i < whole; i++)
        assert_ptr_equal(pt_map_get(&map, entries[i].key), i > 0 && i < count ? &entries[i] : NULL);
    pt_map_finish(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put),
        cmocka_unit_test(adds_only_what_is_not_there),
        cmocka_unit_test(agrees_with_plain_flags),
        cmocka_unit_test(a_large_map_grows_little_by_little),
        cmocka_unit_test(what_has_not_moved_yet_is_replaced_and_removed),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
