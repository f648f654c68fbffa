// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_URL_H
#define PT_BASE_URL_H

#include <stdbool.h>

// What is sent there travels unencrypted and leaves this machine: plain HTTP to another host than
// localhost, 127.0.0.0/8 or ::1. False for what is no URL.
bool pt_url_is_in_clear(const char *url);

// An address below which others are asked for: http or https, a host, perhaps a port (1 to 65535)
// and a path; no user, query or fragment, no blanks and control characters.
bool pt_url_is_base(const char *url);

// The address of a path, which begins with a slash, below a base. free() frees it; NULL when out of
// memory.
char *pt_url_join(const char *base, const char *path);

#endif
