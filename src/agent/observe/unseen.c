// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/steps.h"

#include "base/clock.h"
#include "pull/digest.h"

#include <stdio.h>
#include <string.h>

// A pull may begin and end between two looks, as most do that find their image there. Its lease is
// never seen, and only the event of its image record says that it was. So each such event is
// matched with a pull that is known, and what is left over makes a lease of its own. A client
// writes the record once: a new one is `/images/create`, one that is there `/images/update`. Behind
// it the CRI plugin writes up to three more: that of the config, the same one again, and that of
// the digest, the last ones after the lease is gone. 1.6 writes them each time, 2 only those that
// are not right. The config's comes first, so that it announces the others. And a record that
// another client (ctr, nerdctl) has written without the CRI plugin's labels that one writes once
// more, with them. What nothing has announced is a pull, if it is an update; a creation is one
// unless a pull is known. Example: three replicas of one Deployment start on a node. The first pull
// is seen, and creates the records; the two unannounced updates behind it are the checks of the
// other replicas.

// How long behind its end a record may still be a pull's, if it was not written in the pull's time.
#define RECENT_NS PT_NS_PER_S
// The CRI plugin writes three records for one pull, the last ones after its lease is gone; where
// containerd is busy it takes a while. Counted is containerd's time: a busy agent hears of it late.
#define FOLLOWS_NS (5 * PT_NS_PER_S)

static bool has_followed(const struct pt_seen_image *image, int64_t since)
{
    return pt_seen_age_ns(image->written_at, since) < FOLLOWS_NS;
}

// The records that the CRI plugin is about to write for the root of this one.
static struct pt_follow_ups *find_follow_ups(struct pt_round *round,
                                             const struct pt_seen_image *image)
{
    for (size_t i = 0; i < PT_MAX_RECENT; i++) {
        struct pt_follow_ups *found = &round->follow_ups[i];
        if (strcmp(found->digest, image->target_digest) != 0)
            continue;
        if (!has_followed(image, found->announced_at))
            found->names = found->digests = 0;
        if (!has_followed(image, found->bared_at))
            found->bare = 0;
        return found;
    }
    return NULL;
}

static struct pt_follow_ups *get_follow_ups(struct pt_round *round,
                                            const struct pt_seen_image *image)
{
    struct pt_follow_ups *found = find_follow_ups(round, image);
    if (found)
        return found;
    found = &round->follow_ups[round->next_follow_ups++ % PT_MAX_RECENT];
    *found = (struct pt_follow_ups){0};
    snprintf(found->digest, sizeof(found->digest), "%s", image->target_digest);
    return found;
}

static void announce(struct pt_round *round, const struct pt_seen_image *image)
{
    struct pt_follow_ups *found = get_follow_ups(round, image);
    found->announced_at = image->written_at;
    found->names++;
    found->digests++;
}

// A client's own record, which the CRI plugin is about to give its labels.
static void note_bare(struct pt_round *round, const struct pt_seen_image *image)
{
    struct pt_follow_ups *found = get_follow_ups(round, image);
    found->bared_at = image->written_at;
    found->bare++;
}

// Whether the record is one that the CRI plugin writes behind a pull's own. Of a pull by digest it
// writes no name: the digest's record, which is the last one, says that none is to come.
static bool is_follow_up(struct pt_round *round, const struct pt_seen_image *image)
{
    if (pt_is_digest(image->name)) {
        announce(round, image);
        return true;
    }
    if (image->is_bare) {
        note_bare(round, image);
        return false;
    }
    struct pt_follow_ups *found = find_follow_ups(round, image);
    bool is_by_digest = strchr(image->name, '@');
    if (found && found->bare > 0) {
        found->bare--;
        found->names -= found->names > 0 && !is_by_digest;
        return true;
    }
    if (!found || (is_by_digest ? found->digests : found->names) == 0)
        return false;
    if (!is_by_digest) {
        found->names--;
        return true;
    }
    found->digests--;
    if (found->names > found->digests)
        found->names = found->digests;
    return true;
}

void pt_round_remember(struct pt_round *round, const struct pt_lease *lease)
{
    const char *root_digest = lease->seen.root_digest;
    if (!root_digest || strlen(root_digest) > PT_LIMIT_DIGEST_BYTES)
        return;
    struct pt_recent *recent = &round->recent[round->next_recent++ % PT_MAX_RECENT];
    snprintf(recent->digest, sizeof(recent->digest), "%s", root_digest);
    recent->created_at = pt_seen_since(&lease->seen);
    recent->ended_ns = round->began_ns;
    recent->ended_at = pt_clock_wall_ns(round->options.clock);
    recent->has_record = lease->has_record;
}

// The known pulls of an image's root.
struct known {
    bool is_any;
    bool *open;      // has_record of the oldest one whose record was not seen yet, or NULL
    bool has_record; // that of some was
};

static void note_known(struct known *known, bool *has_record)
{
    known->is_any = true;
    known->has_record |= *has_record;
    if (!*has_record && !known->open)
        known->open = has_record;
}

static struct known find_known(struct pt_round *round, const struct pt_seen_image *image)
{
    struct known known = {0};
    for (size_t i = 0; i < PT_MAX_RECENT; i++) {
        struct pt_recent *recent = &round->recent[(round->next_recent + i) % PT_MAX_RECENT];
        bool is_of_its_time =
            recent->created_at <= image->written_at && image->written_at <= recent->ended_at;
        if ((is_of_its_time || !pt_round_has_passed(round, recent->ended_ns, RECENT_NS)) &&
            strcmp(recent->digest, image->target_digest) == 0)
            note_known(&known, &recent->has_record);
    }
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (lease->seen.root_digest && pt_seen_since(&lease->seen) <= image->written_at &&
            strcmp(lease->seen.root_digest, image->target_digest) == 0)
            note_known(&known, &lease->has_record);
    }
    return known;
}

// Whether the record is that of a pull which is known. Of what is created only the first is the
// client's own.
static bool is_of_known(const struct known *known, const struct pt_seen_image *image)
{
    if (known->open && (image->is_repull || !known->has_record)) {
        *known->open = true;
        return true;
    }
    return known->is_any && !image->is_repull;
}

static enum pt_lease_origin origin_of(const struct pt_seen_image *image, bool is_known)
{
    if (!image->is_repull)
        return PT_ORIGIN_NEW_RECORD;
    return is_known ? PT_ORIGIN_REPEATED : PT_ORIGIN_REPULL;
}

// `is_known`: a pull of the image is.
static void adopt(struct pt_round *round, const struct pt_seen_image *image, bool is_known)
{
    // The record says when it was written last, which may have been by a later pull.
    int64_t written_at = image->record_updated_at;
    if (image->written_at && image->written_at < written_at)
        written_at = image->written_at;
    struct pt_lease *lease = pt_lease_create(image->namespace, image->name, written_at - 1);
    if (!lease)
        return;
    lease->origin = origin_of(image, is_known);
    lease->has_record = true;
    lease->seen.fate = PT_LEASE_MISSED; // the next round asks for what it has left
    lease->fresh_after = round->previous_began_at;
    lease->seen.image_updated_at = written_at;
    pt_lease_set_text(&lease->seen.image_name, image->name);
    pt_lease_set_text(&lease->seen.root_digest, image->target_digest);
    pt_lease_add_blob(lease, image->target_digest);
    TAILQ_INSERT_TAIL(&round->leases, lease, link);
}

void pt_round_adopt_images(struct pt_round *round)
{
    for (size_t i = 0; i < round->images_asked; i++) {
        const struct pt_seen_image *image = &round->images[i];
        if (!image->target_digest || !pt_is_digest(image->target_digest) ||
            strlen(image->target_digest) > PT_LIMIT_DIGEST_BYTES ||
            !pt_round_find_namespace(round, image->namespace) || is_follow_up(round, image))
            continue;
        const struct known known = find_known(round, image);
        if (!is_of_known(&known, image))
            adopt(round, image, known.is_any);
    }
}

// A record is written by tagging and labelling too. It is a pull's if its content has just come
// from a registry, or did so earlier and the record was only written anew.
void pt_round_judge_unseen(struct pt_round *round)
{
    struct pt_lease *lease = TAILQ_FIRST(&round->leases);
    while (lease) {
        struct pt_lease *next = TAILQ_NEXT(lease, link);
        const struct pt_blob *root = pt_lease_is_unseen(lease) && lease->seen.root_digest
                                         ? pt_lease_find_blob(lease, lease->seen.root_digest)
                                         : NULL;
        bool is_fresh =
            root && lease->origin != PT_ORIGIN_REPEATED && root->created_at >= lease->fresh_after;
        bool may_be_old = lease->origin != PT_ORIGIN_NEW_RECORD;
        if (is_fresh && root->created_at < lease->seen.created_at)
            lease->seen.created_at = root->created_at;
        if (root && (!(root->labels & PT_BLOB_FETCHED) || (!is_fresh && !may_be_old))) {
            TAILQ_REMOVE(&round->leases, lease, link);
            pt_lease_destroy(lease);
        }
        lease = next;
    }
}
