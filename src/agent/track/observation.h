// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_TRACK_OBSERVATION_H
#define PT_AGENT_TRACK_OBSERVATION_H

#include "pull/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the observer hands out: an observation after each round of questions to containerd, and
// containerd's events as they come. Everything is borrowed for the call, times are wall_ns by
// containerd's clock (0: not so, or not known), sizes are bytes.

// How long before `now` a time of containerd's was. What is more than a minute ahead is from before
// the clock was set back, and may be of any age.
static inline int64_t pt_seen_age_ns(int64_t now, int64_t at)
{
    int64_t age_ns = now - at;
    return age_ns < INT64_C(-60000000000) ? INT64_MAX : age_ns;
}

struct pt_seen_layer {
    char *digest;
    char *media_type; // NULL: unknown
    char *chain_id;   // NULL: unknown
    int64_t size;     // by the manifest; -1: unknown
    unsigned image;   // several platforms may be pulled at once: which of them it is of
    // Its bytes on their way, whichever lease fetches them.
    bool has_ingest;
    bool owns_ingest; // this lease names it, which may be out of date
    int64_t offset;
    int64_t ingest_total;
    int64_t ingest_started_at; // of the first attempt
    int64_t ingest_updated_at;
    int64_t blob_at;      // in the content store since
    int64_t prepared_at;  // a snapshot to extract it into exists since
    int64_t extracted_at; // its snapshot exists since
    bool extract_begun;   // the lease was seen to hold a snapshot to extract it into
    bool is_apart;        // it is extracted beside the layers below it, not upon them
    // What its snapshotter says of a layer that containerd has not fetched; unknown: nothing.
    enum pt_layer_source brought;
    bool is_foreign;      // another namespace had its blob before
    bool is_foreign_open; // that is not known yet
};

// Whether its ingest has all that the layer has; not of one whose size is unknown.
static inline bool pt_seen_layer_is_whole(const struct pt_seen_layer *layer)
{
    return layer->size >= 0 && layer->offset >= layer->size;
}

// Whether containerd still lists a lease, and if not, how far the observer is with its end.
enum pt_lease_fate {
    PT_LEASE_LISTED,
    PT_LEASE_MISSED, // not listed for the first time in this round, which asks for what it has left
    PT_LEASE_GONE,   // nor in an earlier round; how its pull ended is not decided yet
    PT_LEASE_OVER,   // that is decided: this observation is the last word on it
};

// One lease that looks like a pull.
struct pt_seen_lease {
    char *namespace;
    char *id;
    int64_t created_at;
    int64_t set_back_ns; // by which the clock of its times was set back since then, 0: it was not
    enum pt_lease_fate fate;
    uint64_t fingerprint;   // changes when what the lease holds changes
    char *root_digest;      // index, or manifest; NULL: not known yet
    char *manifest_digest;  // NULL: not known yet
    const char *platform;   // of that manifest: `os/arch/variant`; NULL: not known yet
    char *repository;       // host/path, NULL: unknown
    char *labelled_name;    // the image's, by a label of what it extracts into; NULL: none
    bool layers_known;      // `layers` is all of the image, by its manifest
    bool documents_fetched; // an index, manifest or config came in its time
    struct pt_seen_layer *layers;
    size_t layer_count;
    bool has_given_up; // an extraction was ended without a result, and the lease is still there
    // Asked for only when nothing else has changed for minutes: what its extractions have written.
    int64_t written_bytes;
    bool brings_layers; // its snapshotter may bring a layer that containerd does not fetch
    bool copies_layers; // its snapshotter copies what is below a layer
    bool may_be_silent; // its snapshotter may be at work and show nothing of that
    // Of a lease that is over: the image record that was written in its time.
    char *image_name; // NULL: there is none
    int64_t image_updated_at;
    bool is_unpacked;
    bool is_accepted; // by the CRI plugin, which says so after the end of its pulls
};

// What has a time from then on came in the lease's time.
static inline int64_t pt_seen_since(const struct pt_seen_lease *lease)
{
    return lease->created_at - lease->set_back_ns;
}

// An image record that was written, according to an event.
struct pt_seen_image {
    char *namespace;
    char *name;
    char *target_digest;
    int64_t written_at;
    int64_t record_updated_at;
    bool is_repull; // the record was there, and was written as a pull does
    bool is_bare;   // and without the labels that the CRI plugin's own have
};

// One event of containerd's.
struct pt_seen_event {
    enum pt_seen_event_kind {
        PT_SEEN_SNAPSHOT_PREPARED,  // subject: the chain ID that is being extracted
        PT_SEEN_SNAPSHOT_COMMITTED, // subject: the chain ID
        PT_SEEN_CONTENT_CREATED,    // subject: the digest
        PT_SEEN_IMAGE_WRITTEN,      // subject: the name of the record, which is new or updated
        PT_SEEN_EXTRACTION_REMOVED, // subject: the chain ID, which is not there
    } kind;
    const char *namespace;
    const char *subject;
    int64_t at;
    bool is_known; // it is about a layer that the observer follows
    bool is_first; // and is the first that is seen of an extraction of that pull
    bool is_apart; // a snapshot that was prepared upon none
};

// What one round of questions has brought.
struct pt_observation {
    int64_t taken_at;
    int64_t taken_monotonic;
    int64_t containerd_pid; // not visible from here: below 0, by its socket; 0: not known
    bool has_young;         // something is about to show as a pull, or how it has ended
    struct pt_seen_lease **leases;
    size_t lease_count;
    const struct pt_seen_image *images;
    size_t image_count;
};

#endif
