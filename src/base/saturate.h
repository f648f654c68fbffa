// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_SATURATE_H
#define PT_BASE_SATURATE_H

#include <stdint.h>

// Adds an amount, 0 or more; a sum that would pass INT64_MAX stays there. For what peers add up.
static inline void pt_add_saturated(int64_t *sum, int64_t amount)
{
    if (__builtin_add_overflow(*sum, amount, sum))
        *sum = INT64_MAX;
}

#endif
