// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_WARN_PACE_H
#define PT_BASE_WARN_PACE_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

// Of what may happen often, one warning a minute is logged. All zero is one that never warned.
struct pt_warn_pace {
    bool has_warned;
    int64_t warned_at_ns; // monotonic
};

// Whether a warning is due at `now_ns` (monotonic); it then counts as given.
static inline bool pt_warn_pace_admits(struct pt_warn_pace *pace, int64_t now_ns)
{
    if (pace->has_warned && now_ns - pace->warned_at_ns < 60 * PT_NS_PER_S)
        return false;
    *pace = (struct pt_warn_pace){.has_warned = true, .warned_at_ns = now_ns};
    return true;
}

#endif
