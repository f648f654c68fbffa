// SPDX-License-Identifier: Apache-2.0
#include "pull/report.h"

#include "base/limits.h"
#include "base/timestamp.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

// --- decoding ---

// Everything that the views of a decoded report borrow from, in one place to free.
struct storage {
    yyjson_doc *doc;
    struct pt_layer *layers;
    struct pt_pull pulls[];
};

// Reads optional text into *ret_text (NULL when absent, null or empty). NUL inside is refused,
// since it would end the text for everybody behind.
static int read_text(yyjson_val *object, const char *key, size_t max_length, const char **ret_text,
                     struct pt_error *err)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    *ret_text = NULL;
    if (!value || yyjson_is_null(value))
        return 0;
    if (!yyjson_is_str(value))
        return pt_error_set(err, EINVAL, "%s: must be a string", key);
    size_t length = yyjson_get_len(value);
    const char *text = yyjson_get_str(value);
    if (length > max_length)
        return pt_error_set(err, EMSGSIZE, "%s: longer than %zu bytes", key, max_length);
    if (strlen(text) != length)
        return pt_error_set(err, EINVAL, "%s: holds a NUL character", key);
    if (length > 0)
        *ret_text = text;
    return 0;
}

static int read_required_text(yyjson_val *object, const char *key, size_t max_length,
                              const char **ret_text, struct pt_error *err)
{
    int r = read_text(object, key, max_length, ret_text, err);
    if (r == 0 && !*ret_text)
        return pt_error_set(err, EINVAL, "%s: missing", key);
    return r;
}

static int read_bytes(yyjson_val *object, const char *key, int64_t *ret_bytes, struct pt_error *err)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    *ret_bytes = 0;
    if (!value || yyjson_is_null(value))
        return 0;
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > INT64_MAX / 4096)
        return pt_error_set(err, EINVAL, "%s: must be a whole number, 0 or more", key);
    *ret_bytes = (int64_t)yyjson_get_uint(value);
    return 0;
}

static int read_bool(yyjson_val *object, const char *key, bool *ret_value, struct pt_error *err)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    *ret_value = false;
    if (!value || yyjson_is_null(value))
        return 0;
    if (!yyjson_is_bool(value))
        return pt_error_set(err, EINVAL, "%s: must be true or false", key);
    *ret_value = yyjson_get_bool(value);
    return 0;
}

static int read_time(yyjson_val *object, const char *key, int64_t *ret_wall_ns,
                     struct pt_error *err)
{
    const char *text;
    *ret_wall_ns = 0;
    int r = read_text(object, key, PT_LIMIT_NAME_BYTES, &text, err);
    if (r < 0 || !text)
        return r;
    if (pt_timestamp_parse(text, strlen(text), ret_wall_ns) < 0) {
        // Go's zero time, which agents of the v1 format send for "not yet".
        if (strncmp(text, "0001-01-01T", 11) == 0)
            return 0;
        return pt_error_set(err, EINVAL, "%s: must be an RFC 3339 time", key);
    }
    return 0;
}

static int decode_layer(yyjson_val *object, struct pt_layer *layer, struct pt_error *err)
{
    const char *phase;
    int r;
    if (!yyjson_is_obj(object))
        return pt_error_set(err, EINVAL, "must be an object");
    if ((r = read_required_text(object, "digest", PT_LIMIT_DIGEST_BYTES, &layer->digest, err)) <
            0 ||
        (r = read_text(object, "mediaType", PT_LIMIT_NAME_BYTES, &layer->media_type, err)) < 0 ||
        (r = read_bytes(object, "totalBytes", &layer->total_bytes, err)) < 0 ||
        (r = read_bytes(object, "downloadedBytes", &layer->downloaded_bytes, err)) < 0 ||
        (r = read_bool(object, "totalKnown", &layer->total_known, err)) < 0 ||
        (r = read_bool(object, "cached", &layer->cached, err)) < 0 ||
        (r = read_text(object, "phase", PT_LIMIT_NAME_BYTES, &phase, err)) < 0 ||
        (r = read_time(object, "startedAt", &layer->started_at, err)) < 0 ||
        (r = read_time(object, "completedAt", &layer->completed_at, err)) < 0 ||
        (r = read_time(object, "extractStartedAt", &layer->extract_started_at, err)) < 0 ||
        (r = read_time(object, "extractCompletedAt", &layer->extract_completed_at, err)) < 0)
        return r;
    layer->phase = pt_layer_phase_parse(phase);
    return 0;
}

// Layers go to the next free places of the storage; *used counts them.
static int decode_layers(yyjson_val *object, struct pt_pull *pull, struct storage *storage,
                         size_t *used, struct pt_error *err)
{
    yyjson_val *layers = yyjson_obj_get(object, "layers");
    if (!layers || yyjson_is_null(layers))
        return 0;
    pull->layers = storage->layers + *used;
    pull->layer_count = yyjson_arr_size(layers);
    size_t index, count;
    yyjson_val *layer;
    yyjson_arr_foreach(layers, index, count, layer)
    {
        if (decode_layer(layer, &storage->layers[*used], err) < 0)
            return pt_error_prefix(err, "layers[%zu]", index);
        (*used)++;
    }
    return 0;
}

static int decode_pull(yyjson_val *object, struct pt_pull *pull, struct pt_error *err)
{
    const char *phase;
    int r;
    if ((r = read_required_text(object, "imageRef", PT_LIMIT_REFERENCE_BYTES, &pull->image_ref,
                                err)) < 0 ||
        (r = read_text(object, "id", PT_LIMIT_NAME_BYTES, &pull->id, err)) < 0 ||
        (r = read_text(object, "repository", PT_LIMIT_REFERENCE_BYTES, &pull->repository, err)) <
            0 ||
        (r = read_text(object, "rootDigest", PT_LIMIT_DIGEST_BYTES, &pull->root_digest, err)) < 0 ||
        (r = read_text(object, "manifestDigest", PT_LIMIT_DIGEST_BYTES, &pull->manifest_digest,
                       err)) < 0 ||
        (r = read_text(object, "namespace", PT_LIMIT_NAME_BYTES, &pull->containerd_namespace,
                       err)) < 0 ||
        (r = read_text(object, "error", PT_LIMIT_ERROR_BYTES, &pull->error, err)) < 0 ||
        (r = read_text(object, "phase", PT_LIMIT_NAME_BYTES, &phase, err)) < 0 ||
        (r = read_bool(object, "totalKnown", &pull->total_known, err)) < 0 ||
        (r = read_bool(object, "imageRefExact", &pull->image_ref_exact, err)) < 0 ||
        (r = read_time(object, "startedAt", &pull->started_at, err)) < 0 ||
        (r = read_time(object, "completedAt", &pull->completed_at, err)) < 0)
        return r;
    pull->phase = pt_pull_phase_parse(phase);
    return 0;
}

// Letters, digits, `-`, `.` and `_`, as the names of Kubernetes nodes are, and some more.
static bool is_node_name(const char *name)
{
    if (!isalnum((unsigned char)name[0]))
        return false;
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name) && !strchr("-._", *name))
            return false;
    }
    return true;
}

static int decode_head(yyjson_val *root, struct pt_report *report, struct pt_error *err)
{
    int r;
    yyjson_val *runtime = yyjson_obj_get(root, "runtime");
    if ((r = read_required_text(root, "nodeName", PT_LIMIT_NODE_NAME_BYTES, &report->node_name,
                                err)) < 0 ||
        (r = read_time(root, "timestamp", &report->timestamp, err)) < 0 ||
        (r = read_text(root, "agentVersion", PT_LIMIT_NAME_BYTES, &report->agent_version, err)) <
            0 ||
        (r = read_text(runtime, "name", PT_LIMIT_NAME_BYTES, &report->runtime_name, err)) < 0 ||
        (r = read_text(runtime, "version", PT_LIMIT_NAME_BYTES, &report->runtime_version, err)) <
            0 ||
        (r = read_bytes(root, "intervalMs", &report->interval_ms, err)) < 0)
        return r;
    if (!is_node_name(report->node_name))
        return pt_error_set(err, EINVAL,
                            "nodeName: must be a DNS name: letters, digits, '-' and '.'");
    if (report->timestamp == 0)
        return pt_error_set(err, EINVAL, "timestamp: missing");
    return 0;
}

// Counts the layers of all pulls, after having checked the shape down to there.
static int count_layers(yyjson_val *pulls, size_t *ret_count, struct pt_error *err)
{
    size_t index, pull_count, total = 0;
    yyjson_val *pull;
    if (yyjson_arr_size(pulls) > PT_LIMIT_PULLS_PER_REPORT)
        return pt_error_set(err, EMSGSIZE, "pulls: more than %d", PT_LIMIT_PULLS_PER_REPORT);
    yyjson_arr_foreach(pulls, index, pull_count, pull)
    {
        yyjson_val *layers = yyjson_obj_get(pull, "layers");
        if (!yyjson_is_obj(pull))
            return pt_error_set(err, EINVAL, "pulls[%zu]: must be an object", index);
        if (layers && !yyjson_is_arr(layers) && !yyjson_is_null(layers))
            return pt_error_set(err, EINVAL, "pulls[%zu]: layers: must be an array", index);
        if (yyjson_arr_size(layers) > PT_LIMIT_LAYERS_PER_PULL)
            return pt_error_set(err, EMSGSIZE, "pulls[%zu]: layers: more than %d", index,
                                PT_LIMIT_LAYERS_PER_PULL);
        total += yyjson_arr_size(layers);
    }
    *ret_count = total;
    return 0;
}

static int decode_pulls(yyjson_val *pulls, struct storage *storage, struct pt_error *err)
{
    size_t index, count, layers_used = 0;
    yyjson_val *pull;
    yyjson_arr_foreach(pulls, index, count, pull)
    {
        if (decode_pull(pull, &storage->pulls[index], err) < 0 ||
            decode_layers(pull, &storage->pulls[index], storage, &layers_used, err) < 0)
            return pt_error_prefix(err, "pulls[%zu]", index);
    }
    return 0;
}

static void free_storage(struct storage *storage)
{
    if (!storage)
        return;
    yyjson_doc_free(storage->doc);
    free(storage->layers);
    free(storage);
}

static int decode_document(yyjson_doc *doc, struct pt_report *report, struct pt_error *err)
{
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *pulls = yyjson_obj_get(root, "pulls");
    if (!yyjson_is_obj(root))
        return pt_error_set(err, EINVAL, "the report must be a JSON object");
    if (pulls && !yyjson_is_arr(pulls) && !yyjson_is_null(pulls))
        return pt_error_set(err, EINVAL, "pulls: must be an array");
    size_t pull_count = yyjson_arr_size(pulls);
    size_t layer_count = 0;
    int r = count_layers(pulls, &layer_count, err);
    if (r < 0)
        return r;
    struct storage *storage = calloc(1, sizeof(*storage) + pull_count * sizeof(struct pt_pull));
    if (storage)
        storage->layers = calloc(layer_count + 1, sizeof(struct pt_layer));
    if (!storage || !storage->layers) {
        free_storage(storage);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    r = decode_head(root, report, err);
    if (r == 0)
        r = decode_pulls(pulls, storage, err);
    if (r < 0) {
        free_storage(storage);
        return r;
    }
    storage->doc = doc;
    report->pulls = storage->pulls;
    report->pull_count = pull_count;
    report->storage = storage;
    return 0;
}

// Nesting of objects and arrays, so that no reader behind recurses deep. Quotes are respected.
static bool is_too_deep(const char *json, size_t length)
{
    int depth = 0;
    bool in_text = false;
    for (size_t i = 0; i < length; i++) {
        char c = json[i];
        if (in_text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_text = false;
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            if (++depth > PT_LIMIT_REPORT_DEPTH)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

int pt_report_decode(const char *json, size_t length, struct pt_report *ret_report,
                     struct pt_error *err)
{
    if (length > PT_LIMIT_REPORT_BYTES)
        return pt_error_set(err, EMSGSIZE, "the report is larger than %d bytes",
                            PT_LIMIT_REPORT_BYTES);
    if (length == 0)
        return pt_error_set(err, EINVAL, "the report is empty");
    if (is_too_deep(json, length))
        return pt_error_set(err, EMSGSIZE, "nested deeper than %d levels", PT_LIMIT_REPORT_DEPTH);
    yyjson_read_err why;
    yyjson_doc *doc = yyjson_read_opts((char *)json, length, YYJSON_READ_NOFLAG, NULL, &why);
    if (!doc)
        return pt_error_set(err, why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? ENOMEM : EINVAL,
                            "invalid JSON: %s at byte %zu", why.msg, why.pos);
    struct pt_report report = {0};
    int r = decode_document(doc, &report, err);
    if (r < 0) {
        yyjson_doc_free(doc);
        return r;
    }
    *ret_report = report;
    return 0;
}

void pt_report_finish(struct pt_report *report)
{
    free_storage(report->storage);
    *report = (struct pt_report){0};
}
