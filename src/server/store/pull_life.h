// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_LIFE_H
#define PT_SERVER_STORE_PULL_LIFE_H

#include "server/store/pull_store.h"

// A pull's way through the store: active, finished, gone, with all that counts it. Used by the
// store's own files only.

void pt_life_activate(struct pt_pull_store *store, struct pt_stored_pull *stored);

// It moved at `now` (monotonic_ns).
void pt_life_keep_alive(struct pt_pull_store *store, struct pt_stored_pull *stored, int64_t now);
void pt_life_count_queued(struct pt_pull_store *store, struct pt_stored_pull *stored,
                          bool is_queued);

// The pull has reached a final phase: it leaves the active ones and is told.
void pt_life_retire(struct pt_pull_store *store, struct pt_stored_pull *stored);

// Takes a final pull out of the finished ones and their statistics.
void pt_life_uncount(struct pt_pull_store *store, struct pt_stored_pull *stored);

// A pull that was given up moves again. -ENOMEM leaves it as it is.
PT_MUST_CHECK int pt_life_revive(struct pt_pull_store *store, struct pt_stored_pull *stored);

// Lets a finished pull go, as soon as nothing pins it.
void pt_life_remove(struct pt_pull_store *store, struct pt_stored_pull *stored);
void pt_life_forget_earlier_key(struct pt_stored_pull *stored);

// Nothing is heard of an active pull any more: it has failed, why is set as far as it is known.
void pt_store_give_up(struct pt_pull_store *store, struct pt_stored_pull *stored);

void pt_life_tell_named(struct pt_pull_store *store, const struct pt_stored_pull *stored);
void pt_life_tell_gone(struct pt_pull_store *store, const struct pt_stored_pull *stored);

#endif
