// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_IDENTITY_H
#define PT_SERVER_IDENTITY_IDENTITY_H

#include "base/buffer.h"
#include "base/error.h"
#include "server/identity/known_tokens.h"

#include <stdbool.h>
#include <stddef.h>

struct pt_kube_client;

// Says for which node an agent speaks: it sends a ServiceAccount's token that the kubelet has put
// into its pod (https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken)
// with an audience of ours, and Kubernetes has bound that token to pod and node. A token is looked
// at once and then known by its hash until it expires; nothing here waits for the API server.
struct pt_identity;

struct pt_identity_settings {
    const char *audience;         // PULLTRACE_AGENT_AUDIENCE
    const char *service_accounts; // PULLTRACE_AGENT_SERVICE_ACCOUNTS
    size_t max_nodes;             // twice as many tokens are remembered
};

enum pt_identity_answer {
    PT_IDENTITY_KNOWN, // `node_name` may report
    PT_IDENTITY_WRONG, // `words` say why
    PT_IDENTITY_LATER, // it is being looked at, or the API server is away
};

struct pt_identity_verdict {
    enum pt_identity_answer answer;
    const char *node_name;       // until the next turn of the loop
    int retry_after_s;           // of PT_IDENTITY_LATER
    char key[PT_TOKEN_KEY_SIZE]; // of PT_IDENTITY_KNOWN, for pt_identity_node
    struct pt_error words;
};

// Whether tokens may be judged by these settings; -EINVAL says what is expected of the accounts.
PT_MUST_CHECK int pt_identity_check(const struct pt_identity_settings *settings,
                                    struct pt_error *err);

// Client and settings' texts outlive it. -EINVAL says which setting is wrong.
PT_MUST_CHECK int pt_identity_create(const struct pt_kube_client *kube,
                                     const struct pt_identity_settings *settings,
                                     struct pt_identity **ret_identity, struct pt_error *err);
void pt_identity_destroy(struct pt_identity *identity);

// The token in an Authorization header, as its own text; NULL: there is none.
const char *pt_bearer_token(const char *authorization);

// Looks at an Authorization header; NULL: there is none. `peer` is the address that it came from.
void pt_identity_look(struct pt_identity *identity, const char *authorization, const char *peer,
                      struct pt_identity_verdict *ret_verdict);

// The node of a token that was looked at; NULL: it is known no longer.
const char *pt_identity_node(struct pt_identity *identity, const char *key);

// Whether the API server lets us have neither keys nor reviews, which was asked for several times.
bool pt_identity_has_no_rights(const struct pt_identity *identity);

// What the tokens are verified by: `keys`, `reviews`, `none` of them, or `unknown` yet.
const char *pt_identity_proof(const struct pt_identity *identity);

// What is missing, static text; NULL: tokens can be verified.
const char *pt_identity_missing(const struct pt_identity *identity);

// Appends its metrics; with NULL, that agents share a token.
void pt_identity_write_metrics(const struct pt_identity *identity, struct pt_buffer *out);

#endif
