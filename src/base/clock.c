// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * PT_NS_PER_S + now.tv_nsec;
}

static int64_t system_monotonic_ns(void *context)
{
    (void)context;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_wall_ns(void *context)
{
    (void)context;
    return read_clock(CLOCK_REALTIME);
}

const struct pt_clock *pt_clock_system(void)
{
    static const struct pt_clock system_clock = {
        .monotonic_ns = system_monotonic_ns,
        .wall_ns = system_wall_ns,
    };
    return &system_clock;
}
