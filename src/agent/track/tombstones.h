// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_TRACK_TOMBSTONES_H
#define PT_AGENT_TRACK_TOMBSTONES_H

#include "agent/track/observation.h"

#include <stdbool.h>
#include <sys/queue.h>

// Pulls that were given up although their leases are still there: they are not to be found anew.
LIST_HEAD(pt_tombstones, pt_tombstone);

// LIST_INIT makes an empty list.
void pt_tombstones_finish(struct pt_tombstones *tombstones);

// For the pull of that id; without memory there is none, and its lease is found as a new pull.
void pt_tombstones_add(struct pt_tombstones *tombstones, const char *id);

// Whether the lease is that of a pull that was given up.
bool pt_tombstones_hold(const struct pt_tombstones *tombstones, const struct pt_seen_lease *lease);

// Lets go those whose leases are not listed any more.
void pt_tombstones_drop_gone(struct pt_tombstones *tombstones,
                             const struct pt_observation *observation);

#endif
