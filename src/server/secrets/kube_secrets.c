// SPDX-License-Identifier: Apache-2.0
#include "server/secrets/kube_secrets.h"

#include "base/buffer.h"
#include "base/limits.h"
#include "kube/kube_client.h"
#include "kube/kube_status.h"
#include "kube/object_fields.h"
#include "pull/json_writer.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define LABEL "pulltrace.github.io/made-secret"
#define CHANGED_AT "pulltrace.github.io/token-changed"
#define STEP "pulltrace.github.io/token-step"
#define WRITER "?fieldManager=pulltrace-make-secrets"
#define TIMEOUT_MS 10000

static const char *const label_values[PT_MADE_SECRET_COUNT] = {
    [PT_MADE_AUTHORITIES] = "ca",
    [PT_MADE_BUNDLE] = "ca-bundle",
    [PT_MADE_CERTIFICATE] = "tls",
    [PT_MADE_TOKEN] = "token",
};

static const char *const step_names[] = {
    [PT_TOKEN_ALONE] = "alone",
    [PT_TOKEN_NEXT_IS_KNOWN] = "next-is-known",
    [PT_TOKEN_LAST_IS_KNOWN] = "last-is-known",
};

// --- one request ---

struct answer {
    struct event_base *base;
    struct pt_buffer body;
    struct pt_http_result result;
    char message[sizeof((struct pt_error){0}.message)];
};

static int on_data(void *context, const char *data, size_t length)
{
    struct answer *answer = context;
    return pt_buffer_append(&answer->body, data, length);
}

static void on_done(void *context, const struct pt_http_result *result)
{
    struct answer *answer = context;
    answer->result = *result;
    memccpy(answer->message, result->message, '\0', sizeof(answer->message) - 1);
    answer->result.message = answer->message;
    event_base_loopbreak(answer->base);
}

static int code_of(const struct pt_http_result *result)
{
    int status = result->status;
    if (result->error < 0)
        return -result->error;
    return status == 404                    ? ENOENT
           : status == 409                  ? EAGAIN
           : status == 401 || status == 403 ? EACCES
                                            : EIO;
}

// 0 if the answer is an object; else an error with the API server's words.
static int judge(const struct answer *answer, yyjson_val *object, const char *what,
                 struct pt_error *err)
{
    struct pt_kube_status status = {0};
    char text[512];
    if (answer->result.error == 0 && answer->result.status / 100 == 2 && yyjson_is_obj(object))
        return 0;
    pt_kube_status_read(object, &status);
    const char *why = pt_kube_failure_of(&status, &answer->result, text, sizeof(text));
    return pt_error_set(err, code_of(&answer->result), "%s: %s", what,
                        why ? why : "the answer is no object");
}

// Sends the request and waits for its answer; *ret_document is the caller's on success.
static int ask(const struct pt_kube_secrets *secrets, const char *path,
               struct pt_http_options request, const char *what, yyjson_doc **ret_document,
               struct pt_error *err)
{
    struct answer answer = {.base = secrets->client->base};
    pt_buffer_init(&answer.body, PT_LIMIT_SECRET_ANSWER_BYTES);
    request.timeout_ms = TIMEOUT_MS;
    request.max_response_bytes = PT_LIMIT_SECRET_ANSWER_BYTES;
    request.on_data = on_data;
    request.on_done = on_done;
    request.context = &answer;
    int r = pt_kube_client_start(secrets->client, path, request, NULL, err);
    if (r == 0) {
        event_base_loop(answer.base, EVLOOP_NO_EXIT_ON_EMPTY);
        yyjson_doc *document =
            answer.body.length > 0 ? yyjson_read(answer.body.data, answer.body.length, 0) : NULL;
        r = judge(&answer, yyjson_doc_get_root(document), what, err);
        if (r == 0)
            *ret_document = document;
        else
            yyjson_doc_free(document);
    }
    if (answer.body.data)
        OPENSSL_cleanse(answer.body.data, answer.body.length);
    pt_buffer_finish(&answer.body);
    return r;
}

// --- reading ---

static int make_path(const struct pt_kube_secrets *secrets, const char *name, struct pt_buffer *out,
                     struct pt_error *err)
{
    (void)pt_buffer_append_text(out, "/api/v1/namespaces/");
    (void)pt_kube_append_escaped(out, secrets->namespace_name);
    (void)pt_buffer_append_text(out, "/secrets");
    if (name) {
        (void)pt_buffer_append_text(out, "/");
        (void)pt_kube_append_escaped(out, name);
    }
    return out->failure < 0 ? pt_error_set(err, -out->failure, "the Secret's name is too long") : 0;
}

// The value of base64, allocated; NULL if it is none, or too long. -ENOMEM is the same: it is made
// anew then, or that fails.
static char *decode(yyjson_val *value)
{
    size_t length = yyjson_get_len(value);
    const char *text = yyjson_get_str(value);
    if (!text || length == 0 || length % 4 != 0 || length > 2 * PT_LIMIT_SECRET_BYTES)
        return NULL;
    char *bytes = calloc(1, length / 4 * 3 + 1);
    int decoded =
        bytes ? EVP_DecodeBlock((unsigned char *)bytes, (const unsigned char *)text, (int)length)
              : -1;
    if (decoded < 0) {
        free(bytes);
        return NULL;
    }
    return bytes; // NULs stand where the text is padded
}

static enum pt_token_step read_step(yyjson_val *annotations)
{
    const char *name = pt_kube_text(annotations, STEP);
    for (size_t i = 0; name && i < sizeof(step_names) / sizeof(step_names[0]); i++) {
        if (strcmp(name, step_names[i]) == 0)
            return (enum pt_token_step)i;
    }
    return PT_TOKEN_ALONE;
}

static int read_object(yyjson_val *object, const struct pt_kube_secrets *secrets,
                       enum pt_made_secret which, struct pt_kube_secret *ret_secret,
                       struct pt_error *err)
{
    yyjson_val *metadata = yyjson_obj_get(object, "metadata");
    yyjson_val *annotations = yyjson_obj_get(metadata, "annotations");
    yyjson_val *data = yyjson_obj_get(object, "data");
    const char *label = pt_kube_text(yyjson_obj_get(metadata, "labels"), LABEL);
    const char *version =
        pt_kube_short_text(metadata, "resourceVersion", sizeof(ret_secret->version) - 1);
    if (!label || strcmp(label, label_values[which]) != 0)
        return pt_error_set(err, EPERM,
                            "Secret %s/%s is there without the label " LABEL
                            "=%s: it is somebody else's, and stays as it is",
                            secrets->namespace_name, secrets->names[which], label_values[which]);
    if (!version)
        return pt_error_set(err, EIO, "Secret %s has no version", secrets->names[which]);
    *ret_secret = (struct pt_kube_secret){.exists = true};
    memcpy(ret_secret->version, version, strlen(version) + 1);
    ret_secret->content.step = read_step(annotations);
    ret_secret->content.changed_at = pt_kube_time(annotations, CHANGED_AT);
    const char *const *keys = pt_made_secret_keys[which];
    for (size_t i = 0; i < PT_MADE_SECRET_KEYS && keys[i]; i++)
        ret_secret->content.values[i] = decode(yyjson_obj_get(data, keys[i]));
    return 0;
}

int pt_kube_secrets_read(const struct pt_kube_secrets *secrets, enum pt_made_secret which,
                         struct pt_kube_secret *ret_secret, struct pt_error *err)
{
    struct pt_error own = {0};
    struct pt_buffer path;
    yyjson_doc *document = NULL;
    pt_buffer_init(&path, PT_LIMIT_KUBE_URL_BYTES);
    int r = make_path(secrets, secrets->names[which], &path, &own);
    if (r == 0)
        r = ask(secrets, path.data, (struct pt_http_options){0}, "reading the Secret", &document,
                &own);
    if (r == 0) {
        r = read_object(yyjson_doc_get_root(document), secrets, which, ret_secret, &own);
    } else if (r == -ENOENT) {
        *ret_secret = (struct pt_kube_secret){0};
        r = 0;
    }
    yyjson_doc_free(document);
    pt_buffer_finish(&path);
    return r < 0 ? pt_error_set(err, own.code, "%s", own.message) : 0;
}

// --- writing ---

static void write_metadata(const struct pt_kube_secrets *secrets,
                           const struct pt_kube_secret *secret,
                           const struct pt_secret_change *change, struct pt_buffer *out)
{
    pt_json_open(out, "metadata", '{');
    if (secret->exists) {
        pt_json_text(out, "resourceVersion", secret->version, sizeof(secret->version));
    } else {
        pt_json_text(out, "name", secrets->names[change->secret], PT_LIMIT_KUBE_NAME_BYTES);
        pt_json_open(out, "labels", '{');
        pt_json_text(out, LABEL, label_values[change->secret], PT_LIMIT_KUBE_NAME_BYTES);
        pt_json_text(out, "app.kubernetes.io/part-of", "pulltrace", PT_LIMIT_KUBE_NAME_BYTES);
        pt_json_close(out, '}');
    }
    if (change->secret == PT_MADE_TOKEN) {
        pt_json_open(out, "annotations", '{');
        pt_json_time(out, CHANGED_AT, change->content.changed_at);
        pt_json_text(out, STEP, step_names[change->content.step], PT_LIMIT_KUBE_NAME_BYTES);
        pt_json_close(out, '}');
    }
    pt_json_close(out, '}');
}

static void write_body(const struct pt_kube_secrets *secrets, const struct pt_kube_secret *secret,
                       const struct pt_secret_change *change, struct pt_buffer *out)
{
    const char *const *keys = pt_made_secret_keys[change->secret];
    pt_json_begin(out);
    pt_json_text(out, "apiVersion", "v1", 8);
    pt_json_text(out, "kind", "Secret", 8);
    if (!secret->exists && change->secret == PT_MADE_CERTIFICATE)
        pt_json_text(out, "type", "kubernetes.io/tls", 32);
    write_metadata(secrets, secret, change, out);
    pt_json_open(out, "stringData", '{');
    for (size_t i = 0; i < PT_MADE_SECRET_KEYS && keys[i]; i++)
        pt_json_text(out, keys[i], change->content.values[i], PT_LIMIT_SECRET_BYTES);
    pt_json_close(out, '}');
    pt_json_close(out, '}');
}

int pt_kube_secrets_write(const struct pt_kube_secrets *secrets,
                          const struct pt_kube_secret *secret,
                          const struct pt_secret_change *change, struct pt_error *err)
{
    struct pt_buffer path, body;
    yyjson_doc *document = NULL;
    pt_buffer_init(&path, PT_LIMIT_KUBE_URL_BYTES);
    pt_buffer_init(&body, PT_LIMIT_SECRET_ANSWER_BYTES);
    write_body(secrets, secret, change, &body);
    int r = make_path(secrets, secret->exists ? secrets->names[change->secret] : NULL, &path, err);
    (void)pt_buffer_append_text(&path, WRITER);
    if (r == 0 && body.failure < 0)
        r = pt_error_set(err, -body.failure, "the Secret is too large");
    if (r == 0) {
        const struct pt_http_options request = {.method = secret->exists ? "PATCH" : "POST",
                                                .body = body.data,
                                                .body_length = body.length};
        r = ask(secrets, path.data, request,
                secret->exists ? "writing the Secret" : "creating the Secret", &document, err);
    }
    yyjson_doc_free(document);
    if (body.data)
        OPENSSL_cleanse(body.data, body.length);
    pt_buffer_finish(&path);
    pt_buffer_finish(&body);
    return r;
}
