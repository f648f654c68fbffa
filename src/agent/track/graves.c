// SPDX-License-Identifier: Apache-2.0
#include "agent/track/graves.h"

#include "agent/track/track_pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pt_grave {
    LIST_ENTRY(pt_grave) link;
    char id[PT_TRACK_ID_SIZE];
};

void pt_graves_finish(struct pt_graves *graves)
{
    struct pt_grave *grave;
    while ((grave = LIST_FIRST(graves))) {
        LIST_REMOVE(grave, link);
        free(grave);
    }
}

void pt_graves_dig(struct pt_graves *graves, const char *id)
{
    struct pt_grave *grave = calloc(1, sizeof(*grave));
    if (!grave)
        return;
    snprintf(grave->id, sizeof(grave->id), "%s", id);
    LIST_INSERT_HEAD(graves, grave, link);
}

bool pt_graves_hold(const struct pt_graves *graves, const struct pt_seen_lease *lease)
{
    char id[PT_TRACK_ID_SIZE];
    pt_track_id(lease, id);
    const struct pt_grave *grave;
    LIST_FOREACH(grave, graves, link)
    {
        if (strcmp(grave->id, id) == 0)
            return true;
    }
    return false;
}

static bool is_listed(const struct pt_observation *observation, const char *id)
{
    for (size_t i = 0; i < observation->lease_count; i++) {
        char own[PT_TRACK_ID_SIZE];
        pt_track_id(observation->leases[i], own);
        if (observation->leases[i]->fate != PT_LEASE_OVER && strcmp(own, id) == 0)
            return true;
    }
    return false;
}

void pt_graves_close(struct pt_graves *graves, const struct pt_observation *observation)
{
    struct pt_grave *grave = LIST_FIRST(graves);
    while (grave) {
        struct pt_grave *next = LIST_NEXT(grave, link);
        if (!is_listed(observation, grave->id)) {
            LIST_REMOVE(grave, link);
            free(grave);
        }
        grave = next;
    }
}
