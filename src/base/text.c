// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pt_text_replace(const char **slot, const char *text, bool *changed)
{
    if (*slot == text || (*slot && text && strcmp(*slot, text) == 0))
        return 0;
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return -ENOMEM;
    free((char *)*slot);
    *slot = copy;
    if (changed)
        *changed = true;
    return 0;
}

bool pt_text_remember(char *last, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    if (strlen(last) == length && memcmp(last, text, length) == 0)
        return false;
    memcpy(last, text, length);
    last[length] = '\0';
    return true;
}

char pt_text_clean(char character)
{
    return (char)(character >= ' ' && character < 0x7f ? character : '?');
}

void pt_text_print(const char *text, FILE *out)
{
    for (; *text; text++)
        fputc(pt_text_clean(*text), out);
}

const char *pt_text_bytes(double bytes, char text[static PT_TEXT_BYTES_SIZE])
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t unit = 0;
    for (; bytes >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        bytes /= 1024;
    snprintf(text, PT_TEXT_BYTES_SIZE, unit && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes,
             units[unit]);
    return text;
}

bool pt_text_is_either(const char *text, const char *one, const char *other)
{
    return strcmp(text, one) == 0 || strcmp(text, other) == 0;
}
