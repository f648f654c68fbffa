// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_REPORT_PULLS_H
#define PT_AGENT_REPORT_PULLS_H

#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pt_buffer;
struct pt_tracker;

// Which of a tracker's pulls each report holds, so that all come to the server though one report
// has no room for all of them, and one that the server refuses holds none of the others up.
struct pt_report_pulls {
    struct pt_tracker *tracker; // borrowed, as is the text
    const char *url;            // for the log
    size_t most;                // in one report; fewer after one was refused
    size_t next_active;         // where the next report begins if not all active pulls fit
    // Of the last report:
    size_t first_active;                   // where it began
    size_t count;                          // of its pulls
    uint64_t finished;                     // the newest finished pull in it; 0: none
    char id[PT_LIMIT_NAME_BYTES + 1];      // of its last pull
    char suspect[PT_LIMIT_NAME_BYTES + 1]; // was refused when it was alone; "": none
};

void pt_report_pulls_init(struct pt_report_pulls *pulls, struct pt_tracker *tracker,
                          const char *url);

// Adds pulls to the report that is open in `out`: the finished ones first, the oldest of them
// first, then active ones from where the last report stopped. What does not fit comes with the next
// one; a pull that would be too large alone is dropped from all reports, which is logged. -ENOMEM.
PT_MUST_CHECK int pt_report_pulls_add(struct pt_report_pulls *pulls, struct pt_buffer *out);

// The server has taken that report: its finished pulls are forgotten, and reports grow again.
// Returns whether a pull was dropped, since the server takes reports without it only.
bool pt_report_pulls_note_taken(struct pt_report_pulls *pulls);

// The server has refused it as invalid or too large. Half as many pulls go with the next one, down
// to one. If that one is refused again, a report without any shows whose fault it is: when that is
// taken the pull is dropped, when not the pulls stay.
void pt_report_pulls_note_refused(struct pt_report_pulls *pulls);

#endif
