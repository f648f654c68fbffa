// SPDX-License-Identifier: Apache-2.0
#include "base/histogram.h"

#include <stddef.h>

const double pt_histogram_bounds[PT_HISTOGRAM_BOUNDS] = {1,   5,   10,  30,   60,
                                                         120, 300, 600, 1800, 3600};

void pt_histogram_add(struct pt_histogram *histogram, double seconds)
{
    size_t i = 0;
    if (seconds < 0)
        return;
    while (i < PT_HISTOGRAM_BOUNDS && seconds > pt_histogram_bounds[i])
        i++;
    histogram->counts[i]++;
    histogram->sum += seconds;
}

void pt_histogram_merge(struct pt_histogram *histogram, const struct pt_histogram *other)
{
    for (size_t i = 0; i <= PT_HISTOGRAM_BOUNDS; i++)
        histogram->counts[i] += other->counts[i];
    histogram->sum += other->sum;
}
