// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_eta.h"

#include "base/clock.h"
#include "base/limits.h"
#include "server/store/ready.h"

#include <stdbool.h>
#include <stdlib.h>

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

static void set_taken(const struct pt_pull *pull, int64_t now, struct pt_pull_status *status)
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
        status->download_seconds = seconds_between(download_from, download_to);
    double extract_seconds = extracting_seconds(pull, now);
    if (extract_seconds >= 0)
        status->extract_seconds = extract_seconds;
}

// --- what is left ---

#define RECENT_ENDS 8
#define USUAL_COUNTS_S 1.5  // as much as a layer's own speed over so long
#define BEFORE_COUNTS_S 4   // as much as what this pull shows over so long
#define ENOUGH_S 3          // of downloads under way; else those that have ended count too
#define NEAR_THE_MOST 0.8   // of what the node has had: the node is what limits
#define CLEARLY_SLOWER 0.75 // than a layer from this registry can be

struct left {
    const struct pt_pull *pull;
    const struct pt_layer_track *tracks;
    const struct pt_eta_basis *basis;
    int64_t now;
    size_t downloading, waiting; // layers of which something has come, or nothing yet
    size_t extracting;
    size_t slots;
    struct pt_step_span under_way, ended; // of all its layers
    size_t known_count;                   // of those under way
    double seen_speed;                    // of one layer, by what this pull shows; 0: unknown
    double usual_speed;                   // of one layer, 0: unknown
    int64_t recent_ends[RECENT_ENDS];     // of downloads, the latest first; 0: none
};

static const struct pt_step_rate *steps_of(const struct left *left, size_t layer)
{
    static const struct pt_step_rate none;
    return left->tracks ? &left->tracks[layer].steps : &none;
}

static void add_span(struct pt_step_span *sum, struct pt_step_span span)
{
    sum->bytes += span.bytes;
    sum->seconds += span.seconds;
}

static void note_end(struct left *left, int64_t end)
{
    for (size_t i = 0; i < RECENT_ENDS; i++) {
        int64_t other = left->recent_ends[i];
        if (other >= end)
            continue;
        left->recent_ends[i] = end;
        end = other;
    }
}

static void look_at(struct left *left, size_t i)
{
    const struct pt_layer *layer = &left->pull->layers[i];
    const struct pt_step_rate *steps = steps_of(left, i);
    if (layer->cached)
        return;
    left->extracting += layer->phase == PT_LAYER_EXTRACTING;
    if (pt_layer_is_downloaded(layer)) {
        note_end(left, layer->completed_at);
        add_span(&left->ended, pt_step_rate_span(steps, steps->newest.at));
    } else if (layer->downloaded_bytes == 0) {
        left->waiting++;
    } else {
        struct pt_step_span span = pt_step_rate_span(steps, left->now);
        add_span(&left->under_way, span);
        left->downloading++;
        left->known_count += span.seconds > 0;
    }
}

static double lesser(double a, double b)
{
    return a < b ? a : b;
}

static size_t at_once(const struct left *left)
{
    size_t count = left->downloading + left->waiting;
    return count < left->slots ? count : left->slots;
}

// Of one layer among as many as are downloaded now, by earlier pulls.
static struct pt_step_span before(const struct left *left)
{
    double speed = left->basis->connection_bytes_per_second;
    double most = left->basis->node_bytes_per_second;
    if (most > 0 && at_once(left) > 0)
        speed = lesser(speed, most / (double)at_once(left));
    return speed > 0 ? (struct pt_step_span){speed * BEFORE_COUNTS_S, BEFORE_COUNTS_S}
                     : (struct pt_step_span){0};
}

// Of one layer: by those under way, those that have ended, and earlier pulls; if none was seen for
// long enough and more wait than can have begun, its share of what all get together.
static void set_usual_speed(struct left *left)
{
    const struct pt_eta_basis *basis = left->basis;
    struct pt_step_span seen = left->under_way;
    bool is_full = left->downloading + left->waiting > left->slots;
    if (seen.seconds < ENOUGH_S)
        add_span(&seen, left->ended);
    if (seen.seconds <= 0 && is_full && basis->steps) {
        seen = pt_step_rate_span(basis->steps, basis->steps->newest.at);
        seen.bytes /= (double)left->slots;
    }
    if (seen.seconds > 0)
        left->seen_speed = seen.bytes / seen.seconds;
    add_span(&seen, before(left));
    if (seen.seconds > 0)
        left->usual_speed = seen.bytes / seen.seconds;
    else if (at_once(left) > 0)
        left->usual_speed = basis->bytes_per_second / (double)at_once(left);
}

static struct left look(const struct pt_pull *pull, const struct pt_layer_track *tracks,
                        const struct pt_eta_basis *basis, int64_t now)
{
    struct left left = {.pull = pull, .tracks = tracks, .basis = basis, .now = now};
    for (size_t i = 0; i < pull->layer_count; i++)
        look_at(&left, i);
    size_t slots = basis->slots ? basis->slots : PT_USUAL_SLOTS;
    left.slots = slots > left.downloading ? slots : left.downloading;
    set_usual_speed(&left);
    return left;
}

// A layer's own, to which the usual one counts less the longer its own is known.
static double speed_of(const struct left *left, size_t i)
{
    struct pt_step_span span = pt_step_rate_span(steps_of(left, i), left->now);
    return (span.bytes + left->usual_speed * USUAL_COUNTS_S) / (span.seconds + USUAL_COUNTS_S);
}

// When the n-th free place for a download became free: there, a layer has begun of which nothing
// can be seen yet.
static double seconds_free(const struct left *left, size_t n)
{
    int64_t since = n < RECENT_ENDS ? left->recent_ends[n] : 0;
    return seconds_between(since ? since : left->pull->started_at, left->now);
}

static double bytes_left(const struct left *left, size_t i, double speed, size_t *free_places)
{
    const struct pt_layer *layer = &left->pull->layers[i];
    double come = (double)layer->downloaded_bytes;
    if (pt_layer_is_downloaded(layer) || layer->phase == PT_LAYER_COMMITTING)
        return 0;
    if (layer->downloaded_bytes > 0)
        come = pt_step_rate_bytes(steps_of(left, i), left->now, speed);
    else if (*free_places > 0)
        come = pt_step_rate_unseen(speed * seconds_free(left, --*free_places));
    if (come < (double)layer->downloaded_bytes)
        come = (double)layer->downloaded_bytes;
    return come < (double)layer->total_bytes ? (double)layer->total_bytes - come : 0;
}

static double extract_seconds(const struct left *left, const struct pt_layer *layer, double speed)
{
    double needed = (double)layer->total_bytes / speed;
    if (layer->phase == PT_LAYER_EXTRACTING && layer->extract_started_at)
        needed -= seconds_between(layer->extract_started_at, left->now);
    return needed > 0 ? needed : 0;
}

// The layers that are not extracted yet; how many.
static size_t list_layers(const struct left *left, double extract_speed,
                          struct pt_ready_layer layers[static PT_LIMIT_LAYERS_PER_PULL])
{
    size_t count = 0;
    size_t free_places = left->slots - left->downloading;
    if (free_places > left->waiting)
        free_places = left->waiting;
    for (size_t i = 0; i < left->pull->layer_count; i++) {
        const struct pt_layer *layer = &left->pull->layers[i];
        if (pt_layer_is_extracted(layer))
            continue;
        double speed = speed_of(left, i);
        layers[count++] = (struct pt_ready_layer){
            .bytes = bytes_left(left, i, speed, &free_places),
            .bytes_per_second = speed,
            .extract_seconds = extract_speed > 0 ? extract_seconds(left, layer, extract_speed) : 0,
            .is_downloading = layer->downloaded_bytes > 0,
        };
    }
    return count;
}

// The most that all layers get together, 0 if each gets what it can. If they were at what the node
// can, those that stay will be faster when the others are through, up to what one layer of this
// registry had.
static double limit_by_node(const struct left *left, struct pt_ready_layer *layers, size_t count)
{
    static const struct pt_step_rate none;
    const struct pt_step_rate *steps = left->basis->steps ? left->basis->steps : &none;
    double alone = left->basis->connection_bytes_per_second;
    struct pt_step_span together = pt_step_rate_span(steps, steps->newest.at);
    if (together.seconds <= 0 || left->seen_speed > CLEARLY_SLOWER * alone ||
        together.bytes < NEAR_THE_MOST * left->basis->node_bytes_per_second * together.seconds)
        return 0;
    for (size_t i = 0; i < count; i++)
        layers[i].bytes_per_second = alone;
    return together.bytes / together.seconds;
}

static void set_left(const struct left *left, struct pt_pull_status *status)
{
    struct pt_ready_layer layers[PT_LIMIT_LAYERS_PER_PULL];
    double extract_speed = pt_pull_extract_speed(left->pull);
    if (extract_speed <= 0)
        extract_speed = left->basis->extract_bytes_per_second;
    if (left->usual_speed <= 0 && left->downloading + left->waiting > 0)
        return;
    size_t count = list_layers(left, extract_speed, layers);
    const struct pt_ready_means means = {
        .slots = left->slots,
        .bytes_per_second = limit_by_node(left, layers, count),
        .extracts_in_parallel = left->extracting > 1,
    };
    struct pt_ready_time time = pt_ready_play(layers, count, &means);
    status->eta_seconds = time.downloaded_s;
    if (extract_speed > 0)
        status->ready_eta_seconds = time.extracted_s + left->basis->finish_seconds;
}

void pt_pull_eta(const struct pt_pull *pull, const struct pt_layer_track *tracks,
                 const struct pt_eta_basis *basis, int64_t now, struct pt_pull_status *status)
{
    set_taken(pull, now, status);
    if (pt_pull_phase_is_final(pull->phase) || !pull->total_known || pull->layer_count == 0 ||
        basis->is_still || pt_pull_is_silent(pull))
        return;
    struct left left = look(pull, tracks, basis, now);
    set_left(&left, status);
}
