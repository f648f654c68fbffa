// SPDX-License-Identifier: Apache-2.0

// The downloads are played with a clock of their own, that of shared work: it runs at full speed
// while there is room for all that is downloaded, and slower when together they would pass the
// maximum. On that clock each download ends at a time that is known when it begins, so a heap by
// that time says which one ends next, whatever begins meanwhile. The extractions follow from the
// times at which the layers are there.

#include "server/eta/ready.h"

#include "base/limits.h"

#include <assert.h>

struct run {
    const struct pt_ready_layer *layers;
    const struct pt_ready_means *means;
    size_t count;
    struct end {
        double at; // on the clock of shared work
        size_t layer;
    } heap[PT_LIMIT_LAYERS_PER_PULL]; // the next end is on top
    size_t running;
    double work_clock, now;
    double speed; // that those running would have with nobody else
    double downloaded_at[PT_LIMIT_LAYERS_PER_PULL];
};

static void swap(struct run *run, size_t a, size_t b)
{
    struct end swapped = run->heap[a];
    run->heap[a] = run->heap[b];
    run->heap[b] = swapped;
}

static void begin(struct run *run, size_t layer)
{
    const struct pt_ready_layer *begun = &run->layers[layer];
    size_t at = run->running++;
    run->heap[at] = (struct end){run->work_clock + begun->bytes / begun->bytes_per_second, layer};
    run->speed += begun->bytes_per_second;
    for (; at > 0 && run->heap[at].at < run->heap[(at - 1) / 2].at; at = (at - 1) / 2)
        swap(run, at, (at - 1) / 2);
}

static struct end take_next(struct run *run)
{
    struct end next = run->heap[0];
    run->heap[0] = run->heap[--run->running];
    for (size_t at = 0, child; (child = 2 * at + 1) < run->running; at = child) {
        if (child + 1 < run->running && run->heap[child + 1].at < run->heap[child].at)
            child++;
        if (run->heap[at].at <= run->heap[child].at)
            break;
        swap(run, at, child);
    }
    return next;
}

static void end_next(struct run *run)
{
    double most = run->means->bytes_per_second;
    double pace = most > 0 && run->speed > most ? most / run->speed : 1;
    struct end next = take_next(run);
    run->now += (next.at - run->work_clock) / pace;
    run->work_clock = next.at;
    run->speed -= run->layers[next.layer].bytes_per_second;
    run->downloaded_at[next.layer] = run->now;
}

// Those that have their turn run on; the others begin as there is room.
static double download(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        if (run->layers[i].is_downloading && run->layers[i].bytes > 0)
            begin(run, i);
    }
    for (size_t i = 0; i < run->means->queue_length; i++) {
        size_t next = run->means->queue[i];
        assert(next < run->count && !run->layers[next].is_downloading);
        if (run->layers[next].bytes <= 0)
            continue;
        while (run->running >= run->means->slots)
            end_next(run);
        begin(run, next);
    }
    while (run->running > 0)
        end_next(run);
    return run->now;
}

static double extract(const struct run *run)
{
    double last = 0;
    double one_after_the_other = 0;
    for (size_t i = 0; i < run->count; i++) {
        double alone = run->downloaded_at[i] + run->layers[i].extract_seconds;
        if (one_after_the_other < run->downloaded_at[i])
            one_after_the_other = run->downloaded_at[i];
        one_after_the_other += run->layers[i].extract_seconds;
        last = alone > last ? alone : last;
    }
    return run->means->extracts_in_parallel ? last : one_after_the_other;
}

struct pt_ready_time pt_ready_play(const struct pt_ready_layer *layers, size_t count,
                                   const struct pt_ready_means *means)
{
    assert(count <= PT_LIMIT_LAYERS_PER_PULL && means->slots > 0);
    struct run run; // what is not set is not read
    run.layers = layers;
    run.means = means;
    run.count = count;
    run.running = 0;
    run.work_clock = run.now = run.speed = 0;
    for (size_t i = 0; i < count; i++)
        run.downloaded_at[i] = 0;
    struct pt_ready_time time = {.downloaded_s = download(&run)};
    time.extracted_s = extract(&run);
    return time;
}
