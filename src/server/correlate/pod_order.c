// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/pod_order.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 64

void pt_pod_order_finish(struct pt_pod_order *order)
{
    free(order->entries);
    *order = (struct pt_pod_order){0};
}

// Closes the gaps. No pod is touched, so that this is quick however many there are.
static void compact(struct pt_pod_order *order)
{
    size_t kept = 0;
    for (size_t i = 0; i < order->count; i++) {
        if (order->entries[i].pod)
            order->entries[kept++] = order->entries[i];
    }
    order->count = kept;
}

int pt_pod_order_add(struct pt_pod_order *order, struct correlate_pod *pod, uint64_t *ret_number)
{
    if (order->count == order->capacity) {
        size_t capacity = order->capacity ? 2 * order->capacity : FIRST_CAPACITY;
        void *entries = realloc(order->entries, capacity * sizeof(*order->entries));
        if (!entries)
            return -ENOMEM;
        order->entries = entries;
        order->capacity = capacity;
    }
    *ret_number = ++order->newest_number;
    order->entries[order->count++] = (struct pt_numbered_pod){*ret_number, pod};
    order->pod_count++;
    return 0;
}

// Where the first entry with a higher number stands, or would.
static size_t find_after(const struct pt_pod_order *order, uint64_t number)
{
    size_t low = 0, high = order->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (order->entries[middle].number > number)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void pt_pod_order_remove(struct pt_pod_order *order, uint64_t number)
{
    size_t behind = find_after(order, number);
    assert(behind > 0 && order->entries[behind - 1].number == number);
    order->entries[behind - 1].pod = NULL;
    order->pod_count--;
    if (order->count > 2 * order->pod_count + FIRST_CAPACITY)
        compact(order);
}

struct correlate_pod *pt_pod_order_after(const struct pt_pod_order *order, uint64_t number)
{
    for (size_t i = find_after(order, number); i < order->count; i++) {
        if (order->entries[i].pod)
            return order->entries[i].pod;
    }
    return NULL;
}
