// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_DURATION_H
#define PT_BASE_DURATION_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

// Longest text that pt_duration_format writes, with its terminating NUL.
#define PT_DURATION_SIZE 32

// Parses a duration as Go writes it (https://pkg.go.dev/time#ParseDuration): `500ms`, `1m30s`,
// `1.5h`, `0`; units ns us µs ms s m h. Six digits of a fraction count. Negative ones and those
// over 290 years are -EINVAL.
PT_MUST_CHECK int pt_duration_parse(const char *text, size_t length, int64_t *ret_ns);

// Writes the shortest such text for a duration of whole milliseconds: `1m30s`. Returns `text`.
char *pt_duration_format(int64_t ns, char text[static PT_DURATION_SIZE]);

#endif
