// SPDX-License-Identifier: Apache-2.0
#include "server/identity/token_policy.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t length = strlen(name);
    return length > 0 && length <= PT_LIMIT_KUBE_NAME_BYTES && strspn(name, letters) == length;
}

// One `namespace/name`, in which the slash becomes the end of the first.
static int read_account(struct pt_token_policy *policy, char *text, struct pt_error *err)
{
    char *slash = strchr(text, '/');
    if (policy->account_count == PT_LIMIT_SERVICE_ACCOUNTS)
        return pt_error_set(err, EINVAL, "more than %d", PT_LIMIT_SERVICE_ACCOUNTS);
    if (slash)
        *slash = '\0';
    if (!slash || !is_name(text) || !is_name(slash + 1))
        return pt_error_set(err, EINVAL, "expected namespace/name, with commas between several");
    policy->accounts[policy->account_count++] = (struct pt_service_account){text, slash + 1};
    return 0;
}

int pt_token_policy_read(const char *audience, const char *accounts,
                         struct pt_token_policy *ret_policy, struct pt_error *err)
{
    struct pt_token_policy policy = {.audience = audience, .accounts_text = strdup(accounts)};
    char *rest = policy.accounts_text;
    int r = rest ? 0 : pt_error_set(err, ENOMEM, "out of memory");
    while (r == 0 && rest) {
        char *text = strsep(&rest, ",");
        text += strspn(text, " ");
        text[strcspn(text, " ")] = '\0';
        r = read_account(&policy, text, err);
    }
    if (r < 0) {
        pt_token_policy_finish(&policy);
        return r;
    }
    *ret_policy = policy;
    return 0;
}

void pt_token_policy_finish(struct pt_token_policy *policy)
{
    free(policy->accounts_text);
    policy->accounts_text = NULL;
    policy->account_count = 0;
}

const struct pt_service_account *pt_token_policy_account(const struct pt_token_policy *policy,
                                                         const char *user)
{
    static const char prefix[] = "system:serviceaccount:";
    if (strncmp(user, prefix, strlen(prefix)) != 0)
        return NULL;
    user += strlen(prefix);
    for (size_t i = 0; i < policy->account_count; i++) {
        const struct pt_service_account *account = &policy->accounts[i];
        size_t length = strlen(account->namespace_name);
        if (strncmp(user, account->namespace_name, length) == 0 && user[length] == ':' &&
            strcmp(user + length + 1, account->name) == 0)
            return account;
    }
    return NULL;
}

static int judge_times(const struct pt_claims *claims, int64_t wall_ns, struct pt_error *err)
{
    int64_t now = wall_ns / PT_NS_PER_S;
    if (claims->expires_at + PT_TOKEN_LEEWAY_S <= now)
        return pt_error_set(err, EPERM, "the token has expired");
    if (claims->not_before - PT_TOKEN_LEEWAY_S > now || claims->issued_at - PT_TOKEN_LEEWAY_S > now)
        return pt_error_set(err, EPERM, "the token is not valid yet");
    return 0;
}

static int judge_binding(const struct pt_claims *claims, const struct pt_service_account *account,
                         struct pt_error *err)
{
    if (!claims->namespace_name || strcmp(claims->namespace_name, account->namespace_name) != 0)
        return pt_error_set(err, EPERM, "the token's namespace is not that of its account");
    if (!claims->node_name && (!claims->pod_name || !claims->pod_uid))
        return pt_error_set(err, EPERM, "the token is bound to no node and to no pod");
    if (claims->node_name &&
        (!*claims->node_name || strlen(claims->node_name) > PT_LIMIT_NODE_NAME_BYTES))
        return pt_error_set(err, EPERM, "the token's node has no proper name");
    return 0;
}

int pt_token_policy_judge(const struct pt_token_policy *policy, const struct pt_claims *claims,
                          const char *issuer, int64_t wall_ns, struct pt_error *err)
{
    const struct pt_service_account *account = pt_token_policy_account(policy, claims->subject);
    if (issuer && strcmp(claims->issuer, issuer) != 0)
        return pt_error_set(err, EPERM, "the token is of another issuer than this cluster");
    if (!pt_claims_are_for(claims, policy->audience))
        return pt_error_set(err, EPERM, "the token is for another audience");
    if (!account)
        return pt_error_set(err, EPERM, "the token's ServiceAccount may not report");
    int r = judge_times(claims, wall_ns, err);
    return r < 0 ? r : judge_binding(claims, account, err);
}
