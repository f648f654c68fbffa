// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HOLDUP_SPEEDS_H
#define PT_SERVER_HOLDUP_SPEEDS_H

#include "server/holdup/hold_up_rules.h"

#include <stddef.h>
#include <stdint.h>

// How fast pulls download, as a histogram of eight classes an octave: a median is right to a tenth,
// however many there are.
#define PT_SPEED_CLASSES 320 // up to 1 TB/s

struct pt_speeds {
    uint32_t counts[PT_SPEED_CLASSES];
    size_t count;
    size_t lowest; // class in which there is one
};

void pt_speeds_add(struct pt_speeds *speeds, double bytes_per_second);

// The median of all but one pull of that speed, which is among them.
struct pt_other_speed pt_speeds_of_others(const struct pt_speeds *speeds, double bytes_per_second);

#endif
