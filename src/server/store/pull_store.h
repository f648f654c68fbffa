// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_STORE_H
#define PT_SERVER_STORE_PULL_STORE_H

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory_share.h"
#include "pull/event.h"
#include "pull/join.h"
#include "pull/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// All pulls of all nodes, as their agents report them. What changes them is here; what reads them
// is in reader.h. Work for a report is in proportion to that report.
struct pt_pull_store;
struct pt_stored_pull;

struct pt_store_settings {
    size_t max_pulls;
    size_t max_nodes;
    int64_t history_ttl_ns;         // how long finished pulls stay
    int64_t stale_timeout_ns;       // a pull of which nothing is heard for so long is stale
    struct pt_memory_share *memory; // what pulls may take; NULL: as much as there is
};

struct pt_store_output {
    // A pull started, completed or failed; the store has changed already.
    void (*on_event)(void *context, enum pt_event_type type, const struct pt_stored_pull *stored);
    // Readers see something new. Called at the end of each call that changes the store, once.
    void (*on_change)(void *context);
    // A row that only Kubernetes knows has ended (pt_stored_pull_is_ended_row). May be NULL.
    void (*on_row_ended)(void *context, const struct pt_stored_pull *stored);
    void *context;
};

// Who knows more of the pulls than their agents; all may be NULL. A pull is named by its node and
// its key there.
struct pt_store_hooks {
    // A pull that has no row: whether it gets none yet, since the row of an image stands for it, or
    // may do so. `is_older`: it began before this server did.
    bool (*hold_back)(void *context, const char *node_name, const char *key,
                      const struct pt_pull *reported, bool is_older);
    // The row of that node which a new pull continues, and which then is the pull's.
    void (*take_over_row)(void *context, const char *node_name, const struct pt_pull *reported,
                          struct pt_row_taken *ret_taken);
    // A pull is new, or its names, digests or final phase are.
    void (*on_named)(void *context, const char *node_name, const char *key,
                     const struct pt_pull *pull);
    // A pull leaves the store, or was given up.
    void (*on_gone)(void *context, const char *node_name, const char *key);
    void *context;
};

// NULL when out of memory. The clock and the share of memory outlive the store.
struct pt_pull_store *pt_store_create(const struct pt_store_settings *settings,
                                      const struct pt_clock *clock,
                                      const struct pt_store_output *output);
void pt_store_destroy(struct pt_pull_store *store);

// NULL takes the hooks away.
void pt_store_set_hooks(struct pt_pull_store *store, const struct pt_store_hooks *hooks);

// Applies a report. -EAGAIN: too soon after the node's last (500 ms, or half the interval that it
// says it has, 100 at least); -ENOSPC: a new node at the limit; -EDQUOT: the limit of pulls left
// some of them out, -E2BIG: that of the node; -ENOBUFS: the limit of their memory, -EFBIG: that of
// the node; the rest is applied; -ENOMEM.
PT_MUST_CHECK int pt_store_apply(struct pt_pull_store *store, const struct pt_report *report,
                                 struct pt_error *err);

// The same in steps, for a report with many pulls. Between the steps anything else may change the
// store, but another report of that node is refused with -EAGAIN.
struct pt_application;

// To be ended by pt_store_apply_end. NULL: the node does not admit the report; -EAGAIN, -ENOSPC or
// -ENOMEM stands in `err`. The report stays unchanged until the end.
struct pt_application *pt_store_apply_begin(struct pt_pull_store *store,
                                            const struct pt_report *report, struct pt_error *err);

// Applies some pulls; true: more is left.
bool pt_store_apply_step(struct pt_application *application);

// Ends it with the answer of pt_store_apply. Before the last step the rest is left out.
PT_MUST_CHECK int pt_store_apply_end(struct pt_application *application, struct pt_error *err);

// How often an agent with nothing to report is to do so: less often when a great many do.
int64_t pt_store_heartbeat_ms(const struct pt_pull_store *store);

// A report that another server has taken, or that was taken before this one ran.
struct pt_replay {
    const char *row_ids; // PT_PULL_ID_LENGTH characters a pull; NULL: the store chooses
    size_t row_ids_length;
    int64_t received_ns, received_wall_ns; // monotonic and wall_ns of the clock that all share
    int64_t age_ns;                        // since then
    bool is_past; // holds pulls that have ended, and says nothing of the node
};

// The same as pt_store_apply_begin, but nothing of it is refused that the store has room for, and
// its rows get the ids that their taker chose. -EAGAIN: another report of the node is being
// applied, try again; -ENOSPC, -ENOMEM.
struct pt_application *pt_store_replay_begin(struct pt_pull_store *store,
                                             const struct pt_report *report,
                                             const struct pt_replay *replay, struct pt_error *err);

// Whether the store is applying such a report at this moment, and whether that is of the past.
bool pt_store_is_replaying(const struct pt_pull_store *store);
bool pt_store_is_replaying_past(const struct pt_pull_store *store);

// What registries count of an end that no report has brought about is counted by this, if the
// servers are several: by one of them.
void pt_store_set_shared(struct pt_pull_store *store);
void pt_store_count_end(struct pt_pull_store *store, const struct pt_stored_pull *stored,
                        enum pt_failure_class error_class);

// Whether the servers are several and what becomes of pulls at this moment is brought about by no
// report: all of them see it, and one is to claim it.
bool pt_store_is_to_claim(const struct pt_pull_store *store);

// While it holds still, nothing that was heard through other servers becomes silent or is given up.
void pt_store_hold_still(struct pt_pull_store *store, bool holds);

// The last report of the node counts as received then, by the clock that all servers share.
void pt_store_date_report(struct pt_pull_store *store, const char *node_name,
                          int64_t received_wall_ns);

// Appends the ids of the rows of a report's pulls, as pt_replay has them. -ENOMEM, -EMSGSIZE.
PT_MUST_CHECK int pt_store_write_row_ids(const struct pt_pull_store *store,
                                         const struct pt_report *report, struct pt_buffer *out);

// Applies what correlate concludes for the pull under that key of the node, if it is there.
void pt_store_apply_join(struct pt_pull_store *store, const char *node_name, const char *key,
                         const struct pt_join *join);
// What another server knew of who had waited for a pull that has ended. Where this one knows it by
// itself, or has no such row, nothing happens.
void pt_store_restore_join(struct pt_pull_store *store, const char *id, const struct pt_join *join);

// Applies a row of correlate's own; one that the store has no room for is left out.
void pt_store_apply_row(struct pt_pull_store *store, const struct pt_image_row *row);

// What another server knew of a row that only Kubernetes knows and that has ended, `age_ns` ago. A
// row that this one has under that id, by what it hears itself, stays as it is; one that it has of
// the same story under another id gets that id. -ENOMEM, -ENOSPC; -EDQUOT, -E2BIG, -ENOBUFS and
// -EFBIG as pt_store_apply. `row` has a final phase, and no attempts that are new.
PT_MUST_CHECK int pt_store_restore_row(struct pt_pull_store *store, const char *id,
                                       const struct pt_image_row *row, int64_t age_ns);

// Gives a pull and the row of an image that waits each other's id; out of memory changes nothing.
void pt_store_exchange_rows(struct pt_pull_store *store, const struct pt_row_exchange *exchange);

// Notes what holds a pull up; the text is copied. Readers see a change of kind or pull_id as one of
// the pull, and new figures with its next change.
void pt_store_set_hold_up(struct pt_pull_store *store, struct pt_stored_pull *stored,
                          const struct pt_hold_up *hold_up);

// Lets go what is too old and marks what nothing is heard of. To be called about every second;
// does a bounded part of the work and returns whether more is left.
bool pt_store_sweep(struct pt_pull_store *store);

#endif
