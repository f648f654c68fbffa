// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_KEY_SET_H
#define PT_BASE_KEY_SET_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

// A set of 64-bit keys, 24 bytes each, for what is seen again and again and of which nothing else
// has to be known: each time around, those that were seen are noted, then the others are dropped.
// Keys are to be well spread, as a hash is; 0 is none.
struct pt_key_set {
    struct pt_key_slot *slots;
    size_t capacity; // 0 or a power of two
    size_t count;
};

struct pt_key_slot {
    uint64_t key;   // 0: free
    int64_t since;  // the caller's
    unsigned round; // in which it was noted last
};

// An empty set owns nothing.
void pt_key_set_init(struct pt_key_set *set);
void pt_key_set_finish(struct pt_key_set *set);

// Valid until the set changes. NULL: it is not there.
struct pt_key_slot *pt_key_set_find(const struct pt_key_set *set, uint64_t key);

// Adds a key that is not there; -ENOMEM with the set unchanged.
PT_MUST_CHECK int pt_key_set_add(struct pt_key_set *set, uint64_t key, int64_t since,
                                 unsigned round);

// Drops the keys that were not noted in this round, and memory that is no longer needed.
void pt_key_set_keep(struct pt_key_set *set, unsigned round);

#endif
