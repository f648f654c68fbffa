// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_OBSERVATION_JSON_H
#define PT_TESTS_OBSERVATION_JSON_H

#include "agent/track/observation.h"
#include "agent/track/track.h"

#include <stdio.h>
#include <yyjson.h>

// Observations and events of a real containerd as lines of JSON, so that the tracker's tests can
// play them again. Members that are 0, false or NULL are left out.

int observation_write(FILE *out, const struct pt_observation *observation);
int event_write(FILE *out, const struct pt_seen_event *event);

// One line, read back: either an observation or an event. Everything points into `doc`.
struct played_line {
    yyjson_doc *doc;
    bool is_event;
    struct pt_seen_event event;
    struct pt_observation observation;
    struct pt_seen_lease *leases;
    struct pt_seen_image *images;
};

// -1 at the end of the file; a line that is not understood ends the program. Free it with
// played_line_finish.
int played_line_read(FILE *in, struct played_line *line);
void played_line_finish(struct played_line *line);

#endif
