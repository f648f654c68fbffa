// SPDX-License-Identifier: Apache-2.0
#include "server/stream/stream_pace.h"

#include "base/clock.h"

#include <stdbool.h>

#define COST_FACTOR 5                   // of the work since a round's begin, until the next one
#define LONGEST_NS (100 * PT_NS_PER_MS) // that costs alone make it
#define LOOK_AGAIN_NS PT_NS_PER_MS      // whether all is sent

void pt_stream_pace_begin(struct pt_stream_pace *pace, int64_t now_ns, int64_t cpu_ns)
{
    *pace = (struct pt_stream_pace){.began_ns = now_ns, .ended_ns = now_ns, .cpu_began_ns = cpu_ns};
}

void pt_stream_pace_end(struct pt_stream_pace *pace, int64_t now_ns)
{
    pace->ended_ns = now_ns;
}

int64_t pt_stream_pace_wait_ns(const struct pt_stream_pace *pace, int64_t now_ns, int64_t cpu_ns)
{
    int64_t cost_ns = cpu_ns - pace->cpu_began_ns;
    bool is_sent = cost_ns >= 0;
    bool is_cheap = is_sent && cost_ns < LONGEST_NS / COST_FACTOR;
    int64_t next_ns = pace->began_ns + (is_cheap ? COST_FACTOR * cost_ns : LONGEST_NS);
    // Other work gets as much time as the round took.
    int64_t after_rest_ns = 2 * pace->ended_ns - pace->began_ns;
    int64_t wait_ns = (next_ns > after_rest_ns ? next_ns : after_rest_ns) - now_ns;
    if (wait_ns <= 0)
        return 0;
    return is_sent || wait_ns < LOOK_AGAIN_NS ? wait_ns : LOOK_AGAIN_NS;
}
