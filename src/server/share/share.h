// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_H
#define PT_SERVER_SHARE_SHARE_H

#include "base/buffer.h"
#include "base/error.h"
#include "server/share/share_claims.h"
#include "server/share/share_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pt_clock;
struct pt_loop;
struct pt_pull_store;
struct pt_report;
struct pt_request;
struct pt_stored_pull;

// Several servers are one by a log of reports in Valkey or Redis: who takes a report applies it and
// appends it with the ids of its rows, and all others apply it in the log's order, under the same
// ids. docs/replicas.md says what that gives, and what is lost when.
struct pt_share;

// Text is borrowed.
struct pt_share_settings {
    const char *url;           // empty: this server is alone
    const char *password_file; // empty: none
    const char *ca_file;       // PEM; empty: the system's
    const char *prefix;        // of the keys
    int64_t max_bytes;         // of the log
    int64_t max_finished, finished_ttl_ns;
};

struct pt_share_output {
    // A report is in the log and applied, or it is not known that it will be. `request` is now to
    // be answered.
    void (*on_taken)(void *context, struct pt_request *request, bool is_in_log, bool has_end);
    // What was claimed is this server's to be counted and logged.
    pt_share_won_fn *on_won;
    void *context;
};

// Begins to connect. -EINVAL: a setting is wrong; else -errno. All that is given outlives it; `run`
// names this process among all.
PT_MUST_CHECK int pt_share_create(struct pt_loop *loop, const struct pt_clock *clock,
                                  struct pt_pull_store *store,
                                  const struct pt_share_settings *settings, const char *run,
                                  const struct pt_share_output *output, struct pt_share **ret_share,
                                  struct pt_error *err);

// The connections are gone: nobody waits any more.
void pt_share_destroy(struct pt_share *share);

// Appends a report that the store has just applied; `json` is what came. `request` (NULL: nobody
// waits) is answered later by on_taken. False: the log cannot be reached, and the request is still
// the caller's.
bool pt_share_take(struct pt_share *share, struct pt_request *request,
                   const struct pt_report *report, const char *json, size_t length);

// Keeps a row that only Kubernetes knows and that has ended, for servers that start later.
void pt_share_keep_row(struct pt_share *share, const struct pt_stored_pull *stored);

// Claims what not a report has brought about; on_won may be called within.
void pt_share_claim(struct pt_share *share, const struct pt_share_claim *claim);

// Whether the report holds the end of a pull, which its agent keeps until it has heard that it was
// taken.
bool pt_share_has_end(const struct pt_report *report);

// Whether this server knows what the others know, as far as it can: it has read what there was, and
// was at the log's end less than 5 s ago, or is reading on after breaks for less than 5 s in all.
// It is also ready while Valkey is away, if it was before.
bool pt_share_is_ready(const struct pt_share *share);

// What is missing, in words for /readyz; NULL: nothing.
const char *pt_share_missing(const struct pt_share *share);

void pt_share_write_metrics(const struct pt_share *share, struct pt_buffer *out);

#endif
