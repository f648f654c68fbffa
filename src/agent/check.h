// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_CHECK_H
#define PT_AGENT_CHECK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

struct pt_loop;
struct pt_secret;

// `pulltrace-agent --check`: tries once whatever the agent needs, and prints for each place and
// right what was found and what to do. Changes nothing, but that the server counts one report as
// refused.

// Everything is borrowed for the call.
struct pt_check_options {
    struct pt_loop *loop;
    FILE *out;
    const char *containerd_socket; // "": the usual places
    const char *containerd_socket_directories;
    const char *containerd_namespaces;
    const char *server_url; // "": none
    const char *ca_file;
    struct pt_secret *identity; // NULL: none
    struct pt_secret *token;
};

// Runs the loop until all is tried, at most some 20 s. *ret_well: the agent would work.
PT_MUST_CHECK int pt_check_run(const struct pt_check_options *options, bool *ret_well,
                               struct pt_error *err);

#endif
