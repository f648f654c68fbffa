// SPDX-License-Identifier: Apache-2.0
#include "check.h"
#include "server/correlate/pod_order.h"

#define PODS 1000

// Only its address counts.
static struct correlate_pod *pod(size_t index)
{
    static char pods[PODS];
    return (struct correlate_pod *)&pods[index];
}

static void fill(struct pt_pod_order *order, uint64_t *numbers)
{
    for (size_t i = 0; i < PODS; i++)
        assert_int_equal(pt_pod_order_add(order, pod(i), &numbers[i]), 0);
}

static void pods_come_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    struct pt_pod_order order = {0};
    uint64_t numbers[PODS], place = 0;
    fill(&order, numbers);
    for (size_t i = 0; i < PODS; i++) {
        assert_ptr_equal(pt_pod_order_after(&order, place), pod(i));
        assert_true(numbers[i] > place);
        place = numbers[i];
    }
    assert_null(pt_pod_order_after(&order, place));
    assert_null(pt_pod_order_after(&order, UINT64_MAX));
    pt_pod_order_finish(&order);
}

static void a_number_keeps_its_place_when_its_pod_is_gone(void **state)
{
    (void)state;
    struct pt_pod_order order = {0};
    uint64_t numbers[PODS];
    fill(&order, numbers);
    for (size_t i = 0; i + 1 < PODS; i++) {
        pt_pod_order_remove(&order, numbers[i]);
        assert_ptr_equal(pt_pod_order_after(&order, numbers[i]), pod(i + 1));
        assert_ptr_equal(pt_pod_order_after(&order, 0), pod(i + 1));
    }
    pt_pod_order_remove(&order, numbers[PODS - 1]);
    assert_null(pt_pod_order_after(&order, 0));
    pt_pod_order_finish(&order);
}

// Gaps that stayed would be passed over by each search.
static void what_has_gone_takes_no_place_for_long(void **state)
{
    (void)state;
    struct pt_pod_order order = {0};
    uint64_t numbers[PODS];
    fill(&order, numbers);
    size_t capacity = order.capacity;
    for (size_t i = 0; i < PODS; i++)
        pt_pod_order_remove(&order, numbers[i]);
    assert_in_range(order.count, 0, PODS / 10);
    for (size_t round = 0; round < 10 * PODS; round++) {
        uint64_t number;
        assert_int_equal(pt_pod_order_add(&order, pod(0), &number), 0);
        pt_pod_order_remove(&order, number);
    }
    assert_int_equal(order.capacity, capacity);
    pt_pod_order_finish(&order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_come_in_the_order_of_their_numbers),
        cmocka_unit_test(a_number_keeps_its_place_when_its_pod_is_gone),
        cmocka_unit_test(what_has_gone_takes_no_place_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
