// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/steps.h"

#include "pull/digest.h"

#include <stdio.h>
#include <string.h>

// The CRI plugin writes three records for one pull, the last ones after its lease is gone.
#define RECENT_NS PT_NS_PER_S

void pt_round_remember(struct pt_round *round, const struct pt_seen_lease *seen)
{
    if (!seen->root_digest || strlen(seen->root_digest) > PT_LIMIT_DIGEST_BYTES)
        return;
    struct pt_recent *recent = &round->recent[round->next_recent++ % PT_MAX_RECENT];
    snprintf(recent->digest, sizeof(recent->digest), "%s", seen->root_digest);
    recent->ended_at = round->began_at;
}

static bool is_known(const struct pt_round *round, const char *root_digest)
{
    const struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (lease->seen.root_digest && strcmp(lease->seen.root_digest, root_digest) == 0)
            return true;
    }
    for (size_t i = 0; i < PT_MAX_RECENT; i++) {
        const struct pt_recent *recent = &round->recent[i];
        if (recent->ended_at && round->began_at - recent->ended_at < RECENT_NS &&
            strcmp(recent->digest, root_digest) == 0)
            return true;
    }
    return false;
}

void pt_round_adopt_images(struct pt_round *round)
{
    for (size_t i = 0; i < round->images_asked; i++) {
        const struct pt_seen_image *image = &round->images[i];
        if (!image->target_digest || !pt_is_digest(image->target_digest) ||
            pt_is_digest(image->name) || is_known(round, image->target_digest) ||
            !pt_round_find_namespace(round, image->namespace))
            continue;
        struct pt_lease *lease =
            pt_lease_create(image->namespace, image->name, image->record_updated_at - 1);
        if (!lease)
            continue;
        lease->is_unseen = true;
        lease->seen.fate = PT_LEASE_MISSED; // the next round asks for what it has left
        lease->is_repull = image->is_repull;
        lease->fresh_after = round->previous_began_at;
        lease->seen.root_digest = strdup(image->target_digest);
        pt_lease_add_blob(lease, image->target_digest);
        TAILQ_INSERT_TAIL(&round->leases, lease, link);
    }
}

// A record is written by tagging and labelling too. It is a pull's if its content has just come
// from a registry, or did so earlier and the record was only written anew.
void pt_round_judge_unseen(struct pt_round *round)
{
    struct pt_lease *lease = TAILQ_FIRST(&round->leases);
    while (lease) {
        struct pt_lease *next = TAILQ_NEXT(lease, link);
        const struct pt_blob *root = lease->is_unseen && lease->seen.root_digest
                                         ? pt_lease_find_blob(lease, lease->seen.root_digest)
                                         : NULL;
        bool is_fresh = root && root->created_at >= lease->fresh_after;
        if (is_fresh && root->created_at < lease->seen.created_at)
            lease->seen.created_at = root->created_at;
        if (root && (!(root->labels & PT_BLOB_FETCHED) || (!is_fresh && !lease->is_repull))) {
            TAILQ_REMOVE(&round->leases, lease, link);
            pt_lease_destroy(lease);
        }
        lease = next;
    }
}
