// SPDX-License-Identifier: Apache-2.0
#include "containerd/arena.h"

#include <stdalign.h>
#include <stdlib.h>

// Most messages fit the first piece. Each further one is twice as large: the large ones are mapped,
// so that their memory is not kept.
#define FIRST_BYTES (4 * 1024)
#define LARGEST_BYTES (256 * 1024)
#define ALIGNMENT alignof(max_align_t)

struct pt_arena_chunk {
    struct pt_arena_chunk *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

static struct pt_arena_chunk *add_chunk(struct pt_arena *arena, size_t wanted)
{
    size_t size = arena->chunks ? 2 * arena->chunks->size : FIRST_BYTES;
    if (size > LARGEST_BYTES)
        size = LARGEST_BYTES;
    if (size < wanted)
        size = wanted;
    struct pt_arena_chunk *chunk = malloc(sizeof(*chunk) + size);
    if (!chunk)
        return NULL;
    chunk->next = arena->chunks;
    chunk->used = 0;
    chunk->size = size;
    arena->chunks = chunk;
    return chunk;
}

static void *take(void *context, size_t size)
{
    struct pt_arena *arena = context;
    struct pt_arena_chunk *chunk = arena->chunks;
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!chunk || size > chunk->size - chunk->used)
        chunk = add_chunk(arena, size);
    if (!chunk)
        return NULL;
    void *memory = chunk->bytes + chunk->used;
    chunk->used += size;
    return memory;
}

static void keep(void *context, void *memory)
{
    (void)context, (void)memory;
}

void pt_arena_init(struct pt_arena *arena)
{
    *arena = (struct pt_arena){.allocator = {take, keep, arena}};
}

void pt_arena_finish(struct pt_arena *arena)
{
    while (arena->chunks) {
        struct pt_arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
}
