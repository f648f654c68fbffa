// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/manifest.h"
#include "pull/digest.h"

#include "base/limits.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A registry chooses the documents: what is taken from them keeps its limits and its grammar.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_document document;
    if (pt_document_parse((const char *)data, size, &document) < 0)
        return 0;
    assert(document.layer_count <= PT_LIMIT_LAYERS_PER_PULL);
    assert(document.digest_count <= PT_LIMIT_LAYERS_PER_PULL);
    for (size_t i = 0; i < document.layer_count; i++) {
        assert(pt_is_digest(document.layers[i].digest));
        assert(document.layers[i].size >= 0);
        assert(!document.layers[i].media_type ||
               strlen(document.layers[i].media_type) <= PT_LIMIT_NAME_BYTES);
    }
    for (size_t i = 0; i < document.digest_count; i++)
        assert(pt_is_digest(document.digests[i]));
    if (document.kind == PT_DOCUMENT_CONFIG && document.digest_count > 1) {
        char chain[PT_CHAIN_ID_SIZE];
        if (pt_chain_id(document.digests[0], document.digests[1], chain) == 0)
            assert(pt_is_digest(chain));
    }
    assert(!document.config_digest || pt_is_digest(document.config_digest));
    pt_document_finish(&document);
    return 0;
}
