// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "kube/kube_client.h"
#include "server/secrets/authorities.h"
#include "server/secrets/kube_secrets.h"
#include "source.h"

#include <assert.h>
#include <event2/event.h>

// What stands in the Secrets that are ours to renew, which somebody else may have written: the
// object, its base64, PEM of certificates and keys, tokens; and what the API server answers
// instead. What cannot be used is made anew.

#define NOW (INT64_C(1790000000) * PT_NS_PER_S)

static struct {
    struct pt_http_options request;
    const char *body;
    size_t length;
    int status;
} world;

int __wrap_pt_kube_client_start(const struct pt_kube_client *client, const char *path,
                                struct pt_http_options request,
                                struct pt_http_request **ret_request, struct pt_error *err);
int __wrap_event_base_loop(struct event_base *base, int flags);
int __wrap_event_base_loopbreak(struct event_base *base);

int __wrap_pt_kube_client_start(const struct pt_kube_client *client, const char *path,
                                struct pt_http_options request,
                                struct pt_http_request **ret_request, struct pt_error *err)
{
    (void)client, (void)ret_request, (void)err;
    assert(strcmp(path, "/api/v1/namespaces/ns/secrets/s") == 0);
    world.request = request;
    return 0;
}

int __wrap_event_base_loop(struct event_base *base, int flags)
{
    (void)base, (void)flags;
    struct pt_http_result result = {.status = world.status, .message = ""};
    result.error = world.request.on_data(world.request.context, world.body, world.length);
    world.request.on_done(world.request.context, &result);
    return 0;
}

int __wrap_event_base_loopbreak(struct event_base *base)
{
    (void)base;
    return 0;
}

static void read_authorities(const char *certificates, const char *keys)
{
    struct pt_authorities authorities = {0};
    int64_t made_at = 0, ends_at = 0;
    if (pt_authorities_read(&authorities, certificates, keys))
        assert(authorities.count > 0 && authorities.count <= PT_LIMIT_AUTHORITIES);
    assert(pt_certificate_fault(&authorities, certificates, keys, "a.example", &made_at, &ends_at));
    pt_authorities_finish(&authorities);
}

// What follows of it: a change that is whole, as long as no certificate is to be made, which would
// take most of the time.
static void plan(const struct pt_secret_content *token)
{
    const struct pt_secret_wishes wishes = {.token = true,
                                            .names = "a.example",
                                            .token_life_ns = 3600 * PT_NS_PER_S,
                                            .settle_ns = 60 * PT_NS_PER_S};
    struct pt_secret_content contents[PT_MADE_SECRET_COUNT] = {[PT_MADE_TOKEN] = *token};
    struct pt_secret_change change;
    int r = pt_secret_plan(&wishes, contents, NOW, &change, NULL);
    assert(r >= 0);
    if (r == 1) {
        assert(change.secret == PT_MADE_TOKEN && change.why && change.content.values[0]);
        pt_secret_content_finish(&change.content);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 200, 404, 403, 409, 500};
    struct source source = {data, size};
    const struct pt_kube_client client = {0};
    struct pt_kube_secrets secrets = {.client = &client, .namespace_name = "ns"};
    struct pt_kube_secret secret;
    struct pt_error err;
    enum pt_made_secret which = (enum pt_made_secret)take_below(&source, PT_MADE_SECRET_COUNT);
    secrets.names[which] = "s";
    world.status = statuses[take_below(&source, 7)];
    world.body = (const char *)source.data;
    world.length = source.size;
    if (pt_kube_secrets_read(&secrets, which, &secret, &err) == 0) {
        read_authorities(secret.content.values[0], secret.content.values[1]);
        plan(&secret.content);
        pt_secret_content_finish(&secret.content);
    }
    char *text = take_rest(&source);
    read_authorities(text, text);
    (void)!pt_certificate_check_names(text, NULL);
    free(text);
    return 0;
}
