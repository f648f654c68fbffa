// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_FIGURES_NODE_PAST_H
#define PT_SERVER_FIGURES_NODE_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PT_NODE_PAST_STEPS 60
#define PT_NODE_PAST_BYTES 200 // of the memory for pulls at most, for a node that has pulled lately

// What a node's pulls have done in the last half hour, in steps that whoever notes numbers. There
// is one for each node that has pulled lately, so it is small: figures are right to a thousandth,
// and up to 15 pulls and attempts are counted. All zero is an empty one.
struct pt_node_past {
    uint64_t step;                        // number of the newest that something was noted in
    double newest;                        // sum of its looks
    uint16_t sums[PT_NODE_PAST_STEPS];    // of the others: ten bits, and six for a power of 2
    uint8_t troubles[PT_NODE_PAST_STEPS]; // four bits of stalled pulls, four of failed attempts
};

// What a node's pulls did in a step of time.
struct pt_node_past_step {
    double bytes_per_second; // sum over its looks, right to a thousandth
    unsigned stalled;        // the most at once, up to 15
    unsigned failed;         // attempts, up to 15
};

// Notes a look in that step, which is not older than the newest.
void pt_node_past_note(struct pt_node_past *past, uint64_t step, double bytes_per_second,
                       size_t stalled);
void pt_node_past_note_failed(struct pt_node_past *past, uint64_t step);

// All zero for a step in which nothing was noted, or that is not kept any more.
struct pt_node_past_step pt_node_past_step_at(const struct pt_node_past *past, uint64_t step);

// Whether none of its steps is kept any more when this one is the newest.
bool pt_node_past_is_over(const struct pt_node_past *past, uint64_t newest_step);

#endif
