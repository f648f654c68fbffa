// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_TRACK_PACE_H
#define PT_AGENT_TRACK_PACE_H

#include "agent/track/track.h"

// How long after one look at containerd the next one is due: so that what was reported last of a
// pull is a point behind on average however fast it moves, at a cost that does not grow with the
// layers. Milliseconds: the interval at most, a quarter of it (and PT_LOOK_PACE_MS) at least.
int64_t pt_pace_ms(const struct pt_tracker *tracker, int64_t interval_ms);

#endif
