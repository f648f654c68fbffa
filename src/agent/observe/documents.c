// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/lease.h"
#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Which of a lease's blobs are read, and how much of them is kept. An index comes from a registry,
// and may name 500 manifests of 500 layers each. So all documents of a lease share two limits, one
// of their bytes, known before they are read, and one of the digests that they name. Indexes are
// read first, then the manifests that an index says are for this machine, then the rest; and what
// is not for this machine may take half of the limits only, so that there is room for what is.

enum rank {
    RANK_INDEX,
    RANK_NATIVE,
    RANK_OTHER,
};

struct pt_name *pt_lease_find_name(const struct pt_lease *lease, const char *digest)
{
    return pt_map_get(&lease->names, digest);
}

static enum rank rank_of(const struct pt_lease *lease, const struct pt_blob *blob)
{
    const struct pt_name *name = pt_lease_find_name(lease, blob->digest);
    if (blob->labels & PT_BLOB_INDEX)
        return RANK_INDEX;
    return name && name->is_native ? RANK_NATIVE : RANK_OTHER;
}

static bool has_whole_share(const struct pt_lease *lease, const struct pt_blob *blob)
{
    const struct pt_name *name = pt_lease_find_name(lease, blob->digest);
    return rank_of(lease, blob) != RANK_OTHER || (name && name->is_config);
}

bool pt_lease_wants(const struct pt_lease *lease, const struct pt_blob *blob)
{
    if (blob->stage != PT_BLOB_KNOWN || blob->size > PT_LIMIT_MANIFEST_BYTES)
        return false;
    const struct pt_name *name = pt_lease_find_name(lease, blob->digest);
    return (blob->labels & PT_BLOB_PARENT) || (name && name->is_config);
}

static void leave_out(struct pt_lease *lease, struct pt_blob *blob)
{
    blob->stage = PT_BLOB_READ; // as if nothing were in it
    lease->documents_left_out++;
}

static bool take_share(struct pt_lease *lease, struct pt_blob *blob)
{
    int64_t share = PT_LIMIT_LEASE_DOCUMENT_BYTES / (has_whole_share(lease, blob) ? 1 : 2);
    int64_t size = blob->size > 0 ? blob->size : 0;
    if (!blob->has_share && lease->document_bytes + size > share)
        return false;
    if (!blob->has_share)
        lease->document_bytes += size;
    blob->has_share = true;
    return true;
}

void pt_lease_choose_documents(struct pt_lease *lease, unsigned round)
{
    enum rank first = RANK_OTHER;
    for (size_t i = 0; i < lease->blob_count; i++) {
        struct pt_blob *blob = &lease->blobs[i];
        blob->is_due = pt_lease_wants(lease, blob) && blob->read_in != round;
        if (blob->is_due && rank_of(lease, blob) < first)
            first = rank_of(lease, blob);
    }
    for (size_t i = 0; i < lease->blob_count; i++) {
        struct pt_blob *blob = &lease->blobs[i];
        blob->is_due = blob->is_due && rank_of(lease, blob) <= first;
        if (blob->is_due && !take_share(lease, blob)) {
            blob->is_due = false;
            leave_out(lease, blob);
        }
    }
}

// --- names ---

static int add_name(struct pt_lease *lease, const char *digest)
{
    if (pt_lease_find_name(lease, digest))
        return 0;
    struct pt_name *name = calloc(1, sizeof(*name));
    if (name)
        name->digest = strdup(digest);
    if (name && name->digest && pt_map_put(&lease->names, name->digest, name) == 0)
        return 0;
    if (name)
        free(name->digest);
    free(name);
    return -ENOMEM;
}

static int add_names(struct pt_lease *lease, const struct pt_document *document)
{
    int r = document->config_digest ? add_name(lease, document->config_digest) : 0;
    for (size_t i = 0; r == 0 && i < document->layer_count; i++)
        r = add_name(lease, document->layers[i].digest);
    if (document->kind != PT_DOCUMENT_INDEX)
        return r;
    for (size_t i = 0; r == 0 && i < document->digest_count; i++)
        r = add_name(lease, document->digests[i]);
    return r;
}

void pt_lease_take_document(struct pt_lease *lease, struct pt_blob *blob, const char *json,
                            size_t length)
{
    struct pt_document document;
    if (pt_document_parse(json, length, &document) < 0)
        return; // out of memory: the next round reads it again
    size_t items = document.layer_count + document.digest_count;
    size_t share = PT_LIMIT_LEASE_DOCUMENT_ITEMS / (has_whole_share(lease, blob) ? 1 : 2);
    bool fits = lease->document_items + items <= share;
    if (!fits)
        leave_out(lease, blob);
    if (!fits || add_names(lease, &document) < 0) {
        pt_document_finish(&document);
        return;
    }
    blob->document = document;
    blob->stage = PT_BLOB_READ;
    lease->document_items += items;
}
