// SPDX-License-Identifier: Apache-2.0
#include "server/secrets/pem.h"

#include "base/buffer.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

struct bio_st *pt_pem_open(const char *text)
{
    return BIO_new_mem_buf(text, -1);
}

// A key that asks for a passphrase is none of ours: nobody is there to type it.
static int on_passphrase(char *out, int size, int is_writing, void *context)
{
    (void)out;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

X509 *pt_pem_read_certificate(struct bio_st *pem)
{
    X509 *certificate = PEM_read_bio_X509(pem, NULL, on_passphrase, NULL);
    ERR_clear_error();
    return certificate;
}

EVP_PKEY *pt_pem_read_key(struct bio_st *pem)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, on_passphrase, NULL);
    ERR_clear_error();
    return key;
}

// Appends what was written into memory, which is wiped.
static int take_out(BIO *memory, int is_written, struct pt_buffer *out)
{
    char *text = NULL;
    long length = is_written == 1 ? BIO_get_mem_data(memory, &text) : 0;
    int r = length > 0 ? pt_buffer_append(out, text, (size_t)length) : -ENOMEM;
    if (length > 0)
        OPENSSL_cleanse(text, (size_t)length);
    BIO_free(memory);
    return r;
}

int pt_pem_write_certificate(X509 *certificate, struct pt_buffer *out)
{
    BIO *memory = BIO_new(BIO_s_mem());
    return memory ? take_out(memory, PEM_write_bio_X509(memory, certificate), out) : -ENOMEM;
}

int pt_pem_write_key(EVP_PKEY *key, struct pt_buffer *out)
{
    BIO *memory = BIO_new(BIO_s_mem());
    if (!memory)
        return -ENOMEM;
    int is_written = PEM_write_bio_PKCS8PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL);
    return take_out(memory, is_written, out);
}
