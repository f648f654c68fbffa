// SPDX-License-Identifier: Apache-2.0
#include "agent/rhythm.h"

#include "base/rhythm.h"

void pt_rhythm_begin_look(struct pt_rhythm *rhythm, int64_t now_ms)
{
    rhythm->looked_ms = now_ms;
}

void pt_rhythm_end_look(struct pt_rhythm *rhythm, int64_t now_ms, int64_t pace_ms, bool has_young)
{
    if (now_ms < rhythm->eager_until_ms && PT_LOOK_EAGER_MS < pace_ms)
        pace_ms = PT_LOOK_EAGER_MS;
    if (has_young)
        pace_ms = PT_LOOK_YOUNG_MS;
    rhythm->due_ms = rhythm->looked_ms + pace_ms;
}

void pt_rhythm_note_trouble(struct pt_rhythm *rhythm, int64_t now_ms)
{
    rhythm->due_ms = now_ms + PT_LOOK_RETRY_MS;
}

// What happens to a layer that is known can be reported with the next look, and while something is
// pulled most other things can wait a little. Some things cannot: an image record, whose lease is
// about to go; content that is not known, which may be the manifest of a pull that fails at once; a
// pull's first extraction, which may know its name; and one that is broken off, since what its pull
// has fetched is dropped in a moment. Returns a negative number if nothing is in a hurry.
static int64_t gap_ms(const struct pt_seen_event *event, bool is_busy)
{
    if (event->kind == PT_SEEN_EXTRACTION_REMOVED)
        return event->is_known ? PT_LOOK_GAP_MS : -1;
    if (event->is_first)
        return PT_LOOK_GAP_MS;
    if (event->is_known)
        return -1;
    bool may_wait =
        event->kind == PT_SEEN_SNAPSHOT_PREPARED || event->kind == PT_SEEN_SNAPSHOT_COMMITTED;
    return may_wait && is_busy ? PT_LOOK_BUSY_GAP_MS : PT_LOOK_GAP_MS;
}

bool pt_rhythm_note_event(struct pt_rhythm *rhythm, int64_t now_ms,
                          const struct pt_seen_event *event, bool is_busy)
{
    if (event->kind == PT_SEEN_IMAGE_WRITTEN)
        rhythm->eager_until_ms = now_ms + PT_LOOK_EAGER_FOR_MS;
    int64_t gap = gap_ms(event, is_busy);
    if (gap < 0 || rhythm->looked_ms + gap >= rhythm->due_ms)
        return false;
    rhythm->due_ms = rhythm->looked_ms + gap;
    return true;
}
