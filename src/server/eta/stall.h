// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_ETA_STALL_H
#define PT_SERVER_ETA_STALL_H

#include "base/pauses.h"
#include "pull/model.h"
#include "server/eta/layer_track.h"

#include <stdbool.h>
#include <stdint.h>

// The seconds for which a pull that downloads has received nothing, which is `still_ns`; 0 while
// that is no longer than it usually is: between two pieces, by `pauses` and by the steps of its
// layers, or before the first one. `tracks` is of its layers; NULL: nothing is known of their past.
// `node_receives`: bytes of other pulls come to the node, for which this one may wait.
double pt_pull_stalled_seconds(const struct pt_pull *pull, const struct pt_layer_track *tracks,
                               const struct pt_pauses *pauses, int64_t still_ns,
                               bool node_receives);

#endif
