// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_MAP_H
#define PT_BASE_MAP_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

// A hash map from text to pointer. Keys are borrowed: the text must live and stay unchanged as long
// as its entry, so it is best a member of the value. The hash is keyed with bytes that are random
// in each process, so that a peer who chooses the keys cannot make them collide. A large map grows
// little by little, with each change that follows, so that none takes long.
struct pt_map {
    struct pt_map_slot *slots;
    size_t capacity; // 0 or a power of two
    size_t count;
    struct pt_map_growth *growth; // what is left of the table before; NULL: nothing
};

struct pt_map_slot {
    const char *key; // NULL: free
    void *value;
    uint64_t hash;
};

// An empty map owns nothing. pt_map_finish frees the table, never keys or values.
void pt_map_init(struct pt_map *map);
void pt_map_finish(struct pt_map *map);

// Returns the value, or NULL.
void *pt_map_get(const struct pt_map *map, const char *key);

// Adds or replaces key and value (not NULL); 0 or -ENOMEM with the map unchanged.
PT_MUST_CHECK int pt_map_put(struct pt_map *map, const char *key, void *value);

// Adds key and value (not NULL) unless the key is there: 0, -EEXIST or -ENOMEM, the latter two with
// the map unchanged.
PT_MUST_CHECK int pt_map_add(struct pt_map *map, const char *key, void *value);

// Removes the entry and returns its value, or NULL when there is none.
void *pt_map_remove(struct pt_map *map, const char *key);

// Walks all values: start with *cursor = 0; NULL ends. The map must not change meanwhile.
void *pt_map_next(const struct pt_map *map, size_t *cursor);

#endif
