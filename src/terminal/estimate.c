// SPDX-License-Identifier: Apache-2.0
#include "terminal/estimate.h"

#include "base/clock.h"

// Layers are extracted one after the other while others are fetched. So a pull is ready when all
// are extracted, at the speed of those that were, but not before the last one was fetched and
// extracted. The server knows more, of earlier pulls and of other nodes: this is for an agent
// alone.

struct work {
    int64_t bytes_left;      // to be fetched
    int64_t extract_left;    // to be extracted, in bytes as they are fetched
    int64_t largest_missing; // layer of those that are not there
    int64_t extracted_bytes;
    int64_t extracted_ns;
};

static void note_extraction(struct work *work, const struct pt_layer *layer)
{
    int64_t took_ns = layer->extract_completed_at - layer->extract_started_at;
    if (!layer->extract_started_at || took_ns <= 0)
        return; // not yet, or in no time at all
    work->extracted_bytes += layer->total_bytes;
    work->extracted_ns += took_ns;
}

static struct work look(const struct pt_pull *pull)
{
    struct work work = {0};
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        note_extraction(&work, layer);
        if (!pt_layer_is_extracted(layer))
            work.extract_left += layer->total_bytes;
        if (pt_layer_is_downloaded(layer))
            continue;
        work.bytes_left += layer->total_bytes - layer->downloaded_bytes;
        if (layer->total_bytes > work.largest_missing)
            work.largest_missing = layer->total_bytes;
    }
    return work;
}

struct pt_estimate pt_estimate_pull(const struct pt_pull_status *status)
{
    struct pt_estimate estimate = {-1, -1};
    const struct pt_pull *pull = &status->pull;
    if (!pull->total_known || pt_pull_is_silent(pull))
        return estimate;
    const struct work work = look(pull);
    if (work.bytes_left == 0)
        estimate.fetched_seconds = 0;
    else if (status->bytes_per_second > 0)
        estimate.fetched_seconds = (double)work.bytes_left / status->bytes_per_second;
    if (estimate.fetched_seconds < 0 || work.extracted_bytes == 0)
        return estimate;
    double speed = (double)work.extracted_bytes * PT_NS_PER_S / (double)work.extracted_ns;
    double last = estimate.fetched_seconds + (double)work.largest_missing / speed;
    double all = (double)work.extract_left / speed;
    estimate.ready_seconds = last > all ? last : all;
    return estimate;
}
