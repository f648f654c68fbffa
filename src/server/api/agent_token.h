// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_AGENT_TOKEN_H
#define PT_SERVER_API_AGENT_TOKEN_H

#include "server/identity/known_tokens.h"

#include <stdbool.h>
#include <stdint.h>

struct pt_identity;
struct pt_secret;

// What agents must send: the token of their ServiceAccount, by which it is known for which node
// they speak, or one that they all share, which says nothing of that. The shared one stands in
// where the API server gives the server no right to look at the others, if there is one. Its file
// is looked at once a second, since at each report that would be a call into the kernel more, and
// before one is refused. All zero but secret and identity at first; both are the owner's.
struct pt_agent_token {
    struct pt_secret *secret;
    struct pt_identity *identity; // NULL: the shared token alone
    int64_t looked_at;            // monotonic_ns; 0: never
};

enum pt_token_answer {
    PT_TOKEN_ADMITTED,
    PT_TOKEN_WRONG,
    PT_TOKEN_UNCHECKED, // it cannot be said yet
};

struct pt_admission {
    enum pt_token_answer answer;
    int retry_after_s;           // of one that is unchecked
    char key[PT_TOKEN_KEY_SIZE]; // of one that speaks for a node; "": for any
    char words[256];             // why it is not admitted
};

// Judges an Authorization header; NULL: there is none. `peer` is the address that it came from. A
// shared token takes a time that depends on the header alone; an empty one is asked of nobody.
void pt_agent_token_judge(struct pt_agent_token *token, int64_t now, const char *authorization,
                          const char *peer, struct pt_admission *ret_admission);

// Whether the header gives the shared token.
bool pt_agent_token_admits(struct pt_agent_token *token, int64_t now, const char *authorization);

// The node that an admitted token speaks for; NULL: it is known no longer.
const char *pt_agent_token_node(const struct pt_agent_token *token, const char *key);

// What agents are known by, in a word of the summary's: `keys`, `reviews`, `unknown` and `none` as
// of their identity, `shared_token`, `fallback` if that stands in, or `nothing`.
const char *pt_agent_token_known_by(const struct pt_agent_token *token);

// Whether the shared token stands in for the agents' identity.
bool pt_agent_token_stands_in(const struct pt_agent_token *token);

#endif
