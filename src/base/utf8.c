// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <string.h>

size_t pt_utf8_sequence(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    // The second byte rules out overlong forms, surrogates and what lies beyond U+10FFFF.
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

bool pt_utf8_is_valid(const char *text)
{
    for (;;) {
        while ((signed char)*text > 0) // ASCII, which nearly all text is
            text++;
        if (!*text)
            return true;
        size_t length = pt_utf8_sequence(text);
        if (length == 0)
            return false;
        text += length;
    }
}

size_t pt_utf8_clean(const char *text, char *clean, size_t clean_size)
{
    size_t used = 0;
    while (*text) {
        size_t length = pt_utf8_sequence(text);
        size_t copied = length ? length : 1;
        if (used + copied >= clean_size)
            break;
        if (length)
            memcpy(clean + used, text, length);
        else
            clean[used] = '?';
        used += copied;
        text += copied;
    }
    clean[used] = '\0';
    return used;
}
