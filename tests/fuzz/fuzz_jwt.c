// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "server/identity/jwt.h"
#include "server/identity/token_policy.h"
#include "source.h"

#include <assert.h>

// A token that is read has all that it must have, and what the policy takes is bound to something.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct pt_jwt jwt;
    struct pt_error err;
    struct pt_token_policy policy;
    char *text = take_rest(&source);
    if (pt_jwt_read(text, &jwt, &err) == 0) {
        const struct pt_claims *claims = &jwt.claims;
        assert(jwt.signed_length < strlen(text));
        assert(jwt.signature_length <= PT_LIMIT_SIGNATURE_BYTES);
        assert(strlen(jwt.key_id) > 0 && strlen(jwt.algorithm) <= PT_LIMIT_KUBE_NAME_BYTES);
        if (pt_token_policy_read("pulltrace", "pulltrace/pulltrace-agent", &policy, &err) == 0) {
            if (pt_token_policy_judge(&policy, claims, NULL, claims->issued_at * PT_NS_PER_S,
                                      &err) == 0) {
                assert(claims->node_name || (claims->pod_name && claims->pod_uid));
                assert(pt_claims_are_for(claims, "pulltrace"));
            }
            pt_token_policy_finish(&policy);
        }
        pt_jwt_finish(&jwt);
    } else {
        assert(err.message[0]);
    }
    free(text);
    return 0;
}
