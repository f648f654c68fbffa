// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_DURATION_HISTOGRAM_H
#define PT_BASE_DURATION_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define PT_DURATION_BUCKETS 192

// Durations that come and go, for quantiles within 5 %: from 10 ms to a day. All zero is an empty
// one.
struct pt_duration_histogram {
    uint32_t counts[PT_DURATION_BUCKETS];
    size_t count;
};

void pt_duration_histogram_add(struct pt_duration_histogram *histogram, double seconds);

// Takes back one that was added.
void pt_duration_histogram_remove(struct pt_duration_histogram *histogram, double seconds);

// The duration below which `share` (0 to 1) of all lie; negative when there is none.
double pt_duration_histogram_quantile(const struct pt_duration_histogram *histogram, double share);

#endif
