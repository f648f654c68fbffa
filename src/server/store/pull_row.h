// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_ROW_H
#define PT_SERVER_STORE_PULL_ROW_H

#include "base/limits.h"
#include "server/store/pull_store_internal.h"

// Which row of its node a reported pull has, or gets. Used by the store's own files only.

#define PT_PULL_ROW_KEY_SIZE (PT_LIMIT_REFERENCE_BYTES + 2)

// Writes the key of a reported pull and finds the row under it; NULL: there is none. A row whose
// own key is another was that of an earlier attempt.
struct pt_stored_pull *pt_pull_row_find(const struct pt_node *node, const struct pt_pull *reported,
                                        bool merged, char key[static PT_PULL_ROW_KEY_SIZE]);

// Begins a row for a pull that has none, or goes on in one that stands for its image. `row_id`: as
// another server has chosen; NULL: none has. As pt_life_begin.
PT_MUST_CHECK int pt_pull_row_begin(struct pt_pull_store *store, struct pt_node *node,
                                    const char *key, const struct pt_pull *reported,
                                    const char *row_id, struct pt_stored_pull **ret_stored);

// --- ids of rows as several servers have them ---

// Who takes a report chooses those of its pulls, by what it knows of Kubernetes; the others follow.

// The id in a replay of the report's pull with that index; NULL: it has none.
const char *pt_row_id_at(const struct pt_replay *replay, const struct pt_report *report,
                         size_t index);

// Of a report that came late: whether the row that another server gave the pull has gone on since,
// or has completed, so that the pull is an earlier attempt and shows in no row of its own. `row_id`
// may be NULL.
bool pt_row_has_gone_on(const struct pt_pull_store *store, const struct pt_node *node,
                        const char *row_id, const struct pt_pull *reported);

// The taker shows no row for the pull: it holds it back, or another one stands for it.
bool pt_row_id_is_none(const char *id);

// Gives a row that id; the row that had it gets the other's. If none had it, a cancelled row keeps
// the other, so that readers show nothing under it any more.
void pt_row_set_id(struct pt_pull_store *store, struct pt_stored_pull *stored, const char *id);

// Two rows get each other's id.
void pt_row_exchange_ids(struct pt_pull_store *store, struct pt_stored_pull *a,
                         struct pt_stored_pull *b);

#endif
