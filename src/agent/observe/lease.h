// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_OBSERVE_LEASE_H
#define PT_AGENT_OBSERVE_LEASE_H

#include "agent/observe/manifest.h"
#include "agent/track/observation.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/map.h"
#include "containerd/containerd.pb-c.h"

#include <sys/queue.h>

// How much is known of a blob. Each stage holds what the ones before it hold.
enum pt_blob_stage {
    PT_BLOB_NAMED,   // its digest, by the lease, a document or an image record
    PT_BLOB_KNOWN,   // its size, time and labels
    PT_BLOB_READ,    // its document
    PT_BLOB_TAKEN,   // a manifest: its layers are in the lease's list
    PT_BLOB_CHAINED, // a manifest: its config has given its layers their chain IDs
};

// The kinds of labels that containerd has set on a blob, to be combined.
enum pt_blob_label {
    PT_BLOB_FETCHED = 1,  // from a registry
    PT_BLOB_PARENT = 2,   // it has children: an index or a manifest
    PT_BLOB_UNPACKED = 4, // a config: the snapshot of its image is there
    PT_BLOB_INDEX = 8,    // its children are manifests
};

// Content that a lease holds and that is no known layer: index, manifest, config, or not known yet.
struct pt_blob {
    char *digest;
    char *repository; // host/path that it came from, NULL: unknown
    int64_t size;
    int64_t created_at;
    enum pt_blob_stage stage;
    unsigned labels;       // of enum pt_blob_label
    unsigned rounds_asked; // how often containerd has answered what it is
    unsigned asked_in;     // the round in which that was asked last
    unsigned read_in;      // the round in which its document was asked for last
    bool is_guess;         // an image record of the lease's time names it: perhaps the root
    bool is_native;        // an index says that it is for this machine
    bool is_wanted;        // a manifest that is fetched with its layers
    bool is_due;           // its document is asked for in this turn
    bool has_share;        // its size is part of the lease's document_bytes
    size_t touched;        // a manifest: how many of its layers are touched, each counted once
    struct pt_document document;
};

// What the documents of a lease say of a digest that they name.
struct pt_name {
    char *digest;
    bool is_child;   // an index names it
    bool is_native;  // for this machine
    bool is_config;  // of a manifest
    bool is_touched; // the lease was seen to hold or fetch it
    unsigned mark;   // of the list that it was found in last (pt_lease.mark)
};

// What the lease's snapshots say of a layer's extraction.
enum pt_extraction {
    PT_EXTRACTION_UNSEEN,
    PT_EXTRACTION_HELD,     // the lease holds a snapshot to extract it into
    PT_EXTRACTION_GIVEN_UP, // it did so before
};

// What the observer keeps of a layer for itself, to know what to ask for.
struct pt_layer_notes {
    bool in_lease;     // the lease holds its blob or names its ingest
    bool wants_info;   // whether its blob is there has to be asked
    char *extract_key; // of the snapshot that it is extracted into, NULL: not seen
    enum pt_extraction extraction;
    bool is_committed;     // the lease holds its snapshot
    char *held_key;        // of the one that the lease holds, NULL: none was seen
    int64_t written_bytes; // into it, when it was asked last
    bool has_moved;        // a part of its ingest was seen
};

// How it came to be known. What comes behind the first was seen by nobody, and is made from the
// image record that its pull has written.
enum pt_lease_origin {
    PT_ORIGIN_LIST,
    PT_ORIGIN_NEW_RECORD,
    PT_ORIGIN_REPULL,   // the record was there, and was written anew
    PT_ORIGIN_REPEATED, // likewise; a pull of the image was known: what is new came with that one
};

// Which lists of leases have it: all do, or only those of all leases, but not a quick one of what
// looks like the lease of a pull.
enum pt_listing {
    PT_LISTING_UNKNOWN, // no quick list was asked for since it is followed
    PT_LISTING_QUICK,
    PT_LISTING_FULL_ONLY,
};

// What the observer remembers of one lease from round to round, and how it puts the answers of
// containerd together. Nothing here asks anybody.
struct pt_lease {
    TAILQ_ENTRY(pt_lease) link;
    uint64_t key;                 // pt_lease_key
    struct pt_seen_lease seen;    // what is handed out of it
    struct pt_layer_notes *notes; // one for each layer of `seen`
    bool is_pull;                 // it has held what only a pull holds
    bool is_asked;                // in this round, for what it holds
    enum pt_listing listing;
    bool has_record; // the event of the image record that it has written was seen
    enum pt_lease_origin origin;
    bool is_scanned;      // snapshots that were there before have been looked for
    char *scanned;        // with this snapshotter, which may have been assumed
    char *snapshotter;    // NULL: not seen yet
    char *extraction;     // key of a snapshot that it extracts into, NULL: none was seen
    unsigned names_asked; // how often containerd was asked for the name on that
    char *unpacked_with;  // the snapshotter that its config's label names, NULL: not known
    int64_t gone_ns;      // since when it is PT_LEASE_GONE; monotonic, as are the others in `_ns`
    int64_t asked_ns;     // for what it holds; 0: it is to be asked at once
    int64_t fresh_after;  // content that is newer came with the pull
    uint64_t sign;        // changes with all that moves in it
    int64_t changed_ns;   // when the sign did
    int64_t usage_asked_ns;
    size_t layer_capacity;
    struct pt_blob *blobs;
    size_t blob_count;
    size_t blob_capacity;
    struct pt_map blob_map;    // its place plus one by digest; not used if one is missing in it
    struct pt_map layer_map;   // the same of the layers
    struct pt_map names;       // struct pt_name by digest, which it owns
    int64_t document_bytes;    // of the documents that were asked for
    size_t document_items;     // layers and digests that they name, in all
    size_t documents_left_out; // over the limits of these two
    bool has_logged_left_out;
    unsigned mark;
};

// A content ingest of a namespace.
struct pt_ingest {
    char *digest;
    int64_t offset;
    int64_t total;
    int64_t started_at;
    int64_t updated_at;
};

// What containerd says of the size of content, which a registry may have said to it: -1, unknown,
// for one that no layer can have.
static inline int64_t pt_lease_size(int64_t bytes)
{
    return bytes >= 0 && bytes <= PT_LIMIT_SIZE_BYTES ? bytes : -1;
}

// A lease in 64 bits, never 0.
uint64_t pt_lease_key(const char *namespace, const char *id, int64_t created_at);

// NULL when out of memory.
struct pt_lease *pt_lease_create(const char *namespace, const char *id, int64_t created_at);
void pt_lease_destroy(struct pt_lease *lease);

bool pt_lease_is_listed(const struct pt_lease *lease);

// Nobody has seen the lease itself.
static inline bool pt_lease_is_unseen(const struct pt_lease *lease)
{
    return lease->origin != PT_ORIGIN_LIST;
}

// When what it holds has changed last, as far as that is known.
int64_t pt_lease_changed_at(const struct pt_lease *lease);

// Takes in what the lease holds in this round.
void pt_lease_take_resources(struct pt_lease *lease, const Ctrd__ListResourcesResponse *resources);

// Looks up each layer in the ingests (struct pt_ingest by digest) of the lease's namespace.
void pt_lease_take_ingests(struct pt_lease *lease, const struct pt_map *ingests);

// Takes in an event; notes in it whether it is about a layer of the lease.
void pt_lease_take_event(struct pt_lease *lease, struct pt_seen_event *event);

// Takes in what Content.Info says of a blob.
void pt_blob_take_info(struct pt_blob *blob, const Ctrd__ContentInfo *info);

// Takes in the labels of its image's config.
void pt_lease_take_config(struct pt_lease *lease, const Ctrd__ContentInfo *info);

// Adds the target of an image record that was written in the time of a lease without a root. It is
// the root if it names all of the lease's layers and is containerd's own, not a registry's.
void pt_lease_guess_root(struct pt_lease *lease, const char *digest);

// Draws from the documents read so far the root, the manifest, the layers and their chain IDs.
void pt_lease_settle(struct pt_lease *lease);

// Containerd sets a blob's labels shortly after it has committed the blob: it has to be asked for
// them again until they are there, or it has none to be expected.
bool pt_blob_is_unsettled(const struct pt_blob *blob);

// Its documents have nothing more to say.
bool pt_lease_is_settled(const struct pt_lease *lease);

// The images of which it has fetched layers are unpacked, or have nothing to unpack.
bool pt_lease_is_unpacked(const struct pt_lease *lease);

// The blob should be read to learn what the image consists of (documents.c).
bool pt_lease_wants(const struct pt_lease *lease, const struct pt_blob *blob);

// Makes those of them due that come next: indexes first, then what is for this machine. What would
// pass the lease's share of bytes is left out for good.
void pt_lease_choose_documents(struct pt_lease *lease, unsigned round);

// Takes in what a blob of the lease holds, unless it passes the lease's share of names.
void pt_lease_take_document(struct pt_lease *lease, struct pt_blob *blob, const char *json,
                            size_t length);

// What the documents that were read say of a digest; NULL: nothing.
struct pt_name *pt_lease_find_name(const struct pt_lease *lease, const char *digest);

struct pt_seen_layer *pt_lease_find_layer(const struct pt_lease *lease, const char *digest);

// The notes on a layer of the lease's list.
struct pt_layer_notes *pt_lease_notes(const struct pt_lease *lease,
                                      const struct pt_seen_layer *layer);

void pt_lease_add_blob(struct pt_lease *lease, const char *digest);
struct pt_blob *pt_lease_find_blob(const struct pt_lease *lease, const char *digest);

// Makes *text a copy of the value. Without a value, or out of memory, it stays as it was.
void pt_lease_set_text(char **text, const char *value);

// Puts a layer at the end of the list; media_type may be NULL. NULL when out of memory or over the
// limit.
struct pt_seen_layer *pt_lease_add_layer(struct pt_lease *lease, const char *digest,
                                         const char *media_type, int64_t size);
void pt_lease_clear_layers(struct pt_lease *lease);

// Forgets what is known of blobs that have turned out to be layers.
void pt_lease_drop_layer_blobs(struct pt_lease *lease);

// The lowest layer of an image whose snapshot is not there yet, from layer `from` on; NULL: none,
// or its chain is not known.
struct pt_seen_layer *pt_lease_next_to_extract(const struct pt_lease *lease, size_t from);

#endif
