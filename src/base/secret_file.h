// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_SECRET_FILE_H
#define PT_BASE_SECRET_FILE_H

#include "base/error.h"

#include <stdbool.h>

// A token that comes from a variable or from a file. A file is read again when it changes, so that
// a rotated secret needs no restart.
struct pt_secret;

// `text` and `path` may be NULL or empty; the file wins if both are given. With neither the secret
// is the empty text. -errno if the file cannot be read, or if what is given holds nothing but white
// space, a control character (NUL too) or more than 4 KiB.
PT_MUST_CHECK int pt_secret_create(const char *text, const char *path,
                                   struct pt_secret **ret_secret, struct pt_error *err);

// The same for a file (or text) of several tokens, one a line, as it is while one takes the place
// of another: at most PT_LIMIT_TOKENS.
PT_MUST_CHECK int pt_secret_create_lines(const char *text, const char *path,
                                         struct pt_secret **ret_secret, struct pt_error *err);
void pt_secret_destroy(struct pt_secret *secret);

// The current text without surrounding white space, of several lines the first; valid until the
// next call. Costs a stat; when a changed file cannot be read, the last good text stays and one
// line is logged.
const char *pt_secret_get(struct pt_secret *secret);

// Whether `given` is the text that pt_secret_get returned last, or one of its lines. The time that
// this takes depends on how long `given` is and how long the lines are, and on nothing else.
bool pt_secret_matches(const struct pt_secret *secret, const char *given);

#endif
