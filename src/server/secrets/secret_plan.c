// SPDX-License-Identifier: Apache-2.0
#include "server/secrets/secret_plan.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "server/secrets/authorities.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_BYTES 32
#define CLOCKS_DIFFER_NS (3600 * PT_NS_PER_S)

enum { CA_CRT, CA_KEY }; // of the CAs; the bundle has the first
enum { TLS_CRT, TLS_KEY, TLS_CA };

const char *const pt_made_secret_keys[PT_MADE_SECRET_COUNT][PT_MADE_SECRET_KEYS] = {
    [PT_MADE_AUTHORITIES] = {"ca.crt", "ca.key"},
    [PT_MADE_BUNDLE] = {"ca.crt"},
    [PT_MADE_CERTIFICATE] = {"tls.crt", "tls.key", "ca.crt"},
    [PT_MADE_TOKEN] = {"token"},
};

void pt_secret_content_finish(struct pt_secret_content *content)
{
    for (size_t i = 0; i < PT_MADE_SECRET_KEYS; i++) {
        if (content->values[i])
            OPENSSL_cleanse(content->values[i], strlen(content->values[i]));
        free(content->values[i]);
    }
    *content = (struct pt_secret_content){0};
}

// --- changes ---

static bool is_same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

// Returns 1, as pt_secret_plan does.
static int change(struct pt_secret_change *ret_change, enum pt_made_secret secret, const char *why,
                  const char *const values[PT_MADE_SECRET_KEYS], struct pt_error *err)
{
    *ret_change = (struct pt_secret_change){.secret = secret, .why = why};
    for (size_t i = 0; i < PT_MADE_SECRET_KEYS && values[i]; i++) {
        ret_change->content.values[i] = strdup(values[i]);
        if (!ret_change->content.values[i]) {
            pt_secret_content_finish(&ret_change->content);
            pt_error_set(err, ENOMEM, "out of memory");
            return -ENOMEM;
        }
    }
    return 1;
}

// A third of its life is over; of what was to live longer, by a former setting, a third of the new
// one.
static bool is_due(int64_t made_at, int64_t ends_at, int64_t life_ns, int64_t now)
{
    int64_t life = ends_at - made_at < life_ns ? ends_at - made_at : life_ns;
    return now >= made_at + life / 3;
}

// --- certificates ---

// What one look at the Secrets has read of the CAs.
struct scene {
    const struct pt_secret_wishes *wishes;
    const struct pt_secret_content *contents;
    int64_t now;
    struct pt_authorities authorities;
    struct pt_buffer bundle;
};

static int plan_authorities(struct scene *scene, struct pt_secret_change *ret_change,
                            struct pt_error *err)
{
    struct pt_authorities *authorities = &scene->authorities;
    const struct pt_secret_content *now = &scene->contents[PT_MADE_AUTHORITIES];
    int64_t life = scene->wishes->authority_life_ns;
    struct pt_buffer keys;
    const char *why = NULL;
    if (!pt_authorities_read(authorities, now->values[CA_CRT], now->values[CA_KEY]))
        why = "there is no CA";
    else if (pt_authorities_drop_ended(authorities, scene->now))
        why = "a CA has ended";
    const struct pt_authority *newest =
        authorities->count > 0 ? &authorities->list[authorities->count - 1] : NULL;
    int r = 0;
    if (!newest || is_due(newest->made_at, newest->ends_at, life, scene->now)) {
        why = why ? why : "a third of the CA's life is over: the next one";
        r = pt_authorities_add(authorities, scene->now, life, err);
    }
    pt_buffer_init(&keys, PT_LIMIT_SECRET_BYTES);
    if (r == 0)
        r = pt_authorities_write(authorities, &scene->bundle, &keys, err);
    const char *const values[PT_MADE_SECRET_KEYS] = {scene->bundle.data, keys.data};
    if (r == 0 && why)
        r = change(ret_change, PT_MADE_AUTHORITIES, why, values, err);
    if (keys.data)
        OPENSSL_cleanse(keys.data, keys.length);
    pt_buffer_finish(&keys);
    return r;
}

static int plan_bundle(const struct scene *scene, struct pt_secret_change *ret_change,
                       struct pt_error *err)
{
    const char *const values[PT_MADE_SECRET_KEYS] = {scene->bundle.data};
    if (is_same(scene->contents[PT_MADE_BUNDLE].values[CA_CRT], scene->bundle.data))
        return 0;
    return change(ret_change, PT_MADE_BUNDLE, "the CAs have changed", values, err);
}

// The newest that agents have had for a while, else the oldest.
static const struct pt_authority *signer(const struct scene *scene)
{
    const struct pt_authorities *authorities = &scene->authorities;
    for (size_t i = authorities->count; i > 1; i--) {
        const struct pt_authority *authority = &authorities->list[i - 1];
        if (scene->now - authority->made_at >= scene->wishes->settle_ns)
            return authority;
    }
    return &authorities->list[0];
}

static int renew_certificate(const struct scene *scene, const char *why,
                             struct pt_secret_change *ret_change, struct pt_error *err)
{
    struct pt_buffer certificate, key;
    pt_buffer_init(&certificate, PT_LIMIT_SECRET_BYTES);
    pt_buffer_init(&key, PT_LIMIT_SECRET_BYTES);
    int r = pt_certificate_make(signer(scene), scene->wishes->names, scene->now,
                                scene->wishes->certificate_life_ns, &certificate, &key, err);
    const char *const values[PT_MADE_SECRET_KEYS] = {certificate.data, key.data,
                                                     scene->bundle.data};
    if (r == 0)
        r = change(ret_change, PT_MADE_CERTIFICATE, why, values, err);
    if (key.data)
        OPENSSL_cleanse(key.data, key.length);
    pt_buffer_finish(&certificate);
    pt_buffer_finish(&key);
    return r;
}

static int plan_certificate(const struct scene *scene, struct pt_secret_change *ret_change,
                            struct pt_error *err)
{
    const struct pt_secret_content *now = &scene->contents[PT_MADE_CERTIFICATE];
    int64_t made_at = 0, ends_at = 0;
    const char *why =
        pt_certificate_fault(&scene->authorities, now->values[TLS_CRT], now->values[TLS_KEY],
                             scene->wishes->names, &made_at, &ends_at);
    if (!why && is_due(made_at, ends_at, scene->wishes->certificate_life_ns, scene->now))
        why = "a third of its life is over";
    if (why)
        return renew_certificate(scene, why, ret_change, err);
    const char *const values[PT_MADE_SECRET_KEYS] = {now->values[TLS_CRT], now->values[TLS_KEY],
                                                     scene->bundle.data};
    if (is_same(now->values[TLS_CA], scene->bundle.data))
        return 0;
    return change(ret_change, PT_MADE_CERTIFICATE, "the CAs have changed", values, err);
}

static int plan_certificates(const struct pt_secret_wishes *wishes,
                             const struct pt_secret_content contents[PT_MADE_SECRET_COUNT],
                             int64_t now, struct pt_secret_change *ret_change, struct pt_error *err)
{
    struct scene scene = {.wishes = wishes, .contents = contents, .now = now};
    pt_buffer_init(&scene.bundle, PT_LIMIT_SECRET_BYTES);
    int r = plan_authorities(&scene, ret_change, err);
    if (r == 0)
        r = plan_bundle(&scene, ret_change, err);
    if (r == 0)
        r = plan_certificate(&scene, ret_change, err);
    pt_authorities_finish(&scene.authorities);
    pt_buffer_finish(&scene.bundle);
    return r;
}

// --- the token ---

struct tokens {
    char first[PT_LIMIT_SECRET_BYTES]; // what agents send
    char second[PT_LIMIT_SECRET_BYTES];
};

// The first two lines; "" for what is not there.
static void read_tokens(const char *text, struct tokens *tokens)
{
    char *lines[] = {tokens->first, tokens->second};
    size_t count = 0;
    tokens->first[0] = tokens->second[0] = '\0';
    while (text && *text && count < 2) {
        size_t length = strcspn(text, "\r\n");
        if (length > 0 && length < PT_LIMIT_SECRET_BYTES) {
            memcpy(lines[count], text, length);
            lines[count++][length] = '\0';
        }
        text += length;
        text += strspn(text, "\r\n");
    }
}

static int make_token(char token[static 2 * TOKEN_BYTES + 1], struct pt_error *err)
{
    unsigned char bytes[TOKEN_BYTES];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return pt_error_set(err, EIO, "there are no random bytes");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return 0;
}

struct token_change {
    const char *first, *second; // the lines; the second NULL: none
    enum pt_token_step step;
    const char *why;
};

static int change_token(const struct token_change *wanted, int64_t now,
                        struct pt_secret_change *ret_change, struct pt_error *err)
{
    char *text = NULL;
    if (asprintf(&text, "%s%s%s\n", wanted->first, wanted->second ? "\n" : "",
                 wanted->second ? wanted->second : "") < 0)
        return pt_error_set(err, ENOMEM, "out of memory");
    const char *const values[PT_MADE_SECRET_KEYS] = {text};
    int r = change(ret_change, PT_MADE_TOKEN, wanted->why, values, err);
    OPENSSL_cleanse(text, strlen(text));
    free(text);
    ret_change->content.step = wanted->step;
    ret_change->content.changed_at = now;
    return r;
}

// What is due of tokens that are there. `why` stays NULL if nothing is.
static struct token_change next_token_change(const struct pt_secret_wishes *wishes,
                                             const struct pt_secret_content *content,
                                             const struct tokens *tokens, int64_t now)
{
    const char *second = tokens->second[0] ? tokens->second : NULL;
    int64_t passed = now - content->changed_at;
    struct token_change same = {tokens->first, second, PT_TOKEN_ALONE, NULL};
    if (second) // of what others have put there the second one goes
        same.step =
            content->step == PT_TOKEN_NEXT_IS_KNOWN ? content->step : PT_TOKEN_LAST_IS_KNOWN;
    if (content->changed_at == 0 || passed < -CLOCKS_DIFFER_NS || same.step != content->step) {
        same.why = "when it has changed is not known: now";
        return same;
    }
    if (!second && passed >= wishes->token_life_ns / 3)
        return (struct token_change){tokens->first, NULL, PT_TOKEN_NEXT_IS_KNOWN,
                                     "a third of its life is over: the next one"};
    if (second && passed >= wishes->settle_ns && same.step == PT_TOKEN_NEXT_IS_KNOWN)
        return (struct token_change){second, tokens->first, PT_TOKEN_LAST_IS_KNOWN,
                                     "the server knows the next one: agents send it"};
    if (second && passed >= wishes->settle_ns)
        return (struct token_change){tokens->first, NULL, PT_TOKEN_ALONE,
                                     "agents no longer send the last one"};
    return same;
}

static int plan_tokens(const struct pt_secret_wishes *wishes,
                       const struct pt_secret_content *content, struct tokens *tokens, int64_t now,
                       struct pt_secret_change *ret_change, struct pt_error *err)
{
    char made[2 * TOKEN_BYTES + 1];
    struct token_change wanted = {made, NULL, PT_TOKEN_ALONE, "there is none"};
    read_tokens(content->values[0], tokens);
    if (tokens->first[0])
        wanted = next_token_change(wishes, content, tokens, now);
    if (!wanted.why)
        return 0;
    int r = make_token(made, err);
    if (r < 0)
        return r;
    if (wanted.step == PT_TOKEN_NEXT_IS_KNOWN && !wanted.second)
        wanted.second = made;
    r = change_token(&wanted, now, ret_change, err);
    OPENSSL_cleanse(made, sizeof(made));
    return r;
}

static int plan_token(const struct pt_secret_wishes *wishes,
                      const struct pt_secret_content *content, int64_t now,
                      struct pt_secret_change *ret_change, struct pt_error *err)
{
    struct tokens *tokens = malloc(sizeof(*tokens));
    if (!tokens)
        return pt_error_set(err, ENOMEM, "out of memory");
    int r = plan_tokens(wishes, content, tokens, now, ret_change, err);
    OPENSSL_cleanse(tokens, sizeof(*tokens));
    free(tokens);
    return r;
}

int pt_secret_plan(const struct pt_secret_wishes *wishes,
                   const struct pt_secret_content contents[PT_MADE_SECRET_COUNT], int64_t now,
                   struct pt_secret_change *ret_change, struct pt_error *err)
{
    int r = 0;
    if (wishes->certificate)
        r = plan_certificates(wishes, contents, now, ret_change, err);
    if (r == 0 && wishes->token)
        r = plan_token(wishes, &contents[PT_MADE_TOKEN], now, ret_change, err);
    return r;
}
