// SPDX-License-Identifier: Apache-2.0
#include "base/step_rate.h"

#include "base/clock.h"

#define WINDOW_NS (4 * PT_NS_PER_S)
#define SHORTEST_S 0.5 // less says how often one looks, not how fast it is
#define LEAST_PATIENCE_NS (5 * PT_NS_PER_S)
#define MOST_PATIENCE_NS (60 * PT_NS_PER_S)
#define PATIENCE_STEPS 3

int64_t pt_step_patience_ns(int64_t usual_ns)
{
    if (usual_ns > MOST_PATIENCE_NS / PATIENCE_STEPS)
        return MOST_PATIENCE_NS;
    int64_t patience_ns = PATIENCE_STEPS * usual_ns;
    return patience_ns > LEAST_PATIENCE_NS ? patience_ns : LEAST_PATIENCE_NS;
}

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
    if (waited > seconds * (bytes + PT_STEP_BYTES) / bytes)
        return (struct pt_step_span){bytes + PT_STEP_BYTES, waited};
    return (struct pt_step_span){bytes, seconds};
}

bool pt_step_rate_is_between(const struct pt_step_rate *rate, int64_t still_ns)
{
    struct pt_step_span span = pt_step_rate_span(rate, rate->newest.at);
    if (span.bytes <= 0)
        return false;
    double usual_ns = span.seconds / span.bytes * PT_STEP_BYTES * (double)PT_NS_PER_S;
    return still_ns < pt_step_patience_ns(usual_ns < (double)MOST_PATIENCE_NS ? (int64_t)usual_ns
                                                                              : MOST_PATIENCE_NS);
}

double pt_step_rate_unseen(double bytes)
{
    return bytes < PT_STEP_BYTES ? bytes : PT_STEP_BYTES;
}

double pt_step_rate_bytes(const struct pt_step_rate *rate, int64_t now, double bytes_per_second)
{
    double waited =
        rate->newest.at && now > rate->newest.at ? seconds_between(rate->newest.at, now) : 0;
    return (double)rate->newest.bytes + pt_step_rate_unseen(bytes_per_second * waited);
}
