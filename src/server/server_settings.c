// SPDX-License-Identifier: Apache-2.0
#include "server/server_settings.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/settings.h"
#include "base/unknown_settings.h"
#include "server/identity/identity.h"
#include "server/secrets/make_secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ; // POSIX leaves its declaration to the program

#define MIN_MEMORY_BYTES (64 * 1024 * 1024)

static struct pt_server_settings settings; // where the table has them written

static const struct pt_setting table[] = {
    {"PULLTRACE_HTTP_ADDR", PT_SETTING_ADDRESS, &settings.http_address, ":8080",
     "where API and web page are served", 0, 0},
    {"PULLTRACE_AGENT_ADDR", PT_SETTING_ADDRESS, &settings.agent_address, "",
     "where agents report, by TLS, and nothing else is served; the page then stays plain and takes "
     "no report; empty: at PULLTRACE_HTTP_ADDR",
     0, 0},
    {"PULLTRACE_METRICS_ADDR", PT_SETTING_ADDRESS, &settings.metrics_address, ":9090",
     "where /metrics is served, and nothing else", 0, 0},
    {"PULLTRACE_AGENT_IDENTITY", PT_SETTING_IDENTITY, &settings.agent_identity, "token",
     "how agents prove who they are: token, one that they share, or kubernetes, each by the token "
     "of its ServiceAccount, which is bound to its node",
     0, 0},
    {"PULLTRACE_AGENT_AUDIENCE", PT_SETTING_NAME, &settings.agent_audience, "pulltrace",
     "audience of the ServiceAccounts' tokens that are taken", 0, 0},
    {"PULLTRACE_AGENT_SERVICE_ACCOUNTS", PT_SETTING_TEXT, &settings.agent_accounts,
     "pulltrace/pulltrace-agent",
     "ServiceAccounts that may report, as namespace/name, comma-separated", 0, 0},
    {"PULLTRACE_AGENT_TOKEN", PT_SETTING_TEXT, &settings.agent_token, "",
     "what agents must send as bearer token; empty: anyone may report", 0, 0},
    {"PULLTRACE_AGENT_TOKEN_FILE", PT_SETTING_TEXT, &settings.agent_token_file, "",
     "file with that token, or several, one a line, of which each is taken; read again when it "
     "changes; goes before the variable",
     0, 0},
    {"PULLTRACE_TLS_CERT_FILE", PT_SETTING_FILE, &settings.tls_cert_file, "",
     "PEM file with certificate and chain, read again when it changes; empty: plain HTTP", 0, 0},
    {"PULLTRACE_TLS_KEY_FILE", PT_SETTING_FILE, &settings.tls_key_file, "",
     "PEM file with the certificate's key", 0, 0},
    {"PULLTRACE_ALLOWED_HOSTS", PT_SETTING_HOSTS, &settings.allowed_hosts, "",
     "names by which it may be asked, comma-separated, besides addresses and localhost; empty: any",
     0, 0},
    {"PULLTRACE_CLUSTER_NAME", PT_SETTING_NAME, &settings.cluster_name, "",
     "what the page calls this cluster, such as prod-eu-1; empty: nothing", 0, 0},
    {"PULLTRACE_KUBE_URL", PT_SETTING_URL, &settings.kube.kube.url, "",
     "Kubernetes API; empty: the kubeconfig, or in a pod the cluster's own, else none", 0, 0},
    {"PULLTRACE_KUBE_TOKEN_FILE", PT_SETTING_TEXT, &settings.kube.kube.token_file, "",
     "file with the bearer token for that URL, read again when it changes", 0, 0},
    {"PULLTRACE_KUBE_CA_FILE", PT_SETTING_TEXT, &settings.kube.kube.ca_file, "",
     "PEM file with the CA of that URL, read again when it changes; empty: the system's", 0, 0},
    {"PULLTRACE_KUBECONFIG", PT_SETTING_TEXT, &settings.kube.kube.kubeconfig, "",
     "kubeconfig file whose current context to use, instead of the three above", 0, 0},
    {"PULLTRACE_KUBE_NAMESPACES", PT_SETTING_KUBE_NAMESPACES, &settings.kube.namespaces, "",
     "namespaces whose pods are joined with pulls, comma-separated; empty: all", 0,
     PT_LIMIT_WATCHED_NAMESPACES},
    {"PULLTRACE_WATCH_NAMESPACES", PT_SETTING_OTHER_NAME, NULL, "",
     "another name of PULLTRACE_KUBE_NAMESPACES; with both set they must be the same", 0, 0},
    {"PULLTRACE_HISTORY_TTL", PT_SETTING_DURATION, &settings.history_ttl_ns, "30m",
     "how long finished pulls stay", PT_NS_PER_S, 720 * 3600 * PT_NS_PER_S},
    {"PULLTRACE_STALE_TIMEOUT", PT_SETTING_DURATION, &settings.stale_timeout_ns, "10m",
     "a pull of which nothing is heard for so long counts as of unknown outcome", PT_NS_PER_S,
     720 * 3600 * PT_NS_PER_S},
    {"PULLTRACE_MAX_PULLS", PT_SETTING_COUNT, &settings.max_pulls, "100000",
     "pulls that are kept, about 4 KB each", 1, 10000000},
    {"PULLTRACE_MAX_MEMORY", PT_SETTING_BYTES, &settings.max_memory, "",
     "memory to use, such as 512Mi; empty: 80 % of the cgroup's, if that has a limit",
     MIN_MEMORY_BYTES, INT64_C(1) << 50},
    {"PULLTRACE_MAX_NODES", PT_SETTING_COUNT, &settings.max_nodes, "20000", "nodes that may report",
     1, 1000000},
    {"PULLTRACE_MAX_SSE_CLIENTS", PT_SETTING_COUNT, &settings.max_sse_clients, "10000",
     "event streams that may be open at once", 1, 1000000},
    {"PULLTRACE_SHARE_URL", PT_SETTING_TEXT, &settings.share.url, "",
     "Valkey or Redis by which several servers are one, as valkey://host:6379, or valkeys:// for "
     "TLS; empty: this server is alone",
     0, 0},
    {"PULLTRACE_SHARE_PASSWORD_FILE", PT_SETTING_FILE, &settings.share.password_file, "",
     "file with the password for it, read again when it changes", 0, 0},
    {"PULLTRACE_SHARE_CA_FILE", PT_SETTING_FILE, &settings.share.ca_file, "",
     "PEM file with the CA of it; empty: the system's", 0, 0},
    {"PULLTRACE_SHARE_PREFIX", PT_SETTING_NAME, &settings.share.prefix, "pulltrace",
     "what its keys begin with; each cluster needs one of its own", 0, 0},
    {"PULLTRACE_SHARE_MAX_BYTES", PT_SETTING_BYTES, &settings.share.max_bytes, "256Mi",
     "most that the log of the last 15 s takes there, and finished pulls as much", 16 * 1024 * 1024,
     INT64_C(1) << 40},
    {"PULLTRACE_LOG_LEVEL", PT_SETTING_LOG_LEVEL, &settings.log_level, "info",
     "debug, info, warn or error", 0, 0},
};

#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

void pt_server_settings_print_help(void)
{
    puts(
        "Usage: pulltrace-server [--make-secrets | --help | --version]\n"
        "\n"
        "Merges the reports of all pulltrace agents, streams every image pull live and serves the\n"
        "API, the web page and metrics. It is configured by environment variables:\n");
    pt_settings_print(stdout, table, TABLE_COUNT);
    puts("\n"
         "With --make-secrets it makes the server's certificate, the CAs that sign it and the\n"
         "agents' token in Secrets of Kubernetes, or renews what is due of them, and ends. It "
         "needs\n"
         "the rights to get and patch the Secrets, which must be there with their label, or to\n"
         "create them; Kubernetes is found as above.\n");
    pt_settings_print(stdout, pt_make_secrets_settings, pt_make_secrets_setting_count);
    puts("\n"
         "It logs one JSON object a line on standard output. SIGTERM or SIGINT ends it in order\n"
         "within 5 s: streams are asked to come back, requests under way are answered.\n"
         "Exit status: 0 ended by a signal; 1 failed while running, or what may be tried again, "
         "such\n"
         "as a port in use; 2 bad usage or setting, or a file that cannot be used.");
}

static bool are_one(const struct pt_address *one, const struct pt_address *other)
{
    return one->port != 0 && one->port == other->port &&
           (!*one->host || !*other->host || strcmp(one->host, other->host) == 0);
}

static int check_addresses(struct pt_error *err)
{
    const struct {
        const char *name;
        const struct pt_address *address;
    } places[] = {{"PULLTRACE_HTTP_ADDR", &settings.http_address},
                  {"PULLTRACE_AGENT_ADDR", &settings.agent_address},
                  {"PULLTRACE_METRICS_ADDR", &settings.metrics_address}};
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = i + 1; k < 3; k++) {
            if (are_one(places[i].address, places[k].address))
                return pt_error_set(err, EINVAL, "%s and %s are one address: %s:%u", places[i].name,
                                    places[k].name, places[i].address->host,
                                    places[i].address->port);
        }
    }
    return 0;
}

static int check_accounts(struct pt_error *err)
{
    const struct pt_identity_settings identity = {.audience = settings.agent_audience,
                                                  .service_accounts = settings.agent_accounts};
    if (pt_identity_check(&identity, err) < 0)
        return pt_error_prefix(err, "PULLTRACE_AGENT_SERVICE_ACCOUNTS=%s", settings.agent_accounts);
    return 0;
}

int pt_server_settings_load(bool makes_secrets, struct pt_server_settings *ret_settings,
                            struct pt_error *err)
{
    int r = pt_settings_load(table, TABLE_COUNT, getenv, err);
    if (r == 0 && makes_secrets)
        r = pt_settings_load(pt_make_secrets_settings, pt_make_secrets_setting_count, getenv, err);
    if (r == 0)
        r = check_addresses(err);
    if (r == 0)
        r = check_accounts(err);
    if (r == 0)
        *ret_settings = settings;
    return r;
}

void pt_server_settings_warn_of_unknown(void)
{
    const struct pt_setting_table tables[] = {
        {table, TABLE_COUNT}, {pt_make_secrets_settings, pt_make_secrets_setting_count}};
    pt_settings_warn_of_unknown(environ, tables, sizeof(tables) / sizeof(tables[0]));
}
