// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_RHYTHM_H
#define PT_AGENT_RHYTHM_H

#include "agent/track/observation.h"

#include <stdbool.h>
#include <stdint.h>

// When to look at the runtime next. It knows no clock: every time is monotonic, in milliseconds,
// and comes from who calls. The numbers are in base/rhythm.h.
struct pt_rhythm {
    int64_t looked_ms; // when the last look began
    int64_t due_ms;    // when the next one is due
    int64_t eager_until_ms;
};

// A look begins.
void pt_rhythm_begin_look(struct pt_rhythm *rhythm, int64_t now_ms);

// It has ended; the next one is due `pace_ms` after its beginning, or sooner while something is
// about to show: `has_young` of the observation.
void pt_rhythm_end_look(struct pt_rhythm *rhythm, int64_t now_ms, int64_t pace_ms, bool has_young);

// The runtime does not answer.
void pt_rhythm_note_trouble(struct pt_rhythm *rhythm, int64_t now_ms);

// Something happened: the next look is soon, but not as often as things happen. `is_busy`: pulls
// are followed, which are looked at anyway. Returns whether the look is due sooner than it was.
bool pt_rhythm_note_event(struct pt_rhythm *rhythm, int64_t now_ms,
                          const struct pt_seen_event *event, bool is_busy);

#endif
