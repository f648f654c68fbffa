// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_HASH_H
#define PT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): quick and well spread, but
// anybody can make two texts of one hash. Where keys come from peers, base/map.h is the place.
#define PT_HASH_EMPTY UINT64_C(14695981039346656037) // of nothing: where each begins
#define PT_HASH_PRIME UINT64_C(1099511628211)

// The hash of what came before and of these bytes.
static inline uint64_t pt_hash_bytes(uint64_t before, const void *data, size_t length)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < length; i++)
        before = (before ^ bytes[i]) * PT_HASH_PRIME;
    return before;
}

// Likewise of a text with the NUL at its end, so that "ab", "c" is another one than "a", "bc".
static inline uint64_t pt_hash_text(uint64_t before, const char *text)
{
    return pt_hash_bytes(before, text, strlen(text) + 1);
}

#endif
