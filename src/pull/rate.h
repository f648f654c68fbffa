// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_RATE_H
#define PT_PULL_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define PT_RATE_SAMPLES 8

// Bytes per second over the last seconds, from samples that carry the time at which they were
// taken, so that a late delivery does not bend it. Embedded by value; all zero is an empty one.
struct pt_rate {
    struct pt_rate_sample {
        int64_t taken_at; // wall_ns of the node
        int64_t bytes;
    } samples[PT_RATE_SAMPLES];
    uint8_t count;
    uint8_t newest;
    bool is_amid; // it began in the middle of a download, of which nothing has come since
    double bytes_per_second; // as of the newest sample
};

// Adds a sample. One that is not newer than the newest by a millisecond is dropped, unless the
// clock went back by more than the window: then the ring starts anew. Bytes that went back start it
// anew as well.
void pt_rate_add(struct pt_rate *rate, int64_t taken_at, int64_t bytes);

// The same, of a download that may have begun before its first sample. Bytes come in steps: the
// next one is then the first of which it is known when it came, and the speed is measured from it.
void pt_rate_add_since(struct pt_rate *rate, int64_t began_at, int64_t taken_at, int64_t bytes);

#endif
