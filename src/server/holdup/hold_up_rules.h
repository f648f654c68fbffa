// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HOLDUP_HOLD_UP_RULES_H
#define PT_SERVER_HOLDUP_HOLD_UP_RULES_H

#include "pull/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What holds up a pull, or a container that waits without one: which of it counts first, and from
// when on, is one table in hold_up_rules.c.

// The speed of other pulls that download.
struct pt_other_speed {
    double median; // bytes per second
    size_t count;  // of pulls that it is of
};

// What is known; all zero: nothing.
struct pt_hold_up_facts {
    bool is_pull; // else a container that waits and has no pull
    enum pt_pull_phase phase;
    bool has_agent;      // one has reported from the node, or may be about to
    bool is_node_silent; // it has stopped
    bool is_waited_for;
    bool waits_for_volume, waits_for_sandbox; // of the container's pod
    int64_t next_attempt_at;                  // wall_ns, 0: nobody says when
    double seconds;                           // since its beginning
    double stalled_seconds;
    double bytes_per_second;
    struct pt_other_speed of_node, of_registry;
};

// By the first rule of the table that holds; PT_HOLD_UP_NONE if none does.
enum pt_hold_up_kind pt_hold_up_of(const struct pt_hold_up_facts *facts);

#endif
