// SPDX-License-Identifier: Apache-2.0
#include "agent/track/track.h"

#include "agent/track/tombstones.h"
#include "agent/track/track_pull.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/map.h"
#include "pull/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Makes pulls of observations. A pull begins with a lease that is new, or moves: bytes of its
// ingests, or anything that it holds, changes (look_for_life). A lease is no proof of that by
// itself, because a client that is killed leaves its lease behind for a day. So a lease that the
// first look finds is a pull only when it is fresh, or moves later: until then it is dormant, kept
// here and not shown. A pull ends in one of two ways. Its lease is over, which says whether there
// is an image (observe_end). Or it is given up though the lease is still there (observe_fate): a
// newer pull writes its ingests, containerd was restarted and it does not move, its extraction was
// ended, or nothing has moved for ten minutes, what its extractions write neither. Such a lease
// gets a tombstone, so that the next look does not find it as a new pull. Finished pulls are kept
// until they are forgotten, which the deliverer asks for when the server has them. How phases and
// times follow from what was seen is in track_pull.c.

// A lease that the first look finds is a pull at once if it has moved within this time.
#define FRESH_NS (4 * PT_NS_PER_S)
// A pull whose extraction was given up ends at once, unless nobody is left who ends it.
#define GIVEN_UP_GRACE_NS (3 * PT_NS_PER_S)
// How long a pull may take to move again after containerd was restarted, when its process ID has
// changed; and when only the connection is known to have broken.
#define RESTART_GRACE_NS (3 * PT_NS_PER_S)
#define DISCONNECT_GRACE_NS (15 * PT_NS_PER_S)

struct pt_tracker {
    struct pt_tombstones tombstones;
    struct pt_tracker_options options;
    struct pt_track_list active; // dormant ones too
    struct pt_track_list finished;
    size_t finished_count;
    uint64_t last_finished;
    int64_t containerd_pid;
    int64_t began_ns;        // of the first observation of all, monotonic; 0: there was none
    bool is_first_look;      // at what was there before us, or came while nothing was seen
    int64_t looked_first_ns; // when that was tried, monotonic; 0: not yet
    bool has_broken;         // the connection, since the last observation
};

// --- the end of a pull ---

static void notify(struct pt_tracker *tracker, enum pt_track_change change,
                   const struct pt_track_pull *pull, const struct pt_layer *layer)
{
    if (tracker->options.on_change)
        tracker->options.on_change(tracker->options.context, change, &pull->shown.pull, layer);
}

static void drop(struct pt_track_list *list, struct pt_track_pull *pull)
{
    TAILQ_REMOVE(list, pull, link);
    pt_track_pull_destroy(pull);
}

static void finish(struct pt_tracker *tracker, struct pt_track_pull *pull)
{
    TAILQ_REMOVE(&tracker->active, pull, link);
    TAILQ_INSERT_TAIL(&tracker->finished, pull, link);
    pull->shown.finished = ++tracker->last_finished;
    if (++tracker->finished_count > PT_LIMIT_FINISHED_PULLS)
        pt_tracker_forget(tracker, TAILQ_FIRST(&tracker->finished)->shown.finished);
    notify(tracker,
           pull->shown.pull.phase == PT_PULL_COMPLETED ? PT_TRACK_COMPLETED : PT_TRACK_FAILED, pull,
           NULL);
}

// --- a lease and its pull ---

static struct pt_track_pull *find_pull(struct pt_tracker *tracker,
                                       const struct pt_seen_lease *lease)
{
    struct pt_track_pull *pull;
    TAILQ_FOREACH(pull, &tracker->active, link)
    {
        if (pull->lease_created_at == lease->created_at && strcmp(pull->lease_id, lease->id) == 0 &&
            strcmp(pull->shown.pull.containerd_namespace, lease->namespace) == 0)
            return pull;
    }
    return NULL;
}

// --- signs of life ---

static bool was_there(const struct pt_seen_lease *lease, const struct pt_seen_layer *layer)
{
    int64_t since = pt_seen_since(lease);
    return (layer->blob_at && layer->blob_at < since) ||
           (layer->extracted_at && layer->extracted_at < since);
}

// Puts the lease in the place of another one that is older, or newer.
static int claim(struct pt_map *claims, const struct pt_seen_layer *layer,
                 const struct pt_seen_lease *lease, bool newest_wins)
{
    const struct pt_seen_lease *other = pt_map_get(claims, layer->digest);
    if (other && (newest_wins ? other->created_at >= lease->created_at
                              : other->created_at <= lease->created_at))
        return 0;
    return pt_map_put(claims, layer->digest, (void *)lease);
}

static bool is_under_way(struct pt_tracker *tracker, const struct pt_seen_lease *lease)
{
    const struct pt_track_pull *pull = find_pull(tracker, lease);
    return pull ? pull->is_live : !pt_tombstones_hold(&tracker->tombstones, lease);
}

static int note_claims(struct pt_tracker *tracker, const struct pt_observation *observation,
                       struct pt_track_claims *claims)
{
    int r = 0;
    size_t under_way = 0;
    for (size_t i = 0; i < observation->lease_count; i++) {
        const struct pt_seen_lease *lease = observation->leases[i];
        bool may_be_first = is_under_way(tracker, lease);
        under_way += may_be_first && lease->fate == PT_LEASE_LISTED;
        for (size_t k = 0; k < lease->layer_count && r == 0; k++) {
            const struct pt_seen_layer *layer = &lease->layers[k];
            if (layer->has_ingest && layer->owns_ingest)
                r = claim(&claims->writers, layer, lease, true);
            if (r == 0 && may_be_first && !was_there(lease, layer))
                r = claim(&claims->firsts, layer, lease, false);
        }
    }
    claims->is_alone = under_way <= 1;
    return r;
}

struct life {
    bool moved;      // something changed that only this pull, or one that it waits for, changes
    bool superseded; // a newer pull writes what this one did
};

static struct life look_for_life(const struct pt_track_pull *pull,
                                 const struct pt_seen_lease *lease, const struct pt_map *owners)
{
    struct life life = {.moved = pull->fingerprint != lease->fingerprint};
    // What was written before it was asked for first says nothing of now.
    life.moved |= pull->written_bytes > 0 && lease->written_bytes > pull->written_bytes;
    for (size_t i = 0; i < lease->layer_count; i++) {
        const struct pt_seen_layer *seen = &lease->layers[i];
        if (!seen->has_ingest)
            continue;
        const struct pt_seen_lease *owner = pt_map_get(owners, seen->digest);
        if (seen->owns_ingest && owner && owner != lease &&
            strcmp(owner->namespace, lease->namespace) == 0)
            life.superseded = true;
        else if (pt_track_pull_offset(pull, i, seen) != seen->offset)
            life.moved = true;
    }
    return life;
}

// Whether that was later than FRESH_NS before the first look.
static bool is_recent(const struct pt_tracker *tracker, const struct pt_observation *observation,
                      int64_t at)
{
    int64_t since_ns = observation->taken_monotonic - tracker->looked_first_ns;
    return pt_seen_age_ns(observation->taken_at, at) < FRESH_NS + since_ns;
}

static bool is_fresh(const struct pt_tracker *tracker, const struct pt_observation *observation,
                     const struct pt_seen_lease *lease)
{
    if (is_recent(tracker, observation, lease->created_at))
        return true;
    for (size_t i = 0; i < lease->layer_count; i++) {
        const struct pt_seen_layer *layer = &lease->layers[i];
        if (layer->has_ingest && layer->owns_ingest &&
            is_recent(tracker, observation, layer->ingest_updated_at))
            return true;
    }
    return false;
}

// --- observations ---

static void observe_end(struct pt_tracker *tracker, struct pt_track_pull *pull,
                        const struct pt_seen_lease *lease, const struct pt_observation *observation)
{
    // A pull that has never moved since the agent runs is shown only if it did become an image.
    int64_t now = observation->taken_at;
    int64_t since_ns = observation->taken_monotonic - tracker->began_ns;
    bool is_news = pull->is_live ||
                   (lease->image_name && pt_seen_age_ns(now, lease->image_updated_at) <= since_ns);
    if (!is_news) {
        drop(&tracker->active, pull);
        return;
    }
    pt_track_pull_end(pull, lease, now);
    finish(tracker, pull);
}

static const char *abandoned_text(int64_t patience_ns, char *text, size_t size)
{
    snprintf(text, size, "abandoned: nothing has moved for %lld minutes",
             (long long)(patience_ns * PT_PATIENCE_DIVISOR / (60 * PT_NS_PER_S)));
    return text;
}

static void observe_fate(struct pt_tracker *tracker, struct pt_track_pull *pull,
                         const struct pt_seen_lease *lease, bool superseded,
                         const struct pt_observation *observation)
{
    int64_t still_ns = observation->taken_monotonic - pull->moved_monotonic;
    int64_t patience_ns = pt_track_patience_ns(pull, lease);
    char abandoned[96];
    const char *reason = NULL;
    if (superseded)
        reason = "the client that pulled is gone: a newer pull fetches the same layers";
    else if (pull->has_broken &&
             still_ns > (tracker->containerd_pid ? RESTART_GRACE_NS : DISCONNECT_GRACE_NS))
        reason = PT_TRACK_RESTARTED;
    else if (lease->has_given_up && still_ns > GIVEN_UP_GRACE_NS)
        reason = "the client that pulled is gone: containerd has given up its extraction";
    else if (still_ns > patience_ns && !lease->may_be_silent)
        reason = abandoned_text(patience_ns, abandoned, sizeof(abandoned));
    if (!reason)
        return;
    pt_track_pull_fail(pull, reason, observation->taken_at);
    pt_tombstones_add(&tracker->tombstones, pull->shown.pull.id);
    finish(tracker, pull);
}

static void notify_restarts(struct pt_tracker *tracker, struct pt_track_pull *pull)
{
    for (size_t i = 0; i < pull->shown.pull.layer_count; i++) {
        if (pull->notes[i].has_restarted)
            notify(tracker, PT_TRACK_LAYER_RESTARTED, pull, &pull->shown.pull.layers[i]);
        pull->notes[i].has_restarted = false;
    }
}

// In the order in which they began, whatever their leases' names are: of several pulls of one image
// the server lets the first one stand for the others.
static void insert(struct pt_track_list *active, struct pt_track_pull *pull)
{
    struct pt_track_pull *before = TAILQ_LAST(active, pt_track_list);
    while (before && before->created_at > pull->created_at)
        before = TAILQ_PREV(before, pt_track_list, link);
    if (before)
        TAILQ_INSERT_AFTER(active, before, pull, link);
    else
        TAILQ_INSERT_HEAD(active, pull, link);
}

// Returns false if it was not taken in, out of memory.
static bool observe_lease(struct pt_tracker *tracker, const struct pt_seen_lease *lease,
                          const struct pt_observation *observation,
                          const struct pt_track_claims *claims)
{
    int64_t now = observation->taken_at;
    struct pt_track_pull *pull = find_pull(tracker, lease);
    bool is_new = !pull;
    if (is_new) {
        if (pt_tombstones_hold(&tracker->tombstones, lease))
            return true;
        pull = pt_track_pull_create(lease);
        if (!pull)
            return false;
        pull->moved_monotonic = observation->taken_monotonic;
        insert(&tracker->active, pull);
    }
    struct life life = look_for_life(pull, lease, &claims->writers);
    bool was_live = pull->is_live;
    bool was_exact = pull->shown.pull.image_ref_exact;
    if (is_new)
        pull->is_live =
            !life.superseded && (!tracker->is_first_look || is_fresh(tracker, observation, lease));
    else if (life.moved && !pull->is_rebased)
        pull->is_live = true;
    if (life.moved && !pull->is_rebased) {
        pull->moved_monotonic = observation->taken_monotonic;
        pull->has_broken = false;
    }
    pull->is_rebased = false;
    bool is_over = lease->fate == PT_LEASE_OVER; // then there is no next round for it
    if (pt_track_pull_update(pull, lease, claims, now) < 0 && !is_over) {
        pull->is_live = was_live;
        if (is_new)
            drop(&tracker->active, pull);
        return false;
    }
    if (pull->is_live && !was_live)
        notify(tracker, PT_TRACK_STARTED, pull, NULL);
    else if (pull->is_live && !was_exact && pull->shown.pull.image_ref_exact)
        notify(tracker, PT_TRACK_NAMED, pull, NULL);
    if (pull->is_live)
        notify_restarts(tracker, pull);
    if (is_over)
        observe_end(tracker, pull, lease, observation);
    else if (pull->is_live)
        observe_fate(tracker, pull, lease, life.superseded, observation);
    return true;
}

// What was under way when containerd ended may still move; its first sight afterwards is where that
// is measured from.
static void observe_restart(struct pt_tracker *tracker, const struct pt_observation *observation)
{
    bool is_same =
        tracker->containerd_pid && observation->containerd_pid == tracker->containerd_pid;
    bool is_other = tracker->containerd_pid && observation->containerd_pid &&
                    observation->containerd_pid != tracker->containerd_pid;
    struct pt_track_pull *pull;
    if (is_other || (tracker->has_broken && !is_same)) {
        TAILQ_FOREACH(pull, &tracker->active, link)
        {
            pull->is_rebased = true;
            pull->has_broken = true;
            pull->moved_monotonic = observation->taken_monotonic;
        }
    }
    tracker->has_broken = false;
    tracker->containerd_pid = observation->containerd_pid;
}

// Returns whether a pull has taken the name.
static bool observe_image(struct pt_tracker *tracker, const struct pt_seen_image *image)
{
    struct pt_track_pull *best = NULL;
    struct pt_track_pull *pull;
    if (!image->target_digest || pt_is_digest(image->name))
        return false;
    TAILQ_FOREACH(pull, &tracker->active, link)
    {
        if (!pt_track_pull_may_be_named(pull, image))
            continue;
        if (!best ||
            pt_track_pull_is_of(pull, image->name) > pt_track_pull_is_of(best, image->name))
            best = pull;
    }
    if (!best)
        return false;
    bool was_exact = best->shown.pull.image_ref_exact;
    pt_track_pull_name(best, image->name, image->written_at);
    if (best->is_live && !was_exact && best->shown.pull.image_ref_exact)
        notify(tracker, PT_TRACK_NAMED, best, NULL);
    return true;
}

void pt_tracker_observe(struct pt_tracker *tracker, const struct pt_observation *observation)
{
    struct pt_track_claims claims;
    pt_map_init(&claims.writers);
    pt_map_init(&claims.firsts);
    if (tracker->began_ns == 0)
        tracker->began_ns = observation->taken_monotonic;
    if (tracker->looked_first_ns == 0)
        tracker->looked_first_ns = observation->taken_monotonic;
    observe_restart(tracker, observation);
    // Out of memory only what ends is taken in, since that does not come again.
    bool has_claims = note_claims(tracker, observation, &claims) == 0;
    bool has_all = has_claims;
    uint64_t taken = 0;
    for (size_t i = 0; i < observation->image_count && i < 64; i++)
        taken |= (uint64_t)observe_image(tracker, &observation->images[i]) << i;
    for (size_t i = 0; i < observation->lease_count; i++) {
        if (has_claims || observation->leases[i]->fate == PT_LEASE_OVER)
            has_all &= observe_lease(tracker, observation->leases[i], observation, &claims);
    }
    // Once more for those that are new in this observation.
    for (size_t i = 0; i < observation->image_count && i < 64; i++) {
        if (!(taken >> i & 1))
            observe_image(tracker, &observation->images[i]);
    }
    pt_tombstones_drop_gone(&tracker->tombstones, observation);
    tracker->is_first_look &= !has_all; // what it missed was there before us all the same
    pt_map_finish(&claims.writers);
    pt_map_finish(&claims.firsts);
}

void pt_tracker_event(struct pt_tracker *tracker, const struct pt_seen_event *event)
{
    struct pt_track_pull *pull;
    if (event->kind == PT_SEEN_IMAGE_WRITTEN || event->kind == PT_SEEN_EXTRACTION_REMOVED)
        return;
    TAILQ_FOREACH(pull, &tracker->active, link)
    {
        if (strcmp(pull->shown.pull.containerd_namespace, event->namespace) == 0)
            pt_track_pull_event(pull, event);
    }
}

void pt_tracker_disconnected(struct pt_tracker *tracker)
{
    tracker->has_broken = true;
    tracker->is_first_look = true;
    tracker->looked_first_ns = 0;
}

// --- what the header promises ---

int pt_tracker_create(const struct pt_tracker_options *options, struct pt_tracker **ret_tracker,
                      struct pt_error *err)
{
    struct pt_tracker *tracker = calloc(1, sizeof(*tracker));
    if (!tracker)
        return pt_error_set(err, ENOMEM, "out of memory");
    TAILQ_INIT(&tracker->active);
    TAILQ_INIT(&tracker->finished);
    LIST_INIT(&tracker->tombstones);
    tracker->options = *options;
    tracker->is_first_look = true;
    *ret_tracker = tracker;
    return 0;
}

void pt_tracker_destroy(struct pt_tracker *tracker)
{
    if (!tracker)
        return;
    struct pt_track_pull *pull;
    while ((pull = TAILQ_FIRST(&tracker->active)))
        drop(&tracker->active, pull);
    while ((pull = TAILQ_FIRST(&tracker->finished)))
        drop(&tracker->finished, pull);
    pt_tombstones_finish(&tracker->tombstones);
    free(tracker);
}

static const struct pt_tracked *first_live(struct pt_track_pull *pull)
{
    while (pull && !pull->is_live)
        pull = TAILQ_NEXT(pull, link);
    return pull ? &pull->shown : NULL;
}

const struct pt_tracked *pt_tracker_next(const struct pt_tracker *tracker,
                                         const struct pt_tracked *previous)
{
    struct pt_track_pull *next = TAILQ_FIRST(&tracker->finished);
    if (previous)
        next = TAILQ_NEXT((const struct pt_track_pull *)previous, link);
    if (next && next->shown.finished)
        return &next->shown;
    if (!previous || previous->finished)
        next = TAILQ_FIRST(&tracker->active);
    return first_live(next);
}

size_t pt_tracker_active_count(const struct pt_tracker *tracker)
{
    size_t count = 0;
    const struct pt_track_pull *pull;
    TAILQ_FOREACH(pull, &tracker->active, link)
    count += pull->is_live;
    return count;
}

size_t pt_tracker_finished_count(const struct pt_tracker *tracker)
{
    return tracker->finished_count;
}

void pt_tracker_forget(struct pt_tracker *tracker, uint64_t finished)
{
    struct pt_track_pull *pull;
    while ((pull = TAILQ_FIRST(&tracker->finished)) && pull->shown.finished <= finished) {
        drop(&tracker->finished, pull);
        tracker->finished_count--;
    }
}

static bool refuse(const struct pt_track_list *list, const char *id)
{
    struct pt_track_pull *pull;
    TAILQ_FOREACH(pull, list, link)
    {
        if (strcmp(pull->shown.pull.id, id) != 0)
            continue;
        pull->shown.is_refused = true;
        return true;
    }
    return false;
}

void pt_tracker_refuse(struct pt_tracker *tracker, const char *id)
{
    if (!refuse(&tracker->finished, id))
        refuse(&tracker->active, id);
}
