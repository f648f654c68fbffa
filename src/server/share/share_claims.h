// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_CLAIMS_H
#define PT_SERVER_SHARE_SHARE_CLAIMS_H

#include "base/buffer.h"
#include "base/error.h"
#include "pull/event.h"
#include "pull/failure_class.h"
#include "server/store/reader.h"

#include <stddef.h>
#include <stdint.h>

struct pt_valkey_link;

// What Kubernetes or time has brought about is seen by every server; one of them counts and logs
// it: who claims it first.
struct pt_share_claims;

struct pt_share_claim {
    char id[PT_PULL_ID_SIZE];
    enum pt_event_type type;
    enum pt_failure_class error_class;
    int64_t attempt;  // how many have failed
    const char *json; // the event
};

typedef void pt_share_won_fn(void *context, const struct pt_share_claim *claim);

// NULL when out of memory.
struct pt_share_claims *pt_share_claims_create(const char *prefix, pt_share_won_fn *on_won,
                                               void *context);

// The link is gone, or calls nobody any more.
void pt_share_claims_destroy(struct pt_share_claims *claims);

// Claims it. on_won may be called within, as when the link is not open, or too much is being
// claimed: who is alone counts all.
void pt_share_claims_make(struct pt_share_claims *claims, struct pt_valkey_link *link,
                          const struct pt_share_claim *claim);

void pt_share_claims_write_metrics(const struct pt_share_claims *claims, struct pt_buffer *out);

#endif
