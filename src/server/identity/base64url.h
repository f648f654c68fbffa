// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_BASE64URL_H
#define PT_SERVER_IDENTITY_BASE64URL_H

#include "base/error.h"

#include <stddef.h>

// Most bytes that `length` characters stand for.
#define PT_BASE64URL_BYTES(length) ((length) / 4 * 3 + 2)

// Decodes base64url without padding (https://www.rfc-editor.org/rfc/rfc7515#section-2) to at most
// `size` bytes. -EINVAL if it has any other character, cannot have that length, or has bits behind
// the last byte that are not zero, so that no two texts stand for the same bytes; -EMSGSIZE if it
// is longer.
PT_MUST_CHECK int pt_base64url_decode(const char *text, size_t length, unsigned char *out,
                                      size_t size, size_t *ret_length);

#endif
