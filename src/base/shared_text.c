// SPDX-License-Identifier: Apache-2.0
#include "base/shared_text.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct shared_text {
    size_t users;
    char text[];
};

static struct shared_text *add(struct pt_map *texts, const char *text)
{
    size_t size = strlen(text) + 1;
    struct shared_text *shared = malloc(sizeof(*shared) + size);
    if (!shared)
        return NULL;
    shared->users = 0;
    memcpy(shared->text, text, size);
    if (pt_map_put(texts, shared->text, shared) == 0)
        return shared;
    free(shared);
    return NULL;
}

int pt_shared_text_replace(struct pt_map *texts, const char **slot, const char *text)
{
    struct shared_text *shared = NULL;
    if (*slot == text || (*slot && text && strcmp(*slot, text) == 0))
        return 0;
    if (text) {
        shared = pt_map_get(texts, text);
        if (!shared && !(shared = add(texts, text)))
            return -ENOMEM;
        shared->users++;
    }
    pt_shared_text_release(texts, *slot);
    *slot = shared ? shared->text : NULL;
    return 0;
}

void pt_shared_text_release(struct pt_map *texts, const char *text)
{
    struct shared_text *shared = text ? pt_map_get(texts, text) : NULL;
    if (!shared || --shared->users > 0)
        return;
    pt_map_remove(texts, shared->text);
    free(shared);
}
