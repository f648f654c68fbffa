// SPDX-License-Identifier: Apache-2.0
#include "server/eta/taken.h"

#include "base/clock.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

double pt_pull_extract_speed(const struct pt_pull *pull)
{
    double bytes = 0, seconds = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        if (layer->phase != PT_LAYER_DONE || layer->extract_started_at == 0)
            continue;
        bytes += (double)layer->total_bytes;
        seconds += pt_clock_seconds(layer->extract_started_at, layer->extract_completed_at);
    }
    return seconds > 0 ? bytes / seconds : 0;
}

struct span {
    int64_t from, to;
};

static int compare_spans(const void *a, const void *b)
{
    const struct span *one = a, *other = b;
    return (one->from > other->from) - (one->from < other->from);
}

// How long a layer at least was being extracted: between two of them a pull may wait for bytes.
// Layers are extracted one after the other, or beside each other. Negative: none was.
static double extracting_seconds(const struct pt_pull *pull, int64_t now)
{
    struct span spans[PT_LIMIT_LAYERS_PER_PULL];
    size_t count = 0;
    bool is_in_order = true;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        int64_t from = layer->extract_started_at;
        int64_t to = layer->phase == PT_LAYER_EXTRACTING ? now : layer->extract_completed_at;
        if (layer->cached || !from || !to)
            continue;
        is_in_order &= count == 0 || spans[count - 1].from <= from;
        spans[count++] = (struct span){from, to};
    }
    if (count == 0)
        return -1;
    if (!is_in_order)
        qsort(spans, count, sizeof(spans[0]), compare_spans);
    int64_t until = spans[0].from, sum_ns = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t from = spans[i].from > until ? spans[i].from : until;
        if (spans[i].to <= from)
            continue;
        sum_ns += spans[i].to - from;
        until = spans[i].to;
    }
    return (double)sum_ns / (double)PT_NS_PER_S;
}

void pt_pull_set_taken(const struct pt_pull *pull, int64_t now, struct pt_pull_status *status)
{
    int64_t download_from = 0, download_to = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        if (layer->phase == PT_LAYER_QUEUED || layer->cached)
            continue;
        if (layer->started_at && (!download_from || layer->started_at < download_from))
            download_from = layer->started_at;
        int64_t completed_at = pt_layer_is_downloaded(layer) ? layer->completed_at : now;
        if (completed_at > download_to)
            download_to = completed_at;
    }
    if (download_from && download_to)
        status->download_seconds = pt_clock_seconds(download_from, download_to);
    double extract_seconds = extracting_seconds(pull, now);
    if (extract_seconds >= 0)
        status->extract_seconds = extract_seconds;
}
