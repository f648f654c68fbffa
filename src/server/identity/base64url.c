// SPDX-License-Identifier: Apache-2.0
#include "server/identity/base64url.h"

#include <errno.h>
#include <stdint.h>

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int pt_base64url_decode(const char *text, size_t length, unsigned char *out, size_t size,
                        size_t *ret_length)
{
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t count = 0;
    if (length % 4 == 1)
        return -EINVAL;
    if (length / 4 * 3 + (length % 4 ? length % 4 - 1 : 0) > size)
        return -EMSGSIZE;
    for (size_t i = 0; i < length; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return -EINVAL;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out[count++] = (unsigned char)(bits >> bit_count);
        }
    }
    if (bits & ((1U << bit_count) - 1))
        return -EINVAL;
    *ret_length = count;
    return 0;
}
