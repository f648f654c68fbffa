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

enum kind {
    TEXT,          // const char *, NULL when absent, null or empty
    REQUIRED_TEXT, // the same, but it must be there
    BYTES,         // int64_t
    BOOL,          // bool
    TIME,          // int64_t, wall_ns
    PULL_PHASE,    // enum pt_pull_phase
    LAYER_PHASE,   // enum pt_layer_phase
};

// A field of a JSON object and where it goes in the struct that is filled in.
struct field {
    const char *name;
    size_t name_length;
    enum kind kind;
    size_t offset;
    size_t max_length; // of text
};

#define FIELD(kind, name, type, member, max_length)                                                \
    {                                                                                              \
        (name), sizeof(name) - 1, (kind), offsetof(type, member), (max_length)                     \
    }

// In the order in which our agent writes them, so that each is found at the first look.
static const struct field layer_fields[] = {
    FIELD(REQUIRED_TEXT, "digest", struct pt_layer, digest, PT_LIMIT_DIGEST_BYTES),
    FIELD(TEXT, "mediaType", struct pt_layer, media_type, PT_LIMIT_NAME_BYTES),
    FIELD(BYTES, "totalBytes", struct pt_layer, total_bytes, 0),
    FIELD(BYTES, "downloadedBytes", struct pt_layer, downloaded_bytes, 0),
    FIELD(BOOL, "totalKnown", struct pt_layer, total_known, 0),
    FIELD(LAYER_PHASE, "phase", struct pt_layer, phase, PT_LIMIT_NAME_BYTES),
    FIELD(BOOL, "cached", struct pt_layer, cached, 0),
    FIELD(TIME, "startedAt", struct pt_layer, started_at, PT_LIMIT_NAME_BYTES),
    FIELD(TIME, "completedAt", struct pt_layer, completed_at, PT_LIMIT_NAME_BYTES),
    FIELD(TIME, "extractStartedAt", struct pt_layer, extract_started_at, PT_LIMIT_NAME_BYTES),
    FIELD(TIME, "extractCompletedAt", struct pt_layer, extract_completed_at, PT_LIMIT_NAME_BYTES),
};

static const struct field pull_fields[] = {
    FIELD(TEXT, "id", struct pt_pull, id, PT_LIMIT_NAME_BYTES),
    FIELD(REQUIRED_TEXT, "imageRef", struct pt_pull, image_ref, PT_LIMIT_REFERENCE_BYTES),
    FIELD(TEXT, "repository", struct pt_pull, repository, PT_LIMIT_REFERENCE_BYTES),
    FIELD(TEXT, "rootDigest", struct pt_pull, root_digest, PT_LIMIT_DIGEST_BYTES),
    FIELD(TEXT, "manifestDigest", struct pt_pull, manifest_digest, PT_LIMIT_DIGEST_BYTES),
    FIELD(TEXT, "namespace", struct pt_pull, containerd_namespace, PT_LIMIT_NAME_BYTES),
    FIELD(PULL_PHASE, "phase", struct pt_pull, phase, PT_LIMIT_NAME_BYTES),
    FIELD(TEXT, "error", struct pt_pull, error, PT_LIMIT_ERROR_BYTES),
    FIELD(TIME, "startedAt", struct pt_pull, started_at, PT_LIMIT_NAME_BYTES),
    FIELD(TIME, "completedAt", struct pt_pull, completed_at, PT_LIMIT_NAME_BYTES),
    FIELD(BOOL, "totalKnown", struct pt_pull, total_known, 0),
    FIELD(BOOL, "imageRefExact", struct pt_pull, image_ref_exact, 0),
};

static const struct field report_fields[] = {
    FIELD(REQUIRED_TEXT, "nodeName", struct pt_report, node_name, PT_LIMIT_NODE_NAME_BYTES),
    FIELD(TIME, "timestamp", struct pt_report, timestamp, PT_LIMIT_NAME_BYTES),
    FIELD(TEXT, "agentVersion", struct pt_report, agent_version, PT_LIMIT_NAME_BYTES),
    FIELD(BYTES, "intervalMs", struct pt_report, interval_ms, 0),
};

static const struct field runtime_fields[] = {
    FIELD(TEXT, "name", struct pt_report, runtime_name, PT_LIMIT_NAME_BYTES),
    FIELD(TEXT, "version", struct pt_report, runtime_version, PT_LIMIT_NAME_BYTES),
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

// NUL inside a text is refused, since it would end the text for everybody behind.
static int read_text(const struct field *field, yyjson_val *value, const char **ret_text,
                     struct pt_error *err)
{
    if (!yyjson_is_str(value))
        return pt_error_set(err, EINVAL, "%s: must be a string", field->name);
    size_t length = yyjson_get_len(value);
    const char *text = yyjson_get_str(value);
    if (length > field->max_length)
        return pt_error_set(err, EMSGSIZE, "%s: longer than %zu bytes", field->name,
                            field->max_length);
    if (strlen(text) != length)
        return pt_error_set(err, EINVAL, "%s: holds a NUL character", field->name);
    *ret_text = length > 0 ? text : NULL;
    return 0;
}

static int read_time(const struct field *field, const char *text, int64_t *ret_wall_ns,
                     struct pt_error *err)
{
    *ret_wall_ns = 0;
    if (!text || pt_timestamp_parse(text, strlen(text), ret_wall_ns) == 0)
        return 0;
    // Go's zero time, which agents of the v1 format send for "not yet".
    if (strncmp(text, "0001-01-01T", 11) == 0)
        return 0;
    return pt_error_set(err, EINVAL, "%s: must be an RFC 3339 time", field->name);
}

static int read_bytes(const struct field *field, yyjson_val *value, int64_t *ret_bytes,
                      struct pt_error *err)
{
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > INT64_MAX / 4096)
        return pt_error_set(err, EINVAL, "%s: must be a whole number, 0 or more", field->name);
    *ret_bytes = (int64_t)yyjson_get_uint(value);
    return 0;
}

static int read_value(const struct field *field, yyjson_val *value, void *target,
                      struct pt_error *err)
{
    const char *text = NULL;
    void *place = (char *)target + field->offset;
    if (yyjson_is_null(value))
        return 0;
    if (field->max_length > 0) {
        int r = read_text(field, value, &text, err);
        if (r < 0)
            return r;
    }
    switch (field->kind) {
    case TEXT:
    case REQUIRED_TEXT:
        *(const char **)place = text;
        return 0;
    case BYTES:
        return read_bytes(field, value, place, err);
    case BOOL:
        if (!yyjson_is_bool(value))
            return pt_error_set(err, EINVAL, "%s: must be true or false", field->name);
        *(bool *)place = yyjson_get_bool(value);
        return 0;
    case TIME:
        return read_time(field, text, place, err);
    case PULL_PHASE:
        *(enum pt_pull_phase *)place = pt_pull_phase_parse(text);
        return 0;
    case LAYER_PHASE:
        *(enum pt_layer_phase *)place = pt_layer_phase_parse(text);
        return 0;
    }
    return 0;
}

// Returns the field of that name, NULL for one that is not known here. The search begins behind the
// field that was found before.
static const struct field *find_field(const struct field *fields, size_t count, yyjson_val *key,
                                      size_t *next)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = (*next + i) % count;
        if (yyjson_equals_strn(key, fields[at].name, fields[at].name_length)) {
            *next = at + 1;
            return &fields[at];
        }
    }
    return NULL;
}

// Fills in *target, which is all zero, from one object; what is not there stays as it is.
static int read_fields(yyjson_val *object, const struct field *fields, size_t count, void *target,
                       struct pt_error *err)
{
    size_t index, key_count, next = 0;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, key_count, key, value)
    {
        const struct field *field = find_field(fields, count, key, &next);
        int r = field ? read_value(field, value, target, err) : 0;
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind == REQUIRED_TEXT &&
            !*(const char **)(void *)((char *)target + fields[i].offset))
            return pt_error_set(err, EINVAL, "%s: missing", fields[i].name);
    }
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
        int r = yyjson_is_obj(layer) ? read_fields(layer, layer_fields, COUNT_OF(layer_fields),
                                                   &storage->layers[*used], err)
                                     : pt_error_set(err, EINVAL, "must be an object");
        if (r < 0)
            return pt_error_prefix(err, "layers[%zu]", index);
        (*used)++;
    }
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
    yyjson_val *runtime = yyjson_obj_get(root, "runtime");
    int r = read_fields(root, report_fields, COUNT_OF(report_fields), report, err);
    if (r == 0 && runtime)
        r = read_fields(runtime, runtime_fields, COUNT_OF(runtime_fields), report, err);
    if (r < 0)
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
        if (read_fields(pull, pull_fields, COUNT_OF(pull_fields), &storage->pulls[index], err) <
                0 ||
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

// Nesting of objects and arrays. All values stand one behind the other; what a container holds ends
// where its next sibling begins.
static bool is_too_deep(yyjson_doc *doc)
{
    yyjson_val *ends[PT_LIMIT_REPORT_DEPTH];
    int depth = 0;
    yyjson_val *value = yyjson_doc_get_root(doc);
    yyjson_val *end = value + yyjson_doc_get_val_count(doc);
    for (; value < end; value++) {
        while (depth > 0 && value >= ends[depth - 1])
            depth--;
        if (!yyjson_is_ctn(value))
            continue;
        if (depth == PT_LIMIT_REPORT_DEPTH)
            return true;
        ends[depth++] = unsafe_yyjson_get_next(value);
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
    yyjson_read_err why;
    yyjson_doc *doc = yyjson_read_opts((char *)json, length, YYJSON_READ_NOFLAG, NULL, &why);
    if (!doc)
        return pt_error_set(err, why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? ENOMEM : EINVAL,
                            "invalid JSON: %s at byte %zu", why.msg, why.pos);
    struct pt_report report = {0};
    int r = is_too_deep(doc)
                ? pt_error_set(err, EMSGSIZE, "nested deeper than %d levels", PT_LIMIT_REPORT_DEPTH)
                : decode_document(doc, &report, err);
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
