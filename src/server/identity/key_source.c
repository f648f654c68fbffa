// SPDX-License-Identifier: Apache-2.0
#include "server/identity/key_source.h"

#include "base/backoff.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"
#include "kube/kube_client.h"
#include "kube/object_fields.h"
#include "server/identity/api_question.h"
#include "server/identity/jwks.h"
#include "server/identity/review_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIGURATION_PATH "/.well-known/openid-configuration"
#define KEYS_PATH "/openid/v1/jwks"
#define CONFIGURATION_BYTES (64 * 1024)
#define USUAL_MS (10 * 60 * 1000)
#define WITHOUT_MS (60 * 1000) // rights may be given at any time
#define REFUSED_MS 2000
#define REFUSALS 3 // in a row, until they are believed
#define RENEW_NS (10 * PT_NS_PER_S)

struct pt_key_source {
    const struct pt_kube_client *client;
    void (*on_change)(void *context);
    void *context;
    struct pt_timer *timer;
    struct pt_question *question; // under way, or NULL
    enum pt_proof proof;
    char *issuer, *next_issuer; // the latter of the look that is under way
    struct pt_jwks *keys;
    bool has_looked;
    int64_t looked_at;     // monotonic_ns
    unsigned refusals;     // of keys and reviews
    unsigned key_refusals; // since there were keys
    struct pt_backoff backoff;
    struct pt_key_source_figures figures;
    char refusal[256]; // of the keys, for the log
    char logged[256];
};

static int64_t now_ns(const struct pt_key_source *source)
{
    return pt_clock_monotonic_ns(source->client->clock);
}

// --- how a look ends ---

static void log_proof(const struct pt_key_source *source)
{
    switch (source->proof) {
    case PT_PROOF_KEYS:
        pt_log_info("identity.keys", pt_log_text("issuer", source->issuer),
                    pt_log_int("keys", (int64_t)pt_jwks_count(source->keys)));
        break;
    case PT_PROOF_REVIEWS:
        pt_log_info("identity.reviews", pt_log_text("keysRefused", source->refusal));
        break;
    case PT_PROOF_NONE:
        pt_log_warn(
            "identity.no_rights", pt_log_text("error", source->refusal),
            pt_log_text("advice",
                        "give the server's ServiceAccount the right to get " KEYS_PATH
                        " and " CONFIGURATION_PATH
                        ", or to create tokenreviews (docs/security.md); until then the shared "
                        "token stands in, if there is one"));
        break;
    case PT_PROOF_UNKNOWN:
        break;
    }
}

static void settle(struct pt_key_source *source, enum pt_proof proof)
{
    bool is_other = source->proof != proof;
    source->proof = proof;
    source->logged[0] = '\0';
    pt_backoff_good(&source->backoff, now_ns(source));
    pt_timer_start(source->timer, proof == PT_PROOF_NONE ? WITHOUT_MS : USUAL_MS);
    if (is_other) {
        log_proof(source);
        source->on_change(source->context);
    }
}

static void fail(struct pt_key_source *source, const char *words)
{
    int64_t delay_ns =
        pt_backoff_failed(&source->backoff, now_ns(source), source->client->random());
    source->figures.failures++;
    source->refusals = source->key_refusals = 0;
    if (pt_text_remember(source->logged, sizeof(source->logged), words))
        pt_log_warn("identity.trouble", pt_log_text("error", words),
                    pt_log_int("retryMs", delay_ns / PT_NS_PER_MS));
    pt_timer_start(source->timer, delay_ns / PT_NS_PER_MS);
}

static void take_keys(struct pt_key_source *source, struct pt_jwks *keys)
{
    bool is_same = source->issuer && strcmp(source->issuer, source->next_issuer) == 0 &&
                   pt_jwks_are_equal(source->keys, keys);
    bool was_there = source->proof == PT_PROOF_KEYS;
    free(source->issuer);
    source->issuer = source->next_issuer;
    source->next_issuer = NULL;
    pt_jwks_destroy(source->keys);
    source->keys = keys;
    source->refusals = source->key_refusals = 0;
    settle(source, PT_PROOF_KEYS);
    if (was_there && !is_same) {
        log_proof(source);
        source->on_change(source->context);
    }
}

// --- may tokens be reviewed? One that is none is enough to know. ---

static void on_review(void *context, const struct pt_answer *answer)
{
    struct pt_key_source *source = context;
    source->question = NULL;
    if (answer->sort == PT_ANSWER_TROUBLE) {
        fail(source, answer->words);
    } else if (answer->sort == PT_ANSWER_GOOD) {
        source->refusals = 0;
        settle(source, PT_PROOF_REVIEWS);
    } else if (++source->refusals >= REFUSALS) {
        settle(source, PT_PROOF_NONE);
    } else {
        pt_timer_start(source->timer, REFUSED_MS);
    }
}

static void ask(struct pt_key_source *source, const char *path, const char *body, size_t max_bytes,
                pt_answer_fn *on_answer)
{
    struct pt_error err;
    if (pt_question_start(source->client, path, body, max_bytes, on_answer, source,
                          &source->question, &err) < 0)
        fail(source, err.message);
}

static void try_review(struct pt_key_source *source, const char *refusal)
{
    static const char body[] = "{\"apiVersion\":\"authentication.k8s.io/v1\","
                               "\"kind\":\"TokenReview\",\"spec\":{\"token\":\"none\"}}";
    (void)pt_text_remember(source->refusal, sizeof(source->refusal), refusal);
    ask(source, PT_TOKEN_REVIEWS_PATH, body, PT_LIMIT_TOKEN_ANSWER_BYTES, on_review);
}

// --- the keys ---

static void take_refusal(struct pt_key_source *source, const char *words)
{
    if (source->proof == PT_PROOF_KEYS && ++source->key_refusals < REFUSALS)
        pt_timer_start(source->timer, REFUSED_MS);
    else
        try_review(source, words);
}

static void on_keys(void *context, const struct pt_answer *answer)
{
    struct pt_key_source *source = context;
    struct pt_jwks *keys = NULL;
    struct pt_error err;
    source->question = NULL;
    int r = answer->sort == PT_ANSWER_GOOD ? pt_jwks_read(answer->text, answer->length, &keys, &err)
                                           : 0;
    if (answer->sort == PT_ANSWER_TROUBLE)
        fail(source, answer->words);
    else if (answer->sort == PT_ANSWER_REFUSED)
        take_refusal(source, answer->words);
    else if (r == -ENOMEM)
        fail(source, err.message);
    else if (r < 0)
        take_refusal(source, err.message);
    else
        take_keys(source, keys);
}

static void on_configuration(void *context, const struct pt_answer *answer)
{
    struct pt_key_source *source = context;
    source->question = NULL;
    const char *issuer = answer->sort == PT_ANSWER_GOOD
                             ? pt_kube_short_text(answer->object, "issuer", PT_LIMIT_ISSUER_BYTES)
                             : NULL;
    if (answer->sort == PT_ANSWER_TROUBLE) {
        fail(source, answer->words);
    } else if (answer->sort == PT_ANSWER_REFUSED) {
        take_refusal(source, answer->words);
    } else if (!issuer || !*issuer) {
        take_refusal(source, "the API server names no issuer");
    } else {
        free(source->next_issuer);
        source->next_issuer = strdup(issuer);
        if (source->next_issuer)
            ask(source, KEYS_PATH, NULL, PT_LIMIT_CLUSTER_KEYS_BYTES, on_keys);
        else
            fail(source, "out of memory");
    }
}

static void look(void *context)
{
    struct pt_key_source *source = context;
    if (source->question)
        return;
    source->has_looked = true;
    source->looked_at = now_ns(source);
    source->figures.looks++;
    ask(source, CONFIGURATION_PATH, NULL, CONFIGURATION_BYTES, on_configuration);
}

// --- what the header promises ---

int pt_key_source_create(const struct pt_kube_client *client, void (*on_change)(void *context),
                         void *context, struct pt_key_source **ret_source, struct pt_error *err)
{
    struct pt_key_source *source = calloc(1, sizeof(*source));
    if (!source)
        return pt_error_set(err, ENOMEM, "out of memory");
    source->client = client;
    source->on_change = on_change;
    source->context = context;
    source->timer = pt_timer_create(client->base, client->clock, look, source);
    if (!source->timer) {
        free(source);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    pt_timer_start(source->timer, 0);
    *ret_source = source;
    return 0;
}

void pt_key_source_destroy(struct pt_key_source *source)
{
    if (!source)
        return;
    pt_question_cancel(source->question);
    pt_timer_destroy(source->timer);
    pt_jwks_destroy(source->keys);
    free(source->issuer);
    free(source->next_issuer);
    free(source);
}

enum pt_proof pt_key_source_proof(const struct pt_key_source *source)
{
    return source->proof;
}

const struct pt_jwks *pt_key_source_keys(const struct pt_key_source *source)
{
    return source->keys;
}

const char *pt_key_source_issuer(const struct pt_key_source *source)
{
    return source->issuer;
}

bool pt_key_source_renew(struct pt_key_source *source)
{
    if (!source->question && source->has_looked && now_ns(source) - source->looked_at < RENEW_NS)
        return false;
    if (!source->question)
        look(source);
    return source->question != NULL;
}

struct pt_key_source_figures pt_key_source_figures(const struct pt_key_source *source)
{
    return source->figures;
}
