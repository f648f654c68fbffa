// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_APPLY_H
#define PT_SERVER_SHARE_SHARE_APPLY_H

#include "server/share/share_entry.h"

struct pt_clock;
struct pt_loop;
struct pt_pull_store;

// Applies the log's entries to the store, one after the other, each in steps, as many as a turn of
// the loop has time for.
struct pt_share_apply;
struct pt_report;

// How an entry ended: 0, or -errno with words. The report lives for the call; NULL: it was none.
typedef void pt_share_applied_fn(void *context, const struct pt_report *report, int result,
                                 const struct pt_error *err);

// Loop, clock and store outlive it. NULL when out of memory.
struct pt_share_apply *pt_share_apply_create(struct pt_loop *loop, const struct pt_clock *clock,
                                             struct pt_pull_store *store,
                                             pt_share_applied_fn *on_applied, void *context);
void pt_share_apply_destroy(struct pt_share_apply *apply);

// Begins with an entry, whose texts live until on_applied; that may be called within. `age_ms`:
// since it was received. None is being applied.
void pt_share_apply_begin(struct pt_share_apply *apply, const struct pt_share_entry *entry,
                          int64_t age_ms);

#endif
