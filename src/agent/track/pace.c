// SPDX-License-Identifier: Apache-2.0
#include "agent/track/pace.h"

#include "base/rhythm.h"

// Between two looks a pull may move so many points: half of it is what a report is behind on
// average.
#define POINTS 1

// How long the pull takes for POINTS, at most `longest_ms`.
static int64_t time_to_move_ms(const struct pt_tracked *tracked, int64_t longest_ms)
{
    const struct pt_pull *pull = &tracked->pull;
    double speed = tracked->rate.bytes_per_second;
    struct pt_totals totals;
    if (pull->phase == PT_PULL_EXTRACTING)
        return longest_ms;
    // Until its first bytes have come it may be a fast one, but nothing is awaited for ever.
    if (speed <= 0 && tracked->rate.count < PT_RATE_SAMPLES)
        return 0;
    pt_pull_totals(pull, &totals);
    double step = (double)totals.total_bytes * POINTS / 100;
    if (!pull->total_known || step * 1000 >= speed * (double)longest_ms)
        return longest_ms;
    return (int64_t)(step * 1000 / speed);
}

int64_t pt_pace_ms(const struct pt_tracker *tracker, int64_t interval_ms)
{
    const struct pt_tracked *tracked = NULL;
    int64_t pace_ms = interval_ms;
    int64_t shortest_ms = interval_ms / 4;
    int64_t layers = 0;
    if (shortest_ms < PT_LOOK_PACE_MS)
        shortest_ms = PT_LOOK_PACE_MS;
    while ((tracked = pt_tracker_next(tracker, tracked))) {
        if (tracked->finished)
            continue;
        layers += (int64_t)tracked->pull.layer_count;
        int64_t needed_ms = time_to_move_ms(tracked, interval_ms);
        pace_ms = needed_ms < pace_ms ? needed_ms : pace_ms;
    }
    if (shortest_ms < layers * PT_LOOK_MS_PER_LAYER)
        shortest_ms = layers * PT_LOOK_MS_PER_LAYER;
    if (pace_ms < shortest_ms)
        pace_ms = shortest_ms;
    return pace_ms < interval_ms ? pace_ms : interval_ms;
}
