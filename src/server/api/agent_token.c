// SPDX-License-Identifier: Apache-2.0
#include "server/api/agent_token.h"

#include "base/clock.h"
#include "base/secret_file.h"

#include <string.h>
#include <strings.h>

static bool is_given(const struct pt_agent_token *token, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (pt_secret_matches(token->secret, ""))
        return true;
    return authorization && strncasecmp(authorization, scheme, strlen(scheme)) == 0 &&
           pt_secret_matches(token->secret, authorization + strlen(scheme));
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
