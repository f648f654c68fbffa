// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TERMINAL_TERMINAL_H
#define PT_TERMINAL_TERMINAL_H

#include "base/error.h"
#include "pull/event.h"

#include <stddef.h>
#include <stdint.h>

// Draws pulls: on a terminal live bars, one line a pull and its layers where there is room;
// elsewhere plain lines. Of a status it shows image_ref, pull, totals and bytes_per_second.
struct pt_terminal;

// Writes to the descriptor, which is borrowed. Never waits for a terminal that is stopped or a pipe
// that nobody reads: frames are left out, and what is to stay comes when it goes on.
PT_MUST_CHECK int pt_terminal_create(int fd, struct pt_terminal **ret_terminal,
                                     struct pt_error *err);

// Leaves on the screen what was drawn last, as far as it is taken at once.
void pt_terminal_destroy(struct pt_terminal *terminal);

// A pull has begun. Plain lines only: a terminal has its bar.
void pt_terminal_note_start(struct pt_terminal *terminal, const struct pt_pull_status *status);

// A pull has completed or failed, as its phase says: that stays on the screen as a line.
void pt_terminal_note_end(struct pt_terminal *terminal, const struct pt_pull_status *status);

// Why there is nothing to see, NULL: all is well.
void pt_terminal_set_trouble(struct pt_terminal *terminal, const char *trouble);

// Draws the active pulls anew, in this order. `now` is wall_ns.
void pt_terminal_draw(struct pt_terminal *terminal, const struct pt_pull_status *active,
                      size_t count, int64_t now);

#endif
