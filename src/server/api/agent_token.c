// SPDX-License-Identifier: Apache-2.0
#include "server/api/agent_token.h"

#include "base/clock.h"
#include "base/secret_file.h"
#include "server/identity/identity.h"

#include <stdio.h>
#include <string.h>

static bool is_given(const struct pt_agent_token *token, const char *authorization)
{
    const char *given = pt_bearer_token(authorization);
    return pt_secret_matches(token->secret, "") ||
           (given && pt_secret_matches(token->secret, given));
}

static void look(struct pt_agent_token *token, int64_t now)
{
    token->looked_at = now;
    pt_secret_get(token->secret);
}

bool pt_agent_token_admits(struct pt_agent_token *token, int64_t now, const char *authorization)
{
    if (!token->looked_at || now - token->looked_at >= PT_NS_PER_S)
        look(token, now);
    if (is_given(token, authorization))
        return true;
    look(token, now); // the agent may have read the new one before us
    return is_given(token, authorization);
}

bool pt_agent_token_stands_in(const struct pt_agent_token *token)
{
    return token->identity && pt_identity_has_no_rights(token->identity) &&
           !pt_secret_matches(token->secret, "");
}

static void judge_shared(struct pt_agent_token *token, int64_t now, const char *authorization,
                         struct pt_admission *ret_admission)
{
    if (pt_agent_token_admits(token, now, authorization))
        return;
    ret_admission->answer = PT_TOKEN_WRONG;
    (void)snprintf(ret_admission->words, sizeof(ret_admission->words),
                   "the agent's token is missing or wrong (PULLTRACE_AGENT_TOKEN)%s",
                   token->identity ? ": the server may not look at those of Kubernetes" : "");
}

static void judge_identity(const struct pt_agent_token *token, const char *authorization,
                           const char *peer, struct pt_admission *ret_admission)
{
    static const enum pt_token_answer answers[] = {
        [PT_IDENTITY_KNOWN] = PT_TOKEN_ADMITTED,
        [PT_IDENTITY_WRONG] = PT_TOKEN_WRONG,
        [PT_IDENTITY_LATER] = PT_TOKEN_UNCHECKED,
    };
    struct pt_identity_verdict verdict;
    pt_identity_look(token->identity, authorization, peer, &verdict);
    ret_admission->answer = answers[verdict.answer];
    ret_admission->retry_after_s = verdict.retry_after_s;
    memcpy(ret_admission->key, verdict.key, sizeof(ret_admission->key));
    if (ret_admission->answer != PT_TOKEN_ADMITTED)
        (void)snprintf(ret_admission->words, sizeof(ret_admission->words), "%s",
                       verdict.words.message);
}

void pt_agent_token_judge(struct pt_agent_token *token, int64_t now, const char *authorization,
                          const char *peer, struct pt_admission *ret_admission)
{
    ret_admission->answer = PT_TOKEN_ADMITTED;
    ret_admission->key[0] = '\0';
    if (token->identity && !pt_agent_token_stands_in(token))
        judge_identity(token, authorization, peer, ret_admission);
    else
        judge_shared(token, now, authorization, ret_admission);
}

const char *pt_agent_token_node(const struct pt_agent_token *token, const char *key)
{
    return pt_identity_node(token->identity, key);
}

const char *pt_agent_token_known_by(const struct pt_agent_token *token)
{
    if (pt_agent_token_stands_in(token))
        return "fallback";
    if (token->identity)
        return pt_identity_proof(token->identity);
    return pt_secret_matches(token->secret, "") ? "nothing" : "shared_token";
}
