// SPDX-License-Identifier: Apache-2.0
#include "pull/rate.h"

#include "base/clock.h"
#include "base/limits.h"

// Older samples than this before the newest do not count, so that a download which pauses shows 0
// soon after.
#define WINDOW_NS (5 * PT_NS_PER_S)
// Closer samples are made one, so that the ring spans the window however often they come.
#define SPACING_NS (WINDOW_NS / PT_RATE_SAMPLES)

// What began so long before its first sample was not seen from its beginning.
#define AMID_NS (3 * PT_NS_PER_S)

// What came within less would be a speed of its own.
#define MIN_DISTANCE_NS PT_NS_PER_MS

static void start_anew(struct pt_rate *rate, int64_t taken_at, int64_t bytes)
{
    rate->count = 1;
    rate->newest = 0;
    rate->is_amid = false;
    rate->samples[0] = (struct pt_rate_sample){taken_at, bytes};
    rate->bytes_per_second = 0;
}

static const struct pt_rate_sample *sample_before(const struct pt_rate *rate, int back)
{
    return &rate->samples[(rate->newest + PT_RATE_SAMPLES - back) % PT_RATE_SAMPLES];
}

void pt_rate_add(struct pt_rate *rate, int64_t taken_at, int64_t bytes)
{
    const struct pt_rate_sample *newest = &rate->samples[rate->newest];
    if (rate->count > 0 && taken_at < newest->taken_at + MIN_DISTANCE_NS &&
        taken_at >= newest->taken_at - WINDOW_NS)
        return; // late or doubled
    if (rate->count == 0 || bytes < newest->bytes || taken_at < newest->taken_at) {
        start_anew(rate, taken_at, bytes);
        return;
    }
    if (rate->is_amid && bytes > newest->bytes) {
        start_anew(rate, taken_at, bytes);
        return;
    }
    if (rate->count < 2 || newest->taken_at - sample_before(rate, 1)->taken_at >= SPACING_NS) {
        rate->newest = (uint8_t)((rate->newest + 1) % PT_RATE_SAMPLES);
        if (rate->count < PT_RATE_SAMPLES)
            rate->count++;
    }
    rate->samples[rate->newest] = (struct pt_rate_sample){taken_at, bytes};

    // The oldest sample of the window, or the one before the newest however old it is.
    const struct pt_rate_sample *base = sample_before(rate, 1);
    for (int back = 2; back < rate->count; back++) {
        if (sample_before(rate, back)->taken_at < taken_at - WINDOW_NS)
            break;
        base = sample_before(rate, back);
    }
    double speed =
        (double)(bytes - base->bytes) * (double)PT_NS_PER_S / (double)(taken_at - base->taken_at);
    rate->bytes_per_second =
        speed < PT_LIMIT_BYTES_PER_SECOND ? speed : (double)PT_LIMIT_BYTES_PER_SECOND;
}

void pt_rate_add_since(struct pt_rate *rate, int64_t began_at, int64_t taken_at, int64_t bytes)
{
    bool is_first = rate->count == 0;
    pt_rate_add(rate, taken_at, bytes);
    if (is_first)
        rate->is_amid = bytes > 0 && taken_at - began_at > AMID_NS;
}
