// SPDX-License-Identifier: Apache-2.0
#ifndef PT_CONTAINERD_PLACES_H
#define PT_CONTAINERD_PLACES_H

#include <stddef.h>

// Where distributions of Kubernetes have containerd's socket.
struct pt_place {
    const char *path;
    const char *whose;
};

// In the order of preference: where a distribution brings a containerd of its own, the usual one
// may be Docker's. Behind them the same below /host, where a container may have the node's files.
#define PT_PLACE_COUNT 8
extern const struct pt_place pt_places[PT_PLACE_COUNT];

// The directories of all of them, comma-separated.
extern const char pt_places_directories[];

#endif
