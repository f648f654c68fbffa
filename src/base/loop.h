// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_LOOP_H
#define PT_BASE_LOOP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define PT_LOOP_TURN_BOUNDS 8

struct event_base;

// How much CPU time the turns of a loop took; those at or below each bound, then the rest.
struct pt_loop_turns {
    uint64_t counts[PT_LOOP_TURN_BOUNDS + 1];
    double seconds; // of all
};

extern const double pt_loop_turn_bounds[PT_LOOP_TURN_BOUNDS]; // in seconds

// The one event loop of a process, with the signals that end it. SIGPIPE is ignored from
// pt_loop_create on.
struct pt_loop;

PT_MUST_CHECK int pt_loop_create(struct pt_loop **ret_loop, struct pt_error *err);
void pt_loop_destroy(struct pt_loop *loop);

// For events and timers of others; lives as long as the loop.
struct event_base *pt_loop_base(struct pt_loop *loop);

// Rests so long after each turn, less four times what the turn has worked, so that a process
// handles several events at once instead of waking up for each; when turns are long, much gathers
// anyway. The first event after a quiet moment is not held up. 0 (the default): no rest.
void pt_loop_set_pace(struct pt_loop *loop, int pause_us);

// There is more to do at once: the next turn follows this one without a rest.
void pt_loop_skip_rest(struct pt_loop *loop);

// Whether this turn has worked for its share of 3 ms. Who has more to do then leaves it for the
// next one, so that nobody waits for long. Where other programs have the core, that is no work:
// turns cut short would look at all sockets again and again just when there is no time for it.
bool pt_loop_turn_is_over(struct pt_loop *loop);

// This turn begins to work now, unless somebody has asked or said so before.
void pt_loop_note_work(struct pt_loop *loop);

// Ends this turn behind the present callback: the next one follows without a rest, looks at the
// sockets anew and goes on with the events that are left.
void pt_loop_end_turn(struct pt_loop *loop);

// To be called before a descriptor is closed that was waited for by edges (EV_ET) and is no longer.
// The kernel hears of that in the next turn; whoever gets the same number before would be asked by
// edges too, and never again about what it had left in its socket.
void pt_loop_forget_edges(struct pt_loop *loop, int fd);

// CPU time of the calling thread.
int64_t pt_loop_cpu_ns(void);

// The same when the loop last rested, or was about to and had no time left for it: all that had
// followed without a rest was done. 0 before, and without a pace.
int64_t pt_loop_cpu_at_rest_ns(const struct pt_loop *loop);

// Of a loop with a pace; without one nothing is counted.
const struct pt_loop_turns *pt_loop_turns(const struct pt_loop *loop);

// Runs until pt_loop_stop. The first SIGTERM or SIGINT calls on_stop, which begins an orderly end
// and sooner or later calls pt_loop_stop; a second one stops at once.
PT_MUST_CHECK int pt_loop_run(struct pt_loop *loop, void (*on_stop)(void *context), void *context,
                              struct pt_error *err);
void pt_loop_stop(struct pt_loop *loop);

#endif
