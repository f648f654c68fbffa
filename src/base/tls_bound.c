// SPDX-License-Identifier: Apache-2.0
#include "base/tls_bound.h"

#include "base/limits.h"

#include <openssl/ssl.h>

// What a read of a few bytes takes besides, as bytes.
#define BYTES_OF_A_READ 128

// OpenSSL reads on behind what means nothing, such as a HelloRequest, and until a message is whole
// that may come byte by byte: it would not return while the peer sends more.
static long on_read(BIO *bio, int operation, const char *data, size_t length, int number, long more,
                    int result, size_t *done)
{
    static size_t bytes; // since a read was put off, of all connections
    (void)data, (void)length, (void)number, (void)more;
    if (operation == (BIO_CB_READ | BIO_CB_RETURN) && result > 0 && done)
        bytes += *done + BYTES_OF_A_READ;
    if (operation != BIO_CB_READ || bytes < PT_LIMIT_TLS_READ_BYTES)
        return result;
    bytes = 0;
    BIO_set_retry_read(bio);
    return -1;
}

void pt_tls_bound(const struct ssl_st *ssl)
{
    BIO_set_callback_ex(SSL_get_rbio(ssl), on_read);
}
