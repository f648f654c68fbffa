// SPDX-License-Identifier: Apache-2.0
#include "agent/track/track_pull.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/step_rate.h"
#include "base/text.h"

#include <stdio.h>

// How a pull has ended, when its lease is over. It has completed if an image record was written in
// its time and the image is unpacked, or accepted as it is by the CRI plugin. Otherwise it has
// failed, with words that say how far it had come.

// A pull that stands still for so long may be dead: its client was killed, and its lease lives on.
#define PATIENCE_NS (600 * PT_NS_PER_S / PT_PATIENCE_DIVISOR)
// One that gets bytes too slowly to be seen is waited for up to this.
#define LONGEST_PATIENCE_NS (6 * PATIENCE_NS)
#define PATIENCE_PIECES 3

// How long a piece of the layer has taken on average; -1: none has come in the pull's time. What an
// interrupted download has left is none.
static int64_t pace_ns(const struct pt_track_pull *pull, const struct pt_seen_lease *lease,
                       size_t index)
{
    const struct pt_seen_layer *layer = &lease->layers[index];
    const struct pt_pull *view = &pull->shown.pull;
    int64_t resumed = index < view->layer_count ? view->layers[index].resumed_bytes : 0;
    int64_t begun_at = pt_track_later(layer->ingest_started_at, pull->created_at);
    bool is_of_before = layer->ingest_updated_at && layer->ingest_updated_at <= pull->created_at;
    if (layer->offset <= resumed || is_of_before)
        return -1;
    int64_t pieces = pt_track_later((layer->offset - resumed) / PT_STEP_BYTES, 1);
    return pt_track_later(layer->ingest_updated_at - begun_at, 0) / pieces;
}

// containerd shows bytes by the MiB. So of a layer that has brought nothing yet it is not known how
// slow it is; another one is overdue when its next piece takes several times as long as those
// before have taken on average.
int64_t pt_track_patience_ns(const struct pt_track_pull *pull, const struct pt_seen_lease *lease)
{
    bool is_fetching = false, has_pace = false;
    int64_t patience_ns = PATIENCE_NS;
    for (size_t i = 0; i < lease->layer_count; i++) {
        const struct pt_seen_layer *layer = &lease->layers[i];
        if (!layer->has_ingest || !layer->owns_ingest || pt_seen_layer_is_whole(layer))
            continue;
        is_fetching = true;
        int64_t pace = pace_ns(pull, lease, i);
        if (pace > LONGEST_PATIENCE_NS / PATIENCE_PIECES)
            return LONGEST_PATIENCE_NS;
        has_pace |= pace >= 0;
        patience_ns = pt_track_later(patience_ns, pace * PATIENCE_PIECES);
    }
    return is_fetching && !has_pace ? LONGEST_PATIENCE_NS : patience_ns;
}

static const char *ordinal_text(const struct pt_pull *view, size_t index, char *text, size_t size)
{
    const struct pt_layer *layer = &view->layers[index];
    char come[PT_TEXT_BYTES_SIZE], total[PT_TEXT_BYTES_SIZE];
    pt_text_bytes((double)layer->downloaded_bytes, come);
    if (!layer->total_known)
        snprintf(text, size, "layer %zu (%.19s) after %s", index + 1, layer->digest, come);
    else
        snprintf(text, size, "layer %zu of %zu (%.19s) at %s of %s", index + 1, view->layer_count,
                 layer->digest, come, pt_text_bytes((double)layer->total_bytes, total));
    return text;
}

// The first layer that is not there; layer_count if they all are.
static size_t first_missing(const struct pt_pull *view)
{
    size_t i = 0;
    while (i < view->layer_count && pt_layer_is_downloaded(&view->layers[i]))
        i++;
    return i;
}

// Of several layers that are not there any may be the one that could not be fetched: none is named.
static void explain_missing(const struct pt_pull *view, char *reason, size_t size)
{
    char layer[192];
    size_t fetched = 0;
    for (size_t i = 0; i < view->layer_count; i++)
        fetched += pt_layer_is_downloaded(&view->layers[i]);
    struct pt_totals totals;
    char come[PT_TEXT_BYTES_SIZE], total[PT_TEXT_BYTES_SIZE];
    pt_pull_totals(view, &totals);
    pt_text_bytes((double)totals.downloaded_bytes, come);
    if (view->layer_count - fetched == 1 && view->total_known)
        snprintf(reason, size, "ended without an image while fetching %s",
                 ordinal_text(view, first_missing(view), layer, sizeof(layer)));
    else if (view->total_known)
        snprintf(reason, size, "ended without an image with %zu of %zu layers fetched, at %s of %s",
                 fetched, view->layer_count, come,
                 pt_text_bytes((double)totals.total_bytes, total));
    else
        snprintf(reason, size, "ended without an image with %zu layers fetched, after %s", fetched,
                 come);
}

// The first layer that is not there and of which the manifest says what no layer is: it has nothing
// in it, or its size is left out, negative or absurd. containerd fetches no such layer, or in vain.
static size_t first_impossible(const struct pt_pull *view)
{
    size_t i = 0;
    while (i < view->layer_count && (pt_layer_is_downloaded(&view->layers[i]) ||
                                     (view->layers[i].total_known && view->layers[i].total_bytes)))
        i++;
    return i;
}

static void fail_as_impossible(struct pt_track_pull *pull, size_t index, int64_t now)
{
    const struct pt_pull *view = &pull->shown.pull;
    char reason[192];
    snprintf(reason, sizeof(reason),
             "ended without an image: its manifest gives layer %zu of %zu (%.19s) a size that no "
             "layer has, or none",
             index + 1, view->layer_count, view->layers[index].digest);
    pt_track_pull_fail(pull, reason, now);
    pull->shown.pull.error_class = PT_FAILURE_CORRUPT;
}

// Says how far the pull had come: containerd keeps the reason to itself and its log.
static void fail_without_image(struct pt_track_pull *pull, const struct pt_seen_lease *lease,
                               int64_t now)
{
    const struct pt_pull *view = &pull->shown.pull;
    char reason[512];
    size_t impossible = lease->layers_known ? first_impossible(view) : view->layer_count;
    if (impossible < view->layer_count) {
        fail_as_impossible(pull, impossible, now);
        return;
    }
    if (!view->total_known && view->layer_count == 0)
        snprintf(reason, sizeof(reason), "ended before the image's manifest was there");
    else if (first_missing(view) < view->layer_count)
        explain_missing(view, reason, sizeof(reason));
    else
        snprintf(reason, sizeof(reason), "ended without an image although every layer was fetched");
    pt_track_pull_fail(pull, reason, now);
}

// Of one image some layer was extracted in the pull's time, or was being, and some was not.
static bool is_half_extracted(const struct pt_track_pull *pull, const struct pt_seen_lease *lease,
                              size_t *ret_index)
{
    bool has_begun = false;
    size_t missing = lease->layer_count;
    for (size_t i = 0; i < lease->layer_count; i++) {
        const struct pt_seen_layer *seen = &lease->layers[i];
        if (i > 0 && seen->image != lease->layers[i - 1].image) {
            has_begun = false;
            missing = lease->layer_count;
        }
        has_begun |= seen->extract_begun || seen->extracted_at >= pull->created_at;
        if (seen->chain_id && seen->extracted_at == 0 && missing == lease->layer_count)
            missing = i;
        if (has_begun && missing < lease->layer_count) {
            *ret_index = missing;
            return true;
        }
    }
    return false;
}

static bool is_extracted(const struct pt_seen_lease *lease)
{
    for (size_t i = 0; i < lease->layer_count; i++) {
        if (lease->layers[i].extracted_at == 0)
            return false;
    }
    return lease->layers_known && lease->layer_count > 0;
}

// An image that is stored and not unpacked. Whether that was wanted (`ctr content fetch`) or went
// wrong containerd does not say.
static void end_packed(struct pt_track_pull *pull, int64_t now)
{
    char reason[300], layer[192];
    const struct pt_pull *view = &pull->shown.pull;
    size_t i = first_missing(view);
    if (!view->total_known && view->layer_count == 0)
        snprintf(reason, sizeof(reason), "not unpacked: stored without any layer");
    else if (i < view->layer_count)
        snprintf(reason, sizeof(reason), "not unpacked: stored without %s",
                 ordinal_text(view, i, layer, sizeof(layer)));
    else
        snprintf(reason, sizeof(reason), "not unpacked: everything was fetched and is stored");
    pt_track_pull_fail(pull, reason, now);
    pull->shown.pull.error_class = PT_FAILURE_NOT_UNPACKED;
}

void pt_track_pull_end(struct pt_track_pull *pull, const struct pt_seen_lease *lease, int64_t now)
{
    struct pt_pull *view = &pull->shown.pull;
    size_t missing;
    if (lease->image_name && pull->named_at == 0)
        pt_track_pull_name(pull, lease->image_name, lease->image_updated_at);
    if (pull->named_at == 0 && pull->has_broken) {
        pt_track_pull_fail(pull, PT_TRACK_RESTARTED, now);
        return;
    }
    if (pull->named_at == 0) {
        fail_without_image(pull, lease, now);
        return;
    }
    if (is_half_extracted(pull, lease, &missing)) {
        char reason[160];
        snprintf(reason, sizeof(reason), "ended while extracting layer %zu of %zu (%.19s)",
                 missing + 1, lease->layer_count, lease->layers[missing].digest);
        pt_track_pull_fail(pull, reason, now);
        return;
    }
    bool is_unpacked = lease->is_unpacked || is_extracted(lease);
    if (!is_unpacked && !lease->is_accepted) {
        end_packed(pull, now);
        return;
    }
    if (!is_unpacked)
        pt_track_pull_drop_missing_layers(pull);
    view->phase = PT_PULL_COMPLETED;
    view->completed_at = pt_track_later(pull->named_at, pull->created_at);
    for (size_t i = 0; i < view->layer_count; i++)
        view->completed_at = pt_track_later(
            view->completed_at,
            pt_track_later(view->layers[i].completed_at, view->layers[i].extract_completed_at));
    if (view->completed_at > now)
        view->completed_at = now;
}
