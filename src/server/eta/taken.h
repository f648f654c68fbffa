// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_ETA_TAKEN_H
#define PT_SERVER_ETA_TAKEN_H

#include "pull/event.h"
#include "pull/model.h"

#include <stdint.h>

// What a pull has taken so far, by the times of its layers.

// Sets download_seconds and extract_seconds as of `now` (wall_ns of the pull's node). Layers that
// the node already had do not count. What has not begun stays as it is.
void pt_pull_set_taken(const struct pt_pull *pull, int64_t now, struct pt_pull_status *status);

// Compressed bytes per second that the extraction of this pull has managed, 0 while unknown.
double pt_pull_extract_speed(const struct pt_pull *pull);

#endif
