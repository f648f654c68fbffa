// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_READINESS_H
#define PT_AGENT_READINESS_H

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

struct event_base;

// Whether containerd and the server are reached, for `pulltrace-agent --ready` in another process.
// The running agent keeps it in memory that has a name, pulltrace-agent-NODE, and no place in any
// folder; the other process finds it among the open files in /proc. So no file is written and
// nobody listens.
struct pt_readiness;

// A peer is not reached at first. `has_server`: there is one to report to. The memory is renewed on
// the loop from now on: who stops doing so is taken for dead. Call it before the agent is confined.
PT_MUST_CHECK int pt_readiness_create(struct event_base *base, const struct pt_clock *clock,
                                      const char *node_name, bool has_server,
                                      struct pt_readiness **ret_readiness, struct pt_error *err);
void pt_readiness_destroy(struct pt_readiness *readiness);

// `why` NULL: it is reached. Else why it is not, cut where it is long. No readiness (NULL) is
// allowed.
void pt_readiness_set_containerd(struct pt_readiness *readiness, const char *why);
void pt_readiness_set_server(struct pt_readiness *readiness, const char *why);

// Looks for the agent of that node and prints one line on it. Returns whether it reaches both.
bool pt_readiness_probe(const char *node_name, const struct pt_clock *clock, FILE *out);

#endif
