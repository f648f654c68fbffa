// SPDX-License-Identifier: Apache-2.0
#include "server/secrets/authorities.h"

#include "base/buffer.h"
#include "server/secrets/issue.h"
#include "server/secrets/pem.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static void free_authority(struct pt_authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

void pt_authorities_finish(struct pt_authorities *authorities)
{
    for (size_t i = 0; i < authorities->count; i++)
        free_authority(&authorities->list[i]);
    *authorities = (struct pt_authorities){0};
}

static void drop(struct pt_authorities *authorities, size_t index)
{
    free_authority(&authorities->list[index]);
    authorities->count--;
    memmove(&authorities->list[index], &authorities->list[index + 1],
            (authorities->count - index) * sizeof(authorities->list[0]));
}

// --- reading and writing ---

// False at the end, or if what comes is no certificate with its key.
static bool read_one(struct bio_st *certificates, struct bio_st *keys, struct pt_authority *ret)
{
    *ret = (struct pt_authority){.certificate = pt_pem_read_certificate(certificates),
                                 .key = pt_pem_read_key(keys)};
    if (ret->certificate && ret->key && X509_check_private_key(ret->certificate, ret->key) == 1 &&
        pt_issued_times(ret->certificate, &ret->made_at, &ret->ends_at) == 0)
        return true;
    ERR_clear_error();
    free_authority(ret);
    return false;
}

bool pt_authorities_read(struct pt_authorities *authorities, const char *certificates,
                         const char *keys)
{
    *authorities = (struct pt_authorities){0};
    struct bio_st *certificates_pem = certificates ? pt_pem_open(certificates) : NULL;
    struct bio_st *keys_pem = keys ? pt_pem_open(keys) : NULL;
    bool is_read = certificates_pem && keys_pem;
    while (is_read && (BIO_pending(certificates_pem) > 0 || BIO_pending(keys_pem) > 0)) {
        is_read = authorities->count < PT_LIMIT_AUTHORITIES &&
                  read_one(certificates_pem, keys_pem, &authorities->list[authorities->count]);
        authorities->count += is_read;
    }
    BIO_free(certificates_pem);
    BIO_free(keys_pem);
    if (!is_read)
        pt_authorities_finish(authorities);
    return authorities->count > 0;
}

int pt_authorities_write(const struct pt_authorities *authorities, struct pt_buffer *certificates,
                         struct pt_buffer *keys, struct pt_error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < authorities->count; i++) {
        r = pt_pem_write_certificate(authorities->list[i].certificate, certificates);
        if (r == 0 && keys)
            r = pt_pem_write_key(authorities->list[i].key, keys);
    }
    return r < 0 ? pt_error_set(err, -r, "the CAs cannot be written: %s", strerror(-r)) : 0;
}

// --- their lives ---

int pt_authorities_add(struct pt_authorities *authorities, int64_t now, int64_t life_ns,
                       struct pt_error *err)
{
    const struct pt_issue_order order = {.made_at = now, .ends_at = now + life_ns};
    struct pt_authority made = {0};
    int r = pt_issue(&order, &made.certificate, &made.key, err);
    if (r < 0)
        return r;
    if (pt_issued_times(made.certificate, &made.made_at, &made.ends_at) < 0) {
        free_authority(&made);
        return pt_error_set(err, EINVAL, "the CA's life is too long");
    }
    if (authorities->count == PT_LIMIT_AUTHORITIES)
        drop(authorities, 0);
    authorities->list[authorities->count++] = made;
    return 0;
}

bool pt_authorities_drop_ended(struct pt_authorities *authorities, int64_t now)
{
    size_t before = authorities->count;
    for (size_t i = authorities->count; i > 0; i--) {
        if (authorities->list[i - 1].ends_at <= now)
            drop(authorities, i - 1);
    }
    return authorities->count < before;
}

// --- the names of a certificate ---

static bool is_dns_name(const char *name)
{
    size_t length = strlen(name);
    for (const char *at = name; *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("-.*", *at))
            return false;
    }
    return length > 0 && length <= PT_LIMIT_NODE_NAME_BYTES && name[0] != '.' &&
           !strstr(name, "..");
}

static GENERAL_NAME *general_name(const char *name)
{
    GENERAL_NAME *made = GENERAL_NAME_new();
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
    ASN1_IA5STRING *text = address || !is_dns_name(name) ? NULL : ASN1_IA5STRING_new();
    ERR_clear_error();
    if (made && address)
        GENERAL_NAME_set0_value(made, GEN_IPADD, address);
    else if (made && text && ASN1_STRING_set(text, name, -1) == 1)
        GENERAL_NAME_set0_value(made, GEN_DNS, text);
    else {
        ASN1_OCTET_STRING_free(address);
        ASN1_IA5STRING_free(text);
        GENERAL_NAME_free(made);
        return NULL;
    }
    return made;
}

static GENERAL_NAMES *parse_names(const char *names, struct pt_error *err)
{
    GENERAL_NAMES *made = GENERAL_NAMES_new();
    char *copy = strdup(names), *rest = copy, *name;
    int r = made && copy ? 0 : pt_error_set(err, ENOMEM, "out of memory");
    while (r == 0 && (name = strsep(&rest, ","))) {
        name += strspn(name, " ");
        for (size_t end = strlen(name); end > 0 && name[end - 1] == ' '; end--)
            name[end - 1] = '\0';
        GENERAL_NAME *one = general_name(name);
        if (!one)
            r = pt_error_set(err, EINVAL, "\"%s\" is no DNS name or IP address", name);
        else if (sk_GENERAL_NAME_num(made) >= PT_LIMIT_CERTIFICATE_NAMES ||
                 sk_GENERAL_NAME_push(made, one) == 0) {
            GENERAL_NAME_free(one);
            r = pt_error_set(err, EINVAL, "more than %d names", PT_LIMIT_CERTIFICATE_NAMES);
        }
    }
    free(copy);
    if (r == 0)
        return made;
    GENERAL_NAMES_free(made);
    return NULL;
}

int pt_certificate_check_names(const char *names, struct pt_error *err)
{
    struct pt_error own;
    GENERAL_NAMES *parsed = parse_names(names, &own);
    GENERAL_NAMES_free(parsed);
    return parsed ? 0 : pt_error_set(err, own.code, "%s", own.message);
}

static bool has_names(X509 *certificate, const char *names)
{
    GENERAL_NAMES *wanted = parse_names(names, NULL);
    GENERAL_NAMES *found = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    unsigned char *wanted_der = NULL, *found_der = NULL;
    int wanted_length = wanted ? i2d_GENERAL_NAMES(wanted, &wanted_der) : -1;
    int found_length = found ? i2d_GENERAL_NAMES(found, &found_der) : -1;
    bool are_same = wanted_length > 0 && wanted_length == found_length &&
                    memcmp(wanted_der, found_der, (size_t)wanted_length) == 0;
    OPENSSL_free(wanted_der);
    OPENSSL_free(found_der);
    GENERAL_NAMES_free(wanted);
    GENERAL_NAMES_free(found);
    ERR_clear_error();
    return are_same;
}

// --- the certificate ---

int pt_certificate_make(const struct pt_authority *authority, const char *names, int64_t now,
                        int64_t life_ns, struct pt_buffer *certificate, struct pt_buffer *key,
                        struct pt_error *err)
{
    int64_t left = authority->ends_at - now;
    struct pt_issue_order order = {
        .issuer = authority->certificate,
        .issuer_key = authority->key,
        .names = parse_names(names, err),
        .made_at = now,
        .ends_at = now + (life_ns < left ? life_ns : left),
    };
    X509 *made;
    EVP_PKEY *made_key;
    if (!order.names)
        return err ? -err->code : -EINVAL;
    int r = pt_issue(&order, &made, &made_key, err);
    GENERAL_NAMES_free(order.names);
    if (r < 0)
        return r;
    r = pt_pem_write_certificate(made, certificate);
    if (r == 0)
        r = pt_pem_write_key(made_key, key);
    X509_free(made);
    EVP_PKEY_free(made_key);
    return r < 0 ? pt_error_set(err, -r, "the certificate cannot be written: %s", strerror(-r)) : 0;
}

static bool is_signed(const struct pt_authorities *authorities, X509 *certificate)
{
    bool is_signed = false;
    for (size_t i = 0; !is_signed && i < authorities->count; i++)
        is_signed = X509_verify(certificate, authorities->list[i].key) == 1;
    ERR_clear_error();
    return is_signed;
}

const char *pt_certificate_fault(const struct pt_authorities *authorities, const char *certificate,
                                 const char *key, const char *names, int64_t *ret_made_at,
                                 int64_t *ret_ends_at)
{
    if (!certificate || !key)
        return "there is none";
    struct bio_st *certificate_pem = pt_pem_open(certificate), *key_pem = pt_pem_open(key);
    X509 *found = certificate_pem ? pt_pem_read_certificate(certificate_pem) : NULL;
    EVP_PKEY *found_key = key_pem ? pt_pem_read_key(key_pem) : NULL;
    const char *fault = NULL;
    if (!found || !found_key || pt_issued_times(found, ret_made_at, ret_ends_at) < 0)
        fault = "it cannot be read";
    else if (X509_check_private_key(found, found_key) != 1)
        fault = "its key is another one's";
    else if (!is_signed(authorities, found))
        fault = "none of the CAs has signed it";
    else if (!has_names(found, names))
        fault = "it has other names";
    ERR_clear_error();
    X509_free(found);
    EVP_PKEY_free(found_key);
    BIO_free(certificate_pem);
    BIO_free(key_pem);
    return fault;
}
