// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_LIFE_H
#define PT_SERVER_STORE_PULL_LIFE_H

#include "server/store/pull_store_internal.h"

// A pull's way through the store: queued or active, given up or final, gone; with all that counts
// it. Only this writes stored->life. Used by the store's own files only.

// What an id is made of, besides the node: a key, and a salt that makes it differ from that of an
// earlier pull under the same one.
struct pt_id_source {
    const char *key;
    int64_t salt;
    const char *id; // that another server has chosen, PT_PULL_ID_LENGTH characters; NULL: none has
};

// Adds an empty pull of the node under a copy of the key to the active ones. A legacy pull that is
// still there goes on instead. -E2BIG at the node's limit, -EDQUOT at the store's, -ENOMEM.
PT_MUST_CHECK int pt_life_begin(struct pt_pull_store *store, struct pt_node *node, const char *key,
                                const struct pt_id_source *source,
                                struct pt_stored_pull **ret_stored);

// It moved at `now` (monotonic_ns).
void pt_life_keep_alive(struct pt_pull_store *store, struct pt_stored_pull *stored, int64_t now);

// Its agent names it, as far as is known: in the node's last report, or in the one before if that
// is still being applied.
bool pt_life_is_named(const struct pt_stored_pull *stored);

// Counts it, or counts it no more, among those whose last attempt has failed and that pods wait
// for: after a change of who waits.
void pt_life_count_failing(struct pt_pull_store *store, struct pt_stored_pull *stored);

// Its phase has become a final one: it leaves the active ones, and its end becomes an event.
void pt_life_end(struct pt_pull_store *store, struct pt_stored_pull *stored);

// It has not been heard of or has not moved for too long: it has failed, with the reason.
void pt_life_give_up(struct pt_pull_store *store, struct pt_stored_pull *stored);

// A pull that was given up moves again. -ENOMEM leaves it as it is.
PT_MUST_CHECK int pt_life_revive(struct pt_pull_store *store, struct pt_stored_pull *stored);

// Another attempt begins in the row of this one, under a key that the row then owns.
void pt_life_restart(struct pt_pull_store *store, struct pt_stored_pull *stored, char *key);

// The same of a row that has completed by the kubelet's word alone: it is its agent's from now on,
// and its end, when that comes, is neither counted nor sent as an end once more.
void pt_life_fill_in(struct pt_pull_store *store, struct pt_stored_pull *stored, char *key);

// Gives a row that no agent reports another phase, and a version.
void pt_life_set_phase(struct pt_pull_store *store, struct pt_stored_pull *stored,
                       enum pt_pull_phase phase);

// Lets a pull go.
void pt_life_remove(struct pt_pull_store *store, struct pt_stored_pull *stored);

// Counts that a pull has completed or an attempt has failed, and sends the event.
void pt_life_report_end(struct pt_pull_store *store, const struct pt_stored_pull *stored);

// The pull's names, digests or end are news for whoever knows more of it.
void pt_life_report_named(struct pt_pull_store *store, const struct pt_stored_pull *stored);

#endif
