// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_TLS_H
#define PT_SERVER_HTTP_TLS_H

#include "base/error.h"

struct event_base;
struct pt_clock;
struct ssl_st;

// The server's certificate and key, from PEM files that are read again when they change.
struct pt_tls;

PT_MUST_CHECK int pt_tls_create(struct event_base *base, const struct pt_clock *clock,
                                const char *cert_file, const char *key_file,
                                struct pt_tls **ret_tls, struct pt_error *err);
void pt_tls_destroy(struct pt_tls *tls);

// An SSL of OpenSSL that will take the server's part of a handshake on the socket, which stays the
// caller's; NULL when out of memory.
struct ssl_st *pt_tls_accept(struct pt_tls *tls, int fd);

#endif
