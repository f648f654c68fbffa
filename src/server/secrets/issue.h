// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SECRETS_ISSUE_H
#define PT_SERVER_SECRETS_ISSUE_H

#include "base/error.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdint.h>

// Makes X.509 certificates (https://www.rfc-editor.org/rfc/rfc5280) with new P-256 keys. Times are
// wall_ns; see authorities.h for the hour before.

struct pt_issue_order {
    X509 *issuer; // NULL: it signs itself, and is a CA
    EVP_PKEY *issuer_key;
    GENERAL_NAMES *names; // of one that is no CA
    int64_t made_at, ends_at;
};

// The caller frees both.
PT_MUST_CHECK int pt_issue(const struct pt_issue_order *order, X509 **ret_certificate,
                           EVP_PKEY **ret_key, struct pt_error *err);

// When it was made and when it ends, wall_ns; -EINVAL if it does not say.
PT_MUST_CHECK int pt_issued_times(const X509 *certificate, int64_t *ret_made_at,
                                  int64_t *ret_ends_at);

#endif
