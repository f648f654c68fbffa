// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_UNIT_IDENTITY_FIXTURE_H
#define PT_TESTS_UNIT_IDENTITY_FIXTURE_H

// Keys of a cluster, made anew in each run, and the tokens that it signs with them. For tests only.

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1800000000)

static int64_t made_at_s = NOW_S; // when tokens are made

struct signer {
    const char *id;
    const char *curve; // NULL: RSA
    const char *algorithm;
    size_t size; // of a coordinate
    EVP_PKEY *key;
};

enum { RSA_KEY, P256_KEY, P384_KEY, P521_KEY, STRANGER, SIGNERS };

static struct signer signers[SIGNERS] = {
    [RSA_KEY] = {"rsa", NULL, "RS256", 0, NULL},
    [P256_KEY] = {"p256", "P-256", "ES256", 32, NULL},
    [P384_KEY] = {"p384", "P-384", "ES384", 48, NULL},
    [P521_KEY] = {"p521", "P-521", "ES512", 66, NULL},
    [STRANGER] = {"rsa", NULL, "RS256", 0, NULL}, // another key of the same name
};

static inline const EVP_MD *digest_of(const char *algorithm)
{
    return strcmp(algorithm + 2, "384") == 0   ? EVP_sha384()
           : strcmp(algorithm + 2, "512") == 0 ? EVP_sha512()
                                               : EVP_sha256();
}

static inline void make_signers(void)
{
    for (int i = 0; i < SIGNERS; i++)
        signers[i].key = signers[i].curve ? EVP_EC_gen(signers[i].curve) : EVP_RSA_gen(2048);
}

static inline void free_signers(void)
{
    for (int i = 0; i < SIGNERS; i++)
        EVP_PKEY_free(signers[i].key);
}

// For a group of tests that needs nothing but them.
static inline int signers_set_up(void **state)
{
    (void)state;
    make_signers();
    return 0;
}

static inline int signers_tear_down(void **state)
{
    (void)state;
    free_signers();
    return 0;
}

// Appends base64url without padding; returns the new end.
static inline char *encode(char *out, const void *bytes, size_t length)
{
    char text[4096];
    int count = EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    while (count > 0 && text[count - 1] == '=')
        count--;
    for (int i = 0; i < count; i++)
        *out++ = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    *out = '\0';
    return out;
}

static inline size_t sign_bytes(const struct signer *signer, const char *text,
                                unsigned char out[static 1024])
{
    unsigned char made[1024];
    size_t length = sizeof(made);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *digest = digest_of(signer->algorithm);
    EVP_DigestSignInit(context, NULL, digest, NULL, signer->key);
    EVP_DigestSign(context, made, &length, (const unsigned char *)text, strlen(text));
    EVP_MD_CTX_free(context);
    if (!signer->curve) {
        memcpy(out, made, length);
        return length;
    }
    const unsigned char *der = made;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)length);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, (int)signer->size);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + signer->size, (int)signer->size);
    ECDSA_SIG_free(signature);
    return 2 * signer->size;
}

// A token of that header and payload, allocated.
static inline char *sign_token(const struct signer *signer, const char *header, const char *payload)
{
    unsigned char signature[1024];
    char *token = malloc(8192);
    char *end = encode(token, header, strlen(header));
    *end++ = '.';
    end = encode(end, payload, strlen(payload));
    size_t length = sign_bytes(signer, token, signature);
    *end++ = '.';
    encode(end, signature, length);
    return token;
}

// The claims that a kubelet's token has, for a pod on that node; NULL: it names none.
static inline const char *usual_payload(const char *node_name, int64_t expires_at)
{
    static char payload[2048];
    char node[320] = "";
    if (node_name)
        snprintf(node, sizeof(node), "\"node\":{\"name\":\"%s\",\"uid\":\"u-1\"},", node_name);
    snprintf(payload, sizeof(payload),
             "{\"aud\":[\"pulltrace\"],\"exp\":%lld,\"iat\":%lld,\"nbf\":%lld,"
             "\"iss\":\"https://kubernetes.default.svc\",\"jti\":\"j-1\",\"kubernetes.io\":{"
             "\"namespace\":\"pulltrace\",%s\"pod\":{\"name\":\"agent-x\",\"uid\":\"p-1\"},"
             "\"serviceaccount\":{\"name\":\"pulltrace-agent\",\"uid\":\"s-1\"}},"
             "\"sub\":\"system:serviceaccount:pulltrace:pulltrace-agent\"}",
             (long long)expires_at, (long long)made_at_s, (long long)made_at_s, node);
    return payload;
}

static inline const char *usual_header(const struct signer *signer)
{
    static char header[256];
    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", signer->algorithm,
             signer->id);
    return header;
}

static inline char *make_token(const struct signer *signer, const char *node_name,
                               int64_t expires_at)
{
    return sign_token(signer, usual_header(signer), usual_payload(node_name, expires_at));
}

static inline char *encode_number(char *out, const EVP_PKEY *key, const char *name, size_t size)
{
    unsigned char bytes[1024];
    BIGNUM *number = NULL;
    EVP_PKEY_get_bn_param(key, name, &number);
    int length = BN_bn2binpad(number, bytes, size ? (int)size : BN_num_bytes(number));
    BN_free(number);
    return encode(out, bytes, (size_t)length);
}

// Writes a signer's public key as a JWK with that name, and `extra` members such as `"use":"sig",`.
static inline char *write_jwk(char *out, const struct signer *signer, const char *id,
                              const char *extra)
{
    if (signer->curve) {
        out += sprintf(out, "{%s\"kid\":\"%s\",\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"", extra, id,
                       signer->curve);
        out = encode_number(out, signer->key, OSSL_PKEY_PARAM_EC_PUB_X, signer->size);
        out += sprintf(out, "\",\"y\":\"");
        out = encode_number(out, signer->key, OSSL_PKEY_PARAM_EC_PUB_Y, signer->size);
    } else {
        out += sprintf(out, "{%s\"kid\":\"%s\",\"kty\":\"RSA\",\"n\":\"", extra, id);
        out = encode_number(out, signer->key, OSSL_PKEY_PARAM_RSA_N, 0);
        out += sprintf(out, "\",\"e\":\"");
        out = encode_number(out, signer->key, OSSL_PKEY_PARAM_RSA_E, 0);
    }
    return out + sprintf(out, "\"}");
}

// The set of the first `count` signers' keys.
static inline const char *write_jwks(int count)
{
    static char text[8192];
    char *end = text + sprintf(text, "{\"keys\":[");
    for (int i = 0; i < count; i++) {
        end += sprintf(end, "%s", i > 0 ? "," : "");
        end = write_jwk(end, &signers[i], signers[i].id, "\"use\":\"sig\",");
    }
    sprintf(end, "]}");
    return text;
}

#endif
