// SPDX-License-Identifier: Apache-2.0
#include "server/figures/node_past.h"

#include <assert.h>
#include <math.h>

#define MANTISSA_BITS 10
#define LARGEST_EXPONENT 63
#define MOST_TROUBLES 15

static_assert(sizeof(struct pt_node_past) <= PT_NODE_PAST_BYTES, "as the documents say");

static uint16_t pack(double figure)
{
    unsigned exponent = 0;
    while (figure >= (1 << MANTISSA_BITS) - 0.5 && exponent < LARGEST_EXPONENT) {
        figure /= 2;
        exponent++;
    }
    return (uint16_t)((exponent << MANTISSA_BITS) | (unsigned)(figure + 0.5));
}

static double unpack(uint16_t packed)
{
    unsigned mantissa = packed & ((1U << MANTISSA_BITS) - 1);
    return ldexp((double)mantissa, packed >> MANTISSA_BITS);
}

static size_t place_of(uint64_t step)
{
    return step % PT_NODE_PAST_STEPS;
}

// What was noted in none of the steps since the newest is nothing.
static void begin_step(struct pt_node_past *past, uint64_t step)
{
    if (step <= past->step)
        return;
    past->sums[place_of(past->step)] = pack(past->newest);
    past->newest = 0;
    for (uint64_t i = past->step + 1; i <= step && i <= past->step + PT_NODE_PAST_STEPS; i++) {
        past->sums[place_of(i)] = 0;
        past->troubles[place_of(i)] = 0;
    }
    past->step = step;
}

void pt_node_past_note(struct pt_node_past *past, uint64_t step, double bytes_per_second,
                       size_t stalled)
{
    begin_step(past, step);
    uint8_t *troubles = &past->troubles[place_of(past->step)];
    unsigned most = stalled < MOST_TROUBLES ? (unsigned)stalled : MOST_TROUBLES;
    past->newest += bytes_per_second;
    if (most > *troubles >> 4)
        *troubles = (uint8_t)((most << 4) | (*troubles & MOST_TROUBLES));
}

void pt_node_past_note_failed(struct pt_node_past *past, uint64_t step)
{
    begin_step(past, step);
    uint8_t *troubles = &past->troubles[place_of(past->step)];
    if ((*troubles & MOST_TROUBLES) < MOST_TROUBLES)
        ++*troubles;
}

struct pt_node_past_step pt_node_past_step_at(const struct pt_node_past *past, uint64_t step)
{
    if (step > past->step || past->step - step >= PT_NODE_PAST_STEPS)
        return (struct pt_node_past_step){0};
    uint8_t troubles = past->troubles[place_of(step)];
    return (struct pt_node_past_step){
        .bytes_per_second = step == past->step ? past->newest : unpack(past->sums[place_of(step)]),
        .stalled = troubles >> 4,
        .failed = troubles & MOST_TROUBLES,
    };
}

bool pt_node_past_is_over(const struct pt_node_past *past, uint64_t newest_step)
{
    return newest_step >= past->step + PT_NODE_PAST_STEPS;
}
