// SPDX-License-Identifier: Apache-2.0
#include "server/store/change_log.h"

#include "server/store/stored_pull.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 64
#define LOOKED_AT_ONCE 16 // entries, with each change

void pt_change_log_init(struct pt_change_log *log, uint64_t first_version)
{
    *log = (struct pt_change_log){.first_version = first_version, .newest_version = first_version};
}

void pt_change_log_finish(struct pt_change_log *log)
{
    free(log->entries);
    pt_change_log_init(log, log->newest_version);
}

// Closes the gaps that moved pulls have left, some entries further.
static void compact(struct pt_change_log *log)
{
    for (int i = 0; i < LOOKED_AT_ONCE && log->scanned < log->count; i++) {
        struct pt_change entry = log->entries[log->scanned++];
        if (!entry.pull)
            continue;
        entry.pull->change_index = log->kept;
        log->entries[log->kept++] = entry;
    }
    if (log->scanned < log->count)
        return;
    log->count = log->kept;
    log->kept = log->scanned = 0;
}

static void append(struct pt_change_log *log, struct pt_stored_pull *pull)
{
    assert(log->count < log->capacity);
    pull->version = ++log->newest_version;
    pull->change_index = log->count;
    log->entries[log->count++] = (struct pt_change){pull->version, pull};
    log->has_news = true;
    if (log->scanned > 0 || log->count >= log->capacity / 8 * 7)
        compact(log);
}

// There is always room for twice as many entries as there are pulls, so that moving one needs no
// memory, and each compaction, which is over before the last eighth is full, gains much.
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
    log->pull_count++;
    append(log, pull);
    return 0;
}

void pt_change_log_touch(struct pt_change_log *log, struct pt_stored_pull *pull)
{
    log->entries[pull->change_index].pull = NULL;
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
    bool is_kept = log->kept > 0 && version < log->entries[log->kept - 1].version;
    size_t low = is_kept ? 0 : log->scanned;
    size_t high = is_kept ? log->kept : log->count;
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
        if (*cursor >= log->kept && *cursor < log->scanned) {
            *cursor = log->scanned;
            continue;
        }
        struct pt_stored_pull *pull = log->entries[(*cursor)++].pull;
        if (pull)
            return pull;
    }
    return NULL;
}
