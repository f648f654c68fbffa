// SPDX-License-Identifier: Apache-2.0
#include "agent/track/tombstones.h"

#include "agent/track/track_pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pt_tombstone {
    LIST_ENTRY(pt_tombstone) link;
    char id[PT_TRACK_ID_SIZE];
};

void pt_tombstones_finish(struct pt_tombstones *tombstones)
{
    struct pt_tombstone *tombstone;
    while ((tombstone = LIST_FIRST(tombstones))) {
        LIST_REMOVE(tombstone, link);
        free(tombstone);
    }
}

void pt_tombstones_add(struct pt_tombstones *tombstones, const char *id)
{
    struct pt_tombstone *tombstone = calloc(1, sizeof(*tombstone));
    if (!tombstone)
        return;
    snprintf(tombstone->id, sizeof(tombstone->id), "%s", id);
    LIST_INSERT_HEAD(tombstones, tombstone, link);
}

bool pt_tombstones_hold(const struct pt_tombstones *tombstones, const struct pt_seen_lease *lease)
{
    char id[PT_TRACK_ID_SIZE];
    pt_track_id(lease, id);
    const struct pt_tombstone *tombstone;
    LIST_FOREACH(tombstone, tombstones, link)
    {
        if (strcmp(tombstone->id, id) == 0)
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

void pt_tombstones_drop_gone(struct pt_tombstones *tombstones,
                             const struct pt_observation *observation)
{
    struct pt_tombstone *tombstone = LIST_FIRST(tombstones);
    while (tombstone) {
        struct pt_tombstone *next = LIST_NEXT(tombstone, link);
        if (!is_listed(observation, tombstone->id)) {
            LIST_REMOVE(tombstone, link);
            free(tombstone);
        }
        tombstone = next;
    }
}
