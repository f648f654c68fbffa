// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_ETA_BETWEEN_H
#define PT_SERVER_ETA_BETWEEN_H

#include <stddef.h>
#include <stdint.h>

// The download of a layer of which something has come. Times are nanoseconds of one clock.
struct pt_seen_download {
    int64_t seen_at;  // when its first bytes were seen
    int64_t ended_at; // when it was there, and another one could begin in its place; 0: not yet
    double seconds;   // that its bytes take at its speed; 0: not known
};

// How many seconds one of the parallel downloads rests between two layers: what has come is stored,
// and the next layer is asked for. By the downloads that have ended, except the `slots` first ones,
// whose begin is not known; `expected` counts as one more. Sorts the downloads, of which there are
// at most PT_LIMIT_LAYERS_PER_PULL.
double pt_seconds_between(struct pt_seen_download *downloads, size_t count, size_t slots,
                          double expected);

#endif
