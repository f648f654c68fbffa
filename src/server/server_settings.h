// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SERVER_SETTINGS_H
#define PT_SERVER_SERVER_SETTINGS_H

#include "base/error.h"
#include "base/log.h"
#include "base/settings.h"
#include "server/cluster/kube_feed.h"
#include "server/share/share.h"

#include <stdbool.h>
#include <stdint.h>

// How the server is configured: by environment variables, of which docs/configuration.md says more.
// Text is borrowed from the environment.
struct pt_server_settings {
    struct pt_kube_feed_settings kube; // its limits are not settings: they follow from others
    enum pt_identity_kind agent_identity;
    const char *agent_audience, *agent_accounts;
    const char *agent_token, *agent_token_file;
    const char *tls_cert_file, *tls_key_file;
    const char *allowed_hosts;
    const char *cluster_name;
    struct pt_share_settings share; // its limits follow from others
    struct pt_address http_address, agent_address, metrics_address;
    int64_t history_ttl_ns, stale_timeout_ns;
    int64_t max_pulls, max_nodes, max_sse_clients, max_memory;
    enum pt_log_level log_level;
};

// Reads them, and with `makes_secrets` also those of make_secrets.h. -EINVAL: the error names the
// one that is wrong.
PT_MUST_CHECK int pt_server_settings_load(bool makes_secrets,
                                          struct pt_server_settings *ret_settings,
                                          struct pt_error *err);

// Logs the variables whose names look like settings and are none.
void pt_server_settings_warn_of_unknown(void);

// Prints what --help says: how the program is called, and each setting.
void pt_server_settings_print_help(void);

#endif
