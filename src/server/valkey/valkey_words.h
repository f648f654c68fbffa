// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_VALKEY_VALKEY_WORDS_H
#define PT_SERVER_VALKEY_VALKEY_WORDS_H

#include <stddef.h>

// Writes what an error of Valkey or Redis means for who runs this, with its own words behind.
void pt_valkey_words_write(const char *error, char *text, size_t size);

#endif
