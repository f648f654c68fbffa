// SPDX-License-Identifier: Apache-2.0
#include "agent/track/track_pull.h"

// How much of each pull's bytes a server has taken. A server that is started anew knows none of
// them: it counts what none before it has.

static struct pt_tracked *next_of(const struct pt_tracker *tracker, struct pt_tracked *shown)
{
    return (struct pt_tracked *)pt_tracker_next(tracker, shown);
}

void pt_tracker_report_begins(struct pt_tracker *tracker)
{
    struct pt_tracked *shown = NULL;
    while ((shown = next_of(tracker, shown)))
        shown->sent_bytes = -1;
}

void pt_tracker_report_holds(struct pt_tracker *tracker, const struct pt_tracked *tracked)
{
    (void)tracker; // whose it is
    ((struct pt_tracked *)tracked)->sent_bytes = tracked->pull.bytes_fetched;
}

void pt_tracker_report_is_taken(struct pt_tracker *tracker)
{
    struct pt_tracked *shown = NULL;
    while ((shown = next_of(tracker, shown))) {
        if (shown->sent_bytes < 0)
            continue;
        shown->taken_bytes = shown->sent_bytes;
        shown->pull.bytes_unreported = shown->pull.bytes_fetched - shown->taken_bytes;
    }
}
