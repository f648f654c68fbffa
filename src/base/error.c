// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int pt_error_set(struct pt_error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
    }
    return -code;
}

int pt_error_prefix(struct pt_error *err, const char *format, ...)
{
    if (!err)
        return -EIO;
    char whole[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(whole, sizeof(whole), format, args);
    va_end(args);
    if (length > 0 && (size_t)length < sizeof(whole))
        snprintf(whole + length, sizeof(whole) - (size_t)length, ": %s", err->message);
    memcpy(err->message, whole, sizeof(whole));
    return -err->code;
}
