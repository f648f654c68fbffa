// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_TIMESTAMP_H
#define PT_BASE_TIMESTAMP_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

// A point in time is int64_t nanoseconds since 1970-01-01 UTC; 0 means "not set".

// Longest text that pt_timestamp_format writes, with its terminating NUL.
#define PT_TIMESTAMP_SIZE 32

// Writes RFC 3339 in UTC with milliseconds: `2026-11-21T03:04:05.678Z`. Returns `text`.
char *pt_timestamp_format(int64_t wall_ns, char text[static PT_TIMESTAMP_SIZE]);

// Parses RFC 3339 (https://www.rfc-editor.org/rfc/rfc3339#section-5.6), any offset, up to nine
// digits of fraction (more are cut), years 1970 to 2261. Needs no NUL at text[length].
PT_MUST_CHECK int pt_timestamp_parse(const char *text, size_t length, int64_t *ret_wall_ns);

#endif
