// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_REVIEW_ANSWER_H
#define PT_SERVER_IDENTITY_REVIEW_ANSWER_H

#include "base/error.h"
#include "base/limits.h"

#define PT_TOKEN_REVIEWS_PATH "/apis/authentication.k8s.io/v1/tokenreviews"

struct pt_claims;
struct pt_token_policy;
struct yyjson_val;

// What a token is bound to.
struct pt_token_binding {
    char node_name[PT_LIMIT_NODE_NAME_BYTES + 1]; // empty: the pod has to be asked for
    char namespace_name[PT_LIMIT_KUBE_NAME_BYTES + 1];
    char pod_name[PT_LIMIT_KUBE_NAME_BYTES + 1], pod_uid[PT_LIMIT_KUBE_NAME_BYTES + 1];
};

// Of claims that are verified. -EPERM: names that cannot be a pod's.
PT_MUST_CHECK int pt_token_binding_read(const struct pt_claims *claims,
                                        struct pt_token_binding *ret_binding, struct pt_error *err);

// Reads a TokenReview that was answered
// (https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/):
// the token must be authentic, for our audience and of the account that it names. What it is bound
// to is in the user's extra. -EPERM says why it is refused.
PT_MUST_CHECK int pt_review_answer_read(struct yyjson_val *review,
                                        const struct pt_token_policy *policy,
                                        const struct pt_claims *claims,
                                        struct pt_token_binding *ret_binding, struct pt_error *err);

// Reads the pod to which a token is bound: *ret_node_name is the pod's own text. -EPERM: it is
// another pod of that name, or on no node.
PT_MUST_CHECK int pt_pod_answer_read(struct yyjson_val *pod, const struct pt_token_binding *binding,
                                     const char **ret_node_name, struct pt_error *err);

#endif
