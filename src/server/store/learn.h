// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_LEARN_H
#define PT_SERVER_STORE_LEARN_H

#include "server/store/pull_store_internal.h"

// Notes what a pull that has completed shows of its registry (speed of one layer, pause between two
// layers), of its node (layers at once, speed of extraction, time from the last extraction to the
// end) and of all nodes: the estimates of later pulls stand on it. Nothing is learned from a pull
// that no agent has reported, or whose tracks have been let go. Used by the store's own files only.
void pt_learn_from_pull(struct pt_pull_store *store, struct pt_stored_pull *stored);

#endif
