// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_MEMORY_H
#define PT_SERVER_SHARE_SHARE_MEMORY_H

#include "base/clock.h"
#include "server/share/share_ends.h"

#include <stdbool.h>

struct pt_share_memory;

// The ends that this server has acknowledged, or has of others, as they went to the log: should the
// log lose its end, as after a failover, or all, they are appended again.

// They are kept for so long. NULL when out of memory.
struct pt_share_memory *pt_share_memory_create(const struct pt_clock *clock, int64_t kept_ns);
void pt_share_memory_destroy(struct pt_share_memory *memory);

// Remembers those that it has not yet; one that it has needs not be given back any more. Within
// PT_LIMIT_SHARE_REMEMBERED_BYTES: the oldest go first.
void pt_share_memory_add(struct pt_share_memory *memory, const struct pt_share_ends *ends);

// The log has lost something: all that is remembered is to be given back.
void pt_share_memory_begin_again(struct pt_share_memory *memory);

// The next one to be appended again, borrowed until the next call; false: there is none.
bool pt_share_memory_next(struct pt_share_memory *memory, struct pt_share_finished *ret_end);

#endif
