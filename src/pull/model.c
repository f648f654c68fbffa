// SPDX-License-Identifier: Apache-2.0
#include "pull/model.h"

#include "base/saturate.h"
#include "pull/fields.h"

static const char *const pull_phase_names[] = {
    [PT_PULL_QUEUED] = "queued",           [PT_PULL_RESOLVING] = "resolving",
    [PT_PULL_DOWNLOADING] = "downloading", [PT_PULL_EXTRACTING] = "extracting",
    [PT_PULL_COMPLETED] = "completed",     [PT_PULL_FAILED] = "failed",
    [PT_PULL_CANCELLED] = "cancelled",
};

static const char *const pull_kind_names[] = {
    [PT_KIND_PULL] = "pull",
    [PT_KIND_CHECK] = "check",
};

static const char *const layer_phase_names[] = {
    [PT_LAYER_QUEUED] = "queued",         [PT_LAYER_DOWNLOADING] = "downloading",
    [PT_LAYER_COMMITTING] = "committing", [PT_LAYER_DOWNLOADED] = "downloaded",
    [PT_LAYER_EXTRACTING] = "extracting", [PT_LAYER_DONE] = "done",
    [PT_LAYER_EXISTS] = "exists",
};

static const char *const layer_source_names[] = {
    [PT_SOURCE_FETCHED] = "fetched",         [PT_SOURCE_LOCAL] = "local",
    [PT_SOURCE_REMOTE] = "remote",           [PT_SOURCE_SNAPSHOTTER_CACHE] = "snapshotter_cache",
    [PT_SOURCE_SNAPSHOTTER] = "snapshotter", [PT_SOURCE_NAMESPACE] = "namespace",
};

static const char *const agent_phase_names[] = {
    [PT_PULL_RESOLVING] = "resolving",   [PT_PULL_DOWNLOADING] = "downloading",
    [PT_PULL_EXTRACTING] = "extracting", [PT_PULL_COMPLETED] = "completed",
    [PT_PULL_FAILED] = "failed",
};

#define WORDS_OF(names)                                                                            \
    {                                                                                              \
        (names), sizeof(names) / sizeof((names)[0])                                                \
    }

const struct pt_words pt_pull_phase_words = WORDS_OF(pull_phase_names);
const struct pt_words pt_pull_kind_words = WORDS_OF(pull_kind_names);
const struct pt_words pt_agent_phase_words = WORDS_OF(agent_phase_names);
const struct pt_words pt_layer_phase_words = WORDS_OF(layer_phase_names);
const struct pt_words pt_layer_source_words = WORDS_OF(layer_source_names);

const char *pt_pull_phase_name(enum pt_pull_phase phase)
{
    return pull_phase_names[phase];
}

const char *pt_layer_phase_name(enum pt_layer_phase phase)
{
    return layer_phase_names[phase];
}

bool pt_source_is_cached(enum pt_layer_source source)
{
    switch (source) {
    case PT_SOURCE_LOCAL:
    case PT_SOURCE_SNAPSHOTTER_CACHE:
    case PT_SOURCE_REMOTE:
    case PT_SOURCE_NAMESPACE:
        return true;
    case PT_SOURCE_UNKNOWN:
    case PT_SOURCE_FETCHED:
    case PT_SOURCE_SNAPSHOTTER:
    case PT_LAYER_SOURCE_COUNT:
        return false;
    }
    return false;
}

bool pt_layer_has_speed(const struct pt_layer *layer)
{
    return !layer->cached && layer->source != PT_SOURCE_SNAPSHOTTER;
}

bool pt_pull_is_silent(const struct pt_pull *pull)
{
    for (size_t i = 0; i < pull->layer_count; i++) {
        if (pull->layers[i].source == PT_SOURCE_SNAPSHOTTER)
            return true;
    }
    return false;
}

bool pt_layer_is_downloaded(const struct pt_layer *layer)
{
    switch (layer->phase) {
    case PT_LAYER_DOWNLOADED:
    case PT_LAYER_EXTRACTING:
    case PT_LAYER_DONE:
    case PT_LAYER_EXISTS:
        return true;
    case PT_LAYER_UNKNOWN:
        return layer->cached ||
               (layer->total_known && layer->downloaded_bytes >= layer->total_bytes);
    case PT_LAYER_QUEUED:
    case PT_LAYER_DOWNLOADING:
    case PT_LAYER_COMMITTING:
        return layer->cached;
    }
    return false;
}

bool pt_layer_is_extracted(const struct pt_layer *layer)
{
    return layer->phase == PT_LAYER_DONE || layer->phase == PT_LAYER_EXISTS;
}

static double percent_of(const struct pt_pull *pull, const struct pt_totals *totals)
{
    if (pull->phase == PT_PULL_COMPLETED)
        return 100;
    if (!pull->total_known || totals->total_bytes <= 0)
        return 0;
    double percent = 100.0 * (double)totals->downloaded_bytes / (double)totals->total_bytes;
    return percent > 100 ? 100 : percent;
}

void pt_pull_totals(const struct pt_pull *pull, struct pt_totals *ret_totals)
{
    struct pt_totals totals = {0};
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        pt_add_saturated(&totals.total_bytes, layer->total_bytes);
        pt_add_saturated(&totals.downloaded_bytes, layer->downloaded_bytes);
        if (layer->source == PT_SOURCE_REMOTE)
            pt_add_saturated(&totals.remote_bytes, layer->downloaded_bytes);
        if (layer->cached)
            pt_add_saturated(&totals.cached_bytes, layer->downloaded_bytes);
        else if (pt_layer_is_extracted(layer))
            pt_add_saturated(&totals.extracted_bytes, layer->total_bytes);
        totals.layers_done += pt_layer_is_downloaded(layer);
        totals.layers_extracted += pt_layer_is_extracted(layer);
    }
    totals.percent = percent_of(pull, &totals);
    *ret_totals = totals;
}
