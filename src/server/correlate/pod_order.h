// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CORRELATE_POD_ORDER_H
#define PT_SERVER_CORRELATE_POD_ORDER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

// All pods by the number that each got when it came to be known. Numbers only grow, so a place
// among the pods is found by halving, even when the pod that had that number is gone. All zero is
// an empty one.
struct correlate_pod;

struct pt_pod_order {
    struct pt_numbered_pod {
        uint64_t number;
        struct correlate_pod *pod; // NULL: it is gone
    } * entries;
    size_t count;
    size_t capacity;
    size_t pod_count; // without those that are gone
    uint64_t newest_number;
};

void pt_pod_order_finish(struct pt_pod_order *order);

// Adds a pod behind all others; -ENOMEM leaves everything as it was.
PT_MUST_CHECK int pt_pod_order_add(struct pt_pod_order *order, struct correlate_pod *pod,
                                   uint64_t *ret_number);
void pt_pod_order_remove(struct pt_pod_order *order, uint64_t number);

// The first pod with a higher number; NULL: there is none. At most half of what is passed over has
// gone, so that no search is long.
struct correlate_pod *pt_pod_order_after(const struct pt_pod_order *order, uint64_t number);

#endif
