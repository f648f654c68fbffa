// SPDX-License-Identifier: Apache-2.0
#include "base/key_set.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 64

void pt_key_set_init(struct pt_key_set *set)
{
    *set = (struct pt_key_set){0};
}

void pt_key_set_finish(struct pt_key_set *set)
{
    free(set->slots);
    pt_key_set_init(set);
}

// The key's slot, or the free one where it would be.
static struct pt_key_slot *slot_of(struct pt_key_slot *slots, size_t capacity, uint64_t key)
{
    size_t at = (size_t)key & (capacity - 1);
    while (slots[at].key && slots[at].key != key)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

struct pt_key_slot *pt_key_set_find(const struct pt_key_set *set, uint64_t key)
{
    if (set->count == 0)
        return NULL;
    struct pt_key_slot *slot = slot_of(set->slots, set->capacity, key);
    return slot->key ? slot : NULL;
}

// Half of the slots stay free at least, so that searches are short.
static size_t capacity_for(size_t count)
{
    size_t capacity = FIRST_CAPACITY;
    while (capacity < 2 * count)
        capacity *= 2;
    return capacity;
}

// Moves those of `round`, or all if it is NULL, into a table of this size.
static int move(struct pt_key_set *set, size_t capacity, const unsigned *round)
{
    struct pt_key_slot *slots = calloc(capacity, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    set->count = 0;
    for (size_t i = 0; i < set->capacity; i++) {
        if (!set->slots[i].key || (round && set->slots[i].round != *round))
            continue;
        *slot_of(slots, capacity, set->slots[i].key) = set->slots[i];
        set->count++;
    }
    free(set->slots);
    set->slots = slots;
    set->capacity = capacity;
    return 0;
}

int pt_key_set_add(struct pt_key_set *set, uint64_t key, int64_t since, unsigned round)
{
    assert(key != 0);
    size_t wanted = capacity_for(set->count + 1);
    if (wanted > set->capacity && move(set, wanted, NULL) < 0)
        return -ENOMEM;
    struct pt_key_slot *slot = slot_of(set->slots, set->capacity, key);
    assert(slot->key == 0);
    *slot = (struct pt_key_slot){.key = key, .since = since, .round = round};
    set->count++;
    return 0;
}

void pt_key_set_keep(struct pt_key_set *set, unsigned round)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->capacity; i++)
        kept += set->slots[i].key && set->slots[i].round == round;
    if (kept == set->count)
        return;
    if (kept == 0)
        pt_key_set_finish(set);
    else if (move(set, capacity_for(kept), &round) < 0)
        return; // out of memory: those that are gone stay until the next time
}
