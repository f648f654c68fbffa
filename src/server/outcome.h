// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_OUTCOME_H
#define PT_SERVER_OUTCOME_H

#include "server/api/api.h"
#include "server/share/share.h"

// Counts and logs what the store says of pulls. Of several servers one does so for each: who has
// taken the report that brought it about, or else who claims it first.
void pt_outcome_note(struct pt_api *api, enum pt_event_type type,
                     const struct pt_stored_pull *stored);

// What was claimed is this server's; `context` is the struct pt_api.
void pt_outcome_note_won(void *context, const struct pt_share_claim *claim);

#endif
