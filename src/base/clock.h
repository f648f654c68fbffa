// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_CLOCK_H
#define PT_BASE_CLOCK_H

#include <stdint.h>

#define PT_NS_PER_MS INT64_C(1000000)
#define PT_NS_PER_S INT64_C(1000000000)

// Where time comes from. Code takes a `const struct pt_clock *` and never asks the system itself,
// so that a test can turn the hands.
struct pt_clock {
    int64_t (*monotonic_ns)(void *context);
    int64_t (*wall_ns)(void *context); // since 1970-01-01 UTC
    void *context;
};

// The machine's own clock. Never NULL, never freed.
const struct pt_clock *pt_clock_system(void);

static inline int64_t pt_clock_monotonic_ns(const struct pt_clock *clock)
{
    return clock->monotonic_ns(clock->context);
}

static inline int64_t pt_clock_wall_ns(const struct pt_clock *clock)
{
    return clock->wall_ns(clock->context);
}

// Seconds from one time of a clock to another, in nanoseconds; 0 if that is not later.
static inline double pt_clock_seconds(int64_t from, int64_t to)
{
    return to > from ? (double)(to - from) / (double)PT_NS_PER_S : 0;
}

#endif
