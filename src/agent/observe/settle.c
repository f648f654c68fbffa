// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/lease.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

// Makes an image of the blobs that a lease holds. After each turn of reading, settling draws from
// the documents read so far, in this order: which blob is the root (an index or manifest that no
// other index names); which manifests are fetched (of an index by containerd 2 all are there, but
// the layers of one machine only); the list of their layers; and the chain IDs of these, from the
// config. Each result may name documents that are not read yet, so the next turn goes on from
// there. A later turn may also choose another manifest, when the first layer shows up that only
// that one has: then the list of layers is built anew.
// Example: index I names manifests A (this machine's) and B. Before any layer is there, A is wanted
// for its platform. A layer of B alone shows up in the lease: B is wanted, A no more.
// Two kinds of pulls have no root to begin with. Of Docker's schema 1 nothing can be read until
// containerd has written a manifest of its own, so an image record's target is tried as a guess. Of
// a lease that is gone only the root is known, and its documents are added here by their names.

// Notes for each digest that is named what the documents say of it.
static void note_names(struct pt_lease *lease)
{
    struct pt_name *name;
    size_t cursor = 0;
    while ((name = pt_map_next(&lease->names, &cursor)))
        name->is_child = name->is_native = name->is_config = false;
    for (size_t i = 0; i < lease->blob_count; i++) {
        const struct pt_document *document = &lease->blobs[i].document;
        if (document->config_digest && (name = pt_lease_find_name(lease, document->config_digest)))
            name->is_config = true;
        size_t children = document->kind == PT_DOCUMENT_INDEX ? document->digest_count : 0;
        for (size_t k = 0; k < children; k++) {
            if (!(name = pt_lease_find_name(lease, document->digests[k])))
                continue;
            name->is_child = true;
            name->is_native |= document->natives[k];
        }
    }
}

static bool is_child(const struct pt_lease *lease, const struct pt_blob *blob)
{
    const struct pt_name *name = pt_lease_find_name(lease, blob->digest);
    return name && name->is_child;
}

static struct pt_blob *find_root(struct pt_lease *lease)
{
    for (size_t i = 0; i < lease->blob_count; i++) {
        struct pt_blob *blob = &lease->blobs[i];
        enum pt_document_kind kind = blob->document.kind;
        if ((kind == PT_DOCUMENT_INDEX || kind == PT_DOCUMENT_MANIFEST) && !is_child(lease, blob))
            return blob;
    }
    return NULL;
}

// --- which of an index's manifests are fetched ---

// Marks the layers that the lease was seen to hold or fetch before the manifest could be read, and
// counts all that are marked so.
static size_t touch_layers(struct pt_lease *lease, const struct pt_document *manifest)
{
    size_t count = 0;
    lease->mark++;
    for (size_t i = 0; i < manifest->layer_count; i++) {
        const char *digest = manifest->layers[i].digest;
        const struct pt_seen_layer *layer = pt_lease_find_layer(lease, digest);
        struct pt_name *name = pt_lease_find_name(lease, digest);
        if (!name || name->mark == lease->mark)
            continue;
        name->mark = lease->mark;
        name->is_touched |= (layer && pt_lease_notes(lease, layer)->in_lease) ||
                            pt_lease_find_blob(lease, digest) != NULL;
        count += name->is_touched;
    }
    return count;
}

// Marks the manifest's layers, for is_marked.
static void mark_layers(struct pt_lease *lease, const struct pt_blob *manifest)
{
    lease->mark++;
    for (size_t i = 0; i < manifest->document.layer_count; i++) {
        struct pt_name *name = pt_lease_find_name(lease, manifest->document.layers[i].digest);
        if (name)
            name->mark = lease->mark;
    }
}

static bool is_marked(const struct pt_lease *lease, const char *digest)
{
    const struct pt_name *name = pt_lease_find_name(lease, digest);
    return name && name->mark == lease->mark;
}

// A layer is touched that is not marked.
static bool has_other_layer(const struct pt_lease *lease, const struct pt_blob *manifest)
{
    for (size_t i = 0; i < manifest->document.layer_count; i++) {
        const struct pt_name *name = pt_lease_find_name(lease, manifest->document.layers[i].digest);
        if (name && name->is_touched && name->mark != lease->mark)
            return true;
    }
    return false;
}

// The manifest's config is labelled with a snapshot, or the image has no layer to unpack.
static bool is_unpacked(const struct pt_lease *lease, const struct pt_blob *manifest)
{
    const char *digest = manifest->document.config_digest;
    const struct pt_blob *config = digest ? pt_lease_find_blob(lease, digest) : NULL;
    if (!config)
        return false;
    return (config->labels & PT_BLOB_UNPACKED) ||
           (config->document.kind == PT_DOCUMENT_CONFIG && manifest->document.layer_count == 0);
}

// The manifest with more layers in the lease is the better one; then, if the lease is gone, the one
// that is unpacked, because the pull may have been for another platform; then the one for this
// machine.
static bool is_better(const struct pt_lease *lease, const struct pt_blob *manifest,
                      const struct pt_blob *than)
{
    if (manifest->touched != than->touched)
        return manifest->touched > than->touched;
    bool was_unpacked = is_unpacked(lease, than);
    if (!pt_lease_is_listed(lease) && is_unpacked(lease, manifest) != was_unpacked)
        return !was_unpacked;
    return manifest->is_native && !than->is_native;
}

// containerd 2 fetches the manifests of all platforms, in any order. Another platform's manifest,
// of which no layer has come yet, is no answer while the index promises one for this machine.
static bool is_premature(const struct pt_lease *lease, const struct pt_blob *root,
                         const struct pt_blob *manifest)
{
    bool has_native = false;
    for (size_t i = 0; root->document.natives && i < root->document.digest_count; i++)
        has_native |= root->document.natives[i];
    return has_native && pt_lease_is_listed(lease) && !manifest->is_native &&
           manifest->touched == 0;
}

// containerd 2 keeps the manifests of all platforms and fetches the layers of one: the lease's
// layers show which, or before any is there the platform. With --all-platforms several manifests
// are wanted: each of them has a layer in the lease that the best one has not.
static void choose_manifests(struct pt_lease *lease, const struct pt_blob *root)
{
    struct pt_blob *best = NULL;
    for (size_t i = 0; i < lease->blob_count; i++) {
        struct pt_blob *blob = &lease->blobs[i];
        blob->is_wanted = false;
        if (blob->document.kind != PT_DOCUMENT_MANIFEST)
            continue;
        const struct pt_name *name = pt_lease_find_name(lease, blob->digest);
        blob->is_native = name && name->is_native;
        blob->touched = touch_layers(lease, &blob->document);
        if (!best || is_better(lease, blob, best))
            best = blob;
    }
    if (best && is_premature(lease, root, best))
        best = NULL;
    if (best)
        mark_layers(lease, best);
    for (size_t i = 0; best && i < lease->blob_count; i++) {
        struct pt_blob *blob = &lease->blobs[i];
        if (blob->document.kind == PT_DOCUMENT_MANIFEST)
            blob->is_wanted = blob == best || has_other_layer(lease, blob);
    }
}

// --- the root of schema 1 ---

void pt_lease_guess_root(struct pt_lease *lease, const char *digest)
{
    if (pt_lease_find_blob(lease, digest))
        return;
    pt_lease_add_blob(lease, digest);
    struct pt_blob *blob = pt_lease_find_blob(lease, digest);
    if (blob)
        blob->is_guess = true;
}

static bool has_all_layers(struct pt_lease *lease, const struct pt_blob *manifest)
{
    mark_layers(lease, manifest);
    for (size_t i = 0; i < lease->seen.layer_count; i++) {
        if (!is_marked(lease, lease->seen.layers[i].digest))
            return false;
    }
    return true;
}

static void drop_wrong_guesses(struct pt_lease *lease)
{
    for (size_t i = 0; i < lease->blob_count; i++) {
        struct pt_blob *blob = &lease->blobs[i];
        if (blob->is_guess && ((blob->labels & PT_BLOB_FETCHED) || !has_all_layers(lease, blob)))
            pt_document_finish(&blob->document);
    }
}

// --- the layers ---

static void take_layers(struct pt_lease *lease, struct pt_blob *manifest, unsigned image)
{
    struct pt_seen_lease *seen = &lease->seen;
    bool is_whole = !manifest->document.is_cut;
    for (size_t i = 0; i < manifest->document.layer_count; i++) {
        const struct pt_manifest_layer *layer = &manifest->document.layers[i];
        if (pt_lease_find_layer(lease, layer->digest))
            continue;
        struct pt_seen_layer *added =
            pt_lease_add_layer(lease, layer->digest, layer->media_type, layer->size);
        is_whole &= added != NULL;
        if (!added)
            continue;
        added->image = image;
        const struct pt_name *name = pt_lease_find_name(lease, layer->digest);
        pt_lease_notes(lease, added)->in_lease = name && name->is_touched;
    }
    seen->layers_known = is_whole;
    manifest->stage = PT_BLOB_TAKEN;
}

// Nothing is left that a round could find out without it: the lease has been gone for a round.
static bool has_been_gone(const struct pt_lease *lease)
{
    return lease->seen.fate >= PT_LEASE_GONE;
}

// A lease that is gone lists nothing. If the root is an index, its manifest for this machine is
// read as well, and from the next round on those for other machines too: one of them may be what
// was unpacked.
static void add_manifests(struct pt_lease *lease, const struct pt_blob *index)
{
    const struct pt_document document =
        index->document; // adding moves the blobs, not what they hold
    size_t count = document.kind == PT_DOCUMENT_INDEX ? document.digest_count : 0;
    for (size_t i = 0; i < count; i++) {
        if ((document.natives[i] || has_been_gone(lease)) &&
            !pt_lease_find_blob(lease, document.digests[i]))
            pt_lease_add_blob(lease, document.digests[i]);
    }
}

// The config is looked for even if the lease is gone before it was seen to hold it.
static void add_configs(struct pt_lease *lease)
{
    for (size_t i = 0; i < lease->blob_count; i++) {
        bool is_of_interest = lease->blobs[i].is_wanted || has_been_gone(lease);
        const char *config = is_of_interest ? lease->blobs[i].document.config_digest : NULL;
        if (config && !pt_lease_find_blob(lease, config))
            pt_lease_add_blob(lease, config);
    }
}

// A digest that occurs twice is one layer here, extracted when its last occurrence is.
static void chain_layers(struct pt_lease *lease, struct pt_blob *manifest,
                         const struct pt_document *config)
{
    char chain[PT_CHAIN_ID_SIZE] = "";
    manifest->stage = PT_BLOB_CHAINED;
    if (config->digest_count != manifest->document.layer_count)
        return; // not an image
    for (size_t i = 0; i < config->digest_count; i++) {
        char next[PT_CHAIN_ID_SIZE];
        struct pt_seen_layer *layer =
            pt_lease_find_layer(lease, manifest->document.layers[i].digest);
        if (pt_chain_id(i ? chain : NULL, config->digests[i], next) < 0)
            return;
        memcpy(chain, next, sizeof(chain));
        if (layer)
            pt_lease_set_text(&layer->chain_id, chain);
    }
}

// The list is built anew when another set of manifests is wanted: what was taken for schema 1 or
// for another platform goes.
static void settle_layers(struct pt_lease *lease)
{
    bool is_stale = !lease->seen.layers_known;
    bool is_grown = false;
    for (size_t i = 0; i < lease->blob_count; i++) {
        bool is_taken = lease->blobs[i].stage >= PT_BLOB_TAKEN;
        is_stale |= is_taken && !lease->blobs[i].is_wanted;
        is_grown |= !is_taken && lease->blobs[i].is_wanted;
    }
    if (!is_grown)
        return;
    if (is_stale)
        pt_lease_clear_layers(lease);
    unsigned image = 0;
    for (size_t i = 0; i < lease->blob_count; i++) {
        struct pt_blob *blob = &lease->blobs[i];
        if (is_stale && blob->stage > PT_BLOB_READ)
            blob->stage = PT_BLOB_READ;
        if (!blob->is_wanted)
            continue;
        if (image++ == 0)
            pt_lease_set_text(&lease->seen.manifest_digest, blob->digest);
        if (blob->stage < PT_BLOB_TAKEN)
            take_layers(lease, blob, image);
    }
    lease->is_scanned = false;
    pt_lease_drop_layer_blobs(lease);
}

static void settle_chains(struct pt_lease *lease)
{
    for (size_t i = 0; i < lease->blob_count; i++) {
        struct pt_blob *blob = &lease->blobs[i];
        const char *digest = blob->document.config_digest;
        if (blob->stage != PT_BLOB_TAKEN || !digest)
            continue;
        const struct pt_blob *config = pt_lease_find_blob(lease, digest);
        if (config && config->document.kind == PT_DOCUMENT_CONFIG) {
            chain_layers(lease, blob, &config->document);
            lease->asked_ns = 0; // its snapshots' keys name chain IDs, which are known now
            lease->is_scanned = false;
        }
    }
}

// Of the manifest that is shown, by the index that names it, else by its config. Borrowed from the
// document that says so.
static const char *find_platform(const struct pt_lease *lease, const struct pt_blob *root)
{
    const struct pt_blob *manifest = NULL;
    for (size_t i = 0; !manifest && i < lease->blob_count; i++)
        manifest = lease->blobs[i].is_wanted ? &lease->blobs[i] : NULL;
    if (!manifest)
        return NULL;
    const struct pt_document *index = root ? &root->document : &manifest->document;
    for (size_t i = 0; i < index->platform_count && i < index->digest_count; i++) {
        if (strcmp(index->digests[i], manifest->digest) == 0 && index->platforms[i])
            return index->platforms[i];
    }
    const char *digest = manifest->document.config_digest;
    const struct pt_blob *config = digest ? pt_lease_find_blob(lease, digest) : NULL;
    bool is_known = config && config->document.kind == PT_DOCUMENT_CONFIG;
    return is_known ? config->document.platforms[0] : NULL;
}

bool pt_lease_is_settled(const struct pt_lease *lease)
{
    for (size_t i = 0; i < lease->blob_count; i++) {
        const struct pt_blob *blob = &lease->blobs[i];
        if (blob->is_wanted && blob->document.config_digest && blob->stage != PT_BLOB_CHAINED)
            return false;
    }
    return lease->seen.layers_known;
}

bool pt_lease_is_unpacked(const struct pt_lease *lease)
{
    bool is_any = false, is_any_wanted = false, is_any_missing = false;
    for (size_t i = 0; i < lease->blob_count; i++) {
        const struct pt_blob *blob = &lease->blobs[i];
        is_any |= (blob->labels & PT_BLOB_UNPACKED) != 0;
        is_any_wanted |= blob->is_wanted;
        is_any_missing |= blob->is_wanted && !is_unpacked(lease, blob);
    }
    return is_any_wanted ? !is_any_missing : is_any;
}

// The layers' blobs are no longer among the lease's blobs when its layers are known.
static void settle_fetched(struct pt_lease *lease)
{
    bool is_own_time = !pt_lease_is_unseen(lease) || lease->origin == PT_ORIGIN_REPEATED;
    int64_t since = is_own_time ? pt_seen_since(&lease->seen) : lease->fresh_after;
    bool is_any = false;
    for (size_t i = 0; i < lease->blob_count; i++)
        is_any |= lease->blobs[i].stage >= PT_BLOB_KNOWN && lease->blobs[i].created_at >= since;
    lease->seen.documents_fetched = is_any;
}

void pt_lease_settle(struct pt_lease *lease)
{
    drop_wrong_guesses(lease);
    note_names(lease);
    struct pt_blob *root = find_root(lease);
    if (!root)
        return;
    pt_lease_set_text(&lease->seen.root_digest, root->digest);
    pt_lease_set_text(&lease->seen.repository, root->repository);
    lease->is_pull |= (root->labels & PT_BLOB_FETCHED) != 0;
    if (!pt_lease_is_listed(lease) && (!lease->seen.layers_known || has_been_gone(lease)))
        add_manifests(lease, root);
    choose_manifests(lease, find_root(lease));
    settle_layers(lease);
    add_configs(lease);
    settle_chains(lease);
    lease->seen.platform = find_platform(lease, find_root(lease));
    settle_fetched(lease);
}
