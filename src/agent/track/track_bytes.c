// SPDX-License-Identifier: Apache-2.0
#include "agent/track/track_pull.h"

#include "base/clock.h"
#include "base/saturate.h"

#include <string.h>

// Where a layer's bytes come from, and which of them this pull has fetched. Only what came over the
// network in its time is fetched: not what was on the node, what an interrupted download has left
// in an ingest, what the snapshotter has in a cache or mounts, nor what another namespace of
// containerd had. What a snapshotter fetches by itself is, though nothing is seen of it until the
// layer is there.

// A snapshotter that has shown nothing for so long fetches by itself.
#define SILENT_NS (2 * PT_NS_PER_S)

// --- the source ---

// Of a layer that is not there.
static enum pt_layer_source source_to_be(const struct pt_track_pull *pull,
                                         const struct pt_seen_lease *lease, size_t index,
                                         int64_t now)
{
    if (lease->layers[index].has_ingest)
        return PT_SOURCE_FETCHED;
    if (lease->may_be_silent && pt_seen_age_ns(now, pull->created_at) > SILENT_NS)
        return PT_SOURCE_SNAPSHOTTER;
    return PT_SOURCE_UNKNOWN;
}

enum pt_layer_source pt_track_source(const struct pt_track_pull *pull,
                                     const struct pt_seen_lease *lease, size_t index,
                                     int64_t blob_at, int64_t now)
{
    const struct pt_layer *layer = &pull->shown.pull.layers[index];
    const struct pt_layer_note *note = &pull->notes[index];
    const struct pt_seen_layer *seen = &lease->layers[index];
    if (blob_at == 0 && seen->extracted_at == 0)
        return source_to_be(pull, lease, index, now);
    // containerd has begun to fetch it, and gave that up when the snapshotter had mounted it.
    if (blob_at == 0 && seen->brought == PT_SOURCE_REMOTE && seen->extracted_at >= pull->created_at)
        return PT_SOURCE_REMOTE;
    if (note->has_moved)
        return PT_SOURCE_FETCHED;
    // Nothing of it was seen on its way: it was here, or came so fast that only its end is known.
    bool was_here = (blob_at && blob_at < pull->created_at) ||
                    (seen->extracted_at && seen->extracted_at < pull->created_at);
    if (was_here && layer->started_at == 0)
        return PT_SOURCE_LOCAL;
    if (seen->is_foreign)
        return PT_SOURCE_NAMESPACE;
    bool is_brought = blob_at == 0 && note->idle_at == 0 && !seen->has_ingest;
    if (lease->brings_layers && is_brought)
        return seen->brought ? seen->brought : PT_SOURCE_SNAPSHOTTER;
    return PT_SOURCE_FETCHED;
}

// --- whose bytes they are ---

static bool is_claim_of(const struct pt_map *claims, const char *digest,
                        const struct pt_seen_lease *lease, bool *ret_is_other)
{
    const struct pt_seen_lease *claimant = pt_map_get(claims, digest);
    bool is_claimed = claimant && strcmp(claimant->namespace, lease->namespace) == 0;
    *ret_is_other = is_claimed && claimant != lease;
    return is_claimed && claimant == lease;
}

// Who writes an ingest is a fact; what came unseen is taken to be the first pull's that wanted it.
static bool is_fetched_by_other(struct pt_layer_note *note, const struct pt_seen_lease *lease,
                                const struct pt_seen_layer *seen,
                                const struct pt_track_claims *claims)
{
    bool is_other;
    if (is_claim_of(&claims->writers, seen->digest, lease, &is_other))
        note->fetcher = PT_FETCHER_THIS;
    else if (is_other)
        note->fetcher = PT_FETCHER_OTHER;
    is_other = note->fetcher == PT_FETCHER_OTHER;
    if (note->fetcher == PT_FETCHER_UNSEEN)
        (void)is_claim_of(&claims->firsts, seen->digest, lease, &is_other);
    return is_other;
}

// What an interrupted download has left is there already when its ingest is first seen.
static bool is_left_over(const struct pt_track_pull *pull, const struct pt_layer_note *note,
                         const struct pt_seen_layer *seen)
{
    return note->counted == 0 && note->idle_at == 0 && seen->ingest_started_at &&
           seen->ingest_started_at < pull->created_at;
}

// Of a layer on its way. An offset that has gone back is a fetch that began anew.
static int64_t look_at_ingest(const struct pt_track_pull *pull, struct pt_layer *layer,
                              struct pt_layer_note *note, const struct pt_seen_layer *seen)
{
    int64_t come = seen->offset - note->counted;
    bool is_whole = layer->total_known && seen->offset >= layer->total_bytes;
    if (is_left_over(pull, note, seen)) {
        layer->resumed_bytes = seen->offset;
        come = 0;
    } else if (is_whole && !note->has_moved && note->idle_at == 0) {
        return 0; // maybe that of another namespace, to which nothing is written
    }
    note->has_moved |= seen->offset > 0;
    note->counted = seen->offset;
    return come < 0 ? seen->offset : come;
}

void pt_track_count(struct pt_track_pull *pull, const struct pt_seen_lease *lease, size_t index,
                    const struct pt_track_claims *claims)
{
    struct pt_layer *layer = &pull->shown.pull.layers[index];
    struct pt_layer_note *note = &pull->notes[index];
    const struct pt_seen_layer *seen = &lease->layers[index];
    bool is_other = is_fetched_by_other(note, lease, seen, claims);
    int64_t come = 0;
    if (!pt_layer_is_downloaded(layer)) {
        come = seen->has_ingest ? look_at_ingest(pull, layer, note, seen) : 0;
    } else if (layer->cached) {
        note->counted = 0;
    } else if (note->has_moved || !seen->is_foreign_open || lease->fate == PT_LEASE_OVER) {
        come = layer->total_bytes - note->counted;
        note->counted = layer->total_bytes;
    }
    if (layer->resumed_bytes > layer->downloaded_bytes) // more was there than the layer has
        layer->resumed_bytes = layer->downloaded_bytes;
    if (!is_other && come > 0)
        pt_add_saturated(&note->fetched, come);
}

void pt_track_sum(struct pt_track_pull *pull, int64_t now)
{
    struct pt_pull *view = &pull->shown.pull;
    int64_t fetched = 0, seen = 0;
    for (size_t i = 0; i < view->layer_count; i++) {
        const struct pt_layer *layer = &view->layers[i];
        pt_add_saturated(&fetched, pull->notes[i].fetched);
        if (pt_layer_has_speed(layer))
            pt_add_saturated(&seen, layer->downloaded_bytes);
    }
    if (fetched > view->bytes_fetched)
        view->bytes_fetched = fetched;
    view->bytes_unreported = view->bytes_fetched - pull->shown.taken_bytes;
    pt_rate_add_since(&pull->shown.rate, pull->created_at, now, seen);
}
