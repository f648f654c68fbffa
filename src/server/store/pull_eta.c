// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_eta.h"

#include "base/clock.h"

static double seconds_between(int64_t from, int64_t to)
{
    return to > from ? (double)(to - from) / (double)PT_NS_PER_S : 0;
}

double pt_pull_extract_speed(const struct pt_pull *pull)
{
    double bytes = 0;
    double seconds = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        if (layer->phase != PT_LAYER_DONE || layer->extract_started_at == 0)
            continue;
        bytes += (double)layer->total_bytes;
        seconds += seconds_between(layer->extract_started_at, layer->extract_completed_at);
    }
    return seconds > 0 ? bytes / seconds : 0;
}

// Layers are downloaded in their order, several at once, and extracted one at a time in that order:
// each extraction begins when its bytes are there and the one before has ended.
static double ready_seconds(const struct pt_pull *pull, double bytes_per_second, int64_t now,
                            double extract_speed)
{
    double downloaded_at = 0;
    double extracted_at = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        if (pt_layer_is_extracted(layer))
            continue;
        if (!pt_layer_is_downloaded(layer) && bytes_per_second > 0)
            downloaded_at +=
                (double)(layer->total_bytes - layer->downloaded_bytes) / bytes_per_second;
        if (extracted_at < downloaded_at && !pt_layer_is_downloaded(layer))
            extracted_at = downloaded_at;
        double needed = (double)layer->total_bytes / extract_speed;
        if (layer->phase == PT_LAYER_EXTRACTING && layer->extract_started_at)
            needed -= seconds_between(layer->extract_started_at, now);
        if (needed > 0)
            extracted_at += needed;
    }
    return extracted_at;
}

static void set_taken(const struct pt_pull *pull, int64_t now, struct pt_pull_status *status)
{
    int64_t download_from = 0, download_to = 0, extract_from = 0, extract_to = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        if (layer->phase == PT_LAYER_QUEUED || layer->cached)
            continue;
        if (layer->started_at && (!download_from || layer->started_at < download_from))
            download_from = layer->started_at;
        int64_t completed_at = pt_layer_is_downloaded(layer) ? layer->completed_at : now;
        if (completed_at > download_to)
            download_to = completed_at;
        if (layer->extract_started_at &&
            (!extract_from || layer->extract_started_at < extract_from))
            extract_from = layer->extract_started_at;
        int64_t extracted_at =
            layer->phase == PT_LAYER_EXTRACTING ? now : layer->extract_completed_at;
        if (extracted_at > extract_to)
            extract_to = extracted_at;
    }
    if (download_from && download_to)
        status->download_seconds = seconds_between(download_from, download_to);
    if (extract_from && extract_to)
        status->extract_seconds = seconds_between(extract_from, extract_to);
}

void pt_pull_eta(const struct pt_pull *pull, double bytes_per_second, int64_t now,
                 double extract_bytes_per_second, struct pt_pull_status *status)
{
    set_taken(pull, now, status);
    if (pt_pull_phase_is_final(pull->phase) || !pull->total_known || pull->layer_count == 0)
        return;
    int64_t left = status->totals.total_bytes - status->totals.downloaded_bytes;
    if (left <= 0)
        status->eta_seconds = 0;
    else if (bytes_per_second > 0)
        status->eta_seconds = (double)left / bytes_per_second;
    double extract_speed = pt_pull_extract_speed(pull);
    if (extract_speed <= 0)
        extract_speed = extract_bytes_per_second;
    if (status->eta_seconds >= 0 && extract_speed > 0)
        status->ready_eta_seconds = ready_seconds(pull, bytes_per_second, now, extract_speed);
}
