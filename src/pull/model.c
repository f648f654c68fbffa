// SPDX-License-Identifier: Apache-2.0
#include "pull/model.h"

#include <string.h>

static const char *const pull_phase_names[] = {
    [PT_PULL_QUEUED] = "queued",           [PT_PULL_RESOLVING] = "resolving",
    [PT_PULL_DOWNLOADING] = "downloading", [PT_PULL_EXTRACTING] = "extracting",
    [PT_PULL_COMPLETED] = "completed",     [PT_PULL_FAILED] = "failed",
    [PT_PULL_CANCELLED] = "cancelled",
};

static const char *const layer_phase_names[] = {
    [PT_LAYER_QUEUED] = "queued",         [PT_LAYER_DOWNLOADING] = "downloading",
    [PT_LAYER_COMMITTING] = "committing", [PT_LAYER_DOWNLOADED] = "downloaded",
    [PT_LAYER_EXTRACTING] = "extracting", [PT_LAYER_DONE] = "done",
    [PT_LAYER_EXISTS] = "exists",
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

const char *pt_pull_phase_name(enum pt_pull_phase phase)
{
    return pull_phase_names[phase];
}

const char *pt_layer_phase_name(enum pt_layer_phase phase)
{
    return layer_phase_names[phase];
}

// Returns the index of the name, 0 (the phase that is unknown) if it is not there.
static size_t find_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 1; name && i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return 0;
}

enum pt_pull_phase pt_pull_phase_parse(const char *name)
{
    enum pt_pull_phase phase =
        (enum pt_pull_phase)find_name(pull_phase_names, COUNT_OF(pull_phase_names), name);
    return phase == PT_PULL_QUEUED || phase == PT_PULL_CANCELLED ? PT_PULL_UNKNOWN : phase;
}

enum pt_layer_phase pt_layer_phase_parse(const char *name)
{
    return (enum pt_layer_phase)find_name(layer_phase_names, COUNT_OF(layer_phase_names), name);
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
        totals.total_bytes += layer->total_bytes;
        totals.downloaded_bytes += layer->downloaded_bytes;
        if (layer->cached)
            totals.cached_bytes += layer->downloaded_bytes;
        else if (pt_layer_is_extracted(layer))
            totals.extracted_bytes += layer->total_bytes;
        totals.layers_done += pt_layer_is_downloaded(layer);
        totals.layers_extracted += pt_layer_is_extracted(layer);
    }
    totals.percent = percent_of(pull, &totals);
    *ret_totals = totals;
}
