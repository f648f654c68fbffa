// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_WRITER_H
#define PT_SERVER_SHARE_SHARE_WRITER_H

#include "base/error.h"
#include "server/valkey/valkey_link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Appends reports to the log that several servers share: a stream of Valkey or Redis (6.2 or
// newer). Beside it stand the latest report of each node and the finished pulls, for who starts.
// One script (share_take.lua) changes all of them at once. The keys are those of share_keys.h.
struct pt_share_writer;

// A pull that ends with the report.
struct pt_share_finished {
    const char *id;
    const char *json;
    size_t json_length;
};

// A report to append. All is borrowed for the call.
struct pt_share_take {
    const char *node_name; // empty: only what has ended
    const char *agent_run; // of the agent's process; empty: not known
    int64_t sequence;      // within it, rising; without a run the agent's time in ms
    int64_t received_ms;   // by Valkey's clock (pt_share_writer_now_ms)
    const char *row_ids;   // PT_PULL_ID_SIZE - 1 characters a pull, in the report's order
    const char *report;
    size_t report_length;
    const struct pt_share_finished *finished;
    size_t finished_count;
};

enum pt_share_outcome {
    PT_SHARE_APPENDED, // it comes back to the reader as an entry
    PT_SHARE_OLD,      // the log has a newer one of this agent
    PT_SHARE_LATE,     // it was received too long ago, or is of the agent's process before
    PT_SHARE_FAILED,   // the connection broke, or Valkey refused; it may come back nevertheless
};

struct pt_share_writer_options {
    const struct pt_valkey_link_options *link; // its limits and callbacks are not looked at
    const char *prefix;                        // of the keys
    const char *run;                           // names this server's process
    int64_t max_bytes;                         // of the log, and of the finished pulls
    int64_t max_finished;
    int64_t finished_ttl_ms;
    void (*on_taken)(void *context, uint64_t number, enum pt_share_outcome outcome);
    // So many finished pulls went before their time, since all together were too large.
    void (*on_dropped)(void *context, uint64_t count);
    // It evicts keys by `policy` when its memory is full, so that the log may lose some at any
    // time.
    void (*on_eviction)(void *context, const char *policy);
    // Reports can be appended from now on, or not any more (`why` is not NULL).
    void (*on_change)(void *context, const char *why);
    void *context;
};

// NULL when out of memory. The options' texts are borrowed for its life.
struct pt_share_writer *pt_share_writer_create(struct event_base *base,
                                               const struct pt_clock *clock,
                                               const struct pt_share_writer_options *options);
void pt_share_writer_destroy(struct pt_share_writer *writer);

// Valkey's clock now, late by no more than an answer takes, also while it is away; 0: it has never
// said the time.
int64_t pt_share_writer_now_ms(const struct pt_share_writer *writer);

// Its connection, for what else is to be sent by it.
struct pt_valkey_link *pt_share_writer_link(struct pt_share_writer *writer);

// *ret_number names the report to on_taken, and in its entry. -ENOTCONN, -ENOBUFS (too much waits
// to be sent), -ENOMEM: it was not sent, and on_taken is not called.
PT_MUST_CHECK int pt_share_writer_take(struct pt_share_writer *writer,
                                       const struct pt_share_take *take, uint64_t *ret_number);

#endif
