// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_BENCH_LATENCY_H
#define PT_TESTS_BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS 1600

// Durations in buckets that each are 1 % wider than the one before, from 1 µs on.
struct latency {
    uint64_t buckets[LATENCY_BUCKETS];
    uint64_t count;
    double largest_us;
};

void latency_add(struct latency *latency, double us);
double latency_quantile_ms(const struct latency *latency, double share);

#endif
