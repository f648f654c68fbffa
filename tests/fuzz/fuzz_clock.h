// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FUZZ_FUZZ_CLOCK_H
#define PT_TESTS_FUZZ_FUZZ_CLOCK_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The time of a fuzz target, which sets it: the monotonic one, and that of agents and Kubernetes.
// The server's wall clock may be apart from it by whole hours.
static int64_t fuzz_now_ns;
static int64_t fuzz_wall_hours;

static inline int64_t read_now(void *context)
{
    (void)context;
    return fuzz_now_ns;
}

static inline int64_t read_wall(void *context)
{
    (void)context;
    return fuzz_now_ns + fuzz_wall_hours * 3600 * PT_NS_PER_S;
}

// Somebody sets the wall clock by an hour, up to ten in all.
static inline void fuzz_set_wall(bool forward)
{
    fuzz_wall_hours += forward ? 1 : -1;
    if (fuzz_wall_hours > 10 || fuzz_wall_hours < -10)
        fuzz_wall_hours = 0;
}

static const struct pt_clock fuzz_clock = {read_now, read_wall, NULL};

#endif
