// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_AGENT_TOKEN_H
#define PT_SERVER_API_AGENT_TOKEN_H

struct pt_secret;

// Compares what an Authorization header says (NULL: there is none) with the agents' token, in a
// time that depends on neither's content. 0: they match, or no token is asked for; -EACCES: they do
// not; -ENOMEM.
int pt_agent_token_check(struct pt_secret *wanted, const char *authorization);

#endif
