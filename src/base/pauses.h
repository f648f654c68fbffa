// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_PAUSES_H
#define PT_BASE_PAUSES_H

#include <stdbool.h>
#include <stdint.h>

// containerd writes what it fetches in pieces of a mebibyte, so that a slow download stands still
// between them: its speed over some seconds leaps, and it seems stalled. This learns from the same
// samples as struct pt_rate how long such pauses are, which says when a pause is a stall, and what
// the speed is over whole steps. All zero is an empty one.
struct pt_pauses {
    // The last bytes before a pause, or those of now; the newest first.
    struct pt_piece {
        int64_t began_at; // wall_ns of the node, of the first bytes after the pause before
        int64_t at;       // of the last ones
        int64_t bytes;
        int64_t pause_ns; // before it
    } pieces[3];
    uint8_t count;
    bool is_still;     // no byte has come since
    int64_t behind_at; // since when others have the line, 0: they have not
    bool is_behind; // how long it took to the first bytes says nothing, and no other ones have come
};

// Adds a sample; one that went back, in bytes or time, starts anew.
void pt_pauses_add(struct pt_pauses *pauses, int64_t taken_at, int64_t bytes);

// To be asked before each sample until bytes have come: whether the first ones have come now, and
// others had the line for some seconds before (`is_behind`). Then it has begun with this sample:
// how long that took says nothing of its speed.
bool pt_pauses_end_wait(struct pt_pauses *pauses, int64_t taken_at, int64_t bytes, bool is_behind);

// How long no byte may come before that is a stall, by the pauses between the steps.
int64_t pt_pauses_patience_ns(const struct pt_pauses *pauses);

// Bytes per second at the newest sample: over the last two whole steps if it comes in steps, less
// when the next one is overdue, 0 when it has stalled; else `windowed`, as pt_rate_add has it.
double pt_pauses_speed(const struct pt_pauses *pauses, int64_t taken_at, double windowed);

#endif
