// SPDX-License-Identifier: Apache-2.0
#include "latency.h"

#include <math.h>

#define GROWTH 1.01

void latency_add(struct latency *latency, double us)
{
    int bucket = us > 1 ? (int)(log(us) / log(GROWTH)) : 0;
    latency->buckets[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
    latency->count++;
    if (us > latency->largest_us)
        latency->largest_us = us;
}

double latency_quantile_ms(const struct latency *latency, double share)
{
    uint64_t seen = 0;
    for (int i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (latency->count && (double)seen >= share * (double)latency->count)
            return pow(GROWTH, i + 0.5) / 1000;
    }
    return 0;
}
