// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_memory.h"

#include "base/limits.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define GIVEN_NS (30 * PT_NS_PER_S)

struct remembered {
    TAILQ_ENTRY(remembered) link;
    int64_t since;    // monotonic_ns
    int64_t given_ns; // when it was given back last; 0: never
    bool is_due;      // to be appended again
    char id[PT_PULL_ID_SIZE];
    size_t length;
    char text[];
};

struct pt_share_memory {
    const struct pt_clock *clock;
    int64_t kept_ns;
    struct pt_map by_id;
    TAILQ_HEAD(, remembered) all; // oldest first
    size_t bytes;
    size_t due;
};

struct pt_share_memory *pt_share_memory_create(const struct pt_clock *clock, int64_t kept_ns)
{
    struct pt_share_memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return NULL;
    memory->clock = clock;
    memory->kept_ns = kept_ns;
    pt_map_init(&memory->by_id);
    TAILQ_INIT(&memory->all);
    return memory;
}

static void forget(struct pt_share_memory *memory, struct remembered *remembered)
{
    pt_map_remove(&memory->by_id, remembered->id);
    TAILQ_REMOVE(&memory->all, remembered, link);
    memory->bytes -= sizeof(*remembered) + remembered->length;
    memory->due -= remembered->is_due;
    free(remembered);
}

void pt_share_memory_destroy(struct pt_share_memory *memory)
{
    struct remembered *remembered;
    if (!memory)
        return;
    while ((remembered = TAILQ_FIRST(&memory->all)))
        forget(memory, remembered);
    pt_map_finish(&memory->by_id);
    free(memory);
}

static void add(struct pt_share_memory *memory, const struct pt_share_finished *end)
{
    struct remembered *known = pt_map_get(&memory->by_id, end->id);
    if (known) { // the log has it again, by whom ever
        memory->due -= known->is_due;
        known->is_due = false;
        return;
    }
    struct remembered *remembered = malloc(sizeof(*remembered) + end->json_length);
    if (!remembered)
        return; // its agent and the other servers have it yet
    *remembered = (struct remembered){
        .since = pt_clock_monotonic_ns(memory->clock),
        .length = end->json_length,
    };
    memcpy(remembered->id, end->id, sizeof(remembered->id));
    memcpy(remembered->text, end->json, end->json_length);
    if (pt_map_put(&memory->by_id, remembered->id, remembered) < 0) {
        free(remembered);
        return;
    }
    TAILQ_INSERT_TAIL(&memory->all, remembered, link);
    memory->bytes += sizeof(*remembered) + end->json_length;
}

void pt_share_memory_add(struct pt_share_memory *memory, const struct pt_share_ends *ends)
{
    struct remembered *oldest;
    int64_t now = pt_clock_monotonic_ns(memory->clock);
    for (size_t i = 0; i < ends->count; i++)
        add(memory, &ends->list[i]);
    while (
        (oldest = TAILQ_FIRST(&memory->all)) &&
        (now - oldest->since > memory->kept_ns || memory->bytes > PT_LIMIT_SHARE_REMEMBERED_BYTES))
        forget(memory, oldest);
}

void pt_share_memory_begin_again(struct pt_share_memory *memory)
{
    struct remembered *remembered;
    int64_t now = pt_clock_monotonic_ns(memory->clock);
    memory->due = 0;
    TAILQ_FOREACH(remembered, &memory->all, link)
    {
        // One that was given back just now is on its way: a server that only falls behind takes
        // that for a loss as well, and what all of them give back must not keep it there.
        remembered->is_due = !remembered->given_ns || now - remembered->given_ns > GIVEN_NS;
        memory->due += remembered->is_due;
    }
}

bool pt_share_memory_next(struct pt_share_memory *memory, struct pt_share_finished *ret_end)
{
    struct remembered *remembered;
    if (memory->due == 0)
        return false;
    TAILQ_FOREACH(remembered, &memory->all, link)
    {
        if (!remembered->is_due)
            continue;
        remembered->is_due = false;
        remembered->given_ns = pt_clock_monotonic_ns(memory->clock);
        memory->due--;
        *ret_end = (struct pt_share_finished){remembered->id, remembered->text, remembered->length};
        // Those that were given back stand at the end, so that the next one is found at once.
        TAILQ_REMOVE(&memory->all, remembered, link);
        TAILQ_INSERT_TAIL(&memory->all, remembered, link);
        return true;
    }
    return false;
}
