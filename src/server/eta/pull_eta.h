// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_ETA_PULL_ETA_H
#define PT_SERVER_ETA_PULL_ETA_H

#include "pull/event.h"
#include "pull/model.h"
#include "server/eta/layer_track.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How long a pull still needs, by what its layers and earlier pulls show.

#define PT_USUAL_SLOTS 3 // layers that containerd downloads at once if nobody has set it

// What an estimate stands on besides the layers. 0: unknown.
struct pt_eta_basis {
    const struct pt_step_rate *steps;   // of all that the pull has received; NULL: not known
    double bytes_per_second;            // of the pull now
    double connection_bytes_per_second; // of one layer, by earlier pulls from its registry
    double node_bytes_per_second;       // the most that its node has had
    double extract_bytes_per_second;    // by earlier pulls, of its node or of all
    double seconds_between; // from one layer to the next in its place, by earlier pulls from there
    double finish_seconds;  // from the last extraction to the end, by earlier pulls
    size_t slots;           // layers downloaded at once: seen, or by earlier pulls
    bool is_still;          // it stalls, or its node is silent: nothing is estimated
};

// Fills in the seconds that a pull has taken and still needs, as of `now` (wall_ns of its node).
// What the pull's own layers show counts first. `tracks` is of its layers; NULL: nothing is known
// of their past. What cannot be estimated stays as it is.
void pt_pull_eta(const struct pt_pull *pull, const struct pt_layer_track *tracks,
                 const struct pt_eta_basis *basis, int64_t now, struct pt_pull_status *status);

// How many seconds a place for a download passes nothing from one layer to the next, as
// pt_seconds_between says. `bytes_per_second` is that of a layer that does not show its own; 0:
// such layers say nothing.
double pt_pull_seconds_between(const struct pt_pull *pull, const struct pt_layer_track *tracks,
                               size_t slots, double bytes_per_second, double expected);

#endif
