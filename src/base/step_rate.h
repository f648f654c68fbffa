// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_STEP_RATE_H
#define PT_BASE_STEP_RATE_H

#include <stdbool.h>
#include <stdint.h>

// How much is written to a file at once, so that nothing is seen of less.
#define PT_STEP_BYTES (1024 * 1024)

// How long no byte may come before that is a stall, where a step takes so long as a rule (0: not
// known): 5 s, and for steps three times that, a minute at most.
int64_t pt_step_patience_ns(int64_t usual_ns);

// The speed of bytes that come in steps, as those do that are written to a file a mebibyte at a
// time: it is measured from step to step, so that it does not depend on when one looks. Embedded by
// value; all zero is an empty one. Times are nanoseconds of one clock.
struct pt_step_rate {
    struct pt_step {
        int64_t at; // 0: none
        int64_t bytes;
    } first, middle, newest; // the first one is 4 to 8 s back, if there are so many
};

// What came in some seconds; both 0: not known yet.
struct pt_step_span {
    double bytes;
    double seconds;
};

// Adds what there is at a time; as many bytes as before, or none, are no step. What goes back
// begins anew.
void pt_step_rate_add(struct pt_step_rate *rate, int64_t at, int64_t bytes);

// From the first step to the newest; up to now, and a step more, when the next one is overdue.
struct pt_step_span pt_step_rate_span(const struct pt_step_rate *rate, int64_t now);

// Whether it is between two steps, after so long without one, or has stalled; false: no step yet.
bool pt_step_rate_is_between(const struct pt_step_rate *rate, int64_t still_ns);

// What there is at `now` at that many bytes a second: the newest step, and at most one more.
double pt_step_rate_bytes(const struct pt_step_rate *rate, int64_t now, double bytes_per_second);

// How much of what has come since a begin is not to be seen, as no step is complete.
double pt_step_rate_unseen(double bytes);

#endif
