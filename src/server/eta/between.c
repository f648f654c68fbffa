// SPDX-License-Identifier: Apache-2.0

// Where all places are taken, each end of a download is the begin of another one: that which begins
// next behind the first ones, in the order in which they are seen, began at the first end. Two that
// are seen the other way round than they began exchange their begins, and the sum stays.

#include "server/eta/between.h"

#include "base/clock.h"
#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>

#define LONGEST_S 5 // what is longer is a stall

static int compare_times(const void *a, const void *b)
{
    const int64_t *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

static int compare_seen(const void *a, const void *b)
{
    const struct pt_seen_download *one = a, *other = b;
    return compare_times(&one->seen_at, &other->seen_at);
}

static double within_bounds(double seconds)
{
    return seconds > LONGEST_S ? LONGEST_S : seconds < -LONGEST_S ? -LONGEST_S : seconds;
}

double pt_seconds_between(struct pt_seen_download *downloads, size_t count, size_t slots,
                          double expected)
{
    int64_t ends[PT_LIMIT_LAYERS_PER_PULL];
    size_t end_count = 0, known = 1;
    double sum = expected;
    assert(count <= PT_LIMIT_LAYERS_PER_PULL && slots > 0);
    for (size_t i = 0; i < count; i++) {
        if (downloads[i].ended_at)
            ends[end_count++] = downloads[i].ended_at;
    }
    if (end_count == 0)
        return expected > 0 ? expected : 0;
    qsort(ends, end_count, sizeof(ends[0]), compare_times);
    qsort(downloads, count, sizeof(downloads[0]), compare_seen);
    for (size_t i = slots; i < count && i - slots < end_count; i++) {
        if (!downloads[i].ended_at || downloads[i].seconds <= 0)
            continue;
        double taken = (double)(downloads[i].ended_at - ends[i - slots]) / (double)PT_NS_PER_S;
        sum += within_bounds(taken - downloads[i].seconds);
        known++;
    }
    return sum > 0 ? sum / (double)known : 0;
}
