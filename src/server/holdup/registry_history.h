// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HOLDUP_REGISTRY_HISTORY_H
#define PT_SERVER_HOLDUP_REGISTRY_HISTORY_H

#include "base/clock.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the registries have done in the last half hour, in steps. A registry keeps its place as long
// as one of its steps says something; what finds no place is summed up in the last one, `other`.

#define PT_REGISTRY_STEPS 60
#define PT_REGISTRY_STEP_NS (30 * PT_NS_PER_S)

struct pt_registry_step {
    double bytes_per_second; // sum over its looks
    uint32_t stalled;        // the most at once
    uint32_t failed;         // attempts
};

struct pt_registry_history {
    int64_t step_began_at;             // monotonic_ns
    uint64_t step;                     // number of the step under way, from 0 on
    uint32_t looks[PT_REGISTRY_STEPS]; // at all registries, of each step
    struct pt_registry_left_out {
        uint64_t name;    // hash
        uint64_t used_at; // step in which it was met last
    } left_out[PT_LIMIT_REGISTRIES_LEFT_OUT];
    size_t count; // of rows that have been in use
    struct pt_registry_past {
        char name[PT_LIMIT_NAME_BYTES + 1]; // its host; empty: the row is free
        struct pt_registry_step steps[PT_REGISTRY_STEPS];
        uint64_t used_at; // step in which it was met last
    } rows[PT_LIMIT_REGISTRIES];
};

void pt_registry_history_init(struct pt_registry_history *history, int64_t now_ns);

// The index of the row of `host/path`'s host; < 0: the repository names none.
int pt_registry_history_find(struct pt_registry_history *history, const char *repository);

// Notes what a registry does now, in a look that pt_registry_history_end_look ends.
void pt_registry_history_note(struct pt_registry_history *history, size_t index,
                              double bytes_per_second, size_t stalled);
void pt_registry_history_note_failed(struct pt_registry_history *history, size_t index);

// A look at all registries is over; begins the next step when it is time.
void pt_registry_history_end_look(struct pt_registry_history *history, int64_t now_ns);

// Registries that found no place of their own in the steps that are kept; at most
// PT_LIMIT_REGISTRIES_LEFT_OUT are counted.
size_t pt_registry_history_left_out(const struct pt_registry_history *history);

// Steps that are known, the one under way included.
size_t pt_registry_history_steps(const struct pt_registry_history *history);

// The mean of a step; `ago` 0 is the one under way.
struct pt_registry_step pt_registry_history_step(const struct pt_registry_history *history,
                                                 size_t index, size_t ago);

#endif
