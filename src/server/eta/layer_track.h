// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_ETA_LAYER_TRACK_H
#define PT_SERVER_ETA_LAYER_TRACK_H

#include "base/step_rate.h"
#include "pull/rate.h"

// How a layer's download goes, by what has been reported of it: samples are its downloaded bytes at
// a wall_ns of its node. Embedded by value; all zero is one of which nothing is known.
struct pt_layer_track {
    struct pt_rate rate;
    struct pt_step_rate steps;
};

#endif
