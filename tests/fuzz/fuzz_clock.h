// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FUZZ_FUZZ_CLOCK_H
#define PT_TESTS_FUZZ_FUZZ_CLOCK_H

#include "base/clock.h"

#include <stddef.h>
#include <stdint.h>

// The time of a fuzz target, which sets it: the wall's and the monotonic one alike.
static int64_t fuzz_now_ns;

static inline int64_t read_now(void *context)
{
    (void)context;
    return fuzz_now_ns;
}

static const struct pt_clock fuzz_clock = {read_now, read_now, NULL};

#endif
