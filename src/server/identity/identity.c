// SPDX-License-Identifier: Apache-2.0
#include "server/identity/identity.h"

#include "base/limits.h"
#include "base/metric_text.h"
#include "kube/kube_client.h"
#include "server/identity/jwks.h"
#include "server/identity/jwt.h"
#include "server/identity/key_source.h"
#include "server/identity/token_checks.h"
#include "server/identity/token_policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REFUSED_NS (60 * PT_NS_PER_S)
#define SOON_S 1                                              // an answer is on its way
#define CHECKED_PER_S (PT_LIMIT_TOKEN_REQUESTS_PER_S * 4 / 5) // of those that wait
#define LATER_S 2                                             // and up to
#define LATER_SPREAD_S 8 // more, so that not all come back at once

static const char *const proof_names[] = {
    [PT_PROOF_UNKNOWN] = "unknown",
    [PT_PROOF_KEYS] = "keys",
    [PT_PROOF_REVIEWS] = "reviews",
    [PT_PROOF_NONE] = "none",
};
#define PROOFS (sizeof(proof_names) / sizeof(proof_names[0]))

struct pt_identity {
    struct pt_kube_client kube; // with connections of its own
    struct pt_token_policy policy;
    struct pt_key_source *source;
    struct pt_token_checks *checks;
    struct pt_known_tokens *known;   // with their nodes
    struct pt_known_tokens *refused; // by the API server, with the words
    uint64_t verified, wrong;        // tokens, by what was found here
};

static int64_t wall_ns(const struct pt_identity *identity)
{
    return pt_clock_wall_ns(identity->kube.clock);
}

static int64_t now_ns(const struct pt_identity *identity)
{
    return pt_clock_monotonic_ns(identity->kube.clock);
}

// --- answers that come later ---

// What was verified by keys that are gone is verified anew.
static void on_change(void *context)
{
    struct pt_identity *identity = context;
    pt_known_tokens_forget_all(identity->known);
    pt_token_checks_forget_verified(identity->checks);
}

static void remember(struct pt_identity *identity, const char *key, const char *node_name,
                     int64_t expires_at)
{
    int64_t until = (expires_at + PT_TOKEN_LEEWAY_S) * PT_NS_PER_S;
    pt_known_tokens_add(identity->known, key, node_name, until, wall_ns(identity));
}

static void on_verdict(void *context, const char *key, const struct pt_token_verdict *verdict)
{
    struct pt_identity *identity = context;
    int64_t now = now_ns(identity);
    if (verdict->node_name)
        remember(identity, key, verdict->node_name, verdict->expires_at);
    else
        pt_known_tokens_add(identity->refused, key, verdict->words, now + REFUSED_NS, now);
}

static void on_refused(void *context)
{
    struct pt_identity *identity = context;
    (void)pt_key_source_renew(identity->source);
}

// --- a token that is not known ---

static void answer_wrong(struct pt_identity_verdict *verdict)
{
    verdict->answer = PT_IDENTITY_WRONG;
}

static void answer_later(const struct pt_identity *identity, bool is_soon, const char *words,
                         struct pt_identity_verdict *verdict)
{
    verdict->answer = PT_IDENTITY_LATER;
    verdict->retry_after_s =
        is_soon ? SOON_S : LATER_S + (int)(identity->kube.random() % (LATER_SPREAD_S + 1));
    pt_error_set(&verdict->words, EAGAIN, "%s", words);
}

static void answer_known(struct pt_identity *identity, struct pt_identity_verdict *verdict)
{
    verdict->node_name = pt_known_tokens_find(identity->known, verdict->key, wall_ns(identity));
    verdict->answer = PT_IDENTITY_KNOWN;
    if (!verdict->node_name)
        answer_later(identity, true, "out of memory", verdict);
}

// When those are through that were there before.
static void answer_waiting(const struct pt_identity *identity, struct pt_identity_verdict *verdict)
{
    size_t ahead = pt_token_checks_ahead(identity->checks, verdict->key);
    const char *words = pt_token_checks_are_closed(identity->checks)
                            ? "the API server cannot be asked about the token now"
                            : "the API server is asked about the token";
    answer_later(identity, true, words, verdict);
    verdict->retry_after_s += (int)(ahead / CHECKED_PER_S);
}

static void ask(struct pt_identity *identity, const char *token, const char *peer, bool is_verified,
                struct pt_identity_verdict *verdict)
{
    int r = pt_token_checks_add(identity->checks, verdict->key, token, peer, is_verified);
    if (r == 0)
        answer_waiting(identity, verdict);
    else
        answer_later(identity, false, "the API server cannot be asked about the token now",
                     verdict);
}

// Keys or issuer may have changed since they were fetched.
static void renew(struct pt_identity *identity, struct pt_identity_verdict *verdict)
{
    if (pt_key_source_renew(identity->source))
        answer_later(identity, true, "the cluster's keys are fetched anew", verdict);
    else
        answer_wrong(verdict);
}

static void verify(struct pt_identity *identity, const char *token, const char *peer,
                   const struct pt_jwt *jwt, struct pt_identity_verdict *verdict)
{
    const struct pt_jwks *keys = pt_key_source_keys(identity->source);
    int r = pt_jwks_verify(keys, jwt, &verdict->words);
    identity->verified += r == 0;
    identity->wrong += r == -EPERM;
    if (r == -ENOENT) {
        renew(identity, verdict);
    } else if (r < 0) {
        answer_wrong(verdict);
    } else if (jwt->claims.node_name) {
        remember(identity, verdict->key, jwt->claims.node_name, jwt->claims.expires_at);
        answer_known(identity, verdict);
    } else {
        ask(identity, token, peer, true, verdict);
    }
}

static void look_at_claims(struct pt_identity *identity, const char *token, const char *peer,
                           const struct pt_jwt *jwt, struct pt_identity_verdict *verdict)
{
    bool has_keys = pt_key_source_proof(identity->source) == PT_PROOF_KEYS;
    const char *issuer = has_keys ? pt_key_source_issuer(identity->source) : NULL;
    int r = pt_token_policy_judge(&identity->policy, &jwt->claims, issuer, wall_ns(identity),
                                  &verdict->words);
    if (r < 0 && issuer && strcmp(jwt->claims.issuer, issuer) != 0)
        renew(identity, verdict);
    else if (r < 0)
        answer_wrong(verdict);
    else if (has_keys)
        verify(identity, token, peer, jwt, verdict);
    else
        ask(identity, token, peer, false, verdict);
}

static void look_anew(struct pt_identity *identity, const char *token, const char *peer,
                      struct pt_identity_verdict *verdict)
{
    struct pt_jwt jwt;
    enum pt_proof proof = pt_key_source_proof(identity->source);
    const char *why = pt_known_tokens_find(identity->refused, verdict->key, now_ns(identity));
    if (why) {
        pt_error_set(&verdict->words, EPERM, "%s", why);
        answer_wrong(verdict);
    } else if (pt_token_checks_has(identity->checks, verdict->key)) {
        answer_waiting(identity, verdict);
    } else if (proof == PT_PROOF_UNKNOWN || proof == PT_PROOF_NONE) {
        // The first look takes a moment.
        answer_later(identity,
                     pt_key_source_figures(identity->source).failures == 0 &&
                         proof == PT_PROOF_UNKNOWN,
                     pt_identity_missing(identity), verdict);
    } else if (pt_jwt_read(token, &jwt, &verdict->words) < 0) {
        answer_wrong(verdict);
    } else {
        look_at_claims(identity, token, peer, &jwt, verdict);
        pt_jwt_finish(&jwt);
    }
}

const char *pt_bearer_token(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    size_t length = strlen(scheme);
    bool is_bearer = authorization && strncasecmp(authorization, scheme, length) == 0;
    return is_bearer ? authorization + length : NULL;
}

void pt_identity_look(struct pt_identity *identity, const char *authorization, const char *peer,
                      struct pt_identity_verdict *ret_verdict)
{
    const char *token = pt_bearer_token(authorization);
    *ret_verdict = (struct pt_identity_verdict){.answer = PT_IDENTITY_WRONG};
    if (!token) {
        pt_error_set(&ret_verdict->words, EPERM, "the agent's token is missing");
        return;
    }
    size_t length = strlen(token);
    if (length > PT_LIMIT_TOKEN_BYTES) {
        pt_error_set(&ret_verdict->words, EPERM, "the agent's token is too long");
        return;
    }
    if (pt_token_key(token, length, ret_verdict->key) < 0) {
        answer_later(identity, true, "out of memory", ret_verdict);
        return;
    }
    ret_verdict->node_name =
        pt_known_tokens_find(identity->known, ret_verdict->key, wall_ns(identity));
    if (ret_verdict->node_name)
        ret_verdict->answer = PT_IDENTITY_KNOWN;
    else
        look_anew(identity, token, peer, ret_verdict);
}

const char *pt_identity_node(struct pt_identity *identity, const char *key)
{
    return pt_known_tokens_find(identity->known, key, wall_ns(identity));
}

bool pt_identity_has_no_rights(const struct pt_identity *identity)
{
    return pt_key_source_proof(identity->source) == PT_PROOF_NONE;
}

const char *pt_identity_proof(const struct pt_identity *identity)
{
    return proof_names[pt_key_source_proof(identity->source)];
}

const char *pt_identity_missing(const struct pt_identity *identity)
{
    switch (pt_key_source_proof(identity->source)) {
    case PT_PROOF_UNKNOWN:
        return "the keys of the agents' tokens have not come from the Kubernetes API yet";
    case PT_PROOF_NONE:
        return "the server may neither read the cluster's keys nor review tokens: give its "
               "ServiceAccount the rights of docs/security.md, or set PULLTRACE_AGENT_TOKEN";
    case PT_PROOF_KEYS:
    case PT_PROOF_REVIEWS:
        break;
    }
    return NULL;
}

// --- metrics ---

// The shared token is what they are known by where nothing else is wished for.
static void write_proof(const struct pt_identity *identity, struct pt_buffer *out)
{
    static const char name[] = "pulltrace_agent_identity";
    pt_metric_head(
        out, name, "gauge",
        "1 at what agents are known by: the cluster's keys, reviews by its API server, the "
        "shared token; none: the server has no rights to the first two, and the shared "
        "token stands in, if there is one.");
    for (size_t i = 0; i < PROOFS; i++)
        (void)pt_buffer_printf(out, "%s{by=\"%s\"} %d\n", name, proof_names[i],
                               identity && pt_key_source_proof(identity->source) == i);
    (void)pt_buffer_printf(out, "%s{by=\"shared_token\"} %d\n", name, !identity);
}

static void write_checks(const struct pt_identity *identity, struct pt_buffer *out)
{
    static const char name[] = "pulltrace_agent_tokens_checked_total";
    struct pt_token_check_figures checks = {0};
    if (identity)
        checks = pt_token_checks_figures(identity->checks);
    uint64_t good = checks.good + (identity ? identity->verified : 0);
    uint64_t wrong = checks.refused + (identity ? identity->wrong : 0);
    pt_metric_head(
        out, name, "counter",
        "Agents' own tokens that were verified, here or by the API server; failed: it did "
        "not answer; left_out: nor was it asked, as it was away or too many waited.");
    (void)pt_buffer_printf(out,
                           "%s{result=\"good\"} %llu\n%s{result=\"wrong\"} %llu\n"
                           "%s{result=\"failed\"} %llu\n%s{result=\"left_out\"} %llu\n",
                           name, (unsigned long long)good, name, (unsigned long long)wrong, name,
                           (unsigned long long)checks.failed, name,
                           (unsigned long long)checks.left_out);
}

void pt_identity_write_metrics(const struct pt_identity *identity, struct pt_buffer *out)
{
    struct pt_key_source_figures source = {0};
    if (identity)
        source = pt_key_source_figures(identity->source);
    write_proof(identity, out);
    pt_metric_number(out, "pulltrace_agent_tokens_known", "gauge",
                     "Agents' own tokens that are good and have not expired.",
                     identity ? pt_known_tokens_count(identity->known, wall_ns(identity)) : 0);
    write_checks(identity, out);
    pt_metric_number(out, "pulltrace_cluster_key_fetches_total", "counter",
                     "How often the cluster's public keys were asked for.", source.looks);
    pt_metric_number(out, "pulltrace_cluster_key_fetch_failures_total", "counter",
                     "Of these, how often the API server did not answer.", source.failures);
}

// --- the start ---

int pt_identity_check(const struct pt_identity_settings *settings, struct pt_error *err)
{
    struct pt_token_policy policy;
    int r = pt_token_policy_read(settings->audience, settings->service_accounts, &policy, err);
    if (r == 0)
        pt_token_policy_finish(&policy);
    return r;
}

static int start(struct pt_identity *identity, const struct pt_identity_settings *settings,
                 struct pt_error *err)
{
    const struct pt_token_checks_handler handler = {on_verdict, on_refused, identity};
    int r = pt_token_policy_read(settings->audience, settings->service_accounts, &identity->policy,
                                 err);
    if (r < 0)
        return r;
    identity->known = pt_known_tokens_create(PT_LIMIT_TOKENS_PER_NODE * settings->max_nodes,
                                             PT_LIMIT_TOKENS_PER_NODE);
    identity->refused = pt_known_tokens_create(PT_LIMIT_REFUSED_TOKENS, 0);
    if (!identity->known || !identity->refused)
        return pt_error_set(err, ENOMEM, "out of memory");
    r = pt_http_client_create(identity->kube.base, &identity->kube.http, err);
    if (r < 0)
        return r;
    pt_http_client_keep(identity->kube.http, PT_LIMIT_TOKEN_REQUESTS);
    r = pt_token_checks_create(&identity->kube, &identity->policy, &handler, &identity->checks,
                               err);
    if (r == 0)
        r = pt_key_source_create(&identity->kube, on_change, identity, &identity->source, err);
    return r;
}

int pt_identity_create(const struct pt_kube_client *kube,
                       const struct pt_identity_settings *settings,
                       struct pt_identity **ret_identity, struct pt_error *err)
{
    struct pt_identity *identity = calloc(1, sizeof(*identity));
    if (!identity)
        return pt_error_set(err, ENOMEM, "out of memory");
    identity->kube = *kube;
    identity->kube.http = NULL;
    int r = start(identity, settings, err);
    if (r < 0) {
        pt_identity_destroy(identity);
        return r;
    }
    *ret_identity = identity;
    return 0;
}

void pt_identity_destroy(struct pt_identity *identity)
{
    if (!identity)
        return;
    pt_key_source_destroy(identity->source);
    pt_token_checks_destroy(identity->checks);
    pt_http_client_destroy(identity->kube.http);
    pt_known_tokens_destroy(identity->known);
    pt_known_tokens_destroy(identity->refused);
    pt_token_policy_finish(&identity->policy);
    free(identity);
}
