// SPDX-License-Identifier: Apache-2.0
#include "server/identity/jwt.h"

#include "kube/object_fields.h"
#include "server/identity/base64url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <yyjson.h>

#define LAST_SECOND INT64_C(9214646399) // of the year 2261: times are kept in nanoseconds

struct part {
    const char *text;
    size_t length;
};

// Header, payload and signature, between two dots.
static int split(const char *text, struct part parts[static 3], struct pt_error *err)
{
    size_t length = strnlen(text, PT_LIMIT_TOKEN_BYTES + 1);
    const char *first = strchr(text, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    if (length > PT_LIMIT_TOKEN_BYTES)
        return pt_error_set(err, EINVAL, "the token is longer than %d bytes", PT_LIMIT_TOKEN_BYTES);
    if (!second || strchr(second + 1, '.'))
        return pt_error_set(err, EINVAL, "the token is no JWT of three parts");
    parts[0] = (struct part){text, (size_t)(first - text)};
    parts[1] = (struct part){first + 1, (size_t)(second - first - 1)};
    parts[2] = (struct part){second + 1, length - (size_t)(second + 1 - text)};
    return 0;
}

static bool has_each_name_once(yyjson_val *object)
{
    yyjson_obj_iter names;
    yyjson_val *name;
    if (yyjson_obj_size(object) > PT_LIMIT_TOKEN_MEMBERS)
        return false;
    yyjson_obj_iter_init(object, &names);
    while ((name = yyjson_obj_iter_next(&names))) {
        // The first of that name is found.
        if (yyjson_obj_getn(object, yyjson_get_str(name), yyjson_get_len(name)) !=
            yyjson_obj_iter_get_val(name))
            return false;
    }
    return true;
}

// RFC 7519 leaves it to the reader what a name that stands twice means: here the token is refused,
// also for one in an object such as `kubernetes.io`, and in one of that.
static bool is_proper(yyjson_val *object)
{
    size_t index, count, inner_index, inner_count;
    yyjson_val *name, *value, *inner_name, *inner;
    if (!yyjson_is_obj(object) || !has_each_name_once(object))
        return false;
    yyjson_obj_foreach(object, index, count, name, value)
    {
        if (yyjson_is_obj(value) && !has_each_name_once(value))
            return false;
        yyjson_obj_foreach(value, inner_index, inner_count, inner_name, inner)
        {
            if (yyjson_is_obj(inner) && !has_each_name_once(inner))
                return false;
        }
    }
    return true;
}

static int read_object(const struct part *part, const char *what, yyjson_doc **ret_document,
                       struct pt_error *err)
{
    unsigned char bytes[PT_BASE64URL_BYTES(PT_LIMIT_TOKEN_BYTES)];
    size_t length;
    if (pt_base64url_decode(part->text, part->length, bytes, sizeof(bytes), &length) < 0)
        return pt_error_set(err, EINVAL, "the token's %s is no base64url", what);
    yyjson_doc *document = yyjson_read((const char *)bytes, length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (!is_proper(root)) {
        yyjson_doc_free(document);
        return pt_error_set(err, EINVAL, "the token's %s is no proper JSON object", what);
    }
    *ret_document = document;
    return 0;
}

// --- the header (https://www.rfc-editor.org/rfc/rfc7515#section-4) ---

// What it says of keys (jwk, jku, x5c, …) is not looked at: keys come from the cluster alone.
static int read_header(struct pt_jwt *jwt, struct pt_error *err)
{
    yyjson_val *header = yyjson_doc_get_root(jwt->header);
    yyjson_val *type = yyjson_obj_get(header, "typ");
    const char *type_name = pt_kube_name(header, "typ");
    jwt->algorithm = pt_kube_name(header, "alg");
    jwt->key_id = pt_kube_name(header, "kid");
    if (!jwt->algorithm)
        return pt_error_set(err, EINVAL, "the token names no algorithm");
    if (!jwt->key_id || !*jwt->key_id)
        return pt_error_set(err, EINVAL, "the token names no key");
    if (yyjson_obj_get(header, "crit"))
        return pt_error_set(err, EINVAL, "the token has critical extensions");
    if (type && (!type_name || strcasecmp(type_name, "JWT") != 0))
        return pt_error_set(err, EINVAL, "the token is of another type than JWT");
    return 0;
}

// --- the claims ---

static bool read_second(yyjson_val *payload, const char *name, int64_t *ret_second)
{
    yyjson_val *value = yyjson_obj_get(payload, name);
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > (uint64_t)LAST_SECOND)
        return false;
    *ret_second = (int64_t)yyjson_get_uint(value);
    return true;
}

static bool are_audiences(yyjson_val *audiences)
{
    size_t index, count;
    yyjson_val *audience;
    if (yyjson_is_str(audiences))
        return true;
    if (!yyjson_is_arr(audiences) || yyjson_arr_size(audiences) > PT_LIMIT_TOKEN_MEMBERS)
        return false;
    yyjson_arr_foreach(audiences, index, count, audience)
    {
        if (!yyjson_is_str(audience))
            return false;
    }
    return true;
}

static void read_binding(yyjson_val *payload, struct pt_claims *claims)
{
    yyjson_val *private_claims = yyjson_obj_get(payload, "kubernetes.io");
    yyjson_val *pod = yyjson_obj_get(private_claims, "pod");
    claims->namespace_name = pt_kube_name(private_claims, "namespace");
    claims->pod_name = pt_kube_name(pod, "name");
    claims->pod_uid = pt_kube_name(pod, "uid");
    claims->node_name = pt_kube_name(yyjson_obj_get(private_claims, "node"), "name");
}

static int read_payload(struct pt_jwt *jwt, struct pt_error *err)
{
    yyjson_val *payload = yyjson_doc_get_root(jwt->payload);
    struct pt_claims *claims = &jwt->claims;
    claims->issuer = pt_kube_short_text(payload, "iss", PT_LIMIT_ISSUER_BYTES);
    claims->subject = pt_kube_short_text(payload, "sub", 2 * PT_LIMIT_ISSUER_BYTES);
    claims->audiences = yyjson_obj_get(payload, "aud");
    read_binding(payload, claims);
    if (!claims->issuer)
        return pt_error_set(err, EINVAL, "the token names no issuer (iss)");
    if (!claims->subject)
        return pt_error_set(err, EINVAL, "the token names no subject (sub)");
    if (!are_audiences(claims->audiences))
        return pt_error_set(err, EINVAL, "the token names no audience (aud)");
    if (!read_second(payload, "exp", &claims->expires_at))
        return pt_error_set(err, EINVAL, "the token has no end (exp)");
    if (!read_second(payload, "nbf", &claims->not_before))
        return pt_error_set(err, EINVAL, "the token has no beginning (nbf)");
    if (!read_second(payload, "iat", &claims->issued_at))
        return pt_error_set(err, EINVAL, "the token does not say when it was made (iat)");
    return 0;
}

// --- what the header promises ---

int pt_jwt_read(const char *text, struct pt_jwt *ret_jwt, struct pt_error *err)
{
    struct part parts[3] = {0};
    struct pt_jwt jwt = {.signed_text = text};
    int r = split(text, parts, err);
    if (r < 0)
        return r;
    jwt.signed_length = parts[0].length + 1 + parts[1].length;
    if (pt_base64url_decode(parts[2].text, parts[2].length, jwt.signature, sizeof(jwt.signature),
                            &jwt.signature_length) < 0)
        return pt_error_set(err, EINVAL, "the token's signature is no base64url, or too long");
    r = read_object(&parts[0], "header", &jwt.header, err);
    if (r == 0)
        r = read_header(&jwt, err);
    if (r == 0)
        r = read_object(&parts[1], "payload", &jwt.payload, err);
    if (r == 0)
        r = read_payload(&jwt, err);
    if (r < 0) {
        pt_jwt_finish(&jwt);
        return r;
    }
    *ret_jwt = jwt;
    return 0;
}

void pt_jwt_finish(struct pt_jwt *jwt)
{
    yyjson_doc_free(jwt->header);
    yyjson_doc_free(jwt->payload);
    jwt->header = jwt->payload = NULL;
}

bool pt_claims_are_for(const struct pt_claims *claims, const char *audience)
{
    return yyjson_equals_str(claims->audiences, audience) ||
           pt_audiences_have(claims->audiences, audience);
}

bool pt_audiences_have(yyjson_val *audiences, const char *audience)
{
    size_t index, count;
    yyjson_val *each;
    yyjson_arr_foreach(audiences, index, count, each)
    {
        if (yyjson_equals_str(each, audience))
            return true;
    }
    return false;
}
