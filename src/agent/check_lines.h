// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_CHECK_LINES_H
#define PT_AGENT_CHECK_LINES_H

#include <stdio.h>

// The lines that --check prints: a mark, what was looked at, and what was found.
struct pt_check_lines {
    FILE *out;
    unsigned faults; // that were printed
};

// What others have said is written without anything that a terminal obeys.
void pt_check_line(struct pt_check_lines *lines, const char *mark, const char *what,
                   const char *found);
void pt_check_well(struct pt_check_lines *lines, const char *what, const char *found);

// Also counts it; `advice` is our own text.
void pt_check_fault(struct pt_check_lines *lines, const char *what, const char *found,
                    const char *advice);

#endif
