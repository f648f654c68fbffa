// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_TLS_BOUND_H
#define PT_BASE_TLS_BOUND_H

struct ssl_st;

// Whatever the peer sends, one call of OpenSSL reads a bounded part of it: then it is as if nothing
// more had come. The socket, which OpenSSL has already, must be waited for by its level, not by
// edges, so that it announces in the next turn what is there.
void pt_tls_bound(const struct ssl_st *ssl);

#endif
