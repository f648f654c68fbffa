// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_MEMORY_BUDGET_H
#define PT_SERVER_MEMORY_BUDGET_H

#include "base/memory_share.h"

#include <stddef.h>

// What may be used in all, and how it is divided. What is left over is for code, stacks and what an
// allocator loses between blocks.
enum pt_memory_part {
    PT_MEMORY_STORE,       // pulls that are kept
    PT_MEMORY_CONNECTIONS, // with the bodies of reports that are on their way
    PT_MEMORY_STREAMS,     // what readers of events have not taken yet
    PT_MEMORY_ANSWERS,     // that are sent in parts
    PT_MEMORY_PART_COUNT,
};

struct pt_memory_budget {
    int64_t max_bytes;  // PT_MEMORY_WITHOUT_END: none
    const char *source; // of that number, for the log
    struct pt_memory_share shares[PT_MEMORY_PART_COUNT];
};

// Divides `given_bytes`; 0: 80 % of the process's cgroup, or none if that has no limit. Pulls get
// their usual size each, `max_pulls` times, if nothing is given, and never more than their share.
// `root` is the directory that holds proc and sys, "" for the machine's own.
void pt_memory_budget_init(struct pt_memory_budget *budget, int64_t given_bytes, size_t max_pulls,
                           const char *root, const struct pt_clock *clock);

// The lowest limit of the process's cgroup and those above it, versions 1 and 2
// (https://docs.kernel.org/admin-guide/cgroup-v2.html#memory); PT_MEMORY_WITHOUT_END: there is
// none.
int64_t pt_cgroup_memory_limit(const char *root);

#endif
