// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SECRETS_PEM_H
#define PT_SERVER_SECRETS_PEM_H

#include "base/error.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct bio_st;
struct pt_buffer;

// Certificates and keys as PEM (https://www.rfc-editor.org/rfc/rfc7468).

// For reading one after the other; NULL when out of memory. BIO_free frees it.
struct bio_st *pt_pem_open(const char *text);

// The next one; NULL: there is none, or it cannot be read.
X509 *pt_pem_read_certificate(struct bio_st *pem);
EVP_PKEY *pt_pem_read_key(struct bio_st *pem);

// -ENOMEM or -EMSGSIZE.
PT_MUST_CHECK int pt_pem_write_certificate(X509 *certificate, struct pt_buffer *out);
PT_MUST_CHECK int pt_pem_write_key(EVP_PKEY *key, struct pt_buffer *out);

#endif
