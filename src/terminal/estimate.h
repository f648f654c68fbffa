// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TERMINAL_ESTIMATE_H
#define PT_TERMINAL_ESTIMATE_H

#include "pull/event.h"

// What is left of a pull by what it has shown itself. Negative: not known.
struct pt_estimate {
    double fetched_seconds; // until all layers are there
    double ready_seconds;   // until they are extracted too; not known before a layer was
};

struct pt_estimate pt_estimate_pull(const struct pt_pull_status *status);

#endif
