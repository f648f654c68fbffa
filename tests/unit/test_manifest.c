// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/manifest.h"

#include "base/limits.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define LAYER(digest, size) "{\"mediaType\":\"t\",\"digest\":\"" digest "\",\"size\":" size "}"

static const struct {
    const char *name;
    const char *json;
    enum pt_document_kind kind;
    size_t digests;
    size_t layers;
    const char *config;
} documents[] = {
    {"no JSON", "\x1f\x8b\x08", PT_DOCUMENT_OTHER, 0, 0, NULL},
    {"nothing", "", PT_DOCUMENT_OTHER, 0, 0, NULL},
    {"another document", "{\"_type\":\"https://in-toto.io/Statement/v0.1\"}", PT_DOCUMENT_OTHER, 0,
     0, NULL},
    {"an array", "[]", PT_DOCUMENT_OTHER, 0, 0, NULL},
    {"a manifest",
     "{\"schemaVersion\":2,\"config\":{\"digest\":\"" C
     "\",\"size\":3},\"layers\":[" LAYER(A, "5") "," LAYER(B, "0") "]}",
     PT_DOCUMENT_MANIFEST, 0, 2, C},
    {"a manifest without config or layers", "{\"layers\":[]}", PT_DOCUMENT_MANIFEST, 0, 0, NULL},
    {"a layer without media type", "{\"layers\":[{\"digest\":\"" A "\",\"size\":1}]}",
     PT_DOCUMENT_MANIFEST, 0, 1, NULL},
    {"a layer without size", "{\"layers\":[{\"digest\":\"" A "\"}]}", PT_DOCUMENT_MANIFEST, 0, 1,
     NULL},
    {"a negative size", "{\"layers\":[" LAYER(A, "-1") "]}", PT_DOCUMENT_MANIFEST, 0, 1, NULL},
    {"a size that is no integer", "{\"layers\":[" LAYER(A, "1.5") "]}", PT_DOCUMENT_MANIFEST, 0, 1,
     NULL},
    {"a size in quotes", "{\"layers\":[" LAYER(A, "\"5\"") "]}", PT_DOCUMENT_MANIFEST, 0, 1, NULL},
    {"the largest size", "{\"layers\":[" LAYER(A, "17592186044416") "]}", PT_DOCUMENT_MANIFEST, 0,
     1, NULL},
    {"a size that no layer has", "{\"layers\":[" LAYER(A, "17592186044417") "]}",
     PT_DOCUMENT_MANIFEST, 0, 1, NULL},
    {"a size that two of would overflow", "{\"layers\":[" LAYER(A, "4611686018427387904") "]}",
     PT_DOCUMENT_MANIFEST, 0, 1, NULL},
    {"a size beyond 63 bits", "{\"layers\":[" LAYER(A, "9223372036854775808") "]}",
     PT_DOCUMENT_MANIFEST, 0, 1, NULL},
    {"a digest that is none", "{\"layers\":[" LAYER("sha256:../../etc", "1") "," LAYER(A, "1") "]}",
     PT_DOCUMENT_MANIFEST, 0, 1, NULL},
    {"schema 1", "{\"schemaVersion\":1,\"fsLayers\":[{\"blobSum\":\"" A "\"}]}", PT_DOCUMENT_OTHER,
     0, 0, NULL},
    {"an index",
     "{\"manifests\":[{\"digest\":\"" A "\",\"size\":1,\"platform\":{\"os\":\"linux\","
     "\"architecture\":\"none\"}},{\"digest\":\"" B "\"}]}",
     PT_DOCUMENT_INDEX, 2, 0, NULL},
    {"an empty index", "{\"manifests\":[]}", PT_DOCUMENT_INDEX, 0, 0, NULL},
    {"an index with a bad digest", "{\"manifests\":[{\"digest\":\"x\"}]}", PT_DOCUMENT_OTHER, 0, 0,
     NULL},
    {"a config", "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" A "\",\"" B "\"]}}",
     PT_DOCUMENT_CONFIG, 2, 0, NULL},
};

static void shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(documents); i++) {
        struct pt_document document;
        const char *name = documents[i].name;
        assert_int_equal(pt_document_parse(documents[i].json, strlen(documents[i].json), &document),
                         0);
        check_int(name, document.kind, documents[i].kind);
        check_int(name, (int64_t)document.digest_count, (int64_t)documents[i].digests);
        check_int(name, (int64_t)document.layer_count, (int64_t)documents[i].layers);
        check_text(name, document.config_digest, documents[i].config);
        pt_document_finish(&document);
    }
}

static void what_is_native(void **state)
{
    (void)state;
#if defined(__x86_64__)
    static const char json[] =
        "{\"manifests\":["
        "{\"digest\":\"" A "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}},"
        "{\"digest\":\"" B "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
        "{\"digest\":\"" C "\",\"platform\":{\"os\":\"windows\",\"architecture\":\"amd64\"}}]}";
    struct pt_document document;
    assert_int_equal(pt_document_parse(json, strlen(json), &document), 0);
    assert_false(document.natives[0]);
    assert_true(document.natives[1]);
    assert_false(document.natives[2]);
    pt_document_finish(&document);
#endif
}

// A registry chooses these words.
static void platforms_are_words(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        const char *platform;
    } cases[] = {
        {"\"os\":\"linux\",\"architecture\":\"amd64\"", "linux/amd64"},
        {"\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"", "linux/arm64/v8"},
        {"\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"\"", "linux/arm64"},
        {"\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"a b\"", "linux/arm64"},
        {"\"os\":\"linux\"", NULL},
        {"\"architecture\":\"amd64\"", NULL},
        {"\"os\":\"\",\"architecture\":\"amd64\"", NULL},
        {"\"os\":\"lin/ux\",\"architecture\":\"amd64\"", NULL},
        {"\"os\":\"\\u001b[1m\",\"architecture\":\"amd64\"", NULL},
        {"\"os\":7,\"architecture\":[]", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[512];
        struct pt_document document;
        snprintf(json, sizeof(json), "{\"manifests\":[{\"digest\":\"" A "\",\"platform\":{%s}}]}",
                 cases[i].members);
        assert_int_equal(pt_document_parse(json, strlen(json), &document), 0);
        check_text(cases[i].members, document.platforms[0], cases[i].platform);
        pt_document_finish(&document);
        snprintf(json, sizeof(json), "{%s,\"rootfs\":{\"diff_ids\":[]}}", cases[i].members);
        assert_int_equal(pt_document_parse(json, strlen(json), &document), 0);
        check_text(cases[i].members, document.platforms[0], cases[i].platform);
        pt_document_finish(&document);
    }
}

static void too_many_layers_are_cut(void **state)
{
    (void)state;
    const size_t count = PT_LIMIT_LAYERS_PER_PULL + 1;
    char *json = malloc(count * 128 + 64);
    assert_non_null(json);
    char *end = json + sprintf(json, "{\"layers\":[");
    for (size_t i = 0; i < count; i++)
        end += sprintf(end, "%s{\"digest\":\"sha256:%064zx\",\"size\":1}", i ? "," : "", i);
    end += sprintf(end, "]}");
    struct pt_document document;
    assert_int_equal(pt_document_parse(json, (size_t)(end - json), &document), 0);
    assert_int_equal(document.layer_count, PT_LIMIT_LAYERS_PER_PULL);
    assert_true(document.is_cut);
    pt_document_finish(&document);
    free(json);
}

// The example values were computed with sha256sum.
static void chain_ids(void **state)
{
    (void)state;
    char chain[PT_CHAIN_ID_SIZE];
    assert_int_equal(pt_chain_id(NULL, A, chain), 0);
    assert_string_equal(chain, A);
    assert_int_equal(pt_chain_id(A, B, chain), 0);
    assert_string_equal(chain,
                        "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c");
    assert_int_equal(pt_chain_id(A, "latest", chain), -EINVAL);
    assert_int_equal(pt_chain_id("latest", A, chain), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(what_is_native),
        cmocka_unit_test(platforms_are_words),
        cmocka_unit_test(too_many_layers_are_cut),
        cmocka_unit_test(chain_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
