// SPDX-License-Identifier: Apache-2.0
#include "base/step_rate.h"

#include "base/clock.h"

#define STEP_BYTES (1024.0 * 1024)
#define WINDOW_NS (4 * PT_NS_PER_S)
#define SHORTEST_S 0.5 // less says how often one looks, not how fast it is

static double seconds_between(int64_t from, int64_t to)
{
    return (double)(to - from) / (double)PT_NS_PER_S;
}

void pt_step_rate_add(struct pt_step_rate *rate, int64_t at, int64_t bytes)
{
    struct pt_step step = {at, bytes};
    if (bytes <= 0)
        return;
    if (rate->newest.at == 0 || at < rate->newest.at || bytes < rate->newest.bytes) {
        *rate = (struct pt_step_rate){step, step, step};
        return;
    }
    if (bytes == rate->newest.bytes)
        return;
    if (rate->newest.at - rate->middle.at >= WINDOW_NS) {
        rate->first = rate->middle;
        rate->middle = rate->newest;
    }
    rate->newest = step;
}

struct pt_step_span pt_step_rate_span(const struct pt_step_rate *rate, int64_t now)
{
    double bytes = (double)(rate->newest.bytes - rate->first.bytes);
    double seconds = seconds_between(rate->first.at, rate->newest.at);
    if (bytes <= 0 || seconds < SHORTEST_S)
        return (struct pt_step_span){0};
    double waited = seconds_between(rate->first.at, now);
    if (waited > seconds * (bytes + STEP_BYTES) / bytes)
        return (struct pt_step_span){bytes + STEP_BYTES, waited};
    return (struct pt_step_span){bytes, seconds};
}

double pt_step_rate_unseen(double bytes)
{
    return bytes < STEP_BYTES ? bytes : STEP_BYTES;
}

double pt_step_rate_bytes(const struct pt_step_rate *rate, int64_t now, double bytes_per_second)
{
    double waited =
        rate->newest.at && now > rate->newest.at ? seconds_between(rate->newest.at, now) : 0;
    return (double)rate->newest.bytes + pt_step_rate_unseen(bytes_per_second * waited);
}
