// SPDX-License-Identifier: Apache-2.0
#include "pull/join.h"

#include <stdlib.h>
#include <string.h>

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *put(char **cursor, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*cursor, text, size);
    *cursor += size;
    return copy;
}

static size_t fixed_size(const struct pt_join *join)
{
    return sizeof(*join) + join->waiting_count * sizeof(*join->waiting);
}

size_t pt_join_size(const struct pt_join *join)
{
    size_t size = fixed_size(join) + size_of(join->image_ref) + size_of(join->error);
    for (size_t i = 0; i < join->waiting_count; i++) {
        const struct pt_waiting_container *waiting = &join->waiting[i];
        size += size_of(waiting->namespace) + size_of(waiting->pod) + size_of(waiting->container) +
                size_of(waiting->image);
    }
    return size;
}

struct pt_join *pt_join_copy(const struct pt_join *join)
{
    struct pt_join *copy = malloc(pt_join_size(join));
    if (!copy)
        return NULL;
    struct pt_waiting_container *waiting = (struct pt_waiting_container *)(copy + 1);
    char *text = (char *)copy + fixed_size(join);
    *copy = *join;
    copy->image_ref = put(&text, join->image_ref);
    copy->error = put(&text, join->error);
    copy->waiting = waiting;
    for (size_t i = 0; i < join->waiting_count; i++)
        waiting[i] =
            (struct pt_waiting_container){.namespace = put(&text, join->waiting[i].namespace),
                                          .pod = put(&text, join->waiting[i].pod),
                                          .container = put(&text, join->waiting[i].container),
                                          .image = put(&text, join->waiting[i].image)};
    return copy;
}

// Eight bytes at a time: against accidents, not against enemies.
static void mix(uint64_t *hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    *hash = (*hash ^ length) * UINT64_C(0x9e3779b97f4a7c15);
    while (length > 0) {
        uint64_t word = 0;
        size_t taken = length < sizeof(word) ? length : sizeof(word);
        memcpy(&word, at, taken);
        *hash = (*hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        *hash ^= *hash >> 32;
        at += taken;
        length -= taken;
    }
}

static void mix_text(uint64_t *hash, const char *text)
{
    mix(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

uint64_t pt_join_hash(const struct pt_join *join)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    mix_text(&hash, join->image_ref);
    mix(&hash, &join->image_ref_exact, sizeof(join->image_ref_exact));
    mix(&hash, &join->queued_seconds, sizeof(join->queued_seconds));
    mix(&hash, &join->is_waited_for, sizeof(join->is_waited_for));
    mix_text(&hash, join->error);
    mix(&hash, &join->attempts, sizeof(join->attempts));
    mix(&hash, &join->next_attempt_at, sizeof(join->next_attempt_at));
    mix(&hash, &join->pull_ns, sizeof(join->pull_ns));
    mix(&hash, &join->image_bytes, sizeof(join->image_bytes));
    for (size_t i = 0; i < join->waiting_count; i++) {
        mix_text(&hash, join->waiting[i].namespace);
        mix_text(&hash, join->waiting[i].pod);
        mix_text(&hash, join->waiting[i].container);
        mix_text(&hash, join->waiting[i].image);
    }
    return hash;
}
