// SPDX-License-Identifier: Apache-2.0
#include "pull/legacy_report.h"

#include "base/limits.h"
#include "base/map.h"
#include "pull/image_ref.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool pt_legacy_is_merged(const struct pt_pull *reported)
{
    return !reported->id && pt_is_content_ref(reported->image_ref);
}

static int merge_layer(struct pt_pull *merged, struct pt_map *seen, const struct pt_layer *layer)
{
    if (merged->layer_count == PT_LIMIT_LAYERS_PER_PULL || pt_map_get(seen, layer->digest))
        return 0;
    struct pt_layer *copy = &merged->layers[merged->layer_count];
    *copy = *layer;
    int r = pt_map_put(seen, copy->digest, copy);
    if (r == 0)
        merged->layer_count++;
    return r;
}

int pt_legacy_merge(const struct pt_report *report, struct pt_pull *ret_pull)
{
    struct pt_pull merged = {.total_known = true};
    struct pt_map seen;
    int r = 0;
    for (size_t i = 0; r == 0 && i < report->pull_count; i++) {
        const struct pt_pull *reported = &report->pulls[i];
        if (!pt_legacy_is_merged(reported))
            continue;
        if (!merged.image_ref) {
            merged.image_ref = PT_MERGED_IMAGE_REF;
            merged.layers = calloc(PT_LIMIT_LAYERS_PER_PULL, sizeof(*merged.layers));
            if (!merged.layers)
                return -ENOMEM;
            pt_map_init(&seen);
        }
        merged.total_known &= reported->total_known;
        if (reported->started_at &&
            (!merged.started_at || reported->started_at < merged.started_at))
            merged.started_at = reported->started_at;
        for (size_t j = 0; r == 0 && j < reported->layer_count; j++)
            r = merge_layer(&merged, &seen, &reported->layers[j]);
    }
    if (merged.image_ref)
        pt_map_finish(&seen);
    if (r < 0)
        free(merged.layers);
    else
        *ret_pull = merged;
    return r;
}
