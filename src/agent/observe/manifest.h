// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_OBSERVE_MANIFEST_H
#define PT_AGENT_OBSERVE_MANIFEST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What an image consists of, from the JSON documents in the content store: OCI and Docker schema 2
// (https://github.com/opencontainers/image-spec,
// https://distribution.github.io/distribution/spec/).

enum pt_document_kind {
    PT_DOCUMENT_OTHER, // not one of these: what a layer, an attestation or garbage is
    PT_DOCUMENT_INDEX,
    PT_DOCUMENT_MANIFEST,
    PT_DOCUMENT_CONFIG,
};

struct pt_manifest_layer {
    char *digest;
    char *media_type; // NULL if there is none
    int64_t size;     // -1: none, or one that no layer can have
};

struct pt_document {
    enum pt_document_kind kind;
    char **digests; // of an index its manifests, of a config its rootfs.diff_ids
    size_t digest_count;
    bool *natives;    // of an index, for each manifest: it is for Linux on this machine's processor
    char **platforms; // `os/arch/variant` of each manifest of an index, of a config its own; NULL:
                      // none
    size_t platform_count;
    char *config_digest; // of a manifest, NULL if it has none
    struct pt_manifest_layer *layers;
    size_t layer_count;
    bool is_cut; // there were more than PT_LIMIT_LAYERS_PER_PULL, or layers without a digest
};

// Recognizes a document by its shape, since a media type may be missing. What cannot be understood
// is PT_DOCUMENT_OTHER, no error; -ENOMEM is the only one. pt_document_finish frees what it holds.
PT_MUST_CHECK int pt_document_parse(const char *json, size_t length,
                                    struct pt_document *ret_document);
void pt_document_finish(struct pt_document *document);

// Longest chain ID with its NUL.
#define PT_CHAIN_ID_SIZE 72

// The identity of a layer on top of those below it
// (https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid). `parent` is
// NULL for the lowest one. -EINVAL if the parent or diff_id is no digest.
PT_MUST_CHECK int pt_chain_id(const char *parent, const char *diff_id,
                              char chain_id[static PT_CHAIN_ID_SIZE]);

#endif
