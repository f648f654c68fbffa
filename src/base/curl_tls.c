// SPDX-License-Identifier: Apache-2.0
#include "base/curl_tls.h"

#include "base/limits.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <string.h>

// One call of OpenSSL reads on behind what means nothing, such as a HelloRequest, and never returns
// while a peer sends more of it. So now and then it is as if nothing had come: the socket announces
// in the next turn what is there.
static long on_tls_read(BIO *bio, int operation, const char *data, size_t length, int number,
                        long more, int result, size_t *done)
{
    static size_t bytes; // since then, of all connections
    (void)data, (void)length, (void)number, (void)more;
    if (operation == (BIO_CB_READ | BIO_CB_RETURN) && result > 0 && done)
        bytes += *done;
    if (operation != BIO_CB_READ || bytes < PT_LIMIT_TLS_READ_BYTES)
        return result;
    bytes = 0;
    BIO_set_retry_read(bio);
    return -1;
}

static void on_tls_progress(const SSL *ssl, int where, int result)
{
    (void)result;
    if (where & SSL_CB_HANDSHAKE_START)
        BIO_set_callback_ex(SSL_get_rbio(ssl), on_tls_read);
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
