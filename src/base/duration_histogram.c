// SPDX-License-Identifier: Apache-2.0
#include "base/duration_histogram.h"

#include <math.h>

#define SMALLEST_SECONDS 0.01
#define GROWTH 1.09

static size_t bucket_of(double seconds)
{
    if (!(seconds > SMALLEST_SECONDS))
        return 0;
    double bucket = log(seconds / SMALLEST_SECONDS) / log(GROWTH);
    return bucket < PT_DURATION_BUCKETS - 1 ? (size_t)bucket : PT_DURATION_BUCKETS - 1;
}

void pt_duration_histogram_add(struct pt_duration_histogram *histogram, double seconds)
{
    histogram->counts[bucket_of(seconds)]++;
    histogram->count++;
}

void pt_duration_histogram_remove(struct pt_duration_histogram *histogram, double seconds)
{
    histogram->counts[bucket_of(seconds)]--;
    histogram->count--;
}

double pt_duration_histogram_quantile(const struct pt_duration_histogram *histogram, double share)
{
    if (histogram->count == 0)
        return -1;
    double wanted = share * (double)histogram->count;
    double seen = 0;
    size_t bucket = 0;
    for (; bucket < PT_DURATION_BUCKETS - 1; bucket++) {
        seen += histogram->counts[bucket];
        if (seen >= wanted && seen > 0)
            break;
    }
    return SMALLEST_SECONDS * pow(GROWTH, (double)bucket + 0.5);
}
