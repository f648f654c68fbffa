// SPDX-License-Identifier: Apache-2.0
#include "server/secrets/make_secrets.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/secret_file.h"
#include "kube/kube_client.h"
#include "server/secrets/authorities.h"
#include "server/secrets/kube_secrets.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/time.h>

#define TRY_FOR_NS (30 * PT_NS_PER_S)
#define CONFLICTS_AT_ONCE 10 // in a row, until it pauses
#define MOST_CHANGES 32      // all that there can be are fewer
#define LONGEST_LIFE_NS (20 * 365 * 24 * 3600 * PT_NS_PER_S)
#define NAMESPACE_FILE "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

static struct settings {
    const char *namespace_name;
    const char *names[PT_MADE_SECRET_COUNT];
    struct pt_secret_wishes wishes;
} settings;

const struct pt_setting pt_make_secrets_settings[] = {
    {"PULLTRACE_SECRETS_NAMESPACE", PT_SETTING_KUBE_NAME, &settings.namespace_name, "",
     "where the Secrets are; empty: the pod's own namespace", 0, 0},
    {"PULLTRACE_SECRETS_CA", PT_SETTING_KUBE_NAME, &settings.names[PT_MADE_AUTHORITIES], "",
     "Secret with the CAs and their keys, which nobody else needs", 0, 0},
    {"PULLTRACE_SECRETS_CA_BUNDLE", PT_SETTING_KUBE_NAME, &settings.names[PT_MADE_BUNDLE], "",
     "Secret with the CAs without their keys, for agents", 0, 0},
    {"PULLTRACE_SECRETS_TLS", PT_SETTING_KUBE_NAME, &settings.names[PT_MADE_CERTIFICATE], "",
     "Secret with the server's certificate and key; goes with the two above", 0, 0},
    {"PULLTRACE_SECRETS_DNS_NAMES", PT_SETTING_TEXT, &settings.wishes.names, "",
     "DNS names and IP addresses of that certificate, comma-separated", 0, 0},
    {"PULLTRACE_SECRETS_TOKEN", PT_SETTING_KUBE_NAME, &settings.names[PT_MADE_TOKEN], "",
     "Secret with the agents' token", 0, 0},
    {"PULLTRACE_SECRETS_CA_LIFE", PT_SETTING_DURATION, &settings.wishes.authority_life_ns, "26280h",
     "how long a CA holds; the next one is made after a third", PT_NS_PER_S, LONGEST_LIFE_NS},
    {"PULLTRACE_SECRETS_CERT_LIFE", PT_SETTING_DURATION, &settings.wishes.certificate_life_ns,
     "2160h", "how long a certificate holds; it is renewed after a third", PT_NS_PER_S,
     LONGEST_LIFE_NS},
    {"PULLTRACE_SECRETS_TOKEN_LIFE", PT_SETTING_DURATION, &settings.wishes.token_life_ns, "2160h",
     "how long a token shall be in use; the next one is made after a third", PT_NS_PER_S,
     LONGEST_LIFE_NS},
    {"PULLTRACE_SECRETS_SETTLE", PT_SETTING_DURATION, &settings.wishes.settle_ns, "24h",
     "how long a new CA or token is known before it is used", PT_NS_PER_S, LONGEST_LIFE_NS},
};

const size_t pt_make_secrets_setting_count =
    sizeof(pt_make_secrets_settings) / sizeof(pt_make_secrets_settings[0]);

struct maker {
    struct event_base *base;
    const struct pt_clock *clock;
    struct pt_kube_config config;
    struct pt_kube_client client;
    struct pt_kube_secrets secrets;
    struct pt_secret *namespace_file;
};

// --- settings ---

static int check_settings(struct pt_error *err)
{
    bool has_all = true, has_one = false;
    for (int i = PT_MADE_AUTHORITIES; i <= PT_MADE_CERTIFICATE; i++) {
        has_all &= *settings.names[i] != '\0';
        has_one |= *settings.names[i] != '\0';
    }
    settings.wishes.certificate = has_all;
    settings.wishes.token = *settings.names[PT_MADE_TOKEN] != '\0';
    if (has_one && !has_all)
        return pt_error_set(err, EINVAL,
                            "PULLTRACE_SECRETS_CA, PULLTRACE_SECRETS_CA_BUNDLE and "
                            "PULLTRACE_SECRETS_TLS go together");
    if (!has_all && !settings.wishes.token)
        return pt_error_set(err, EINVAL,
                            "--make-secrets needs PULLTRACE_SECRETS_TLS or "
                            "PULLTRACE_SECRETS_TOKEN");
    if (has_all && pt_certificate_check_names(settings.wishes.names, err) < 0)
        return pt_error_prefix(err, "PULLTRACE_SECRETS_DNS_NAMES");
    return 0;
}

static int find_namespace(struct maker *maker, struct pt_error *err)
{
    maker->secrets.namespace_name = settings.namespace_name;
    if (*settings.namespace_name)
        return 0;
    int r = pt_secret_create(NULL, NAMESPACE_FILE, &maker->namespace_file, err);
    if (r < 0) {
        pt_error_prefix(err, "PULLTRACE_SECRETS_NAMESPACE is empty, and there is no pod's own");
        return -EINVAL;
    }
    maker->secrets.namespace_name = pt_secret_get(maker->namespace_file);
    return 0;
}

static int set_up(struct maker *maker, const struct pt_kube_settings *kube, struct pt_error *err)
{
    struct pt_http_client *http = NULL;
    int r = check_settings(err);
    if (r == 0)
        r = find_namespace(maker, err);
    if (r == 0)
        r = pt_kube_config_load(kube, getenv, NULL, &maker->config, err);
    if (r == 0 && !maker->config.url)
        r = pt_error_set(err, EINVAL, "--make-secrets runs in a pod, or needs PULLTRACE_KUBE_URL");
    if (r < 0)
        return r;
    maker->base = event_base_new();
    if (!maker->base)
        return pt_error_set(err, ENOMEM, "out of memory");
    r = pt_http_client_create(maker->base, &http, err);
    maker->client = (struct pt_kube_client){.base = maker->base,
                                            .http = http,
                                            .config = &maker->config,
                                            .clock = maker->clock,
                                            .random = pt_kube_random};
    maker->secrets.client = &maker->client;
    for (size_t i = 0; i < PT_MADE_SECRET_COUNT; i++)
        maker->secrets.names[i] = settings.names[i];
    return r;
}

static void tear_down(struct maker *maker)
{
    pt_http_client_destroy(maker->client.http);
    pt_kube_config_finish(&maker->config);
    pt_secret_destroy(maker->namespace_file);
    if (maker->base)
        event_base_free(maker->base);
    libevent_global_shutdown();
}

// --- one change after the other ---

static int read_all(const struct maker *maker, struct pt_kube_secret secrets[PT_MADE_SECRET_COUNT],
                    struct pt_error *err)
{
    int r = 0;
    for (int i = 0; r == 0 && i < PT_MADE_SECRET_COUNT; i++) {
        if (!*settings.names[i])
            continue;
        r = pt_kube_secrets_read(&maker->secrets, (enum pt_made_secret)i, &secrets[i], err);
        if (r < 0)
            pt_error_prefix(err, "%s", settings.names[i]);
    }
    return r;
}

// Reads all Secrets and writes the first one that is to change. Returns 1 then, and 0 if there is
// none.
static int take_step(const struct maker *maker, struct pt_error *err)
{
    struct pt_kube_secret secrets[PT_MADE_SECRET_COUNT] = {0};
    struct pt_secret_content contents[PT_MADE_SECRET_COUNT];
    struct pt_secret_change change = {0};
    int r = read_all(maker, secrets, err);
    for (size_t i = 0; i < PT_MADE_SECRET_COUNT; i++)
        contents[i] = secrets[i].content;
    if (r == 0)
        r = pt_secret_plan(&settings.wishes, contents, pt_clock_wall_ns(maker->clock), &change,
                           err);
    if (r == 1) {
        const char *name = settings.names[change.secret];
        r = pt_kube_secrets_write(&maker->secrets, &secrets[change.secret], &change, err);
        if (r == 0)
            pt_log_info("secrets.written", pt_log_text("secret", name),
                        pt_log_text("why", change.why));
        else
            pt_error_prefix(err, "%s", name);
        r = r == 0 ? 1 : r;
    }
    pt_secret_content_finish(&change.content);
    for (size_t i = 0; i < PT_MADE_SECRET_COUNT; i++)
        pt_secret_content_finish(&secrets[i].content);
    return r;
}

static void pause_for_a_second(struct maker *maker)
{
    const struct timeval second = {1, 0};
    event_base_loopexit(maker->base, &second);
    event_base_loop(maker->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

// Another one that writes at the same time is no trouble: who comes second looks again. Rights may
// come a moment after the pod, and an API server may be away for a moment.
static int take_steps(struct maker *maker, struct pt_error *err)
{
    int64_t until = pt_clock_monotonic_ns(maker->clock) + TRY_FOR_NS;
    unsigned changes = 0, conflicts = 0;
    int r;
    while ((r = take_step(maker, err)) != 0) {
        if (r == 1 && ++changes > MOST_CHANGES)
            return pt_error_set(err, EIO, "what is written is not what is read then");
        conflicts = r == -EAGAIN ? conflicts + 1 : 0;
        bool is_late = pt_clock_monotonic_ns(maker->clock) >= until;
        if (r < 0 && (r == -EPERM || is_late))
            return r;
        if (r == 1 || (conflicts > 0 && conflicts < CONFLICTS_AT_ONCE))
            continue;
        pt_log_warn("secrets.retry", pt_log_text("error", err->message));
        pt_log_flush();
        pause_for_a_second(maker);
    }
    pt_log_info("secrets.good", pt_log_text("namespace", maker->secrets.namespace_name));
    return 0;
}

int pt_make_secrets(const struct pt_kube_settings *kube, struct pt_error *err)
{
    struct maker maker = {.clock = pt_clock_system()};
    int r = set_up(&maker, kube, err);
    if (r == 0) {
        r = take_steps(&maker, err);
        r = r == -EINVAL ? -EIO : r; // what the API answers is no setting
    }
    tear_down(&maker);
    return r;
}
