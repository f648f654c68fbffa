// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_CURL_TLS_H
#define PT_BASE_CURL_TLS_H

#include <curl/curl.h>

// Whatever a peer sends by TLS, one call of libcurl reads a bounded part of it. The connection's
// socket must be waited for by its level, not by edges. Without OpenSSL below libcurl it does
// nothing.
void pt_curl_tls_bound(CURL *easy);

#endif
