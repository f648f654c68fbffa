// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_PENDING_H
#define PT_SERVER_SHARE_SHARE_PENDING_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct pt_clock;
struct pt_request;
struct pt_share_pending_node;

// Reports of this server that are on their way through the log, and the requests that wait for
// them. None waits longer than 5 s, if pt_share_pendings_settle_old is called now and then.
struct pt_share_pendings;

struct pt_share_pending {
    uint64_t number;   // among this server's, rising: its owner sets it
    bool is_overtaken; // an entry of another server for its node has been applied since
    // Used by share_pending.c only.
    struct pt_share_pendings *all;
    struct pt_share_pending_node *node;
    struct pt_request *request; // NULL: nobody waits
    int64_t since;              // monotonic_ns
    bool has_end;
    TAILQ_ENTRY(pt_share_pending) in_all;
    LIST_ENTRY(pt_share_pending) in_node;
};

// A report is in the log, or it is not known that it will be: the request is to be answered.
typedef void pt_share_settled_fn(void *context, struct pt_request *request, bool is_in_log,
                                 bool has_end);

// NULL when out of memory.
struct pt_share_pendings *pt_share_pendings_create(const struct pt_clock *clock,
                                                   pt_share_settled_fn *on_settled, void *context);
// Nobody is called any more.
void pt_share_pendings_destroy(struct pt_share_pendings *all);

// Adds one behind all others. NULL when out of memory.
struct pt_share_pending *pt_share_pendings_add(struct pt_share_pendings *all, const char *node_name,
                                               bool has_end);
void pt_share_pending_remove(struct pt_share_pending *pending);

// The request waits for it.
void pt_share_pending_hold(struct pt_share_pending *pending, struct pt_request *request);

const char *pt_share_pending_node_name(const struct pt_share_pending *pending);

// NULL: there is none.
struct pt_share_pending *pt_share_pendings_find(const struct pt_share_pendings *all,
                                                uint64_t number);

// Lets it go. The request, if one waits, is given to on_settled.
void pt_share_pending_settle(struct pt_share_pending *pending, bool is_in_log);
void pt_share_pendings_settle_old(struct pt_share_pendings *all);

// An entry of another server for the node has been applied.
void pt_share_pendings_note_overtaken(struct pt_share_pendings *all, const char *node_name);

#endif
