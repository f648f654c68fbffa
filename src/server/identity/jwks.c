// SPDX-License-Identifier: Apache-2.0
#include "server/identity/jwks.h"

#include "kube/object_fields.h"
#include "server/identity/base64url.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define MIN_RSA_BITS 2048
#define MAX_RSA_BITS 8192
#define MAX_NUMBER_BYTES (MAX_RSA_BITS / 8)
#define MAX_NUMBER_TEXT ((MAX_NUMBER_BYTES + 2) / 3 * 4)
#define MAX_POINT_BYTES (1 + 2 * 66) // both coordinates of P-521

// How the keys of a kind sign. `size` is that of a coordinate, and of either half of a signature.
struct method {
    const char *type;  // kty
    const char *curve; // crv; NULL: RSA
    const char *group; // OpenSSL's name of the curve
    const char *algorithm;
    const EVP_MD *(*digest)(void);
    size_t size;
};

static const struct method methods[] = {
    {"RSA", NULL, NULL, "RS256", EVP_sha256, 0},
    {"EC", "P-256", "P-256", "ES256", EVP_sha256, 32},
    {"EC", "P-384", "P-384", "ES384", EVP_sha384, 48},
    {"EC", "P-521", "P-521", "ES512", EVP_sha512, 66},
};

struct key {
    char id[PT_LIMIT_KUBE_NAME_BYTES + 1];
    const struct method *method;
    EVP_PKEY *key;
};

struct pt_jwks {
    size_t count;
    struct key keys[PT_LIMIT_CLUSTER_KEYS];
};

// --- reading a key ---

static const struct method *method_of(yyjson_val *object)
{
    const char *type = pt_kube_name(object, "kty");
    const char *curve = pt_kube_name(object, "crv");
    const char *algorithm = pt_kube_name(object, "alg");
    const char *use = pt_kube_name(object, "use");
    if (!type || (use && strcmp(use, "sig") != 0))
        return NULL;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        const struct method *method = &methods[i];
        if (strcmp(type, method->type) == 0 &&
            (!method->curve || (curve && strcmp(curve, method->curve) == 0)) &&
            (!algorithm || strcmp(algorithm, method->algorithm) == 0))
            return method;
    }
    return NULL;
}

// Bytes of the number under that name; 0: there is none, or a longer one.
static size_t read_number(yyjson_val *object, const char *name, unsigned char *out, size_t size)
{
    const char *text = pt_kube_short_text(object, name, MAX_NUMBER_TEXT);
    size_t length = 0;
    if (!text || pt_base64url_decode(text, strlen(text), out, size, &length) < 0)
        return 0;
    return length;
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!parameters || !context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return key;
}

static EVP_PKEY *read_rsa(yyjson_val *object, OSSL_PARAM_BLD *builder)
{
    unsigned char modulus[MAX_NUMBER_BYTES];
    unsigned char exponent[8]; // all that are in use have three bytes
    size_t modulus_length = read_number(object, "n", modulus, sizeof(modulus));
    size_t exponent_length = read_number(object, "e", exponent, sizeof(exponent));
    EVP_PKEY *key = NULL;
    BIGNUM *n = BN_bin2bn(modulus, (int)modulus_length, NULL);
    BIGNUM *e = BN_bin2bn(exponent, (int)exponent_length, NULL);
    bool is_sound = n && e && BN_num_bits(n) >= MIN_RSA_BITS && BN_is_odd(n) &&
                    BN_num_bits(e) > 1 && BN_is_odd(e);
    if (is_sound && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        key = make_key("RSA", builder);
    BN_free(n);
    BN_free(e);
    return key;
}

// These curves have no other points than those of their group, which the whole check looks for once
// more, and takes a millisecond.
static bool is_on_curve(EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool is_sound = context && EVP_PKEY_public_check_quick(context) == 1;
    EVP_PKEY_CTX_free(context);
    return is_sound;
}

// Both coordinates have their whole length (https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1).
static EVP_PKEY *read_point(yyjson_val *object, const struct method *method,
                            OSSL_PARAM_BLD *builder)
{
    unsigned char point[MAX_POINT_BYTES] = {4}; // not compressed
    size_t size = method->size;
    EVP_PKEY *key = NULL;
    if (read_number(object, "x", point + 1, size) != size ||
        read_number(object, "y", point + 1 + size, size) != size)
        return NULL;
    if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, method->group, 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size) ==
            1)
        key = make_key("EC", builder);
    if (key && !is_on_curve(key)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static EVP_PKEY *read_key(yyjson_val *object, const struct method *method)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (!builder)
        return NULL;
    EVP_PKEY *key = method->curve ? read_point(object, method, builder) : read_rsa(object, builder);
    OSSL_PARAM_BLD_free(builder);
    ERR_clear_error();
    return key;
}

// --- the set ---

static const struct key *find(const struct pt_jwks *keys, const char *id)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].id, id) == 0)
            return &keys->keys[i];
    }
    return NULL;
}

// Of two keys with one name the first is taken. `tried` counts those that are or look like keys:
// reading one takes its time.
static void add(struct pt_jwks *keys, yyjson_val *object, size_t *tried)
{
    const char *id = pt_kube_name(object, "kid");
    const struct method *method = method_of(object);
    if (!id || !*id || !method || find(keys, id) || *tried == PT_LIMIT_CLUSTER_KEYS)
        return;
    (*tried)++;
    struct key key = {.method = method, .key = read_key(object, method)};
    if (!key.key)
        return;
    memcpy(key.id, id, strlen(id) + 1);
    keys->keys[keys->count++] = key;
}

int pt_jwks_read(const char *text, size_t length, struct pt_jwks **ret_keys, struct pt_error *err)
{
    size_t index, count, tried = 0;
    yyjson_val *object;
    yyjson_doc *document = yyjson_read(text, length, 0);
    struct pt_jwks *keys = calloc(1, sizeof(*keys));
    if (!keys) {
        yyjson_doc_free(document);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(document), "keys");
    yyjson_arr_foreach(list, index, count, object)
    {
        add(keys, object, &tried);
    }
    yyjson_doc_free(document);
    if (keys->count == 0) {
        pt_jwks_destroy(keys);
        return pt_error_set(err, EINVAL, "the cluster's key set holds no key that can be used");
    }
    *ret_keys = keys;
    return 0;
}

void pt_jwks_destroy(struct pt_jwks *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++)
        EVP_PKEY_free(keys->keys[i].key);
    free(keys);
}

size_t pt_jwks_count(const struct pt_jwks *keys)
{
    return keys->count;
}

bool pt_jwks_are_equal(const struct pt_jwks *a, const struct pt_jwks *b)
{
    if (!a || !b || a->count != b->count)
        return a == b;
    for (size_t i = 0; i < a->count; i++) {
        const struct key *other = find(b, a->keys[i].id);
        if (!other || EVP_PKEY_eq(a->keys[i].key, other->key) != 1)
            return false;
    }
    return true;
}

// --- verifying ---

// OpenSSL takes the two numbers of an ECDSA signature as DER, a JWS has them side by side
// (https://www.rfc-editor.org/rfc/rfc7518#section-3.4). Its length, 0: it is none.
static int make_der(const struct pt_jwt *jwt, size_t size, unsigned char **ret_der)
{
    if (jwt->signature_length != 2 * size)
        return 0;
    int length = 0;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(jwt->signature, (int)size, NULL);
    BIGNUM *s = BN_bin2bn(jwt->signature + size, (int)size, NULL);
    if (signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
        length = i2d_ECDSA_SIG(signature, ret_der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(signature);
    return length > 0 ? length : 0;
}

static bool is_signed_by(const struct key *key, const struct pt_jwt *jwt)
{
    const unsigned char *signature = jwt->signature;
    size_t length = jwt->signature_length;
    unsigned char *der = NULL;
    if (key->method->curve) {
        length = (size_t)make_der(jwt, key->method->size, &der);
        signature = der;
    }
    EVP_MD_CTX *context = length > 0 ? EVP_MD_CTX_new() : NULL;
    bool is_good =
        context &&
        EVP_DigestVerifyInit(context, NULL, key->method->digest(), NULL, key->key) == 1 &&
        EVP_DigestVerify(context, signature, length, (const unsigned char *)jwt->signed_text,
                         jwt->signed_length) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    ERR_clear_error();
    return is_good;
}

int pt_jwks_verify(const struct pt_jwks *keys, const struct pt_jwt *jwt, struct pt_error *err)
{
    const struct key *key = find(keys, jwt->key_id);
    if (!key)
        return pt_error_set(err, ENOENT, "the token is signed by a key that the cluster has not");
    if (strcmp(jwt->algorithm, key->method->algorithm) != 0)
        return pt_error_set(err, EPERM, "the token's algorithm is not that of its key");
    if (!is_signed_by(key, jwt))
        return pt_error_set(err, EPERM, "the token's signature is wrong");
    return 0;
}
