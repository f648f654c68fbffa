// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_VALKEY_VALKEY_URL_H
#define PT_SERVER_VALKEY_VALKEY_URL_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

// Where the Valkey or Redis is that several servers share: valkey://[user@]host[:port][/database],
// valkeys:// with TLS; redis:// and rediss:// mean the same. The form is that of
// https://www.iana.org/assignments/uri-schemes/prov/redis, without a password: that has a file of
// its own.
struct pt_valkey_url {
    bool tls;
    char user[128]; // empty: the default one
    char host[256]; // a name, an IPv4 or an IPv6 address without brackets
    uint16_t port;  // 6379 when none is given
    int database;
};

// -EINVAL: the error says what is wrong and what is expected.
PT_MUST_CHECK int pt_valkey_url_parse(const char *text, struct pt_valkey_url *ret_url,
                                      struct pt_error *err);

#endif
