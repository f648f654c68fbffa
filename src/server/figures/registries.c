// SPDX-License-Identifier: Apache-2.0
#include "server/figures/registries.h"

#include <string.h>

static void fold(struct pt_registry *into, const struct pt_registry *row)
{
    into->bytes += row->bytes;
    into->completed += row->completed;
    for (size_t i = 0; i < PT_FAILURE_CLASS_COUNT; i++)
        into->failed[i] += row->failed[i];
    pt_histogram_merge(&into->pull_seconds, &row->pull_seconds);
    pt_histogram_merge(&into->download_seconds, &row->download_seconds);
}

// The row that a new name gets; "other" when none is free and each has been in use lately.
static struct pt_registry *choose_row(struct pt_registries *registries, int64_t now_ns)
{
    struct pt_registry *other = &registries->rows[PT_NAMED_REGISTRIES];
    if (registries->named_count < PT_NAMED_REGISTRIES)
        return &registries->rows[registries->named_count++];
    struct pt_registry *idlest = &registries->rows[0];
    for (size_t i = 1; i < PT_NAMED_REGISTRIES; i++) {
        if (registries->rows[i].active_ns < idlest->active_ns)
            idlest = &registries->rows[i];
    }
    if (now_ns - idlest->active_ns < PT_REGISTRY_IDLE_NS)
        return other;
    fold(other, idlest);
    *idlest = (struct pt_registry){0};
    return idlest;
}

static struct pt_registry *find(struct pt_registries *registries, const char *name, size_t length)
{
    for (size_t i = 0; i < registries->named_count; i++) {
        struct pt_registry *row = &registries->rows[i];
        if (strncmp(row->name, name, length) == 0 && !row->name[length])
            return row;
    }
    return NULL;
}

bool pt_registries_may_have_port(const struct pt_registries *registries, const char *repository)
{
    size_t length = repository ? strcspn(repository, "/") : 0;
    if (length == 0)
        return false;
    // An address, or a name without a domain.
    if (strspn(repository, "0123456789.") == length || !memchr(repository, '.', length))
        return true;
    for (size_t i = 0; i < registries->named_count; i++) {
        const char *name = registries->rows[i].name;
        if (strncmp(name, repository, length) == 0 && name[length] == ':')
            return true;
    }
    return false;
}

struct pt_registry *pt_registries_find(struct pt_registries *registries, const char *repository,
                                       int64_t now_ns)
{
    const char *slash = repository ? strchr(repository, '/') : NULL;
    if (!slash || slash == repository)
        return NULL;
    size_t length = (size_t)(slash - repository);
    if (length > PT_LIMIT_NAME_BYTES)
        return &registries->rows[PT_NAMED_REGISTRIES];
    struct pt_registry *row = find(registries, repository, length);
    if (!row) {
        row = choose_row(registries, now_ns);
        if (row == &registries->rows[PT_NAMED_REGISTRIES])
            return row;
        memcpy(row->name, repository, length);
    }
    row->active_ns = now_ns;
    return row;
}
