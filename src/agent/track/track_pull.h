// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_TRACK_TRACK_PULL_H
#define PT_AGENT_TRACK_TRACK_PULL_H

#include "agent/track/track.h"
#include "base/map.h"

#include <sys/queue.h>

// One pull of the tracker and its layers: how phases, times and bytes follow from what was seen.

// Length of a pull's id with its NUL.
#define PT_TRACK_ID_SIZE 17

// Why a pull has failed that was under way when containerd ended.
#define PT_TRACK_RESTARTED "containerd was restarted during the pull"

// Who writes a layer's ingest, as far as it was seen. Of pulls that want the same layer one fetches
// it, and the others wait.
enum pt_track_fetcher {
    PT_FETCHER_UNSEEN,
    PT_FETCHER_THIS,
    PT_FETCHER_OTHER,
};

// The leases of one observation by the digests of their layers.
struct pt_track_claims {
    struct pt_map writers; // the newest lease that names an ingest: an ingest has one writer
    struct pt_map firsts;  // the oldest lease under way in whose time the layer has come, or will
    bool is_alone;         // there is no other pull under way
};

// What is noted of a layer besides what is shown.
struct pt_layer_note {
    const char *chain_id;
    int64_t offset;       // last seen, which may have gone back
    int64_t prepared_at;  // by event or observation
    int64_t committed_at; // its snapshot, by event
    int64_t blob_at;      // by event
    int64_t idle_at;      // when its ingest was last seen without a byte
    bool has_restarted;   // since the last observation
    bool is_apart;        // extracted beside the layers below it, by event or observation
    bool has_moved;       // a part of it was seen on its way
    bool is_followed;     // another layer was fetched in its place, when it had come
    enum pt_track_fetcher fetcher;
    int64_t fetched; // bytes that came by this pull
    int64_t counted; // how much of the layer was looked at for that
};

struct pt_track_pull {
    struct pt_tracked shown; // the first member: pointers to both are the same; owns its texts
    TAILQ_ENTRY(pt_track_pull) link;
    char *lease_id;
    int64_t lease_created_at;
    int64_t created_at;          // the same by the clock as it is now
    int64_t named_at;            // 0: its image record was not seen
    bool is_labelled;            // its name is from a label, which is there before the record
    struct pt_layer_note *notes; // one for each layer that is shown
    uint64_t fingerprint;
    int64_t written_bytes; // by extractions, as asked last
    int64_t moved_monotonic;
    bool is_live;       // has shown a sign of life
    bool has_broken;    // containerd was restarted, and it has not moved since
    bool has_followers; // layers that were fetched when others had come
    bool is_rebased;    // the next observation says where it stands, not that it moves
};

TAILQ_HEAD(pt_track_list, pt_track_pull);

// The greater of two, which are times as a rule: the later one.
static inline int64_t pt_track_later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// The id follows from what containerd knows, so that it outlives the agent.
void pt_track_id(const struct pt_seen_lease *lease, char id[static PT_TRACK_ID_SIZE]);

// Gives a text of the shown pull, which owns its texts, a copy of the value; NULL changes nothing.
// -ENOMEM.
int pt_track_set_text(const char **text, const char *value);

// NULL when out of memory.
struct pt_track_pull *pt_track_pull_create(const struct pt_seen_lease *lease);
void pt_track_pull_destroy(struct pt_track_pull *pull);

// Where the layer's bytes come from (track_bytes.c). `blob_at`: when its blob came, 0: it is not
// there.
enum pt_layer_source pt_track_source(const struct pt_track_pull *pull,
                                     const struct pt_seen_lease *lease, size_t index,
                                     int64_t blob_at, int64_t now);

// Counts what has come of the layer since the last observation as this pull's, or not.
void pt_track_count(struct pt_track_pull *pull, const struct pt_seen_lease *lease, size_t index,
                    const struct pt_track_claims *claims);

// Sums what the pull has fetched, and notes how fast that comes.
void pt_track_sum(struct pt_track_pull *pull, int64_t now);

// Brings phases, bytes and times up to what the lease shows; -ENOMEM.
PT_MUST_CHECK int pt_track_pull_update(struct pt_track_pull *pull,
                                       const struct pt_seen_lease *lease,
                                       const struct pt_track_claims *claims, int64_t now);

// The offset that was seen last of this layer, the one at `index` if nothing has moved.
int64_t pt_track_pull_offset(const struct pt_track_pull *pull, size_t index,
                             const struct pt_seen_layer *seen);

// Notes the event's time at each layer that it is about, unless an earlier one has; older ones than
// the pull change nothing.
void pt_track_pull_event(struct pt_track_pull *pull, const struct pt_seen_event *event);

// How long the pull may stand still until it is not waited for any more (track_end.c).
int64_t pt_track_patience_ns(const struct pt_track_pull *pull, const struct pt_seen_lease *lease);

// The lease is over: completed or failed (track_end.c).
void pt_track_pull_end(struct pt_track_pull *pull, const struct pt_seen_lease *lease, int64_t now);
void pt_track_pull_fail(struct pt_track_pull *pull, const char *reason, int64_t now);

// An artifact, which is no container image, may complete without some of its layers: those are no
// part of the pull.
void pt_track_pull_drop_missing_layers(struct pt_track_pull *pull);

// Takes over the digests and names that the lease shows (track_name.c); -ENOMEM.
PT_MUST_CHECK int pt_track_pull_take_names(struct pt_track_pull *pull,
                                           const struct pt_seen_lease *lease);

// The record may be that of this pull, which has no name yet; and how well the name fits: 0 not at
// all, more is better.
bool pt_track_pull_may_be_named(const struct pt_track_pull *pull,
                                const struct pt_seen_image *image);
int pt_track_pull_is_of(const struct pt_track_pull *pull, const char *name);
void pt_track_pull_name(struct pt_track_pull *pull, const char *name, int64_t written_at);

#endif
