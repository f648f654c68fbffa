// SPDX-License-Identifier: Apache-2.0
#ifndef PT_CONTAINERD_SNAPSHOTTERS_H
#define PT_CONTAINERD_SNAPSHOTTERS_H

#include <stdbool.h>

#define PT_DEFAULT_SNAPSHOTTER "overlayfs" // containerd's

// What is known of a snapshotter by its name alone.
struct pt_snapshotter {
    const char *name;
    bool is_own;      // comes with containerd: none of them works for longer than it copies a layer
    bool copies;      // what is below a layer, before that is extracted
    bool has_cache;   // of layers, from which it commits them with events
    bool only_mounts; // what containerd does not fetch
};

// Of a name that is not known all is false.
const struct pt_snapshotter *pt_snapshotter_of(const char *name);

#endif
