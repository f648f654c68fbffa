// SPDX-License-Identifier: Apache-2.0
#include "server/eta/stall.h"

#include "base/clock.h"

#include <stddef.h>

// containerd shows nothing of a layer before its first MiB has come.
#define FIRST_PIECE_NS (30 * PT_NS_PER_S)

// Whether containerd has asked the registry for a layer; `ret_has_begun`: and has some of it.
static bool is_fetching(const struct pt_pull *pull, bool *ret_has_begun)
{
    bool is_asked_for = false;
    *ret_has_begun = false;
    for (size_t i = 0; i < pull->layer_count; i++) {
        const struct pt_layer *layer = &pull->layers[i];
        *ret_has_begun |= layer->phase == PT_LAYER_DOWNLOADING;
        is_asked_for |= layer->phase == PT_LAYER_QUEUED && layer->source == PT_SOURCE_FETCHED;
    }
    return *ret_has_begun || is_asked_for;
}

// Between two pieces of a slow layer nothing is seen. When quick ones have come beside it, the
// pull's own pauses do not show that yet.
static bool is_between_pieces(const struct pt_pull *pull, const struct pt_layer_track *tracks,
                              int64_t still_ns)
{
    for (size_t i = 0; tracks && i < pull->layer_count; i++) {
        if (pull->layers[i].phase == PT_LAYER_DOWNLOADING &&
            pt_step_rate_is_between(&tracks[i].steps, still_ns))
            return true;
    }
    return false;
}

double pt_pull_stalled_seconds(const struct pt_pull *pull, const struct pt_layer_track *tracks,
                               const struct pt_pauses *pauses, int64_t still_ns, bool node_receives)
{
    bool has_begun;
    if (pull->phase != PT_PULL_DOWNLOADING || still_ns < pt_pauses_patience_ns(pauses) ||
        !is_fetching(pull, &has_begun) || is_between_pieces(pull, tracks, still_ns))
        return 0;
    // Layers that wait for others of the node to come are asked for as well.
    if (!has_begun && (still_ns < FIRST_PIECE_NS || node_receives))
        return 0;
    return (double)still_ns / (double)PT_NS_PER_S;
}
