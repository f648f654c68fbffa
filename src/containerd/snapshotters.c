// SPDX-License-Identifier: Apache-2.0
#include "containerd/snapshotters.h"

#include <stddef.h>
#include <string.h>

static const struct pt_snapshotter known[] = {
    {.name = PT_DEFAULT_SNAPSHOTTER, .is_own = true},
    {.name = "native", .is_own = true, .copies = true},
    {.name = "erofs", .is_own = true, .has_cache = true},
    {.name = "btrfs", .is_own = true},
    {.name = "zfs", .is_own = true},
    {.name = "devmapper", .is_own = true},
    {.name = "blockfile", .is_own = true},
    {.name = "windows", .is_own = true},
    {.name = "gcfs", .only_mounts = true}, // closed: GKE's image streaming
};

const struct pt_snapshotter *pt_snapshotter_of(const char *name)
{
    static const struct pt_snapshotter unknown = {.name = ""};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    }
    return &unknown;
}
