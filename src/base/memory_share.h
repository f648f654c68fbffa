// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_MEMORY_SHARE_H
#define PT_BASE_MEMORY_SHARE_H

#include "base/clock.h"
#include "base/warn_pace.h"

#include <stdbool.h>
#include <stdint.h>

#define PT_MEMORY_WITHOUT_END INT64_MAX

// The memory that one part of a program may use. Its owner takes bytes before it allocates them, or
// counts what it has allocated, and gives them back when it frees them. A share that is all zero
// has no maximum and logs nothing.
struct pt_memory_share {
    const char *name; // of the part, for log and metrics
    int64_t max_bytes;
    int64_t used_bytes;
    uint64_t refused; // how often there was no room
    struct pt_warn_pace pace;
    const struct pt_clock *clock;
};

void pt_memory_share_init(struct pt_memory_share *share, const char *name, int64_t max_bytes,
                          const struct pt_clock *clock);

// Whether so many more bytes fit; takes nothing.
bool pt_memory_share_has_room(const struct pt_memory_share *share, int64_t bytes);

// Takes the bytes if they fit. If not, returns false, counts the refusal and logs one warning a
// minute.
bool pt_memory_share_take(struct pt_memory_share *share, int64_t bytes);

// The refusal alone, for an owner that finds out by itself that there is no room.
void pt_memory_share_note_refusal(struct pt_memory_share *share);

// Counts bytes that are in use in any case (or, negative, no longer).
void pt_memory_share_add(struct pt_memory_share *share, int64_t bytes);

#endif
