// SPDX-License-Identifier: Apache-2.0
#ifndef PT_CONTAINERD_ARENA_H
#define PT_CONTAINERD_ARENA_H

#include <protobuf-c/protobuf-c.h>

// Memory for one message, which goes as a whole: that of a long list is thousands of small pieces.
struct pt_arena {
    ProtobufCAllocator allocator; // for unpacking; frees nothing
    struct pt_arena_chunk *chunks;
};

void pt_arena_init(struct pt_arena *arena);
void pt_arena_finish(struct pt_arena *arena);

#endif
