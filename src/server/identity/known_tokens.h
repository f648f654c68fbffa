// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_KNOWN_TOKENS_H
#define PT_SERVER_IDENTITY_KNOWN_TOKENS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define PT_TOKEN_KEY_SIZE 48 // with its NUL

// Tokens that were looked at before, by their SHA-256, each with a text: the node that it speaks
// for, or why it is refused. A token itself is not kept.
struct pt_known_tokens;

// Writes the key of a token. -ENOMEM.
PT_MUST_CHECK int pt_token_key(const char *token, size_t length,
                               char ret_key[static PT_TOKEN_KEY_SIZE]);

// Of `max_count` tokens, and with `max_per_text` not 0 of so many of one text, the oldest goes when
// one more comes. NULL when out of memory.
struct pt_known_tokens *pt_known_tokens_create(size_t max_count, size_t max_per_text);
void pt_known_tokens_destroy(struct pt_known_tokens *tokens);

// Remembers a token until that time; all times of one set are of the same clock. One that finds no
// memory is not remembered.
void pt_known_tokens_add(struct pt_known_tokens *tokens, const char *key, const char *text,
                         int64_t until, int64_t now);

// The token's text, until the next call; NULL: not known, or its time is over.
const char *pt_known_tokens_find(struct pt_known_tokens *tokens, const char *key, int64_t now);

// Takes no longer for many; their memory goes with those that come.
void pt_known_tokens_forget_all(struct pt_known_tokens *tokens);

// How many there are. Those whose time is over go first, of very many some with each call.
size_t pt_known_tokens_count(struct pt_known_tokens *tokens, int64_t now);

#endif
