// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_KUBE_CONFIG_H
#define PT_KUBE_KUBE_CONFIG_H

#include "base/error.h"
#include "base/secret_file.h"

#include <stdbool.h>

// Where the API server is and how to prove who asks.
struct pt_kube_config {
    char *url;               // without a slash at the end; NULL: Kubernetes is not configured
    char *source;            // where this comes from, for the log
    struct pt_secret *token; // not NULL when url is set; empty: no token
    char *ca_file;           // PEM files, or NULL
    char *client_cert_file;
    char *client_key_file;
    int memory_fds[3]; // hold what a kubeconfig carries inline, -1: unused
    int memory_fd_count;
};

// What the environment variables say; NULL or empty: not given.
struct pt_kube_settings {
    const char *url;        // PULLTRACE_KUBE_URL
    const char *token_file; // PULLTRACE_KUBE_TOKEN_FILE
    const char *ca_file;    // PULLTRACE_KUBE_CA_FILE
    const char *kubeconfig; // PULLTRACE_KUBECONFIG
};

// Takes explicit settings, else the kubeconfig file, else what the kubelet puts into every pod,
// else none. `service_account_dir`: where that is, NULL for the usual place. -EINVAL and others say
// what is wrong with which setting. On success pt_kube_config_finish frees it.
PT_MUST_CHECK int pt_kube_config_load(const struct pt_kube_settings *settings,
                                      char *(*getenv_fn)(const char *name),
                                      const char *service_account_dir,
                                      struct pt_kube_config *ret_config, struct pt_error *err);
void pt_kube_config_finish(struct pt_kube_config *config);

// Reads the current context of a kubeconfig file
// (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/) into a config that is empty.
// Token or client certificate, in files or inline; -ENOTSUP names what else it asks for.
PT_MUST_CHECK int pt_kubeconfig_file_read(const char *path, struct pt_kube_config *config,
                                          struct pt_error *err);

#endif
