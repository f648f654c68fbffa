// SPDX-License-Identifier: Apache-2.0

// What is left of a pull is played out (ready.h), with a speed for each layer: what its own steps
// show, as far as that is clearly another than the usual one. The usual one is of the pull's layers
// under way, while these say little also of those that have ended, and of earlier pulls from the
// registry; if nothing is known of any, a layer's share of what the pull gets. Bytes are seen by
// the mebibyte, so each figure allows for what has come and is not seen yet. Layers that wait are
// played in the order of the manifest; where the runtime was seen to pass over some, once more with
// each two neighbours exchanged, and the estimate lies in the middle. Example: of five layers,
// three at once, two have come. The third goes on at its own speed; the fourth and the fifth have
// begun in the free places, though nothing of them is seen.

#include "server/eta/pull_eta.h"

#include "base/clock.h"
#include "base/limits.h"
#include "server/eta/between.h"
#include "server/eta/ready.h"
#include "server/eta/taken.h"

#include <math.h>
#include <string.h>

#define RECENT_ENDS 8
#define LOOK_S 0.25         // a step may have been seen so much later than it came
#define SHOWN_S 1           // as long a layer is seen to come, so that its speed is its own
#define ENOUGH_S 3          // of downloads under way; else those that have ended count too
#define NEAR_THE_MOST 0.6   // of what the node has had: the node is what limits
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
    size_t known_count, ended_count;      // layers that these are of
    double seen_speed;                    // of one layer, by what this pull shows; 0: unknown
    double usual_speed;                   // of one layer, 0: unknown
    double between_s;                     // from one layer to the next in its place
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
        struct pt_step_span span = pt_step_rate_span(steps, steps->newest.at);
        add_span(&left->ended, span);
        left->ended_count += span.seconds > 0;
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

// What was expected holds as long as what was seen may be that: steps show up to a look late, so a
// short span says little. What is clearly something else counts alone.
static double settle_speed(double expected, struct pt_step_span seen)
{
    if (seen.seconds <= 0)
        return expected;
    double speed = seen.bytes / seen.seconds;
    double may_be_off = speed * LOOK_S / seen.seconds;
    double off = (expected > speed ? expected - speed : speed - expected) / may_be_off;
    double share = expected <= 0 || off >= 2 ? 0 : off <= 1 ? 1 : 2 - off;
    return share * expected + (1 - share) * speed;
}

// Of one layer, if nothing else is known: by the first steps, as if all had begun with the pull.
// When the next one is late, it is slower.
static double speed_since_start(const struct left *left)
{
    struct pt_step_span sum = {0};
    double count = 0;
    for (size_t i = 0; i < left->pull->layer_count; i++) {
        const struct pt_step *newest = &steps_of(left, i)->newest;
        double seconds = pt_clock_seconds(left->pull->started_at, newest->at);
        if (left->pull->layers[i].cached || seconds <= 0)
            continue;
        double late = pt_clock_seconds(left->pull->started_at, left->now);
        double next = (double)newest->bytes + pt_step_rate_unseen(INFINITY);
        if (late <= seconds * next / (double)newest->bytes)
            add_span(&sum, (struct pt_step_span){(double)newest->bytes, seconds});
        else
            add_span(&sum, (struct pt_step_span){next, late});
        count++;
    }
    return count > 0 ? sum.bytes / sum.seconds : 0;
}

// Of one layer: by those under way, those that have ended, and earlier pulls; if that says nothing
// and more wait than can have begun, its share of what all get together.
static void set_usual_speed(struct left *left)
{
    const struct pt_eta_basis *basis = left->basis;
    double before = basis->connection_bytes_per_second;
    struct pt_step_span seen = left->under_way;
    size_t count = left->known_count;
    bool is_full = left->downloading + left->waiting > left->slots;
    if (seen.seconds < ENOUGH_S) {
        add_span(&seen, left->ended);
        count += left->ended_count;
    }
    if (seen.seconds <= 0 && is_full && basis->steps) {
        struct pt_step_span all = pt_step_rate_span(basis->steps, basis->steps->newest.at);
        if (before <= 0 || all.seconds >= ENOUGH_S)
            seen = (struct pt_step_span){all.bytes / (double)left->slots, all.seconds};
        count = 1;
    }
    if (seen.seconds > 0) {
        left->seen_speed = seen.bytes / seen.seconds;
        seen = (struct pt_step_span){seen.bytes / (double)count, seen.seconds / (double)count};
    }
    left->usual_speed = settle_speed(before, seen);
    if (left->usual_speed > 0 || at_once(left) == 0)
        return;
    left->usual_speed = basis->bytes_per_second / (double)at_once(left);
    double since_start = speed_since_start(left);
    if (since_start > left->usual_speed) // between two steps the other one falls
        left->usual_speed = since_start;
}

double pt_pull_seconds_between(const struct pt_pull *pull, const struct pt_layer_track *tracks,
                               size_t slots, double bytes_per_second, double expected)
{
    struct pt_seen_download seen[PT_LIMIT_LAYERS_PER_PULL];
    size_t count = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        struct pt_step_span span = pt_step_rate_span(&tracks[i].steps, tracks[i].steps.newest.at);
        double speed = span.seconds >= SHOWN_S ? span.bytes / span.seconds : bytes_per_second;
        if (layer->cached || layer->downloaded_bytes == 0 || !layer->started_at)
            continue;
        seen[count++] = (struct pt_seen_download){
            .seen_at = layer->started_at,
            .ended_at = pt_layer_is_downloaded(layer) ? layer->completed_at : 0,
            .seconds = speed > 0 ? (double)layer->total_bytes / speed : 0,
        };
    }
    return pt_seconds_between(seen, count, slots, expected);
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
    // Where the speed is a share of what all get, it is in that already.
    if (tracks && left.waiting > 0 && left.known_count + left.ended_count > 0)
        left.between_s = pt_pull_seconds_between(pull, tracks, left.slots, left.usual_speed,
                                                 basis->seconds_between);
    return left;
}

static double speed_of(const struct left *left, size_t i)
{
    return settle_speed(left->usual_speed, pt_step_rate_span(steps_of(left, i), left->now));
}

// When the n-th free place for a download became free: there, a layer has begun of which nothing
// can be seen yet.
static double seconds_free(const struct left *left, size_t n)
{
    int64_t since = n < RECENT_ENDS ? left->recent_ends[n] : 0;
    return pt_clock_seconds(since ? since : left->pull->started_at, left->now);
}

static bool waits(const struct pt_layer *layer)
{
    return !layer->cached && !pt_layer_is_downloaded(layer) && layer->downloaded_bytes == 0;
}

static double still_to_come(const struct pt_layer *layer, double come)
{
    if (come < (double)layer->downloaded_bytes)
        come = (double)layer->downloaded_bytes;
    return come < (double)layer->total_bytes ? (double)layer->total_bytes - come : 0;
}

static double bytes_left(const struct left *left, size_t i, double speed)
{
    const struct pt_layer *layer = &left->pull->layers[i];
    if (pt_layer_is_downloaded(layer) || layer->phase == PT_LAYER_COMMITTING)
        return 0;
    if (waits(layer)) // as if more bytes came in the time before the first one
        return (double)layer->total_bytes + left->between_s * speed;
    return still_to_come(layer, pt_step_rate_bytes(steps_of(left, i), left->now, speed));
}

static double extract_seconds(const struct left *left, const struct pt_layer *layer, double speed)
{
    double needed = (double)layer->total_bytes / speed;
    if (layer->phase == PT_LAYER_EXTRACTING && layer->extract_started_at)
        needed -= pt_clock_seconds(layer->extract_started_at, left->now);
    return needed > 0 ? needed : 0;
}

// What is to be played: the layers that are not extracted yet, and in which order those begin that
// wait.
struct plan {
    struct pt_ready_layer layers[PT_LIMIT_LAYERS_PER_PULL];
    size_t count;
    size_t queue[PT_LIMIT_LAYERS_PER_PULL];
    size_t queue_length;
    size_t passed_over; // that wait below one that does not
};

static void add_layer(const struct left *left, size_t i, double extract_speed, struct plan *plan)
{
    const struct pt_layer *layer = &left->pull->layers[i];
    double speed = speed_of(left, i);
    if (!waits(layer) && !layer->cached)
        plan->passed_over = plan->queue_length;
    if (pt_layer_is_extracted(layer))
        return;
    if (waits(layer))
        plan->queue[plan->queue_length++] = plan->count;
    plan->layers[plan->count++] = (struct pt_ready_layer){
        .bytes = bytes_left(left, i, speed),
        .bytes_per_second = speed,
        .extract_seconds = extract_speed > 0 ? extract_seconds(left, layer, extract_speed) : 0,
        .is_downloading = layer->downloaded_bytes > 0,
    };
}

static void swap_pairs(size_t *queue, size_t length)
{
    for (size_t i = 0; i + 1 < length; i += 2) {
        size_t first = queue[i];
        queue[i] = queue[i + 1];
        queue[i + 1] = first;
    }
}

static void make_plan(const struct left *left, double extract_speed, struct plan *plan)
{
    plan->count = plan->queue_length = plan->passed_over = 0;
    for (size_t i = 0; i < left->pull->layer_count; i++)
        add_layer(left, i, extract_speed, plan);
}

static size_t free_places(const struct left *left)
{
    return left->slots - left->downloading;
}

// In the free places layers have begun of which nothing can be seen yet.
static void begin_unseen(const struct left *left, const struct plan *plan,
                         struct pt_ready_layer *layers)
{
    size_t places = free_places(left);
    for (size_t i = 0; i < plan->queue_length && places > 0; i++) {
        struct pt_ready_layer *layer = &layers[plan->queue[i]];
        double before = left->between_s * layer->bytes_per_second;
        double come = layer->bytes_per_second * seconds_free(left, --places) - before;
        layer->bytes -= lesser(before + pt_step_rate_unseen(come), layer->bytes);
    }
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

// On a copy of the layers that there are: a copy of the whole plan, with room for the most that
// there may be, would take far longer than all else here.
static struct pt_ready_time play(const struct left *left, const struct plan *plan)
{
    struct pt_ready_layer layers[PT_LIMIT_LAYERS_PER_PULL];
    memcpy(layers, plan->layers, plan->count * sizeof(layers[0]));
    begin_unseen(left, plan, layers);
    const struct pt_ready_means means = {
        .slots = left->slots,
        .bytes_per_second = limit_by_node(left, layers, plan->count),
        .extracts_in_parallel = left->extracting > 1,
        .queue = plan->queue,
        .queue_length = plan->queue_length,
    };
    return pt_ready_play(layers, plan->count, &means);
}

// A runtime that asks for all layers at once has threads that race for the free places: of each two
// neighbours the upper one comes first about as often. If layers have begun above those that wait,
// it is such a one, and what is said lies in the middle.
static struct pt_ready_time play_both_ways(const struct left *left, struct plan *plan)
{
    struct pt_ready_time time = play(left, plan);
    if (plan->passed_over <= free_places(left))
        return time;
    swap_pairs(plan->queue, plan->queue_length);
    struct pt_ready_time other = play(left, plan);
    return (struct pt_ready_time){(time.downloaded_s + other.downloaded_s) / 2,
                                  (time.extracted_s + other.extracted_s) / 2};
}

static void set_left(const struct left *left, struct pt_pull_status *status)
{
    struct plan plan;
    double extract_speed = pt_pull_extract_speed(left->pull);
    if (extract_speed <= 0)
        extract_speed = left->basis->extract_bytes_per_second;
    if (left->usual_speed <= 0 && left->downloading + left->waiting > 0)
        return;
    make_plan(left, extract_speed, &plan);
    struct pt_ready_time time = play_both_ways(left, &plan);
    status->eta_seconds = time.downloaded_s;
    if (extract_speed > 0)
        status->ready_eta_seconds = time.extracted_s + left->basis->finish_seconds;
}

void pt_pull_eta(const struct pt_pull *pull, const struct pt_layer_track *tracks,
                 const struct pt_eta_basis *basis, int64_t now, struct pt_pull_status *status)
{
    pt_pull_set_taken(pull, now, status);
    if (pt_pull_phase_is_final(pull->phase) || !pull->total_known || pull->layer_count == 0 ||
        basis->is_still || pt_pull_is_silent(pull))
        return;
    struct left left = look(pull, tracks, basis, now);
    set_left(&left, status);
}
