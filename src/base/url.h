// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_URL_H
#define PT_BASE_URL_H

#include <stdbool.h>

// What is sent there travels unencrypted and leaves this machine: plain HTTP to another host than
// localhost, 127.0.0.0/8 or ::1. False for what is no URL.
bool pt_url_is_in_clear(const char *url);

#endif
