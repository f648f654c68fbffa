// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_TIMER_H
#define PT_BASE_TIMER_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;

// Calls back after a delay in milliseconds, on the event loop. The clock decides whether the delay
// is over. A test turns its clock's hands and then calls pt_timer_run_due, and needs no loop to
// run.
struct pt_timer;

// The clock outlives the timer, which is not started yet. NULL when out of memory.
struct pt_timer *pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                 void (*on_due)(void *context), void *context);

// Also from within on_due, which is not called any more. NULL is allowed.
void pt_timer_destroy(struct pt_timer *timer);

// Calls on_due once, when the delay is over; what was started before is forgotten. With a delay of
// 0 (or less) the loop looks at its sockets before. When memory runs out the timer is early, not
// lost.
void pt_timer_start(struct pt_timer *timer, int64_t delay_ms);

// The same again and again, the first time after one period. Periods that were missed are left out.
void pt_timer_start_every(struct pt_timer *timer, int64_t period_ms);

// Calls on_due in this turn of the loop, behind the events that it has at hand.
void pt_timer_start_now(struct pt_timer *timer);

void pt_timer_stop(struct pt_timer *timer);

bool pt_timer_is_started(const struct pt_timer *timer);

// Calls on_due if the timer is started and its clock says that it is time.
void pt_timer_run_due(struct pt_timer *timer);

#endif
