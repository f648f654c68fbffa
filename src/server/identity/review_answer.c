// SPDX-License-Identifier: Apache-2.0
#include "server/identity/review_answer.h"

#include "kube/object_fields.h"
#include "server/identity/jwt.h"
#include "server/identity/token_policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// A name that may stand in a path.
static bool is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    return *name && *name != '.' && strspn(name, letters) == strlen(name);
}

static void copy(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text ? text : "");
}

static int judge_pod(const struct pt_token_binding *binding, struct pt_error *err)
{
    if (*binding->node_name)
        return 0;
    if (!is_name(binding->namespace_name) || !is_name(binding->pod_name) || !*binding->pod_uid)
        return pt_error_set(err, EPERM, "the token is bound to no node and to no pod");
    return 0;
}

int pt_token_binding_read(const struct pt_claims *claims, struct pt_token_binding *ret_binding,
                          struct pt_error *err)
{
    copy(ret_binding->node_name, sizeof(ret_binding->node_name), claims->node_name);
    copy(ret_binding->namespace_name, sizeof(ret_binding->namespace_name), claims->namespace_name);
    copy(ret_binding->pod_name, sizeof(ret_binding->pod_name), claims->pod_name);
    copy(ret_binding->pod_uid, sizeof(ret_binding->pod_uid), claims->pod_uid);
    return judge_pod(ret_binding, err);
}

// The one text under a key of the user's extra; NULL if there is none, or several.
static const char *extra(yyjson_val *user, const char *key, size_t max_bytes)
{
    yyjson_val *values = yyjson_obj_get(yyjson_obj_get(user, "extra"), key);
    yyjson_val *value = yyjson_arr_size(values) == 1 ? yyjson_arr_get_first(values) : NULL;
    const char *text = yyjson_get_str(value);
    size_t length = yyjson_get_len(value);
    return text && length <= max_bytes && strlen(text) == length ? text : NULL;
}

int pt_review_answer_read(yyjson_val *review, const struct pt_token_policy *policy,
                          const struct pt_claims *claims, struct pt_token_binding *ret_binding,
                          struct pt_error *err)
{
    yyjson_val *status = yyjson_obj_get(review, "status");
    yyjson_val *user = yyjson_obj_get(status, "user");
    const char *name = pt_kube_short_text(user, "username", 2 * PT_LIMIT_ISSUER_BYTES);
    const char *words = pt_kube_short_text(status, "error", PT_LIMIT_ERROR_BYTES);
    if (!yyjson_get_bool(yyjson_obj_get(status, "authenticated")))
        return pt_error_set(err, EPERM, "the API server refuses the token: %.150s",
                            words ? words : "it is not authentic");
    if (!pt_audiences_have(yyjson_obj_get(status, "audiences"), policy->audience))
        return pt_error_set(err, EPERM, "the token is for another audience");
    if (!name || strcmp(name, claims->subject) != 0 || !pt_token_policy_account(policy, name))
        return pt_error_set(err, EPERM, "the token's ServiceAccount may not report");
    copy(ret_binding->node_name, sizeof(ret_binding->node_name),
         extra(user, "authentication.kubernetes.io/node-name", PT_LIMIT_NODE_NAME_BYTES));
    copy(ret_binding->namespace_name, sizeof(ret_binding->namespace_name), claims->namespace_name);
    copy(ret_binding->pod_name, sizeof(ret_binding->pod_name),
         extra(user, "authentication.kubernetes.io/pod-name", PT_LIMIT_KUBE_NAME_BYTES));
    copy(ret_binding->pod_uid, sizeof(ret_binding->pod_uid),
         extra(user, "authentication.kubernetes.io/pod-uid", PT_LIMIT_KUBE_NAME_BYTES));
    return judge_pod(ret_binding, err);
}

int pt_pod_answer_read(yyjson_val *pod, const struct pt_token_binding *binding,
                       const char **ret_node_name, struct pt_error *err)
{
    const char *uid = pt_kube_name(yyjson_obj_get(pod, "metadata"), "uid");
    const char *node_name =
        pt_kube_short_text(yyjson_obj_get(pod, "spec"), "nodeName", PT_LIMIT_NODE_NAME_BYTES);
    if (!uid || strcmp(uid, binding->pod_uid) != 0)
        return pt_error_set(err, EPERM, "the token's pod is not there any more");
    if (!node_name || !*node_name)
        return pt_error_set(err, EPERM, "the token's pod is on no node");
    *ret_node_name = node_name;
    return 0;
}
