// SPDX-License-Identifier: Apache-2.0
#include "server/secrets/issue.h"

#include "base/clock.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define CLOCKS_BEHIND_S 3600
#define SERIAL_BITS 127

struct extension {
    int nid;
    const char *value;
};

// In this order: the authority's key identifier is made of the subject's, where both are one.
static const struct extension of_authority[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
};

static const struct extension of_server[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
};

static bool add_extensions(X509 *certificate, X509 *issuer, const struct extension *extensions,
                           size_t count)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, &context, extensions[i].nid, extensions[i].value);
        bool is_added = extension && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!is_added)
            return false;
    }
    return true;
}

// Authorities have different names, so that a chain is built with the right one.
static bool set_names(X509 *certificate, X509 *issuer)
{
    char name[64] = "pulltrace-server";
    BIGNUM *serial = BN_new();
    bool is_set = serial && BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1;
    char *digits = is_set ? BN_bn2hex(serial) : NULL;
    if (!issuer && digits)
        snprintf(name, sizeof(name), "Pulltrace CA %.16s", digits);
    X509_NAME *subject = X509_get_subject_name(certificate);
    is_set = digits && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) &&
             X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                                        (const unsigned char *)name, -1, -1, 0) == 1 &&
             X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
    OPENSSL_free(digits);
    BN_free(serial);
    return is_set;
}

static bool set_times(X509 *certificate, const struct pt_issue_order *order)
{
    time_t from = (time_t)(order->made_at / PT_NS_PER_S) - CLOCKS_BEHIND_S;
    time_t until = (time_t)(order->ends_at / PT_NS_PER_S);
    return ASN1_TIME_set(X509_getm_notBefore(certificate), from) &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), until);
}

static bool fill(X509 *certificate, EVP_PKEY *key, const struct pt_issue_order *order)
{
    X509 *issuer = order->issuer;
    const struct extension *extensions = issuer ? of_server : of_authority;
    size_t count = issuer ? sizeof(of_server) / sizeof(of_server[0])
                          : sizeof(of_authority) / sizeof(of_authority[0]);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_names(certificate, issuer) &&
           set_times(certificate, order) && X509_set_pubkey(certificate, key) == 1 &&
           add_extensions(certificate, issuer ? issuer : certificate, extensions, count) &&
           (!order->names || X509_add1_ext_i2d(certificate, NID_subject_alt_name, order->names, 0,
                                               X509V3_ADD_DEFAULT) == 1) &&
           X509_sign(certificate, issuer ? order->issuer_key : key, EVP_sha256()) > 0;
}

int pt_issue(const struct pt_issue_order *order, X509 **ret_certificate, EVP_PKEY **ret_key,
             struct pt_error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    if (!key || !certificate || !fill(certificate, key, order)) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        pt_error_set(err, EIO, "the certificate cannot be made: %s", reason ? reason : "no memory");
        ERR_clear_error();
        EVP_PKEY_free(key);
        X509_free(certificate);
        return -EIO;
    }
    *ret_certificate = certificate;
    *ret_key = key;
    return 0;
}

static int read_time(const ASN1_TIME *time, int64_t *ret_seconds)
{
    struct tm parts;
    if (!time || ASN1_TIME_to_tm(time, &parts) != 1)
        return -EINVAL;
    *ret_seconds = timegm(&parts);
    return 0;
}

int pt_issued_times(const X509 *certificate, int64_t *ret_made_at, int64_t *ret_ends_at)
{
    int64_t from, until;
    // Years that nanoseconds cannot count are none of ours.
    const int64_t longest = INT64_MAX / PT_NS_PER_S - CLOCKS_BEHIND_S;
    if (read_time(X509_get0_notBefore(certificate), &from) < 0 ||
        read_time(X509_get0_notAfter(certificate), &until) < 0 || from < 0 || until > longest ||
        from > until)
        return -EINVAL;
    *ret_made_at = (from + CLOCKS_BEHIND_S) * PT_NS_PER_S;
    *ret_ends_at = until * PT_NS_PER_S;
    return 0;
}
