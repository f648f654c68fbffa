// SPDX-License-Identifier: Apache-2.0
#include "base/memory_share.h"

#include "base/log.h"

void pt_memory_share_init(struct pt_memory_share *share, const char *name, int64_t max_bytes,
                          const struct pt_clock *clock)
{
    *share = (struct pt_memory_share){.name = name, .max_bytes = max_bytes, .clock = clock};
}

bool pt_memory_share_has_room(const struct pt_memory_share *share, int64_t bytes)
{
    return share->max_bytes == 0 || bytes <= share->max_bytes - share->used_bytes;
}

void pt_memory_share_note_refusal(struct pt_memory_share *share)
{
    share->refused++;
    if (!share->clock)
        return;
    if (!pt_warn_pace_admits(&share->pace, pt_clock_monotonic_ns(share->clock)))
        return;
    pt_log_warn(
        "memory.full", pt_log_text("part", share->name), pt_log_int("maxBytes", share->max_bytes),
        pt_log_int("usedBytes", share->used_bytes), pt_log_int("refused", (int64_t)share->refused));
}

bool pt_memory_share_take(struct pt_memory_share *share, int64_t bytes)
{
    if (!pt_memory_share_has_room(share, bytes)) {
        pt_memory_share_note_refusal(share);
        return false;
    }
    pt_memory_share_add(share, bytes);
    return true;
}

void pt_memory_share_add(struct pt_memory_share *share, int64_t bytes)
{
    share->used_bytes += bytes;
}
