// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_ROW_H
#define PT_SERVER_STORE_PULL_ROW_H

#include "base/limits.h"
#include "server/store/pull_store_internal.h"

struct pt_image_row;

// Which row of its node a reported pull has, or gets. Used by the store's own files only.

#define PT_PULL_ROW_KEY_SIZE (PT_LIMIT_REFERENCE_BYTES + 2)
#define PT_ROW_LEFT_BEHIND 'w' // first character of such a row's key, see pt_row_set_id

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

// Two rows get each other's id, which is a change of both.
void pt_row_exchange_ids(struct pt_pull_store *store, struct pt_stored_pull *a,
                         struct pt_stored_pull *b);

// --- rows of images that are one story ---

// Rows that no agent reports each server makes by itself, by what it hears of Kubernetes. One that
// has ended is also in the log that several servers share, and is restored by who starts later.
// What is restored stands under a key of its own, so that it is not taken for what Kubernetes says
// of the image now. Two rows of an image on a node are one story if their times overlap, since
// there is one at a time, or if the second follows a failure soon. Who has a story under two ids
// has started or was stopped in the middle of it: then the log's id stays, of two the smaller one.

// Another server has ended it, and Kubernetes has said nothing of it here.
bool pt_row_is_restored(const struct pt_stored_pull *stored);

bool pt_row_is_of_image(const struct pt_stored_pull *stored, const struct pt_image_row *row);

// The key of a row that is restored.
void pt_row_write_restored_key(const struct pt_image_row *row,
                               char key[static PT_PULL_ROW_KEY_SIZE]);

// The newest row of the image of a row that begins here, if that is restored and the same: this
// server hears late, or nobody has waited for long. NULL: it is another one.
struct pt_stored_pull *pt_row_find_restored(const struct pt_pull_store *store,
                                            const struct pt_image_row *row);

// A row of the same story as one that another server has ended, `age_ns` ago. `known` has the id of
// that one already, or is NULL; then it may be a restored one. NULL: there is none.
struct pt_stored_pull *pt_row_find_story(const struct pt_pull_store *store,
                                         const struct pt_image_row *row,
                                         const struct pt_stored_pull *known, int64_t age_ns);

#endif
