// SPDX-License-Identifier: Apache-2.0
#include "pull/digest.h"

#include "base/limits.h"

#include <string.h>

bool pt_is_digest(const char *text)
{
    size_t algorithm = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+._-");
    if (algorithm == 0 || text[algorithm] != ':')
        return false;
    const char *hex = text + algorithm + 1;
    size_t length = strspn(hex, "0123456789abcdef");
    return length >= 32 && length <= 128 && hex[length] == '\0' &&
           algorithm + 1 + length <= PT_LIMIT_DIGEST_BYTES;
}

const char *pt_ref_digest(const char *ref)
{
    const char *mark = strrchr(ref, '@'); // a name may have dashes
    if (!mark)
        mark = strchr(ref, '-');
    if (mark && pt_is_digest(mark + 1))
        return mark + 1;
    return pt_is_digest(ref) ? ref : NULL;
}
