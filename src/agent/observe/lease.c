// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/lease.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/text.h"
#include "containerd/containerd_api.h"
#include "pull/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_LABEL "containerd.io/distribution.source."
#define CHILD_LABEL "containerd.io/gc.ref.content."
#define MANIFEST_LABEL CHILD_LABEL "m."
#define SNAPSHOT_LABEL "containerd.io/gc.ref.snapshot."
// Rounds after which a blob without labels is taken to have none; events make them come thick and
// fast when twenty pulls begin at once.
#define LABEL_ROUNDS 100

uint64_t pt_lease_key(const char *namespace, const char *id, int64_t created_at)
{
    uint64_t key = pt_hash_text(pt_hash_text(PT_HASH_EMPTY, namespace), id);
    key = pt_hash_bytes(key, &created_at, sizeof(created_at));
    return key ? key : 1;
}

struct pt_lease *pt_lease_create(const char *namespace, const char *id, int64_t created_at)
{
    struct pt_lease *lease = calloc(1, sizeof(*lease));
    if (!lease)
        return NULL;
    lease->key = pt_lease_key(namespace, id, created_at);
    lease->seen.namespace = strdup(namespace);
    lease->seen.id = strdup(id);
    lease->seen.created_at = created_at;
    if (!lease->seen.namespace || !lease->seen.id) {
        pt_lease_destroy(lease);
        return NULL;
    }
    pt_map_init(&lease->blob_map);
    pt_map_init(&lease->layer_map);
    pt_map_init(&lease->names);
    return lease;
}

void pt_lease_clear_layers(struct pt_lease *lease)
{
    struct pt_seen_lease *seen = &lease->seen;
    pt_map_finish(&lease->layer_map);
    for (size_t i = 0; i < seen->layer_count; i++) {
        free(seen->layers[i].digest);
        free(seen->layers[i].media_type);
        free(seen->layers[i].chain_id);
        free(lease->notes[i].extract_key);
        free(lease->notes[i].held_key);
    }
    seen->layer_count = 0;
}

static void finish_blob(struct pt_blob *blob)
{
    free(blob->digest);
    free(blob->repository);
    pt_document_finish(&blob->document);
}

static void free_names(struct pt_lease *lease)
{
    struct pt_name *name;
    size_t cursor = 0;
    while ((name = pt_map_next(&lease->names, &cursor))) {
        free(name->digest);
        free(name);
    }
    pt_map_finish(&lease->names);
}

void pt_lease_destroy(struct pt_lease *lease)
{
    if (!lease)
        return;
    struct pt_seen_lease *seen = &lease->seen;
    pt_lease_clear_layers(lease);
    free(seen->layers);
    free(lease->notes);
    free(seen->namespace);
    free(seen->id);
    free(seen->root_digest);
    free(seen->manifest_digest);
    free(seen->repository);
    free(seen->image_name);
    for (size_t i = 0; i < lease->blob_count; i++)
        finish_blob(&lease->blobs[i]);
    free(lease->blobs);
    pt_map_finish(&lease->blob_map);
    free_names(lease);
    free(seen->labelled_name);
    free(lease->snapshotter);
    free(lease->extraction);
    free(lease->unpacked_with);
    free(lease->scanned);
    free(lease);
}

// --- lists that grow ---

static void *grow(void *items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity ? *capacity * 2 : 4;
    void *larger = realloc(items, wanted * item_size);
    if (larger)
        *capacity = wanted;
    return larger;
}

// Notes where in its list a digest stands, counted from 1. Without memory it is missing in the map,
// which then has fewer entries than the list and is not used.
static void note_place(struct pt_map *map, const char *digest, size_t place)
{
    if (pt_map_put(map, digest, (void *)(uintptr_t)place) < 0)
        return;
}

// 0: nowhere.
static size_t find_place(const struct pt_map *map, const char *digest)
{
    return (size_t)(uintptr_t)pt_map_get(map, digest);
}

// Both lists of layers have room for one more afterwards, or it returns false.
static bool grow_layers(struct pt_lease *lease)
{
    struct pt_seen_lease *seen = &lease->seen;
    size_t capacity = lease->layer_capacity;
    struct pt_layer_notes *notes = grow(lease->notes, seen->layer_count, &capacity, sizeof(*notes));
    if (!notes)
        return false;
    lease->notes = notes;
    struct pt_seen_layer *layers =
        grow(seen->layers, seen->layer_count, &lease->layer_capacity, sizeof(*layers));
    if (!layers)
        return false;
    seen->layers = layers;
    return true;
}

struct pt_seen_layer *pt_lease_add_layer(struct pt_lease *lease, const char *digest,
                                         const char *media_type, int64_t size)
{
    struct pt_seen_lease *seen = &lease->seen;
    if (seen->layer_count >= PT_LIMIT_LAYERS_PER_PULL || !grow_layers(lease))
        return NULL;
    struct pt_seen_layer *layer = &seen->layers[seen->layer_count];
    *layer = (struct pt_seen_layer){.digest = strdup(digest), .size = size};
    if (!layer->digest)
        return NULL;
    lease->notes[seen->layer_count] = (struct pt_layer_notes){.wants_info = true};
    layer->media_type = media_type ? strdup(media_type) : NULL;
    seen->layer_count++;
    note_place(&lease->layer_map, layer->digest, seen->layer_count);
    return layer;
}

struct pt_blob *pt_lease_find_blob(const struct pt_lease *lease, const char *digest)
{
    if (lease->blob_map.count == lease->blob_count) {
        size_t place = find_place(&lease->blob_map, digest);
        return place ? &lease->blobs[place - 1] : NULL;
    }
    for (size_t i = 0; i < lease->blob_count; i++) {
        if (strcmp(lease->blobs[i].digest, digest) == 0)
            return &lease->blobs[i];
    }
    return NULL;
}

void pt_lease_add_blob(struct pt_lease *lease, const char *digest)
{
    if (lease->blob_count >= PT_LIMIT_LAYERS_PER_PULL || !pt_is_digest(digest))
        return;
    struct pt_blob *blobs =
        grow(lease->blobs, lease->blob_count, &lease->blob_capacity, sizeof(*blobs));
    if (!blobs)
        return;
    lease->blobs = blobs;
    blobs[lease->blob_count] = (struct pt_blob){.digest = strdup(digest)};
    if (!blobs[lease->blob_count].digest)
        return;
    lease->blob_count++;
    note_place(&lease->blob_map, blobs[lease->blob_count - 1].digest, lease->blob_count);
}

struct pt_seen_layer *pt_lease_find_layer(const struct pt_lease *lease, const char *digest)
{
    if (lease->layer_map.count == lease->seen.layer_count) {
        size_t place = find_place(&lease->layer_map, digest);
        return place ? &lease->seen.layers[place - 1] : NULL;
    }
    for (size_t i = 0; i < lease->seen.layer_count; i++) {
        if (strcmp(lease->seen.layers[i].digest, digest) == 0)
            return &lease->seen.layers[i];
    }
    return NULL;
}

static struct pt_seen_layer *find_chain(const struct pt_lease *lease, const char *chain_id)
{
    for (size_t i = 0; i < lease->seen.layer_count; i++) {
        const char *own = lease->seen.layers[i].chain_id;
        if (own && strcmp(own, chain_id) == 0)
            return &lease->seen.layers[i];
    }
    return NULL;
}

struct pt_layer_notes *pt_lease_notes(const struct pt_lease *lease,
                                      const struct pt_seen_layer *layer)
{
    return &lease->notes[layer - lease->seen.layers];
}

bool pt_lease_is_listed(const struct pt_lease *lease)
{
    return lease->seen.fate == PT_LEASE_LISTED;
}

int64_t pt_lease_changed_at(const struct pt_lease *lease)
{
    int64_t changed_at = lease->seen.created_at;
    for (size_t i = 0; i < lease->blob_count; i++) {
        if (changed_at < lease->blobs[i].created_at)
            changed_at = lease->blobs[i].created_at;
    }
    return changed_at;
}

struct pt_seen_layer *pt_lease_next_to_extract(const struct pt_lease *lease, size_t from)
{
    const struct pt_seen_lease *seen = &lease->seen;
    for (size_t i = from; i < seen->layer_count; i++) {
        if (seen->layers[i].image != seen->layers[from].image || !seen->layers[i].chain_id)
            return NULL;
        if (seen->layers[i].extracted_at == 0)
            return &seen->layers[i];
    }
    return NULL;
}

void pt_lease_set_text(char **text, const char *value)
{
    if (!value || pt_text_replace((const char **)text, value, NULL) < 0)
        return; // as it was
}

// --- a round's resources and ingests ---

// A layer's blob or ingest was seen in the lease: the manifests that name it are more likely.
static void touch(struct pt_lease *lease, const char *digest)
{
    struct pt_name *name = pt_lease_find_name(lease, digest);
    if (name)
        name->is_touched = true;
}

// An ingest of a pull is named by what it fetches. That of an index or manifest names the root
// before it can be read.
static void take_own_ingest(struct pt_lease *lease, const char *ref)
{
    const char *digest = pt_ref_digest(ref);
    if (!digest || digest == ref)
        return;
    lease->is_pull = true;
    struct pt_seen_lease *seen = &lease->seen;
    bool is_root = strncmp(ref, "index-", 6) == 0 || strncmp(ref, "manifest-", 9) == 0;
    if (is_root && !seen->root_digest)
        pt_lease_set_text(&seen->root_digest, digest);
    struct pt_seen_layer *layer = pt_lease_find_layer(lease, digest);
    if (!layer && !seen->layers_known && strncmp(ref, "layer-", 6) == 0)
        layer = pt_lease_add_layer(lease, digest, NULL, -1); // no manifest to read: schema 1
    if (!layer) {
        touch(lease, digest);
        return;
    }
    layer->owns_ingest = true;
    pt_lease_notes(lease, layer)->in_lease = true;
}

// What the lease shows first of its snapshotter may contradict what was assumed of it: then nothing
// is known of what it has extracted.
static void take_snapshotter(struct pt_lease *lease, const char *snapshotter)
{
    if (lease->snapshotter && strcmp(lease->snapshotter, snapshotter) == 0)
        return;
    bool is_wrong =
        !lease->snapshotter && lease->scanned && strcmp(lease->scanned, snapshotter) != 0;
    for (size_t i = 0; is_wrong && i < lease->seen.layer_count; i++)
        lease->seen.layers[i].extracted_at = 0;
    lease->is_scanned = false;
    pt_lease_set_text(&lease->snapshotter, snapshotter);
}

// Keys of snapshots under extraction are `extract-<number>-<random> <chain ID>`, those of committed
// ones the chain ID. Of a snapshotter that brings layers by itself no event names either.
static void take_snapshot(struct pt_lease *lease, const char *snapshotter, const char *key)
{
    take_snapshotter(lease, snapshotter);
    const char *space = strchr(key, ' ');
    struct pt_seen_layer *there = space ? NULL : find_chain(lease, key);
    if (there)
        pt_lease_notes(lease, there)->is_committed = true;
    struct pt_seen_layer *layer = space ? find_chain(lease, space + 1) : NULL;
    if (strncmp(key, "extract-", 8) != 0)
        return;
    if (!lease->extraction)
        pt_lease_set_text(&lease->extraction, key);
    if (!layer)
        return;
    struct pt_layer_notes *notes = pt_lease_notes(lease, layer);
    notes->extraction = PT_EXTRACTION_HELD;
    pt_lease_set_text(&notes->held_key, key);
    if (layer->prepared_at == 0)
        pt_lease_set_text(&notes->extract_key, key);
    layer->extract_begun = notes->extract_key != NULL;
}

static void take_content(struct pt_lease *lease, const char *digest)
{
    struct pt_seen_layer *layer = pt_lease_find_layer(lease, digest);
    if (layer) {
        struct pt_layer_notes *notes = pt_lease_notes(lease, layer);
        notes->in_lease = true;
        notes->wants_info = layer->blob_at == 0;
    } else if (!pt_lease_find_blob(lease, digest)) {
        touch(lease, digest);
        pt_lease_add_blob(lease, digest);
    }
}

void pt_lease_take_resources(struct pt_lease *lease, const Ctrd__ListResourcesResponse *resources)
{
    lease->seen.fingerprint = PT_HASH_EMPTY;
    for (size_t i = 0; i < lease->seen.layer_count; i++) {
        struct pt_layer_notes *notes = &lease->notes[i];
        if (notes->extraction == PT_EXTRACTION_HELD)
            notes->extraction = PT_EXTRACTION_GIVEN_UP;
        lease->seen.layers[i].owns_ingest = notes->in_lease = false;
    }
    for (size_t i = 0; i < resources->n_resources; i++) {
        const Ctrd__Resource *resource = resources->resources[i];
        lease->seen.fingerprint = pt_hash_text(lease->seen.fingerprint, resource->type);
        lease->seen.fingerprint = pt_hash_text(lease->seen.fingerprint, resource->id);
        if (strcmp(resource->type, "ingests") == 0)
            take_own_ingest(lease, resource->id);
        else if (strcmp(resource->type, "content") == 0)
            take_content(lease, resource->id);
        else if (strncmp(resource->type, "snapshots/", 10) == 0)
            take_snapshot(lease, resource->type + 10, resource->id);
    }
}

void pt_lease_take_ingests(struct pt_lease *lease, const struct pt_map *ingests)
{
    for (size_t i = 0; i < lease->seen.layer_count; i++) {
        struct pt_seen_layer *layer = &lease->seen.layers[i];
        if (layer->blob_at) {
            layer->has_ingest = false;
            continue;
        }
        const struct pt_ingest *ingest = pt_map_get(ingests, layer->digest);
        if (layer->has_ingest && !ingest)
            lease->notes[i].wants_info = true; // committed, or given up
        layer->has_ingest = ingest != NULL;
        if (!ingest)
            continue;
        layer->offset = pt_lease_size(ingest->offset) > 0 ? ingest->offset : 0;
        lease->notes[i].has_moved |= layer->offset > 0 && !pt_seen_layer_is_whole(layer);
        layer->ingest_total = pt_lease_size(ingest->total) > 0 ? ingest->total : 0;
        layer->ingest_started_at = ingest->started_at;
        layer->ingest_updated_at = ingest->updated_at;
        if (layer->size < 0 && layer->ingest_total > 0)
            layer->size = layer->ingest_total;
    }
}

void pt_lease_take_event(struct pt_lease *lease, struct pt_seen_event *event)
{
    bool is_content = event->kind == PT_SEEN_CONTENT_CREATED;
    struct pt_seen_layer *layer =
        is_content ? pt_lease_find_layer(lease, event->subject) : find_chain(lease, event->subject);
    if (!layer)
        return;
    event->is_known = true;
    if (event->kind == PT_SEEN_EXTRACTION_REMOVED) {
        lease->asked_ns = 0; // whether it goes on shows what it holds
        return;
    }
    int64_t *at = is_content                                 ? &layer->blob_at
                  : event->kind == PT_SEEN_SNAPSHOT_PREPARED ? &layer->prepared_at
                                                             : &layer->extracted_at;
    layer->is_foreign_open |= is_content && layer->blob_at == 0;
    layer->is_apart |= event->kind == PT_SEEN_SNAPSHOT_PREPARED && event->is_apart;
    if (*at == 0)
        *at = event->at;
    lease->seen.fingerprint = pt_hash_text(lease->seen.fingerprint, event->subject);
    event->is_first |= event->kind == PT_SEEN_SNAPSHOT_PREPARED && !lease->extraction;
    if (event->kind == PT_SEEN_SNAPSHOT_PREPARED && (!lease->snapshotter || !lease->extraction))
        lease->asked_ns = 0; // whether that was for this lease shows what it holds
}

void pt_lease_drop_layer_blobs(struct pt_lease *lease)
{
    size_t kept = 0;
    for (size_t i = 0; i < lease->blob_count; i++) {
        if (pt_lease_find_layer(lease, lease->blobs[i].digest))
            finish_blob(&lease->blobs[i]);
        else
            lease->blobs[kept++] = lease->blobs[i];
    }
    if (kept == lease->blob_count)
        return;
    lease->blob_count = kept;
    pt_map_finish(&lease->blob_map);
    for (size_t i = 0; i < kept; i++)
        note_place(&lease->blob_map, lease->blobs[i].digest, i + 1);
}

// --- blobs ---

// The label's value is a list, sorted by containerd, when other repositories hold the blob as well.
// Which one this pull asked cannot be known then, so no repository is taken.
static void take_source(struct pt_blob *blob, const char *host, const char *path)
{
    if (blob->repository || strchr(path, ','))
        return;
    size_t size = strlen(host) + strlen(path) + 2;
    blob->repository = malloc(size);
    if (blob->repository)
        snprintf(blob->repository, size, "%s/%s", host, path);
}

bool pt_blob_is_unsettled(const struct pt_blob *blob)
{
    bool has_labels = (blob->labels & PT_BLOB_FETCHED) &&
                      ((blob->labels & PT_BLOB_PARENT) || blob->stage >= PT_BLOB_READ);
    return blob->stage < PT_BLOB_KNOWN || (!has_labels && blob->rounds_asked < LABEL_ROUNDS);
}

void pt_lease_take_config(struct pt_lease *lease, const Ctrd__ContentInfo *info)
{
    for (size_t i = 0; i < info->n_labels; i++) {
        const char *key = info->labels[i]->key;
        if (strncmp(key, SNAPSHOT_LABEL, strlen(SNAPSHOT_LABEL)) == 0)
            pt_lease_set_text(&lease->unpacked_with, key + strlen(SNAPSHOT_LABEL));
    }
}

void pt_blob_take_info(struct pt_blob *blob, const Ctrd__ContentInfo *info)
{
    if (blob->stage < PT_BLOB_KNOWN)
        blob->stage = PT_BLOB_KNOWN;
    blob->rounds_asked++;
    blob->size = info->size;
    blob->created_at = pt_containerd_time(info->created_at);
    for (size_t i = 0; i < info->n_labels; i++) {
        const Ctrd__ContentInfo__LabelsEntry *label = info->labels[i];
        if (strncmp(label->key, CHILD_LABEL, strlen(CHILD_LABEL)) == 0)
            blob->labels |= PT_BLOB_PARENT;
        if (strncmp(label->key, MANIFEST_LABEL, strlen(MANIFEST_LABEL)) == 0)
            blob->labels |= PT_BLOB_INDEX;
        if (strncmp(label->key, SNAPSHOT_LABEL, strlen(SNAPSHOT_LABEL)) == 0)
            blob->labels |= PT_BLOB_UNPACKED;
        if (strncmp(label->key, SOURCE_LABEL, strlen(SOURCE_LABEL)) == 0) {
            blob->labels |= PT_BLOB_FETCHED;
            take_source(blob, label->key + strlen(SOURCE_LABEL), label->value);
        }
    }
}
