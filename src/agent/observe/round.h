// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_OBSERVE_ROUND_H
#define PT_AGENT_OBSERVE_ROUND_H

#include "agent/track/observation.h"
#include "base/clock.h"
#include "base/error.h"

struct pt_containerd;

// Asks containerd what is being pulled: one round of calls at a time, as few as possible. It
// remembers from one round to the next what has been answered.
struct pt_round;

struct pt_round_options {
    struct pt_containerd *containerd;
    const struct pt_clock *clock;
    const char *namespaces; // a valid list, comma-separated, or "*"; copied
    // The end of a round, one of both, maybe from within pt_round_start already. The observation
    // is borrowed for the call. Neither may start the next round itself.
    void (*on_observation)(void *context, const struct pt_observation *observation);
    void (*on_failure)(void *context, const char *message); // containerd does not answer
    void *context;
};

PT_MUST_CHECK int pt_round_create(const struct pt_round_options *options,
                                  struct pt_round **ret_round, struct pt_error *err);

// The containerd has to be destroyed before, so that no answer comes any more.
void pt_round_destroy(struct pt_round *round);

// Starts a round; does nothing if one is under way.
void pt_round_start(struct pt_round *round);

// Events may have been missed, and another containerd may answer next: the next round asks all
// anew.
void pt_round_begin_anew(struct pt_round *round);

// What an event says of a layer need not be asked for. Notes in it whether it is about a known one.
void pt_round_note_event(struct pt_round *round, struct pt_seen_event *event);

// By an event this image record was written: the next round asks for it. Copies its texts.
void pt_round_note_image(struct pt_round *round, const struct pt_seen_image *image);

#endif
