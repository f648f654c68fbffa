// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_ETA_READY_H
#define PT_SERVER_ETA_READY_H

#include <stdbool.h>
#include <stddef.h>

// Plays out what a pull still has to do: layers are downloaded some at a time, the others wait for
// their turn; a layer is extracted when it and all below are there. O(layers × log layers).

// A layer that is not extracted yet. The lowest one comes first.
struct pt_ready_layer {
    double bytes; // still to be downloaded
    double bytes_per_second;
    double extract_seconds;
    bool is_downloading; // it has its turn; else it waits, if it has bytes to be downloaded
};

struct pt_ready_means {
    size_t slots;            // layers downloaded at once, at least 1
    double bytes_per_second; // of all together, at most; 0: as each can
    bool extracts_in_parallel;
    const size_t *queue; // the layers that wait, in the order in which they begin
    size_t queue_length;
};

struct pt_ready_time {
    double downloaded_s; // from now until all bytes are there
    double extracted_s;  // from now until all is extracted
};

// At most PT_LIMIT_LAYERS_PER_PULL layers.
struct pt_ready_time pt_ready_play(const struct pt_ready_layer *layers, size_t count,
                                   const struct pt_ready_means *means);

#endif
