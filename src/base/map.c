// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_CAPACITY 16
#define SLICED_FROM 4096 // slots: a table of so many is left little by little
#define MOVED_AT_ONCE 8  // slots that each change looks at, so that it is empty long before it must

// A table that is being left. Slots below `moved` are empty, though they look taken: searches go on
// past them. So do those of removed entries, which have no value.
struct pt_map_growth {
    struct pt_map_slot *slots;
    size_t capacity;
    size_t moved;
};

static uint64_t seed[2]; // of all maps; the first one sets it
static bool is_seeded;

static uint64_t rotate(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static void sip_round(uint64_t v[static 4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

// SipHash-1-3 (https://www.aumasson.jp/siphash/siphash.pdf), one round a word and three at the end.
static uint64_t hash_key(const char *key)
{
    uint64_t k0 = seed[0];
    uint64_t k1 = seed[1];
    uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                     k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t length = strlen(key);
    size_t left = length;
    for (; left >= 8; left -= 8, key += 8) {
        uint64_t word;
        memcpy(&word, key, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)length << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)(unsigned char)key[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void pt_map_init(struct pt_map *map)
{
    *map = (struct pt_map){0};
    if (is_seeded)
        return;
    // Early at boot there may be no randomness yet; waiting for it is right, failing is not
    // possible.
    ssize_t n = getrandom(seed, sizeof(seed), 0);
    assert(n == (ssize_t)sizeof(seed));
    (void)n;
    is_seeded = true;
}

static void end_growth(struct pt_map *map)
{
    if (map->growth)
        free(map->growth->slots);
    free(map->growth);
    map->growth = NULL;
}

void pt_map_finish(struct pt_map *map)
{
    end_growth(map);
    free(map->slots);
    map->slots = NULL;
    map->capacity = 0;
    map->count = 0;
}

// Returns the slot that holds the key, or the free one where it belongs. Needs capacity > count.
static struct pt_map_slot *find_slot(const struct pt_map *map, const char *key, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct pt_map_slot *slot = &map->slots[i];
        if (!slot->key || (slot->hash == hash && strcmp(slot->key, key) == 0))
            return slot;
    }
}

// Of the table that is being left; NULL: it is not there, or no longer.
static struct pt_map_slot *find_old_slot(const struct pt_map_growth *growth, const char *key,
                                         uint64_t hash)
{
    size_t mask = growth->capacity - 1;
    for (size_t i = hash & mask; growth->slots[i].key; i = (i + 1) & mask) {
        struct pt_map_slot *slot = &growth->slots[i];
        if (i >= growth->moved && slot->value && slot->hash == hash && strcmp(slot->key, key) == 0)
            return slot;
    }
    return NULL;
}

// Where a key's entry stands.
struct place {
    struct pt_map_slot *slot; // in the table; without a key: the free one where it belongs
    struct pt_map_slot *old;  // in the table that is being left, NULL: not there
};

static struct place find(const struct pt_map *map, const char *key, uint64_t hash)
{
    struct place place = {.slot = find_slot(map, key, hash)};
    if (map->growth && !place.slot->key)
        place.old = find_old_slot(map->growth, key, hash);
    return place;
}

static void move_some(struct pt_map *map, size_t count)
{
    struct pt_map_growth *growth = map->growth;
    for (; count > 0 && growth->moved < growth->capacity; count--) {
        const struct pt_map_slot *slot = &growth->slots[growth->moved++];
        if (slot->value)
            *find_slot(map, slot->key, slot->hash) = *slot;
    }
    if (growth->moved == growth->capacity)
        end_growth(map);
}

static void move_all(struct pt_map *map, struct pt_map_slot *slots, size_t capacity)
{
    for (size_t i = 0; i < capacity; i++) {
        if (slots[i].key)
            *find_slot(map, slots[i].key, slots[i].hash) = slots[i];
    }
    free(slots);
}

static int grow(struct pt_map *map)
{
    assert(!map->growth); // it was over long before the table was full
    struct pt_map old = *map;
    bool is_sliced = old.capacity >= SLICED_FROM;
    size_t capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
    struct pt_map_slot *slots = calloc(capacity, sizeof(*slots));
    struct pt_map_growth *growth = is_sliced ? malloc(sizeof(*growth)) : NULL;
    if (!slots || (is_sliced && !growth)) {
        free(slots);
        free(growth);
        return -ENOMEM;
    }
    map->slots = slots;
    map->capacity = capacity;
    map->growth = growth;
    if (growth)
        *growth = (struct pt_map_growth){.slots = old.slots, .capacity = old.capacity};
    else
        move_all(map, old.slots, old.capacity);
    return 0;
}

void *pt_map_get(const struct pt_map *map, const char *key)
{
    if (map->count == 0)
        return NULL;
    struct place place = find(map, key, hash_key(key));
    return place.old ? place.old->value : place.slot->value;
}

// Finds the key's slot with room for one more entry; NULL when out of memory.
static struct pt_map_slot *make_slot(struct pt_map *map, const char *key, uint64_t hash)
{
    if (map->growth)
        move_some(map, MOVED_AT_ONCE);
    if (4 * (map->count + 1) > 3 * map->capacity && grow(map) < 0)
        return NULL;
    struct place place = find(map, key, hash);
    if (place.old) {
        *place.slot = *place.old;
        place.old->value = NULL;
    }
    return place.slot;
}

static void fill_slot(struct pt_map *map, struct pt_map_slot *slot, struct pt_map_slot content)
{
    map->count += !slot->key;
    *slot = content;
}

int pt_map_put(struct pt_map *map, const char *key, void *value)
{
    assert(key && value);
    uint64_t hash = hash_key(key);
    struct pt_map_slot *slot = make_slot(map, key, hash);
    if (!slot)
        return -ENOMEM;
    fill_slot(map, slot, (struct pt_map_slot){.key = key, .value = value, .hash = hash});
    return 0;
}

int pt_map_add(struct pt_map *map, const char *key, void *value)
{
    assert(key && value);
    uint64_t hash = hash_key(key);
    struct pt_map_slot *slot = make_slot(map, key, hash);
    if (!slot)
        return -ENOMEM;
    if (slot->key)
        return -EEXIST;
    fill_slot(map, slot, (struct pt_map_slot){.key = key, .value = value, .hash = hash});
    return 0;
}

// Closes the gap: an entry that stands behind its own place moves up, so that no search stops
// before it.
static void empty_slot(struct pt_map *map, struct pt_map_slot *slot)
{
    size_t mask = map->capacity - 1;
    size_t gap = (size_t)(slot - map->slots);
    for (size_t i = (gap + 1) & mask; map->slots[i].key; i = (i + 1) & mask) {
        size_t home = map->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            map->slots[gap] = map->slots[i];
            gap = i;
        }
    }
    map->slots[gap] = (struct pt_map_slot){0};
}

void *pt_map_remove(struct pt_map *map, const char *key)
{
    if (map->count == 0)
        return NULL;
    if (map->growth)
        move_some(map, MOVED_AT_ONCE);
    struct place place = find(map, key, hash_key(key));
    void *value = place.old ? place.old->value : place.slot->value;
    if (!value)
        return NULL;
    map->count--;
    if (place.old)
        place.old->value = NULL;
    else
        empty_slot(map, place.slot);
    return value;
}

void *pt_map_next(const struct pt_map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        const struct pt_map_slot *slot = &map->slots[(*cursor)++];
        if (slot->key)
            return slot->value;
    }
    const struct pt_map_growth *growth = map->growth;
    while (growth && *cursor - map->capacity < growth->capacity) {
        size_t i = (*cursor)++ - map->capacity;
        if (i >= growth->moved && growth->slots[i].value)
            return growth->slots[i].value;
    }
    return NULL;
}
