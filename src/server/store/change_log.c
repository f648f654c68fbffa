// SPDX-License-Identifier: Apache-2.0
#include "server/store/change_log.h"

#include "server/store/stored_pull.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 64

void pt_change_log_init(struct pt_change_log *log, uint64_t first_version)
{
    *log = (struct pt_change_log){.first_version = first_version, .newest_version = first_version};
}

void pt_change_log_finish(struct pt_change_log *log)
{
    free(log->entries);
    pt_change_log_init(log, log->newest_version);
}

static void append(struct pt_change_log *log, struct pt_stored_pull *pull)
{
    pull->version = ++log->newest_version;
    pull->change_index = log->count;
    log->entries[log->count++] = (struct pt_change){pull->version, pull};
    log->has_news = true;
}

// Closes the gaps that moved pulls have left.
static void compact(struct pt_change_log *log)
{
    size_t kept = 0;
    for (size_t i = 0; i < log->count; i++) {
        if (!log->entries[i].pull)
            continue;
        log->entries[kept] = log->entries[i];
        log->entries[kept].pull->change_index = kept;
        kept++;
    }
    log->count = kept;
}

// There is always room for twice as many entries as there are pulls, so that moving one needs no
// memory and the work of compacting, spread over the moves since the last time, is constant.
int pt_change_log_add(struct pt_change_log *log, struct pt_stored_pull *pull)
{
    if (log->capacity < 2 * (log->pull_count + 1)) {
        size_t capacity = log->capacity ? 2 * log->capacity : FIRST_CAPACITY;
        struct pt_change *entries = realloc(log->entries, capacity * sizeof(*entries));
        if (!entries)
            return -ENOMEM;
        log->entries = entries;
        log->capacity = capacity;
    }
    if (log->count == log->capacity)
        compact(log);
    log->pull_count++;
    append(log, pull);
    return 0;
}

void pt_change_log_touch(struct pt_change_log *log, struct pt_stored_pull *pull)
{
    log->entries[pull->change_index].pull = NULL;
    if (log->count == log->capacity)
        compact(log);
    append(log, pull);
}

void pt_change_log_remove(struct pt_change_log *log, struct pt_stored_pull *pull)
{
    log->entries[pull->change_index].pull = NULL;
    log->pull_count--;
}

struct pt_stored_pull *pt_change_log_after(const struct pt_change_log *log, uint64_t version,
                                           size_t *ret_cursor)
{
    size_t low = 0;
    size_t high = log->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->entries[middle].version > version)
            high = middle;
        else
            low = middle + 1;
    }
    *ret_cursor = low;
    return pt_change_log_next(log, ret_cursor);
}

struct pt_stored_pull *pt_change_log_next(const struct pt_change_log *log, size_t *cursor)
{
    while (*cursor < log->count) {
        struct pt_stored_pull *pull = log->entries[(*cursor)++].pull;
        if (pull)
            return pull;
    }
    return NULL;
}
