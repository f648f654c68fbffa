// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_TOKEN_POLICY_H
#define PT_SERVER_IDENTITY_TOKEN_POLICY_H

#include "base/error.h"
#include "server/identity/jwt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Clocks may differ by so much.
#define PT_TOKEN_LEEWAY_S 30

// Whose tokens are taken, and for what.
struct pt_token_policy {
    const char *audience;
    size_t account_count;
    struct pt_service_account {
        const char *namespace_name, *name; // in `accounts_text`
    } accounts[PT_LIMIT_SERVICE_ACCOUNTS];
    char *accounts_text;
};

// `accounts`: `namespace/name`, comma-separated; both texts outlive the policy. -EINVAL says what
// is expected. On success pt_token_policy_finish frees.
PT_MUST_CHECK int pt_token_policy_read(const char *audience, const char *accounts,
                                       struct pt_token_policy *ret_policy, struct pt_error *err);
void pt_token_policy_finish(struct pt_token_policy *policy);

// Whether `user` is one of the accounts, as in `system:serviceaccount:pulltrace:pulltrace-agent`.
const struct pt_service_account *pt_token_policy_account(const struct pt_token_policy *policy,
                                                         const char *user);

// Judges the claims of a token: audience, times, account, and whether it is bound to a node or a
// pod. `issuer` may be NULL: it is not known. -EPERM says what is wrong.
PT_MUST_CHECK int pt_token_policy_judge(const struct pt_token_policy *policy,
                                        const struct pt_claims *claims, const char *issuer,
                                        int64_t wall_ns, struct pt_error *err);

#endif
