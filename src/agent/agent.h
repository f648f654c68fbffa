// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_AGENT_H
#define PT_AGENT_AGENT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct pt_clock;
struct pt_loop;
struct pt_readiness;
struct pt_secret;

// The whole agent: looks at containerd, follows the pulls, reports and logs them.
struct pt_agent;

// Everything is borrowed as long as the agent lives.
struct pt_agent_options {
    struct pt_loop *loop;
    const struct pt_clock *clock;
    const char *node_name;
    const char *server_url;        // "": nothing is reported
    const char *containerd_socket; // "": searched for
    const char *containerd_socket_directories;
    const char *containerd_namespaces;
    const char *ca_file;
    struct pt_secret *identity; // NULL: none
    struct pt_secret *token;
    int64_t interval_ms;
    int watch_fd;                   // where to draw progress, -1: nowhere
    struct pt_readiness *readiness; // NULL: nobody asks
};

// Begins to work with the loop.
PT_MUST_CHECK int pt_agent_create(const struct pt_agent_options *options,
                                  struct pt_agent **ret_agent, struct pt_error *err);
void pt_agent_destroy(struct pt_agent *agent);

// Begins an orderly end: what has finished is still reported, if the server answers within 2 s,
// then the loop is stopped.
void pt_agent_stop(struct pt_agent *agent);

#endif
