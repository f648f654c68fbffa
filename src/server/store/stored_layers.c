// SPDX-License-Identifier: Apache-2.0
#include "server/store/stored_layers.h"

#include "base/limits.h"
#include "base/map.h"
#include "pull/pull_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Nearly all layers have one of these, which then needs no copy.
static const char *known_media_type(const char *media_type)
{
    static const char *const known[] = {
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(media_type, known[i]) == 0)
            return known[i];
    }
    return NULL;
}

static size_t text_size(const struct pt_layer *layer)
{
    size_t size = 0;
    for (size_t i = 0; i < pt_layer_fields.texts_end; i++) {
        const char **text = pt_field_text(&pt_layer_fields.rows[i], layer);
        if (text && *text && !known_media_type(*text))
            size += strlen(*text) + 1;
    }
    return size;
}

// Moves the layer's texts to *cursor, which goes on behind them.
static void store_texts(char **cursor, struct pt_layer *layer)
{
    for (size_t i = 0; i < pt_layer_fields.texts_end; i++) {
        const char **text = pt_field_text(&pt_layer_fields.rows[i], layer);
        const char *known = text && *text ? known_media_type(*text) : NULL;
        if (!text || !*text)
            continue;
        if (known) {
            *text = known;
            continue;
        }
        size_t size = strlen(*text) + 1;
        *text = memcpy(*cursor, *text, size);
        *cursor += size;
    }
}

// Gives `stored` a new block with copies of these layers, and of their versions and tracks; frees
// the old block, from which `layers` may borrow.
static int set_layers(struct pt_stored_pull *stored, const struct pt_layer *layers,
                      const struct pt_layer_versions *versions, struct pt_layer_track *tracks,
                      size_t count)
{
    size_t size = count * (sizeof(struct pt_layer) + sizeof(struct pt_layer_versions));
    size_t fixed_size = size;
    for (size_t i = 0; i < count; i++)
        size += text_size(&layers[i]);
    char *block = malloc(size ? size : 1);
    if (!block)
        return -ENOMEM;
    struct pt_layer *old_block = stored->pull.layers;
    stored->pull.layers = (struct pt_layer *)block;
    stored->layers_bytes = size;
    stored->pull.layer_count = count;
    stored->versions = (struct pt_layer_versions *)(stored->pull.layers + count);
    char *text = block + fixed_size;
    for (size_t i = 0; i < count; i++) {
        struct pt_layer *layer = &stored->pull.layers[i];
        *layer = layers[i];
        store_texts(&text, layer);
        stored->versions[i] = versions[i];
    }
    free(old_block);
    free(stored->tracks);
    stored->tracks = tracks;
    return 0;
}

bool pt_stored_layers_match(const struct pt_stored_pull *stored, const struct pt_pull *reported)
{
    if (stored->pull.layer_count != reported->layer_count ||
        (reported->layer_count && !stored->tracks))
        return false;
    for (size_t i = 0; i < reported->layer_count; i++) {
        if (!pt_fields_have_same_texts(&pt_layer_fields, &stored->pull.layers[i],
                                       &reported->layers[i]))
            return false;
    }
    return true;
}

// Index of the layers by digest, plus one, since a map holds no NULL.
static int index_layers(const struct pt_layer *layers, size_t count, struct pt_map *map)
{
    pt_map_init(map);
    for (size_t i = 0; i < count; i++) {
        if (pt_map_put(map, layers[i].digest, (void *)(i + 1)) < 0) {
            pt_map_finish(map);
            return -ENOMEM;
        }
    }
    return 0;
}

// What is to become the layers of a pull.
struct merge {
    struct pt_layer layers[PT_LIMIT_LAYERS_PER_PULL];
    struct pt_layer_versions versions[PT_LIMIT_LAYERS_PER_PULL];
    struct pt_layer_track *tracks;
    size_t count;
};

// Adds a layer of which `known` is the place among the present ones, plus one; 0: it is new.
static void merge_layer(struct merge *merge, const struct pt_stored_pull *stored, size_t known)
{
    size_t to = merge->count++;
    merge->layers[to] = known ? stored->pull.layers[known - 1] : (struct pt_layer){0};
    merge->versions[to] = known ? stored->versions[known - 1] : (struct pt_layer_versions){0};
    if (known && stored->tracks)
        merge->tracks[to] = stored->tracks[known - 1];
}

// The set of layers is another one: new block; layers that were known keep their numbers and track.
// A legacy agent leaves out layers that are done: these stay, behind the others.
int pt_stored_layers_replace(struct pt_stored_pull *stored, const struct pt_pull *reported)
{
    struct merge merge;
    struct pt_map known, named;
    if (index_layers(stored->pull.layers, stored->pull.layer_count, &known) < 0)
        return -ENOMEM;
    if (index_layers(reported->layers, reported->layer_count, &named) < 0) {
        pt_map_finish(&known);
        return -ENOMEM;
    }
    size_t most = reported->layer_count + (stored->legacy ? stored->pull.layer_count : 0);
    merge.count = 0;
    merge.tracks = calloc(most + 1, sizeof(*merge.tracks));
    for (size_t i = 0; merge.tracks && i < reported->layer_count; i++) {
        merge_layer(&merge, stored, (size_t)pt_map_get(&known, reported->layers[i].digest));
        pt_fields_share_texts(&pt_layer_fields, &merge.layers[i], &reported->layers[i]);
    }
    for (size_t i = 0; merge.tracks && stored->legacy && i < stored->pull.layer_count; i++) {
        if (!pt_map_get(&named, stored->pull.layers[i].digest) &&
            merge.count < PT_LIMIT_LAYERS_PER_PULL)
            merge_layer(&merge, stored, i + 1);
    }
    pt_map_finish(&known);
    pt_map_finish(&named);
    if (!merge.tracks ||
        set_layers(stored, merge.layers, merge.versions, merge.tracks, merge.count) < 0) {
        free(merge.tracks);
        return -ENOMEM;
    }
    return 0;
}
