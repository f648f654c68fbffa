// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_HISTOGRAM_H
#define PT_BASE_HISTOGRAM_H

#include <stdint.h>

#define PT_HISTOGRAM_BOUNDS 10

extern const double pt_histogram_bounds[PT_HISTOGRAM_BOUNDS]; // in seconds

// Durations as Prometheus counts them: those at or below each bound, then the rest. All zero is an
// empty one.
struct pt_histogram {
    uint64_t counts[PT_HISTOGRAM_BOUNDS + 1];
    double sum;
};

// A negative duration is not known, and does not count.
void pt_histogram_add(struct pt_histogram *histogram, double seconds);

// Counts all that `other` has counted.
void pt_histogram_merge(struct pt_histogram *histogram, const struct pt_histogram *other);

#endif
