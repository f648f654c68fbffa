// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_AGENT_TOKEN_H
#define PT_SERVER_API_AGENT_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

struct pt_secret;

// What agents must send. Its file is looked at once a second, since at each report that would be a
// call into the kernel more, and before one is refused. All zero but the secret at first; the
// secret is the owner's.
struct pt_agent_token {
    struct pt_secret *secret;
    int64_t looked_at; // monotonic_ns; 0: never
};

// Whether an Authorization header (NULL: there is none) gives the token, or one of them, in a time
// that depends on the header alone. An empty token is asked of nobody.
bool pt_agent_token_admits(struct pt_agent_token *token, int64_t now, const char *authorization);

#endif
