// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/manifest.h"
#include "pull/digest.h"

#include "base/limits.h"
#include "pull/report.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What a registry says always gives a report that the server takes.
static void check_report(const struct pt_document *document)
{
    struct pt_layer *layers = calloc(document->layer_count + 1, sizeof(*layers));
    struct pt_pull pull = {
        .image_ref = "x", .layers = layers, .layer_count = document->layer_count};
    const struct pt_report report = {
        .node_name = "n", .timestamp = 1000000000, .pulls = &pull, .pull_count = 1};
    struct pt_report taken;
    struct pt_buffer text;
    for (size_t i = 0; i < document->layer_count; i++) {
        int64_t size = document->layers[i].size;
        layers[i] = (struct pt_layer){.digest = document->layers[i].digest,
                                      .media_type = document->layers[i].media_type,
                                      .total_known = size >= 0,
                                      .total_bytes = size < 0 ? 0 : size,
                                      .downloaded_bytes = size < 0 ? 0 : size};
    }
    pt_buffer_init(&text, PT_LIMIT_REPORT_BYTES);
    int r = pt_report_encode(&report, &text);
    assert(r == 0 || r == -EMSGSIZE);
    if (r == 0) {
        r = pt_report_decode(text.data, text.length, &taken, NULL);
        assert(r == 0 && taken.pull_count == 1);
        for (size_t i = 0; i < document->layer_count; i++)
            assert(taken.pulls[0].layers[i].total_bytes == layers[i].total_bytes);
        pt_report_finish(&taken);
    }
    pt_buffer_finish(&text);
    free(layers);
}

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
        assert(document.layers[i].size >= -1 && document.layers[i].size <= PT_LIMIT_SIZE_BYTES);
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
    check_report(&document);
    pt_document_finish(&document);
    return 0;
}
