// SPDX-License-Identifier: Apache-2.0
#include "server/identity/known_tokens.h"

#include "base/limits.h"
#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HASH_BYTES 32
#define SWEPT_AT_ONCE 2 // looked at, with each that is added
#define SWEPT_AT_COUNT 2000

_Static_assert((HASH_BYTES + 2) / 3 * 4 < PT_TOKEN_KEY_SIZE, "the key has room");

// The tokens that have one text, the newest first.
struct group {
    size_t count;
    struct known *tokens[PT_LIMIT_TOKENS_PER_NODE];
    char text[];
};

struct known {
    char key[PT_TOKEN_KEY_SIZE];
    int64_t until;
    uint64_t generation;
    struct group *group;
    TAILQ_ENTRY(known) link;
};

struct pt_known_tokens {
    struct pt_map by_key, by_text; // the latter only with a limit of each text
    size_t max_count, max_per_text;
    uint64_t generation;  // those of an earlier one are forgotten, and go little by little
    size_t current_count; // of this one
    TAILQ_HEAD(, known) oldest_first;
    struct known *swept_next; // NULL: the oldest
};

int pt_token_key(const char *token, size_t length, char ret_key[static PT_TOKEN_KEY_SIZE])
{
    static EVP_MD_CTX
        *context; // kept, as is what it has looked up: that takes longer than the rest
    unsigned char hash[HASH_BYTES];
    if (!context) {
        context = EVP_MD_CTX_new();
        if (!context || EVP_DigestInit_ex2(context, EVP_sha256(), NULL) != 1) {
            EVP_MD_CTX_free(context);
            context = NULL;
            return -ENOMEM;
        }
    }
    if (EVP_DigestInit_ex2(context, NULL, NULL) != 1 ||
        EVP_DigestUpdate(context, token, length) != 1 ||
        EVP_DigestFinal_ex(context, hash, NULL) != 1)
        return -ENOMEM;
    EVP_EncodeBlock((unsigned char *)ret_key, hash, HASH_BYTES);
    return 0;
}

struct pt_known_tokens *pt_known_tokens_create(size_t max_count, size_t max_per_text)
{
    struct pt_known_tokens *tokens = calloc(1, sizeof(*tokens));
    assert(max_per_text <= PT_LIMIT_TOKENS_PER_NODE);
    if (!tokens)
        return NULL;
    tokens->max_count = max_count;
    tokens->max_per_text = max_per_text;
    pt_map_init(&tokens->by_key);
    pt_map_init(&tokens->by_text);
    TAILQ_INIT(&tokens->oldest_first);
    return tokens;
}

static void leave_group(struct pt_known_tokens *tokens, struct known *known)
{
    struct group *group = known->group;
    size_t place = 0;
    while (group->tokens[place] != known)
        place++;
    group->count--;
    for (; place < group->count; place++)
        group->tokens[place] = group->tokens[place + 1];
    if (group->count > 0)
        return;
    if (tokens->max_per_text > 0)
        pt_map_remove(&tokens->by_text, group->text);
    free(group);
}

static void forget(struct pt_known_tokens *tokens, struct known *known)
{
    tokens->current_count -= known->generation == tokens->generation;
    if (tokens->swept_next == known)
        tokens->swept_next = TAILQ_NEXT(known, link);
    pt_map_remove(&tokens->by_key, known->key);
    TAILQ_REMOVE(&tokens->oldest_first, known, link);
    leave_group(tokens, known);
    free(known);
}

void pt_known_tokens_destroy(struct pt_known_tokens *tokens)
{
    struct known *known;
    if (!tokens)
        return;
    while ((known = TAILQ_FIRST(&tokens->oldest_first)))
        forget(tokens, known);
    pt_map_finish(&tokens->by_key);
    pt_map_finish(&tokens->by_text);
    free(tokens);
}

static struct group *find_group(struct pt_known_tokens *tokens, const char *text)
{
    struct group *group = tokens->max_per_text > 0 ? pt_map_get(&tokens->by_text, text) : NULL;
    size_t length = strlen(text);
    if (group)
        return group;
    group = calloc(1, sizeof(*group) + length + 1);
    if (!group)
        return NULL;
    memcpy(group->text, text, length + 1);
    if (tokens->max_per_text > 0 && pt_map_put(&tokens->by_text, group->text, group) < 0) {
        free(group);
        return NULL;
    }
    return group;
}

static bool is_over(const struct pt_known_tokens *tokens, const struct known *known, int64_t now)
{
    return known->until <= now || known->generation != tokens->generation;
}

// Goes on where it was before, so that no long-lived one keeps others from being looked at.
static void sweep(struct pt_known_tokens *tokens, int64_t now, size_t max_count)
{
    for (size_t i = 0; i < max_count && i < tokens->max_count; i++) {
        struct known *known =
            tokens->swept_next ? tokens->swept_next : TAILQ_FIRST(&tokens->oldest_first);
        if (!known)
            return;
        tokens->swept_next = TAILQ_NEXT(known, link);
        if (is_over(tokens, known, now))
            forget(tokens, known);
    }
}

static void make_room(struct pt_known_tokens *tokens, int64_t now)
{
    sweep(tokens, now, SWEPT_AT_ONCE);
    struct known *oldest = TAILQ_FIRST(&tokens->oldest_first);
    if (oldest && tokens->by_key.count >= tokens->max_count)
        forget(tokens, oldest);
}

static void enter_group(struct pt_known_tokens *tokens, struct group *group, struct known *known)
{
    if (tokens->max_per_text > 0 && group->count == tokens->max_per_text)
        forget(tokens, group->tokens[group->count - 1]); // others stay, so that the group does
    for (size_t place = group->count; place > 0; place--)
        group->tokens[place] = group->tokens[place - 1];
    group->tokens[0] = known;
    group->count++;
    known->group = group;
}

void pt_known_tokens_add(struct pt_known_tokens *tokens, const char *key, const char *text,
                         int64_t until, int64_t now)
{
    struct known *before = pt_map_get(&tokens->by_key, key);
    if (before)
        forget(tokens, before);
    make_room(tokens, now);
    struct known *known = calloc(1, sizeof(*known));
    struct group *group = known ? find_group(tokens, text) : NULL;
    if (!group) {
        free(known);
        return;
    }
    memccpy(known->key, key, '\0', sizeof(known->key) - 1);
    known->until = until;
    known->generation = tokens->generation;
    if (pt_map_put(&tokens->by_key, known->key, known) < 0) {
        if (group->count == 0) {
            pt_map_remove(&tokens->by_text, group->text);
            free(group);
        }
        free(known);
        return;
    }
    TAILQ_INSERT_TAIL(&tokens->oldest_first, known, link);
    tokens->current_count++;
    enter_group(tokens, group, known);
}

const char *pt_known_tokens_find(struct pt_known_tokens *tokens, const char *key, int64_t now)
{
    struct known *known = pt_map_get(&tokens->by_key, key);
    if (!known)
        return NULL;
    if (is_over(tokens, known, now)) {
        forget(tokens, known);
        return NULL;
    }
    return known->group->text;
}

void pt_known_tokens_forget_all(struct pt_known_tokens *tokens)
{
    tokens->generation++;
    tokens->current_count = 0;
}

size_t pt_known_tokens_count(struct pt_known_tokens *tokens, int64_t now)
{
    sweep(tokens, now, SWEPT_AT_COUNT);
    return tokens->current_count;
}
