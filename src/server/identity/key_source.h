// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_KEY_SOURCE_H
#define PT_SERVER_IDENTITY_KEY_SOURCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pt_jwks;
struct pt_kube_client;

// By what tokens can be verified.
enum pt_proof {
    PT_PROOF_UNKNOWN, // the API server has not said yet
    PT_PROOF_KEYS,    // the cluster's public keys
    PT_PROOF_REVIEWS, // the API server, asked about each token
    PT_PROOF_NONE,    // it lets us have neither
};

// Fetches the cluster's issuer and keys, at /.well-known/openid-configuration and /openid/v1/jwks
// (https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery),
// and again each ten minutes. Where these are refused it tries whether tokens may be reviewed. A
// refusal of both, or of keys that were there, counts when it was repeated, since an API server
// that starts refuses what it has not read the roles of yet. What is there stays while the API
// server is away.
struct pt_key_source;

struct pt_key_source_figures {
    uint64_t looks, failures; // failures: looks that ended in trouble
};

// on_change: other keys, another issuer or another proof; what was verified before may be void.
PT_MUST_CHECK int pt_key_source_create(const struct pt_kube_client *client,
                                       void (*on_change)(void *context), void *context,
                                       struct pt_key_source **ret_source, struct pt_error *err);
void pt_key_source_destroy(struct pt_key_source *source);

enum pt_proof pt_key_source_proof(const struct pt_key_source *source);

// With PT_PROOF_KEYS; until on_change.
const struct pt_jwks *pt_key_source_keys(const struct pt_key_source *source);
const char *pt_key_source_issuer(const struct pt_key_source *source);

// Fetches them anew, since a token names what is not there; each ten seconds at most. Returns
// whether an answer is waited for.
bool pt_key_source_renew(struct pt_key_source *source);

struct pt_key_source_figures pt_key_source_figures(const struct pt_key_source *source);

#endif
