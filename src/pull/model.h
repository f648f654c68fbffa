// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_MODEL_H
#define PT_PULL_MODEL_H

#include "pull/failure_class.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A pull and its layers as a node's agent knows them. These are views: text and arrays are borrowed
// from whoever made the view. Text is UTF-8, NULL when unknown. Times are wall_ns (0: not yet),
// sizes are bytes.

enum pt_pull_phase {
    PT_PULL_UNKNOWN, // an agent that sends no phase
    PT_PULL_QUEUED,  // a pod waits for it, it has not begun
    PT_PULL_RESOLVING,
    PT_PULL_DOWNLOADING,
    PT_PULL_EXTRACTING,
    PT_PULL_COMPLETED,
    PT_PULL_FAILED,
    PT_PULL_CANCELLED, // nothing waits any more for what had not begun
};

enum pt_pull_kind {
    PT_KIND_UNKNOWN, // an agent that does not say; such a pull is taken as PT_KIND_PULL
    PT_KIND_PULL,
    PT_KIND_CHECK, // everything was there when it began: the registry was asked for the digest only
};

enum pt_layer_phase {
    PT_LAYER_UNKNOWN, // an agent that sends no phase
    PT_LAYER_QUEUED,
    PT_LAYER_DOWNLOADING,
    PT_LAYER_COMMITTING, // all bytes are there, containerd still writes them to disk
    PT_LAYER_DOWNLOADED,
    PT_LAYER_EXTRACTING,
    PT_LAYER_DONE,
    PT_LAYER_EXISTS, // was on the node before the pull began
};

// Where a layer's bytes come from.
enum pt_layer_source {
    PT_SOURCE_UNKNOWN, // nothing of it was seen yet, or an agent that does not say
    PT_SOURCE_FETCHED, // containerd fetches it, by this pull or one that this one waits for
    PT_SOURCE_LOCAL,   // was on the node before the pull began
    PT_SOURCE_SNAPSHOTTER_CACHE, // the snapshotter had it in a cache of its own
    PT_SOURCE_REMOTE,            // mounted, its files are fetched when they are read
    PT_SOURCE_SNAPSHOTTER, // fetched by the snapshotter, of which nothing is seen until it is there
    PT_SOURCE_NAMESPACE,   // content of another containerd namespace
    PT_LAYER_SOURCE_COUNT,
};

struct pt_layer {
    const char *digest;
    const char *media_type;
    int64_t total_bytes;
    int64_t downloaded_bytes; // equal to total_bytes when cached
    int64_t started_at;       // of the download
    int64_t completed_at;     // of the download
    int64_t extract_started_at;
    int64_t extract_completed_at;
    int64_t resumed_bytes; // of downloaded_bytes: left by a download before this pull
    enum pt_layer_phase phase;
    enum pt_layer_source source;
    bool total_known;
    bool cached; // it came from a source that nobody fetches it from in the time of this pull
};

struct pt_pull {
    const char *id;         // unique on its node and stable over a restart of the agent
    const char *image_ref;  // as exact as known; see image_ref_exact
    const char *repository; // host/path, from containerd's labels
    const char *root_digest;
    const char *manifest_digest;
    const char *platform; // of that manifest, as `linux/arm64/v8`
    const char *containerd_namespace;
    const char *error;                 // of a failed pull
    enum pt_failure_class error_class; // of a failed pull; an agent names few of them
    int64_t started_at;
    int64_t completed_at;     // of the whole, extraction included, well or badly
    int64_t bytes_fetched;    // of layers, over the network and by this pull; never falls
    int64_t bytes_unreported; // of these, what no server has taken yet
    enum pt_pull_phase phase;
    enum pt_pull_kind kind;
    bool total_known;     // every layer of the image is in `layers`, each with its size
    bool image_ref_exact; // the image record was seen
    struct pt_layer *layers;
    size_t layer_count;
};

static inline bool pt_pull_phase_is_final(enum pt_pull_phase phase)
{
    return phase == PT_PULL_COMPLETED || phase == PT_PULL_FAILED || phase == PT_PULL_CANCELLED;
}

// The bytes of a layer are on the node, extracted or not.
bool pt_layer_is_downloaded(const struct pt_layer *layer);

// The layer needs nothing more: extracted, or there before.
bool pt_layer_is_extracted(const struct pt_layer *layer);

// Bytes of the layer come one by one over the network, so that they have a speed.
bool pt_layer_has_speed(const struct pt_layer *layer);

// The snapshotter fetches layers of it, of which nothing is seen until they are there.
bool pt_pull_is_silent(const struct pt_pull *pull);

// Nothing is fetched for a layer of this source while its pull runs.
bool pt_source_is_cached(enum pt_layer_source source);

// The wire's words for phases, see fields.h; those that an agent may report lack queued and
// cancelled.
extern const struct pt_words pt_pull_phase_words;
extern const struct pt_words pt_pull_kind_words;
extern const struct pt_words pt_agent_phase_words;
extern const struct pt_words pt_layer_phase_words;
extern const struct pt_words pt_layer_source_words;

// The word of a phase, NULL for …_UNKNOWN.
const char *pt_pull_phase_name(enum pt_pull_phase phase);
const char *pt_layer_phase_name(enum pt_layer_phase phase);

// Sums over the layers of a pull; what would pass INT64_MAX stays there.
struct pt_totals {
    int64_t total_bytes;
    int64_t downloaded_bytes; // cached ones included
    int64_t cached_bytes;
    int64_t remote_bytes;    // of cached_bytes: mounted, and fetched when they are read
    int64_t extracted_bytes; // of layers that were downloaded, cached ones not included
    size_t layers_done;      // downloaded or cached
    size_t layers_extracted;
    // Of downloaded_bytes, 0 to 100; 100 when completed; 0 while the total is unknown.
    double percent;
};

void pt_pull_totals(const struct pt_pull *pull, struct pt_totals *ret_totals);

#endif
