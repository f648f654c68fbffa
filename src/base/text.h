// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_TEXT_H
#define PT_BASE_TEXT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// Makes *slot, which owns its text, a copy of `text` unless it is that already; NULL empties it.
// Sets *changed (which may be NULL) only if it was another one. -ENOMEM leaves *slot as it was.
PT_MUST_CHECK int pt_text_replace(const char **slot, const char *text, bool *changed);

// Remembers a text, cut to fit `size` bytes with its NUL. Returns whether the remembered one was
// another, so that what is said again and again is logged once. `last` is "" at first.
bool pt_text_remember(char *last, size_t size, const char *text);

// The character, or `?` for what is not printable ASCII: others choose names and words, and nothing
// of those may steer a terminal (which takes the bytes 80..9F for control characters too).
char pt_text_clean(char character);

// Writes a text of such characters, for a person to read.
void pt_text_print(const char *text, FILE *out);

#define PT_TEXT_BYTES_SIZE 16

// Writes bytes as the dashboard does, `34.5 MB`, of 1024 KB each, and returns the text.
const char *pt_text_bytes(double bytes, char text[static PT_TEXT_BYTES_SIZE]);

// Whether a text is one of two, such as the brief and the long name of an option.
bool pt_text_is_either(const char *text, const char *one, const char *other);

#endif
