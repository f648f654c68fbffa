// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FUZZ_TRACKER_STORY_H
#define PT_TESTS_FUZZ_TRACKER_STORY_H

#include "agent/track/pace.h"
#include "agent/track/track.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/rhythm.h"
#include "pull/report.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

// What must hold of a tracker's pulls whatever containerd does: the story of each is one that can
// be, and the server takes it.

#define STORY_PULLS 256

struct story {
    struct pt_tracker *tracker;
    // What was seen of the pulls, by the order of their start; the first ones only.
    struct heard {
        char id[32];
        double percent;
        int64_t started_at;
        int64_t bytes_fetched;
        uint64_t layers; // hash of their digests
        enum pt_pull_phase phase;
        unsigned ends;  // events of its end
        unsigned round; // in which it was shown last
    } heard[STORY_PULLS];
    size_t heard_count;
    unsigned rounds;
};

static inline struct heard *find_heard(struct story *story, const char *id)
{
    for (size_t i = 0; i < story->heard_count; i++) {
        if (strcmp(story->heard[i].id, id) == 0)
            return &story->heard[i];
    }
    return NULL;
}

// A pt_tracker_options.on_change, whose context is the story: one start, then one end at most.
static inline void story_on_change(void *context, enum pt_track_change change,
                                   const struct pt_pull *pull, const struct pt_layer *layer)
{
    struct story *story = context;
    struct heard *heard = find_heard(story, pull->id);
    bool is_end = change == PT_TRACK_COMPLETED || change == PT_TRACK_FAILED;
    assert((change == PT_TRACK_LAYER_RESTARTED) == (layer != NULL));
    assert(is_end == pt_pull_phase_is_final(pull->phase));
    assert(change != PT_TRACK_COMPLETED || pull->phase == PT_PULL_COMPLETED);
    assert(change != PT_TRACK_FAILED || pull->phase == PT_PULL_FAILED);
    if (change == PT_TRACK_STARTED) {
        assert(!heard && strlen(pull->id) < sizeof(heard->id));
        if (story->heard_count == STORY_PULLS)
            return;
        heard = &story->heard[story->heard_count++];
        *heard = (struct heard){.started_at = pull->started_at, .phase = pull->phase};
        strcpy(heard->id, pull->id);
    } else if (heard) {
        assert(!pt_pull_phase_is_final(heard->phase) && heard->ends == 0);
        heard->ends += is_end;
    }
}

static inline void story_check_layer(const struct pt_pull *pull, const struct pt_layer *layer)
{
    assert(layer->downloaded_bytes >= 0 && layer->total_bytes >= 0);
    assert(!layer->total_known || layer->downloaded_bytes <= layer->total_bytes);
    assert(layer->resumed_bytes >= 0 && layer->resumed_bytes <= layer->downloaded_bytes);
    assert(!layer->cached || layer->downloaded_bytes == layer->total_bytes);
    assert(!layer->started_at || layer->started_at >= pull->started_at);
    assert(!layer->completed_at || layer->started_at <= layer->completed_at);
    assert(!layer->completed_at || pt_layer_is_downloaded(layer));
    assert(!layer->extract_completed_at || layer->phase == PT_LAYER_DONE);
    assert(!layer->extract_completed_at ||
           layer->extract_started_at <= layer->extract_completed_at);
}

// The totals are the sums of the layers.
static inline void story_check_totals(const struct pt_pull *pull, const struct pt_totals *totals)
{
    int64_t total = 0, downloaded = 0, cached = 0;
    size_t extracted = 0;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        story_check_layer(pull, layer);
        if (__builtin_add_overflow(total, layer->total_bytes, &total) ||
            __builtin_add_overflow(downloaded, layer->downloaded_bytes, &downloaded))
            return;
        cached += layer->cached ? layer->downloaded_bytes : 0;
        extracted += pt_layer_is_extracted(layer);
    }
    assert(totals->total_bytes == total && totals->downloaded_bytes == downloaded);
    assert(totals->cached_bytes == cached && totals->layers_extracted == extracted);
    assert(!pull->total_known || downloaded <= total);
    assert(totals->percent >= 0 && totals->percent <= 100);
    assert(pull->phase != PT_PULL_COMPLETED || totals->percent == 100);
}

// What is shown of them always gives a report that the server takes whole.
static inline void story_check_report(const struct story *story, int64_t now)
{
    struct pt_buffer text;
    const struct pt_report head = {.node_name = "n", .timestamp = now};
    const struct pt_tracked *tracked = NULL;
    size_t count = 0;
    struct pt_report taken;
    pt_buffer_init(&text, PT_LIMIT_REPORT_BYTES);
    int r = pt_report_begin(&head, &text);
    while (r == 0 && (tracked = pt_tracker_next(story->tracker, tracked))) {
        r = pt_report_add(&tracked->pull, &text);
        count += r == 0;
    }
    assert(r == 0 || r == -EMSGSIZE);
    r = pt_report_end(&text);
    assert(r == 0);
    r = pt_report_decode(text.data, text.length, &taken, NULL);
    assert(r == 0 && taken.pull_count == count);
    pt_report_finish(&taken);
    pt_buffer_finish(&text);
}

static inline uint64_t hash_of_layers(const struct pt_pull *pull)
{
    uint64_t hash = PT_HASH_EMPTY;
    for (size_t i = 0; i < pull->layer_count; i++)
        hash = pt_hash_bytes(hash, pull->layers[i].digest, strlen(pull->layers[i].digest) + 1);
    return hash;
}

// None of them stands in it twice, nothing goes back, and a pull that has ended has said so once.
static inline void story_check_heard(struct story *story, const struct pt_pull *pull,
                                     const struct pt_totals *totals)
{
    struct heard *heard = find_heard(story, pull->id);
    if (!heard)
        return;
    assert(heard->round != story->rounds);
    assert(heard->started_at == pull->started_at && heard->phase <= pull->phase);
    assert(!pt_pull_phase_is_final(heard->phase) || heard->phase == pull->phase);
    // One lease may pull another platform besides, whose layers come to those of the first, or
    // containerd says another manifest, or none any more; the server keeps what it shows.
    uint64_t layers = hash_of_layers(pull);
    bool is_same = pull->total_known && layers == heard->layers;
    assert(totals->percent >= heard->percent || !is_same);
    assert(pull->bytes_fetched >= heard->bytes_fetched);
    assert(heard->ends == (unsigned)pt_pull_phase_is_final(pull->phase));
    heard->round = story->rounds;
    if (pull->total_known)
        heard->percent = totals->percent;
    heard->layers = layers;
    heard->bytes_fetched = pull->bytes_fetched;
    heard->phase = pull->phase;
}

static inline void story_check(struct story *story, int64_t now)
{
    const struct pt_tracked *tracked = NULL;
    size_t active = 0, finished = 0;
    story->rounds++;
    while ((tracked = pt_tracker_next(story->tracker, tracked))) {
        const struct pt_pull *pull = &tracked->pull;
        struct pt_totals totals;
        pt_pull_totals(pull, &totals);
        active += !tracked->finished;
        finished += tracked->finished != 0;
        assert(pull->image_ref);
        assert(pt_pull_phase_is_final(pull->phase) == (tracked->finished != 0));
        assert((pull->phase == PT_PULL_FAILED) == (pull->error != NULL));
        assert(pull->phase != PT_PULL_COMPLETED || pull->image_ref_exact);
        assert((pull->completed_at != 0) == (tracked->finished != 0));
        story_check_totals(pull, &totals);
        story_check_heard(story, pull, &totals);
    }
    assert(active == pt_tracker_active_count(story->tracker));
    assert(finished == pt_tracker_finished_count(story->tracker));
    story_check_report(story, now);
    int64_t pace_ms = pt_pace_ms(story->tracker, 1000);
    assert(pace_ms >= PT_LOOK_PACE_MS && pace_ms <= 1000);
}

#endif
