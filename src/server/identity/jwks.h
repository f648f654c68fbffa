// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_JWKS_H
#define PT_SERVER_IDENTITY_JWKS_H

#include "base/error.h"
#include "server/identity/jwt.h"

#include <stdbool.h>
#include <stddef.h>

// The keys with which the cluster signs its ServiceAccounts' tokens: a JWK Set
// (https://www.rfc-editor.org/rfc/rfc7517#section-5) as the API server gives it at /openid/v1/jwks
// (https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery).
struct pt_jwks;

// RSA keys of 2,048 to 8,192 bits (RS256) and those of the curves P-256, P-384 and P-521 (ES256,
// ES384, ES512), https://www.rfc-editor.org/rfc/rfc7518#section-3.1; others are left out, as are
// all above PT_LIMIT_CLUSTER_KEYS. -EINVAL if none is left, -ENOMEM.
PT_MUST_CHECK int pt_jwks_read(const char *text, size_t length, struct pt_jwks **ret_keys,
                               struct pt_error *err);
void pt_jwks_destroy(struct pt_jwks *keys);

size_t pt_jwks_count(const struct pt_jwks *keys);

// Whether both hold the same keys under the same names; NULL holds none.
bool pt_jwks_are_equal(const struct pt_jwks *a, const struct pt_jwks *b);

// Verifies the token's signature with the key that it names; how is said by the key, and a token
// that says otherwise is refused. -EPERM says why, -ENOENT: there is no such key.
PT_MUST_CHECK int pt_jwks_verify(const struct pt_jwks *keys, const struct pt_jwt *jwt,
                                 struct pt_error *err);

#endif
