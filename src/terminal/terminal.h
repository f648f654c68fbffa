// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TERMINAL_TERMINAL_H
#define PT_TERMINAL_TERMINAL_H

#include "agent/track/track.h"
#include "base/error.h"

// What `--watch` shows: on a terminal live bars, one line a pull and its layers where there is
// room; elsewhere plain lines.
struct pt_terminal;

// Writes to the descriptor, which is borrowed. Never waits for a terminal that is stopped or a pipe
// that nobody reads: frames are left out, and what is to stay comes when it goes on.
PT_MUST_CHECK int pt_terminal_create(int fd, struct pt_terminal **ret_terminal,
                                     struct pt_error *err);

// Leaves on the screen what was drawn last, as far as it is taken at once.
void pt_terminal_destroy(struct pt_terminal *terminal);

// A pull has begun or ended; the latter stays on the screen as a line.
void pt_terminal_tell(struct pt_terminal *terminal, enum pt_track_change change,
                      const struct pt_pull *pull);

// Why there is nothing to see, NULL: all is well.
void pt_terminal_set_trouble(struct pt_terminal *terminal, const char *trouble);

// Draws the active pulls anew. `now` is wall_ns.
void pt_terminal_draw(struct pt_terminal *terminal, const struct pt_tracker *tracker, int64_t now);

#endif
