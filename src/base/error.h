// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_ERROR_H
#define PT_BASE_ERROR_H

#include <stdarg.h>

// What went wrong, in words for the person who reads the log. Owned by the caller, usually on its
// stack; setting it allocates nothing. A NULL `err` is allowed everywhere: the words are dropped.
struct pt_error {
    int code; // positive errno value
    char message[256];
};

#define PT_MUST_CHECK __attribute__((warn_unused_result))

// Sets code and message (truncated when too long) and returns -code, so that failing is one line:
// `return pt_error_set(err, EINVAL, "bad port \"%s\"", text);`
int pt_error_set(struct pt_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts words and ": " before the message that is there. Returns -err->code (-EIO when err is NULL).
int pt_error_prefix(struct pt_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
