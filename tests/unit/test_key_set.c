// SPDX-License-Identifier: Apache-2.0
#include "base/key_set.h"

#include "check.h"

#include <stdlib.h>

#define MANY 3000

// Spread, and never 0.
static uint64_t key_of(uint64_t number)
{
    return (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void an_empty_set_has_nothing(void **state)
{
    (void)state;
    struct pt_key_set set;
    pt_key_set_init(&set);
    assert_null(pt_key_set_find(&set, 7));
    pt_key_set_keep(&set, 1);
    check_int("slots", set.capacity, 0);
    pt_key_set_finish(&set);
}

static void what_is_noted_stays_and_the_rest_goes(void **state)
{
    (void)state;
    struct pt_key_set set;
    pt_key_set_init(&set);
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(pt_key_set_add(&set, key_of(i), (int64_t)i, 1), 0);
    check_int("all", set.count, MANY);
    for (unsigned round = 2; round < 5; round++) {
        for (uint64_t i = 0; i < MANY; i += round) {
            struct pt_key_slot *slot = pt_key_set_find(&set, key_of(i));
            if (slot)
                slot->round = round;
        }
        pt_key_set_keep(&set, round);
    }
    check_int("multiples of 12", set.count, MANY / 12);
    for (uint64_t i = 0; i < MANY; i++) {
        const struct pt_key_slot *slot = pt_key_set_find(&set, key_of(i));
        check_int("is there", slot != NULL, i % 12 == 0);
        if (slot)
            check_int("what it holds", slot->since, (int64_t)i);
    }
    assert_true(set.capacity < 2048); // the memory of many is not kept
    pt_key_set_keep(&set, 9);
    check_int("none is left", set.count, 0);
    check_int("nor memory", set.capacity, 0);
    pt_key_set_finish(&set);
}

static void keys_of_one_slot_are_distinct(void **state)
{
    (void)state;
    struct pt_key_set set;
    pt_key_set_init(&set);
    for (uint64_t i = 1; i <= 20; i++)
        assert_int_equal(pt_key_set_add(&set, i << 32, (int64_t)i, 0), 0);
    for (uint64_t i = 1; i <= 20; i++)
        check_int("its own", pt_key_set_find(&set, i << 32)->since, (int64_t)i);
    assert_null(pt_key_set_find(&set, UINT64_C(21) << 32));
    pt_key_set_finish(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_set_has_nothing),
        cmocka_unit_test(what_is_noted_stays_and_the_rest_goes),
        cmocka_unit_test(keys_of_one_slot_are_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
