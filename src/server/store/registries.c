// SPDX-License-Identifier: Apache-2.0
#include "server/store/registries.h"

#include <string.h>

struct pt_registry *pt_registries_find(struct pt_registries *registries, const char *repository)
{
    const char *slash = repository ? strchr(repository, '/') : NULL;
    if (!slash || slash == repository)
        return NULL;
    size_t length = (size_t)(slash - repository);
    for (size_t i = 0; i < registries->named_count; i++) {
        struct pt_registry *row = &registries->rows[i];
        if (strncmp(row->name, repository, length) == 0 && !row->name[length])
            return row;
    }
    if (registries->named_count == PT_NAMED_REGISTRIES || length > PT_LIMIT_NAME_BYTES)
        return &registries->rows[PT_NAMED_REGISTRIES];
    struct pt_registry *row = &registries->rows[registries->named_count++];
    memcpy(row->name, repository, length);
    return row;
}
