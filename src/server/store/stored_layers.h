// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_STORED_LAYERS_H
#define PT_SERVER_STORE_STORED_LAYERS_H

#include "base/error.h"
#include "server/store/stored_pull.h"

// A stored pull's layers, their versions and their text stand in one block, which is made anew when
// the set of layers changes. Used by stored_pull.c only.

// The pull has the reported layers, in their order, and their tracks.
bool pt_stored_layers_match(const struct pt_stored_pull *stored, const struct pt_pull *reported);

// Makes the block anew for the reported layers; what was known of one of them stays. -ENOMEM leaves
// the pull as it is.
PT_MUST_CHECK int pt_stored_layers_replace(struct pt_stored_pull *stored,
                                           const struct pt_pull *reported);

#endif
