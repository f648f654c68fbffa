// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/manifest.h"

#include "base/limits.h"
#include "pull/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

// GOARCH, as image platforms name processors.
#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE "arm64"
#elif defined(__arm__)
#define NATIVE_ARCHITECTURE "arm"
#elif defined(__powerpc64__)
#define NATIVE_ARCHITECTURE "ppc64le"
#elif defined(__s390x__)
#define NATIVE_ARCHITECTURE "s390x"
#elif defined(__riscv)
#define NATIVE_ARCHITECTURE "riscv64"
#else
#define NATIVE_ARCHITECTURE "386"
#endif

int pt_chain_id(const char *parent, const char *diff_id, char chain_id[static PT_CHAIN_ID_SIZE])
{
    if (!pt_is_digest(diff_id) || (parent && !pt_is_digest(parent)))
        return -EINVAL;
    if (!parent)
        return snprintf(chain_id, PT_CHAIN_ID_SIZE, "%s", diff_id) < PT_CHAIN_ID_SIZE ? 0 : -EINVAL;
    char both[2 * PT_LIMIT_DIGEST_BYTES + 2];
    int length = snprintf(both, sizeof(both), "%s %s", parent, diff_id);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_length = 0;
    if (EVP_Digest(both, (size_t)length, hash, &hash_length, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    int used = snprintf(chain_id, PT_CHAIN_ID_SIZE, "sha256:");
    for (unsigned i = 0; i < hash_length; i++)
        used += snprintf(chain_id + used, (size_t)(PT_CHAIN_ID_SIZE - used), "%02x", hash[i]);
    return 0;
}

void pt_document_finish(struct pt_document *document)
{
    for (size_t i = 0; i < document->digest_count; i++)
        free(document->digests[i]);
    for (size_t i = 0; i < document->layer_count; i++) {
        free(document->layers[i].digest);
        free(document->layers[i].media_type);
    }
    for (size_t i = 0; i < document->platform_count; i++)
        free(document->platforms[i]);
    free(document->platforms);
    free(document->digests);
    free(document->natives);
    free(document->layers);
    free(document->config_digest);
    *document = (struct pt_document){0};
}

static const char *digest_of(yyjson_val *descriptor)
{
    const char *digest = yyjson_get_str(yyjson_obj_get(descriptor, "digest"));
    return digest && pt_is_digest(digest) ? digest : NULL;
}

static char *copy_text(const char *text)
{
    return strndup(text, PT_LIMIT_NAME_BYTES);
}

// How many elements of an array are taken; the document is not whole if there are more.
static size_t limited_size(yyjson_val *array, struct pt_document *document)
{
    size_t count = yyjson_arr_size(array);
    if (count <= PT_LIMIT_LAYERS_PER_PULL)
        return count;
    document->is_cut = true;
    return PT_LIMIT_LAYERS_PER_PULL;
}

// Takes the digests of an array; `find` gets one from an element. -EINVAL: one has none.
static int take_digests(yyjson_val *array, const char *(*find)(yyjson_val *element),
                        struct pt_document *document)
{
    size_t count = limited_size(array, document);
    document->digests = calloc(count ? count : 1, sizeof(*document->digests));
    if (!document->digests)
        return -ENOMEM;
    size_t index, size;
    yyjson_val *element;
    yyjson_arr_foreach(array, index, size, element)
    {
        if (index == count)
            break;
        const char *digest = find(element);
        if (!digest)
            return -EINVAL;
        if (!(document->digests[index] = copy_text(digest)))
            return -ENOMEM;
        document->digest_count++;
    }
    return 0;
}

// -EINVAL: it is no descriptor.
static int take_layer(yyjson_val *descriptor, struct pt_manifest_layer *layer)
{
    const char *digest = digest_of(descriptor);
    yyjson_val *size = yyjson_obj_get(descriptor, "size");
    const char *media_type = yyjson_get_str(yyjson_obj_get(descriptor, "mediaType"));
    if (!digest)
        return -EINVAL;
    bool is_possible = yyjson_is_uint(size) && yyjson_get_uint(size) <= PT_LIMIT_SIZE_BYTES;
    layer->size = is_possible ? yyjson_get_sint(size) : -1;
    layer->digest = copy_text(digest);
    layer->media_type = media_type ? copy_text(media_type) : NULL;
    return layer->digest && (layer->media_type || !media_type) ? 0 : -ENOMEM;
}

static int take_layers(yyjson_val *array, struct pt_document *document)
{
    size_t count = limited_size(array, document);
    document->layers = calloc(count ? count : 1, sizeof(*document->layers));
    if (!document->layers)
        return -ENOMEM;
    size_t index, size;
    yyjson_val *element;
    yyjson_arr_foreach(array, index, size, element)
    {
        if (index == count)
            break;
        int r = take_layer(element, &document->layers[document->layer_count]);
        if (r == -EINVAL) {
            document->is_cut = true;
            continue;
        }
        document->layer_count++;
        if (r < 0)
            return r;
    }
    return 0;
}

static const char *text_digest(yyjson_val *element)
{
    const char *digest = yyjson_get_str(element);
    return digest && pt_is_digest(digest) ? digest : NULL;
}

static int take_manifest(yyjson_val *root, yyjson_val *layers, struct pt_document *document)
{
    document->kind = PT_DOCUMENT_MANIFEST;
    const char *config = digest_of(yyjson_obj_get(root, "config"));
    if (config && !(document->config_digest = copy_text(config)))
        return -ENOMEM;
    return take_layers(layers, document);
}

// Whether it is a word as platforms have, none of which holds a slash.
static bool is_platform_word(const char *word)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = word ? strspn(word, allowed) : 0;
    return length > 0 && word[length] == '\0';
}

// Adds the platform that an object gives, which is NULL if it gives none.
static int take_platform(yyjson_val *object, struct pt_document *document)
{
    const char *os = yyjson_get_str(yyjson_obj_get(object, "os"));
    const char *architecture = yyjson_get_str(yyjson_obj_get(object, "architecture"));
    const char *variant = yyjson_get_str(yyjson_obj_get(object, "variant"));
    char **platform = &document->platforms[document->platform_count++];
    if (!is_platform_word(os) || !is_platform_word(architecture))
        return 0;
    bool has_variant = is_platform_word(variant);
    char text[PT_LIMIT_NAME_BYTES + 1];
    int length = snprintf(text, sizeof(text), "%s/%s%s%s", os, architecture, has_variant ? "/" : "",
                          has_variant ? variant : "");
    if (length < (int)sizeof(text) && !(*platform = strdup(text)))
        return -ENOMEM;
    return 0;
}

static bool is_native(yyjson_val *descriptor)
{
    yyjson_val *platform = yyjson_obj_get(descriptor, "platform");
    return yyjson_equals_str(yyjson_obj_get(platform, "os"), "linux") &&
           yyjson_equals_str(yyjson_obj_get(platform, "architecture"), NATIVE_ARCHITECTURE);
}

static int take_index(yyjson_val *manifests, struct pt_document *document)
{
    document->kind = PT_DOCUMENT_INDEX;
    int r = take_digests(manifests, digest_of, document);
    if (r < 0)
        return r;
    document->natives = calloc(document->digest_count + 1, sizeof(*document->natives));
    document->platforms = calloc(document->digest_count + 1, sizeof(*document->platforms));
    if (!document->natives || !document->platforms)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < document->digest_count; i++) {
        yyjson_val *descriptor = yyjson_arr_get(manifests, i);
        document->natives[i] = is_native(descriptor);
        r = take_platform(yyjson_obj_get(descriptor, "platform"), document);
    }
    return r;
}

static int take_config(yyjson_val *root, yyjson_val *diff_ids, struct pt_document *document)
{
    document->kind = PT_DOCUMENT_CONFIG;
    document->platforms = calloc(1, sizeof(*document->platforms));
    if (!document->platforms)
        return -ENOMEM;
    int r = take_digests(diff_ids, text_digest, document);
    return r < 0 ? r : take_platform(root, document);
}

static int take_document(yyjson_val *root, struct pt_document *document)
{
    yyjson_val *manifests = yyjson_obj_get(root, "manifests");
    yyjson_val *layers = yyjson_obj_get(root, "layers");
    yyjson_val *diff_ids = yyjson_obj_get(yyjson_obj_get(root, "rootfs"), "diff_ids");
    if (yyjson_is_arr(manifests))
        return take_index(manifests, document);
    if (yyjson_is_arr(layers))
        return take_manifest(root, layers, document);
    return yyjson_is_arr(diff_ids) ? take_config(root, diff_ids, document) : 0;
}

int pt_document_parse(const char *json, size_t length, struct pt_document *ret_document)
{
    struct pt_document document = {0};
    yyjson_read_err why;
    yyjson_doc *doc = yyjson_read_opts((char *)json, length, YYJSON_READ_NOFLAG, NULL, &why);
    int r = doc ? take_document(yyjson_doc_get_root(doc), &document)
            : why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? -ENOMEM
                                                              : 0;
    yyjson_doc_free(doc);
    if (r < 0)
        pt_document_finish(&document);
    if (r == -ENOMEM)
        return r;
    *ret_document = document;
    return 0;
}
