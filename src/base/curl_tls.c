// SPDX-License-Identifier: Apache-2.0
#include "base/curl_tls.h"

#include "base/tls_bound.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <string.h>

static void on_tls_progress(const SSL *ssl, int where, int result)
{
    (void)result;
    if (where & SSL_CB_HANDSHAKE_START)
        pt_tls_bound(ssl);
}

// Without SSL_MODE_AUTO_RETRY a call ends behind each message of TLS's own, such as a new key.
static CURLcode on_curl_tls(CURL *easy, void *tls_context, void *data)
{
    (void)easy;
    (void)data;
    SSL_CTX *context = tls_context;
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_info_callback(context, on_tls_progress);
    return CURLE_OK;
}

static bool is_of_openssl(const curl_version_info_data *curl)
{
    return curl->ssl_version && strncmp(curl->ssl_version, "OpenSSL", strlen("OpenSSL")) == 0;
}

void pt_curl_tls_bound(CURL *easy)
{
    if (is_of_openssl(curl_version_info(CURLVERSION_NOW)))
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_curl_tls);
}
