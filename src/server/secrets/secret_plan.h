// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SECRETS_SECRET_PLAN_H
#define PT_SERVER_SECRETS_SECRET_PLAN_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

// What the Secrets should hold. Everything is renewed after a third of its life, and nothing is
// used before those who check it have had it for a while:
//
// CA: it is made and put into the bundle, signs `settle` later, and stays in the bundle until it
// ends.
//
// Certificate: the newest CA that may sign makes it, and a new one when a third of its life is
// over, when its names change, or when no CA has signed it.
//
// Token: one line; a second one is added, stands first `settle` later, which is when agents send
// it, and the old one goes `settle` after that.
//
// Knows neither Kubernetes nor the system's clock. All times are wall_ns.

enum pt_made_secret {
    PT_MADE_AUTHORITIES, // the CAs with their keys: for this program alone
    PT_MADE_BUNDLE,      // the CAs without: for the agents
    PT_MADE_CERTIFICATE, // for the server
    PT_MADE_TOKEN,       // for both
};
#define PT_MADE_SECRET_COUNT (PT_MADE_TOKEN + 1)
#define PT_MADE_SECRET_KEYS 3

// The names of its values, NULL behind the last.
extern const char *const pt_made_secret_keys[PT_MADE_SECRET_COUNT][PT_MADE_SECRET_KEYS];

enum pt_token_step {
    PT_TOKEN_ALONE,
    PT_TOKEN_NEXT_IS_KNOWN, // the second line is the next one
    PT_TOKEN_LAST_IS_KNOWN, // the second line is the last one
};

struct pt_secret_content {
    char *values[PT_MADE_SECRET_KEYS]; // by key; NULL: not there
    enum pt_token_step step;           // of the token
    int64_t changed_at;                // likewise; 0: not known
};

void pt_secret_content_finish(struct pt_secret_content *content);

struct pt_secret_wishes {
    bool certificate, token; // which there shall be; the first with its CAs
    const char *names;       // of the certificate, comma-separated
    int64_t authority_life_ns, certificate_life_ns, token_life_ns;
    int64_t settle_ns;
};

// One Secret that is to be written anew, whole.
struct pt_secret_change {
    enum pt_made_secret secret;
    struct pt_secret_content content; // the caller's to finish
    const char *why;                  // for the log, static
};

// The first change to what there is now, in the order of the enum; the others show when that one is
// written. Returns 1, 0 if all is as it should be, or -errno.
PT_MUST_CHECK int pt_secret_plan(const struct pt_secret_wishes *wishes,
                                 const struct pt_secret_content contents[PT_MADE_SECRET_COUNT],
                                 int64_t now, struct pt_secret_change *ret_change,
                                 struct pt_error *err);

#endif
