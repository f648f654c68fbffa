// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CORRELATE_PULL_JOIN_H
#define PT_SERVER_CORRELATE_PULL_JOIN_H

#include "server/correlate/correlate.h"

// A copy of what correlate knows of a row, in one block that free() frees. NULL when out of memory.
struct pt_join *pt_pull_join_copy(const struct pt_join *join);

// To see whether it has changed.
uint64_t pt_pull_join_hash(const struct pt_join *join);

#endif
