// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_JWT_H
#define PT_SERVER_IDENTITY_JWT_H

#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct yyjson_doc;
struct yyjson_val;

// What a ServiceAccount token of Kubernetes says: RFC 7519's registered claims
// (https://www.rfc-editor.org/rfc/rfc7519#section-4.1) and the private ones
// (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/).
// Times are whole seconds since 1970.
struct pt_claims {
    const char *issuer, *subject;
    struct yyjson_val *audiences; // a text, or an array of texts
    int64_t expires_at, not_before, issued_at;
    const char *namespace_name; // this and what follows: NULL if it is not there
    const char *pod_name, *pod_uid;
    const char *node_name;
};

// A token that is well formed; nothing of it is verified. Texts are the token's own.
struct pt_jwt {
    const char *signed_text; // borrowed: header and payload as they were sent
    size_t signed_length;
    unsigned char signature[PT_LIMIT_SIGNATURE_BYTES];
    size_t signature_length;
    const char *algorithm, *key_id;
    struct pt_claims claims;
    struct yyjson_doc *header, *payload;
};

// Reads a JWS in its compact form (https://www.rfc-editor.org/rfc/rfc7515#section-7.1) with the
// claims of a ServiceAccount, all of which but the last four must be there. -EINVAL says what is
// wrong with it, -ENOMEM. On success pt_jwt_finish frees; `text` must live as long.
PT_MUST_CHECK int pt_jwt_read(const char *text, struct pt_jwt *ret_jwt, struct pt_error *err);
void pt_jwt_finish(struct pt_jwt *jwt);

// Whether the token is for that audience.
bool pt_claims_are_for(const struct pt_claims *claims, const char *audience);

// Whether that audience is in an array of them; NULL, or what is none, has no audience.
bool pt_audiences_have(struct yyjson_val *audiences, const char *audience);

#endif
