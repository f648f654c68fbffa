// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

static bool is_given(const char *text)
{
    return text && *text;
}

static int out_of_memory(struct pt_error *err)
{
    return pt_error_set(err, ENOMEM, "out of memory");
}

static void trim_slashes(char *url)
{
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/')
        url[--length] = '\0';
}

// Says now what every request would say later.
static int check_readable(const char *name, const char *path, struct pt_error *err)
{
    if (access(path, R_OK) < 0)
        return pt_error_set(err, errno, "%s: %s: %s", name, path, strerror(errno));
    return 0;
}

static int load_explicit(const struct pt_kube_settings *settings, struct pt_kube_config *config,
                         struct pt_error *err)
{
    config->url = strdup(settings->url);
    config->source = strdup("PULLTRACE_KUBE_URL");
    if (!config->url || !config->source)
        return out_of_memory(err);
    if (is_given(settings->ca_file)) {
        int r = check_readable("PULLTRACE_KUBE_CA_FILE", settings->ca_file, err);
        if (r < 0)
            return r;
        config->ca_file = strdup(settings->ca_file);
        if (!config->ca_file)
            return out_of_memory(err);
    }
    int r = pt_secret_create(NULL, settings->token_file, &config->token, err);
    if (r < 0)
        pt_error_prefix(err, "PULLTRACE_KUBE_TOKEN_FILE");
    return r;
}

static int load_kubeconfig(const struct pt_kube_settings *settings, struct pt_kube_config *config,
                           struct pt_error *err)
{
    config->source = strdup(settings->kubeconfig);
    if (!config->source)
        return out_of_memory(err);
    int r = pt_kubeconfig_file_read(settings->kubeconfig, config, err);
    if (r < 0)
        pt_error_prefix(err, "PULLTRACE_KUBECONFIG");
    return r;
}

static int load_in_cluster(const char *host, const char *port, const char *dir,
                           struct pt_kube_config *config, struct pt_error *err)
{
    const char *open = strchr(host, ':') ? "[" : ""; // IPv6
    const char *close = *open ? "]" : "";
    char *token_file = NULL;
    int r = 0;
    if (asprintf(&token_file, "%s/token", dir) < 0)
        return out_of_memory(err);
    if (access(token_file, F_OK) < 0) // a pod with automountServiceAccountToken: false
        goto out;
    config->source = strdup("in-cluster");
    if (!config->source || asprintf(&config->ca_file, "%s/ca.crt", dir) < 0 ||
        asprintf(&config->url, "https://%s%s%s:%s", open, host, close, port) < 0) {
        r = out_of_memory(err);
        goto out;
    }
    r = check_readable("the service account's CA", config->ca_file, err);
    if (r == 0)
        r = pt_secret_create(NULL, token_file, &config->token, err);
out:
    free(token_file);
    return r;
}

static int check_settings(const struct pt_kube_settings *settings, struct pt_error *err)
{
    bool has_url = is_given(settings->url);
    if (has_url && is_given(settings->kubeconfig))
        return pt_error_set(err, EINVAL,
                            "set PULLTRACE_KUBE_URL or PULLTRACE_KUBECONFIG, not both");
    if (!has_url && is_given(settings->token_file))
        return pt_error_set(err, EINVAL, "PULLTRACE_KUBE_TOKEN_FILE needs PULLTRACE_KUBE_URL");
    if (!has_url && is_given(settings->ca_file))
        return pt_error_set(err, EINVAL, "PULLTRACE_KUBE_CA_FILE needs PULLTRACE_KUBE_URL");
    return 0;
}

int pt_kube_config_load(const struct pt_kube_settings *settings,
                        char *(*getenv_fn)(const char *name), const char *service_account_dir,
                        struct pt_kube_config *ret_config, struct pt_error *err)
{
    struct pt_kube_config config = {0};
    const char *host = getenv_fn("KUBERNETES_SERVICE_HOST");
    const char *port = getenv_fn("KUBERNETES_SERVICE_PORT");
    int r = check_settings(settings, err);
    if (r < 0)
        return r;
    if (is_given(settings->url))
        r = load_explicit(settings, &config, err);
    else if (is_given(settings->kubeconfig))
        r = load_kubeconfig(settings, &config, err);
    else if (is_given(host) && is_given(port))
        r = load_in_cluster(host, port,
                            service_account_dir ? service_account_dir : SERVICE_ACCOUNT_DIR,
                            &config, err);
    if (r < 0) {
        pt_kube_config_finish(&config);
        return r;
    }
    if (config.url)
        trim_slashes(config.url);
    *ret_config = config;
    return 0;
}

void pt_kube_config_finish(struct pt_kube_config *config)
{
    for (int i = 0; i < config->memory_fd_count; i++)
        close(config->memory_fds[i]);
    pt_secret_destroy(config->token);
    free(config->url);
    free(config->source);
    free(config->ca_file);
    free(config->client_cert_file);
    free(config->client_key_file);
    *config = (struct pt_kube_config){0};
}
