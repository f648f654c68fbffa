// SPDX-License-Identifier: Apache-2.0
#include "agent/track/track_pull.h"

#include "base/limits.h"
#include "pull/pull_fields.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pt_track_id(const struct pt_seen_lease *lease, char id[static PT_TRACK_ID_SIZE])
{
    char text[2 * PT_LIMIT_NAME_BYTES + 64];
    int length = snprintf(text, sizeof(text), "%s %s %lld", lease->namespace, lease->id,
                          (long long)lease->created_at);
    if (length >= (int)sizeof(text))
        length = sizeof(text) - 1;
    unsigned char hash[EVP_MAX_MD_SIZE] = {0};
    EVP_Digest(text, (size_t)length, hash, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < (PT_TRACK_ID_SIZE - 1) / 2; i++)
        snprintf(id + 2 * i, 3, "%02x", hash[i]);
}

int pt_track_set_text(const char **text, const char *value)
{
    if (!value || (*text && strcmp(*text, value) == 0))
        return 0;
    char *copy = strndup(value, PT_LIMIT_REFERENCE_BYTES);
    if (!copy)
        return -ENOMEM;
    free((char *)*text);
    *text = copy;
    return 0;
}

struct pt_track_pull *pt_track_pull_create(const struct pt_seen_lease *lease)
{
    struct pt_track_pull *pull = calloc(1, sizeof(*pull));
    if (!pull)
        return NULL;
    char id[PT_TRACK_ID_SIZE];
    pt_track_id(lease, id);
    pull->lease_created_at = lease->created_at;
    pull->created_at = pt_seen_since(lease);
    pull->shown.sent_bytes = -1;
    pull->fingerprint = lease->fingerprint;
    struct pt_pull *view = &pull->shown.pull;
    view->started_at = pull->created_at;
    view->phase = PT_PULL_RESOLVING;
    view->kind = PT_KIND_PULL;
    pull->lease_id = strdup(lease->id);
    view->id = strdup(id);
    view->image_ref = strdup(id);
    if (!pull->lease_id || !view->id || !view->image_ref ||
        pt_track_set_text(&view->containerd_namespace, lease->namespace) < 0) {
        pt_track_pull_destroy(pull);
        return NULL;
    }
    return pull;
}

static void free_layer(struct pt_layer *layer, struct pt_layer_note *note)
{
    pt_fields_free_texts(&pt_layer_fields, layer);
    free((char *)note->chain_id);
}

static void free_layers(struct pt_layer *layers, struct pt_layer_note *notes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free_layer(&layers[i], &notes[i]);
    free(layers);
    free(notes);
}

void pt_track_pull_destroy(struct pt_track_pull *pull)
{
    if (!pull)
        return;
    free_layers(pull->shown.pull.layers, pull->notes, pull->shown.pull.layer_count);
    pt_fields_free_texts(&pt_pull_fields, &pull->shown.pull);
    free(pull->lease_id);
    free(pull);
}

// --- layers ---

static bool has_same_layers(const struct pt_pull *view, const struct pt_seen_lease *lease)
{
    if (view->layer_count != lease->layer_count)
        return false;
    for (size_t i = 0; i < view->layer_count; i++) {
        if (strcmp(view->layers[i].digest, lease->layers[i].digest) != 0)
            return false;
    }
    return true;
}

static size_t find_layer(const struct pt_pull *view, const char *digest)
{
    size_t i = 0;
    while (i < view->layer_count && strcmp(view->layers[i].digest, digest) != 0)
        i++;
    return i;
}

// The manifest has become known, or another one: what was noted of a layer moves to its new place.
static int replace_layers(struct pt_track_pull *pull, const struct pt_seen_lease *lease)
{
    struct pt_pull *view = &pull->shown.pull;
    size_t count = lease->layer_count;
    struct pt_layer *layers = calloc(count ? count : 1, sizeof(*layers));
    struct pt_layer_note *notes = calloc(count ? count : 1, sizeof(*notes));
    bool ok = layers && notes;
    for (size_t i = 0; ok && i < count; i++) {
        layers[i].digest = strdup(lease->layers[i].digest);
        ok = layers[i].digest != NULL;
    }
    if (!ok) {
        for (size_t i = 0; layers && i < count; i++)
            free((char *)layers[i].digest);
        free(layers);
        free(notes);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        size_t old = find_layer(view, layers[i].digest);
        if (old == view->layer_count)
            continue;
        const char *digest = layers[i].digest;
        layers[i] = view->layers[old];
        notes[i] = pull->notes[old];
        layers[i].digest = digest;
        view->layers[old] = (struct pt_layer){.digest = view->layers[old].digest}; // has moved
        pull->notes[old].chain_id = NULL;
    }
    free_layers(view->layers, pull->notes, view->layer_count);
    view->layers = layers;
    view->layer_count = count;
    pull->notes = notes;
    return 0;
}

// When the layer came that has come first of those in whose place none was fetched yet; 0: none.
static int64_t take_place(struct pt_track_pull *pull)
{
    struct pt_pull *view = &pull->shown.pull;
    size_t first = view->layer_count;
    for (size_t i = 0; i < view->layer_count; i++) {
        const struct pt_layer *layer = &view->layers[i];
        bool is_free = layer->completed_at && !layer->cached && !pull->notes[i].is_followed;
        if (is_free &&
            (first == view->layer_count || layer->completed_at < view->layers[first].completed_at))
            first = i;
    }
    if (first == view->layer_count)
        return 0;
    pull->notes[first].is_followed = pull->has_followers = true;
    return view->layers[first].completed_at;
}

// When the fetch of a layer began whose first bytes are seen, which are a mebibyte late. Some
// layers are fetched at once, and each further one when one of them has come; containerd 1 makes
// its ingest then, containerd 2 those of all layers at once. An ingest may also be left from a pull
// before this one. Of several pulls nobody knows which layer took which place: then it is not
// before it was last seen without a byte.
static int64_t begin_of(struct pt_track_pull *pull, const struct pt_layer_note *note,
                        const struct pt_seen_layer *seen, bool has_own_place)
{
    int64_t earliest = pt_track_later(seen->ingest_started_at, pull->created_at);
    int64_t latest = pt_track_later(earliest, note->idle_at);
    if (!has_own_place)
        return latest;
    int64_t place_at = take_place(pull);
    if (place_at == 0 && pull->has_followers)
        return latest;
    int64_t begin = pt_track_later(earliest, place_at);
    return begin < latest ? begin : latest;
}

// The same of one that has come whole between two looks, if it was seen to wait.
static int64_t begin_unseen(struct pt_track_pull *pull, const struct pt_layer_note *note,
                            const struct pt_seen_layer *seen, bool is_alone)
{
    if (note->idle_at == 0)
        return pull->created_at;
    return begin_of(pull, note, seen, is_alone && note->fetcher != PT_FETCHER_OTHER);
}

// Bytes on their way. Offsets that go back are a fetch that began anew: what is shown never falls.
static void update_fetch(struct pt_track_pull *pull, struct pt_layer *layer,
                         struct pt_layer_note *note, const struct pt_seen_layer *seen,
                         bool is_alone, int64_t now)
{
    if (!seen->has_ingest) {
        // Committed, which may not be seen yet, or given up: the next look shows which.
        bool has_just_gone = note->offset > 0 && (layer->phase == PT_LAYER_DOWNLOADING ||
                                                  layer->phase == PT_LAYER_COMMITTING);
        if (layer->phase != PT_LAYER_UNKNOWN)
            note->offset = 0;
        if (!has_just_gone)
            layer->phase = PT_LAYER_QUEUED;
        return;
    }
    if (seen->offset < note->offset)
        note->has_restarted = true;
    note->offset = seen->offset;
    if (seen->offset == 0) {
        note->idle_at = now;
        layer->phase = PT_LAYER_QUEUED;
        return;
    }
    if (layer->started_at == 0)
        layer->started_at = begin_of(pull, note, seen, is_alone && seen->owns_ingest);
    if (seen->offset > layer->downloaded_bytes)
        layer->downloaded_bytes = seen->offset;
    if (layer->total_known && layer->downloaded_bytes > layer->total_bytes)
        layer->downloaded_bytes = layer->total_bytes;
    bool is_whole = layer->total_known && seen->offset >= layer->total_bytes;
    layer->phase = is_whole ? PT_LAYER_COMMITTING : PT_LAYER_DOWNLOADING;
}

static void update_bytes(struct pt_track_pull *pull, struct pt_layer *layer,
                         struct pt_layer_note *note, const struct pt_seen_layer *seen,
                         int64_t blob_at, bool is_alone, int64_t now)
{
    layer->cached = pt_source_is_cached(layer->source);
    if (blob_at == 0 && seen->extracted_at == 0) {
        if (layer->completed_at) // by a snapshot that is another snapshotter's, or was removed
            layer->started_at = layer->completed_at = 0;
        update_fetch(pull, layer, note, seen, is_alone, now);
        return;
    }
    if (!layer->total_known) {
        layer->total_bytes = layer->downloaded_bytes;
        layer->total_known = true;
    }
    layer->downloaded_bytes = layer->total_bytes;
    layer->phase = PT_LAYER_DOWNLOADED;
    if (layer->cached) {
        layer->started_at = layer->completed_at = 0;
        return;
    }
    if (layer->started_at == 0)
        layer->started_at = begin_unseen(pull, note, seen, is_alone);
    if (layer->completed_at == 0) // not before the pull, even if the clock was set back
        layer->completed_at =
            pt_track_later(blob_at ? blob_at : seen->extracted_at, pull->created_at);
    if (layer->started_at > layer->completed_at)
        layer->started_at = layer->completed_at;
}

// --- extraction ---

// The snapshotter has made the layer: there was nothing to extract.
static bool is_brought(const struct pt_layer *layer)
{
    return layer->source == PT_SOURCE_REMOTE || layer->source == PT_SOURCE_SNAPSHOTTER ||
           layer->source == PT_SOURCE_SNAPSHOTTER_CACHE;
}

// What had ended was another snapshotter's, or is removed, by itself or with the layer.
static void take_back_extraction(struct pt_layer *layer)
{
    if (layer->extract_completed_at == 0)
        return;
    layer->extract_started_at = layer->extract_completed_at = 0;
    if (layer->phase == PT_LAYER_DONE)
        layer->phase = PT_LAYER_DOWNLOADED;
}

// `below_at` is when the layer below was extracted: 0 not yet, -1 there is none. A snapshotter that
// copies what is below begins with that, and its snapshot is there when the copy is.
static void update_extraction(struct pt_track_pull *pull, struct pt_layer *layer,
                              struct pt_layer_note *note, const struct pt_seen_layer *seen,
                              int64_t below_at, bool is_copied)
{
    if (note->prepared_at == 0)
        note->prepared_at = seen->prepared_at;
    note->is_apart |= seen->is_apart;
    if (note->is_apart)
        below_at = -1;
    int64_t extracted_at = note->committed_at ? note->committed_at : seen->extracted_at;
    bool is_older = extracted_at && extracted_at < pull->created_at;
    if (extracted_at == 0 || is_older || !pt_layer_is_downloaded(layer))
        take_back_extraction(layer);
    if (is_older) {
        layer->phase = PT_LAYER_EXISTS;
        layer->source = PT_SOURCE_LOCAL;
        layer->cached = true;
        return;
    }
    if (extracted_at && is_brought(layer))
        layer->phase = PT_LAYER_DONE;
    if (!pt_layer_is_downloaded(layer) || is_brought(layer))
        return;
    // The snapshot is prepared before the download ends: the extraction waits for the bytes.
    int64_t prepared_at = is_copied && below_at > 0 ? below_at : note->prepared_at;
    if ((prepared_at || extracted_at) && below_at && layer->extract_started_at == 0) {
        int64_t from = pt_track_later(prepared_at, pt_track_later(layer->completed_at, below_at));
        layer->extract_started_at = pt_track_later(from, pull->created_at);
    }
    if (extracted_at) {
        layer->phase = PT_LAYER_DONE;
        layer->extract_completed_at = extracted_at;
        if (layer->extract_started_at > extracted_at)
            layer->extract_started_at = extracted_at;
    } else if (layer->extract_started_at) {
        layer->phase = PT_LAYER_EXTRACTING;
    }
}

// A size may be heard of late: it may be less than what has come, since a broken registry sends
// more, and what was there was so as a whole.
static void set_total(struct pt_layer *layer, int64_t bytes)
{
    layer->total_known = true;
    layer->total_bytes = bytes;
    if (layer->cached || layer->downloaded_bytes > bytes)
        layer->downloaded_bytes = bytes;
}

static int update_layers(struct pt_track_pull *pull, const struct pt_seen_lease *lease,
                         const struct pt_track_claims *claims, int64_t now)
{
    struct pt_pull *view = &pull->shown.pull;
    int64_t below_at = -1;
    for (size_t i = 0; i < view->layer_count; i++) {
        struct pt_layer *layer = &view->layers[i];
        struct pt_layer_note *note = &pull->notes[i];
        const struct pt_seen_layer *seen = &lease->layers[i];
        if (pt_track_set_text(&layer->media_type, seen->media_type) < 0 ||
            pt_track_set_text(&note->chain_id, seen->chain_id) < 0)
            return -ENOMEM;
        if (seen->size >= 0)
            set_total(layer, seen->size);
        int64_t blob_at = note->blob_at ? note->blob_at : seen->blob_at;
        if (i > 0 && seen->image != lease->layers[i - 1].image)
            below_at = -1;
        layer->source = pt_track_source(pull, lease, i, blob_at, now);
        // Of a pull that is over, a layer that did not come stays as it was seen last.
        bool has_come = blob_at || seen->extracted_at;
        if (has_come || seen->has_ingest || lease->fate != PT_LEASE_OVER ||
            layer->phase == PT_LAYER_UNKNOWN)
            update_bytes(pull, layer, note, seen, blob_at, claims->is_alone, now);
        update_extraction(pull, layer, note, seen, below_at, lease->copies_layers);
        pt_track_count(pull, lease, i, claims);
        below_at = note->committed_at ? note->committed_at : seen->extracted_at;
    }
    return 0;
}

// --- the pull ---

static enum pt_pull_phase phase_of(const struct pt_pull *view)
{
    if (view->layer_count == 0)
        return view->total_known ? PT_PULL_DOWNLOADING : PT_PULL_RESOLVING;
    for (size_t i = 0; i < view->layer_count; i++) {
        if (!pt_layer_is_downloaded(&view->layers[i]))
            return PT_PULL_DOWNLOADING;
    }
    return view->total_known ? PT_PULL_EXTRACTING : PT_PULL_DOWNLOADING;
}

// A manifest may leave them out, or have such as no layer can have.
static bool has_all_sizes(const struct pt_pull *view)
{
    size_t i = 0;
    while (i < view->layer_count && view->layers[i].total_known)
        i++;
    return i == view->layer_count;
}

// Whether everything was there when the pull began. One that is over may also have left its layers
// packed, as it does with an artifact.
static bool is_check(const struct pt_track_pull *pull, const struct pt_seen_lease *lease)
{
    const struct pt_pull *view = &pull->shown.pull;
    if (!lease->layers_known || lease->documents_fetched)
        return false;
    for (size_t i = 0; i < view->layer_count; i++) {
        const struct pt_layer *layer = &view->layers[i];
        bool is_left_packed = lease->fate == PT_LEASE_OVER && layer->phase == PT_LAYER_DOWNLOADED;
        if (!layer->cached || (layer->phase != PT_LAYER_EXISTS && !is_left_packed))
            return false;
    }
    return true;
}

int pt_track_pull_update(struct pt_track_pull *pull, const struct pt_seen_lease *lease,
                         const struct pt_track_claims *claims, int64_t now)
{
    struct pt_pull *view = &pull->shown.pull;
    pull->created_at = view->started_at = pt_seen_since(lease);
    if (!has_same_layers(view, lease) && replace_layers(pull, lease) < 0)
        return -ENOMEM;
    if (pt_track_pull_take_names(pull, lease) < 0 || update_layers(pull, lease, claims, now) < 0)
        return -ENOMEM;
    pt_track_sum(pull, now);
    view->kind = is_check(pull, lease) ? PT_KIND_CHECK : PT_KIND_PULL;
    pull->fingerprint = lease->fingerprint;
    pull->written_bytes = lease->written_bytes;
    view->total_known = lease->layers_known && has_all_sizes(view);
    enum pt_pull_phase phase = phase_of(view);
    if (phase > view->phase)
        view->phase = phase;
    return 0;
}

int64_t pt_track_pull_offset(const struct pt_track_pull *pull, size_t index,
                             const struct pt_seen_layer *seen)
{
    const struct pt_pull *view = &pull->shown.pull;
    if (index >= view->layer_count || strcmp(view->layers[index].digest, seen->digest) != 0)
        index = find_layer(view, seen->digest);
    return index < view->layer_count ? pull->notes[index].offset : -1;
}

void pt_track_pull_event(struct pt_track_pull *pull, const struct pt_seen_event *event)
{
    const struct pt_pull *view = &pull->shown.pull;
    if (event->at < pull->created_at)
        return; // about what was there before, which is in the observation
    for (size_t i = 0; i < view->layer_count; i++) {
        struct pt_layer_note *note = &pull->notes[i];
        bool is_content = event->kind == PT_SEEN_CONTENT_CREATED;
        const char *subject = is_content ? view->layers[i].digest : note->chain_id;
        if (!subject || strcmp(subject, event->subject) != 0)
            continue;
        int64_t *at = is_content                                 ? &note->blob_at
                      : event->kind == PT_SEEN_SNAPSHOT_PREPARED ? &note->prepared_at
                                                                 : &note->committed_at;
        if (*at == 0)
            *at = event->at;
        note->is_apart |= event->kind == PT_SEEN_SNAPSHOT_PREPARED && event->is_apart;
    }
}

// --- its end ---

void pt_track_pull_drop_missing_layers(struct pt_track_pull *pull)
{
    struct pt_pull *view = &pull->shown.pull;
    size_t kept = 0;
    for (size_t i = 0; i < view->layer_count; i++) {
        if (!pt_layer_is_downloaded(&view->layers[i])) {
            free_layer(&view->layers[i], &pull->notes[i]);
            continue;
        }
        view->layers[kept] = view->layers[i];
        pull->notes[kept++] = pull->notes[i];
    }
    view->layer_count = kept;
}

void pt_track_pull_fail(struct pt_track_pull *pull, const char *reason, int64_t now)
{
    struct pt_pull *view = &pull->shown.pull;
    view->kind = PT_KIND_PULL;
    (void)pt_track_set_text(&view->error, reason); // out of memory: a failure without words
    view->phase = PT_PULL_FAILED;
    view->completed_at = now;
}
