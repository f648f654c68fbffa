// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_FIGURES_REGISTRIES_H
#define PT_SERVER_FIGURES_REGISTRIES_H

#include "base/clock.h"
#include "base/histogram.h"
#include "base/limits.h"
#include "pull/failure_class.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PT_NAMED_REGISTRIES 20 // as many have figures of their own, the others share "other"
#define PT_REGISTRY_IDLE_NS (600 * PT_NS_PER_S) // after which a name may give way to another

// What came from each registry. All zero is an empty one.
struct pt_registries {
    struct pt_registry {
        char name[PT_LIMIT_NAME_BYTES + 1];
        uint64_t bytes;    // a layer that several pulls of a node wait for counts once
        int64_t active_ns; // monotonic, when it was last looked for
        uint64_t completed;
        uint64_t failed[PT_FAILURE_CLASS_COUNT];            // attempts, by class
        struct pt_histogram pull_seconds, download_seconds; // of pulls that completed
        // Of the fastest layer of its last pulls; 0: unknown.
        double connection_bytes_per_second;
        double seconds_between;      // from one layer to the next in its place, in its last pulls
    } rows[PT_NAMED_REGISTRIES + 1]; // the last one is "other"
    size_t named_count;
};

// Of a repository without a port: whether its registry may be one with a port. Then others of that
// host are known, or the host is none that is asked at the usual one.
bool pt_registries_may_have_port(const struct pt_registries *registries, const char *repository);

// The row of `host/path`'s host, borrowed; NULL when the repository is not known. Where all names
// are taken, the one that nobody has looked for in ten minutes, and for longest, gives way: what it
// has counted, bytes, pulls, failures and durations, goes to "other". So names that are only made
// up keep no real one out for good, nor push out one that is in use.
struct pt_registry *pt_registries_find(struct pt_registries *registries, const char *repository,
                                       int64_t now_ns);

#endif
