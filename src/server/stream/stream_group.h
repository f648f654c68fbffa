// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STREAM_STREAM_GROUP_H
#define PT_SERVER_STREAM_STREAM_GROUP_H

#include "base/buffer.h"
#include "base/map.h"
#include "base/memory_share.h"
#include "server/stream/event_stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define PT_STREAM_CACHED_BLOCKS 8 // of one group

// Clients that ask for the same, and the blocks that were made for them a moment ago.
struct pt_stream_group {
    char *key;
    struct stream_owner *owner;       // the address whose client came first; NULL: not known
    struct pt_stream_request request; // its text is the group's own
    size_t client_count;
    struct pt_stream_block *blocks[PT_STREAM_CACHED_BLOCKS];
    size_t next_block;
    int64_t cached_at;
    bool is_caching;
    TAILQ_ENTRY(pt_stream_group) in_caching;
};

TAILQ_HEAD(pt_stream_group_list, pt_stream_group);

struct pt_stream_groups {
    struct pt_memory_share *memory; // what the groups themselves take
    struct pt_map by_key;
    struct pt_map owners;                // by address
    struct pt_stream_group_list caching; // by cached_at, oldest first
    struct pt_buffer key;                // that is looked for
};

void pt_stream_groups_init(struct pt_stream_groups *groups, struct pt_memory_share *memory);

// No client is in a group any more.
void pt_stream_groups_finish(struct pt_stream_groups *groups);

// Whether such a request is of a group that there is, or may have one of its own: 0, -ENOSPC at the
// limit of all, -EDQUOT when the clients of its address have brought half of them.
PT_MUST_CHECK int pt_stream_groups_admit(struct pt_stream_groups *groups,
                                         const struct pt_stream_request *request);

// The group of such requests, with one client more; NULL when out of memory.
struct pt_stream_group *pt_stream_groups_join(struct pt_stream_groups *groups,
                                              const struct pt_stream_request *request);

// One client less; without any the group is gone.
void pt_stream_groups_leave(struct pt_stream_groups *groups, struct pt_stream_group *group);

// The block that begins at that version and was made within the last second, borrowed; or NULL.
struct pt_stream_block *pt_stream_group_find_block(struct pt_stream_groups *groups,
                                                   struct pt_stream_group *group, uint64_t from,
                                                   bool of_snapshot, int64_t now_ns);

// Keeps a block, whose reference it takes over, for the group's other clients.
void pt_stream_group_keep_block(struct pt_stream_groups *groups, struct pt_stream_group *group,
                                struct pt_stream_block *block, int64_t now_ns);

// Drops the blocks that were kept for a second; those of the oldest group in any case if there is
// `need`. Returns whether any were dropped.
bool pt_stream_groups_drop_blocks(struct pt_stream_groups *groups, int64_t now_ns, bool need);

#endif
