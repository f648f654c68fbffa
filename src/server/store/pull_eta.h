// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_ETA_H
#define PT_SERVER_STORE_PULL_ETA_H

#include "pull/event.h"
#include "pull/model.h"

#include <stdint.h>

// Fills in the seconds that a pull has taken and still needs, as of `now` (wall_ns of its node).
// `extract_bytes_per_second` is what the node managed before, 0 if unknown; what this pull's own
// layers show comes first. What cannot be told is left as it is.
void pt_pull_eta(const struct pt_pull *pull, double bytes_per_second, int64_t now,
                 double extract_bytes_per_second, struct pt_pull_status *status);

// Compressed bytes per second that the extraction of this pull has managed, 0 while unknown.
double pt_pull_extract_speed(const struct pt_pull *pull);

#endif
