// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_TOKEN_CHECKS_H
#define PT_SERVER_IDENTITY_TOKEN_CHECKS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pt_kube_client;
struct pt_token_policy;

// Questions to the API server about tokens, several at once, on the event loop: a TokenReview
// (https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/)
// for one whose signature cannot be verified here, and the pod of one that names no node, as tokens
// do before Kubernetes 1.30.
struct pt_token_checks;

struct pt_token_verdict {
    const char *node_name; // NULL: the token is refused
    const char *words;     // why
    int64_t expires_at;    // seconds since 1970, of a token that is taken
};

struct pt_token_checks_handler {
    void (*on_verdict)(void *context, const char *key, const struct pt_token_verdict *verdict);
    void (*on_refused)(void *context); // the API server lets nobody ask, any more
    void *context;
};

struct pt_token_check_figures {
    size_t waiting;
    uint64_t good, refused, failed, left_out; // left out: no room, or the API server is away
};

// Client and policy outlive it.
PT_MUST_CHECK int pt_token_checks_create(const struct pt_kube_client *client,
                                         const struct pt_token_policy *policy,
                                         const struct pt_token_checks_handler *handler,
                                         struct pt_token_checks **ret_checks, struct pt_error *err);
void pt_token_checks_destroy(struct pt_token_checks *checks);

// No verdict comes of those under way whose signature was verified: the keys are others now.
void pt_token_checks_forget_verified(struct pt_token_checks *checks);

// The API server has not answered of late: nothing is asked for a moment, and what waits stays.
bool pt_token_checks_are_closed(const struct pt_token_checks *checks);

bool pt_token_checks_has(const struct pt_token_checks *checks, const char *key);

// How many others are asked about before that one, at most.
size_t pt_token_checks_ahead(const struct pt_token_checks *checks, const char *key);

// Asks about a token, whose claims are in order; `is_verified`: so is its signature, and only its
// pod is asked for. `peer` is the address that it came from: those of all addresses take turns, and
// one may have half of the room. -EBUSY: there is none, or the API server has not answered of late;
// -ENOMEM.
PT_MUST_CHECK int pt_token_checks_add(struct pt_token_checks *checks, const char *key,
                                      const char *token, const char *peer, bool is_verified);

struct pt_token_check_figures pt_token_checks_figures(const struct pt_token_checks *checks);

#endif
