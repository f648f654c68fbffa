// SPDX-License-Identifier: Apache-2.0
#include "pull/report.h"

#include "base/json_shape.h"
#include "base/limits.h"
#include "pull/json_writer.h"
#include "pull/pull_fields.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define END_LENGTH 2 // of what pt_report_end writes
// A shorter text costs little, whatever it is made of: its depth is checked when it has been read.
// The look at a text before it is read, which limits what reading costs, takes half as long again
// as reading: 1.2 µs more than 2.75 for 5.4 KB.
#define UNSEEN_BYTES (32 * 1024)

// --- reading ---

// Everything that the views of a decoded report borrow from, in one place to free.
struct report_storage {
    yyjson_doc *doc;
    yyjson_arr_iter left; // pulls that are not decoded yet
    struct pt_layer *layers;
    size_t layers_used;
    struct pt_pull pulls[];
};

// Layers go to the next free places of the storage.
static int decode_layers(yyjson_val *layers, struct pt_pull *pull, struct report_storage *storage,
                         struct pt_error *err)
{
    if (!layers || yyjson_is_null(layers))
        return 0;
    pull->layers = storage->layers + storage->layers_used;
    pull->layer_count = yyjson_arr_size(layers);
    size_t index, count;
    yyjson_val *layer;
    yyjson_arr_foreach(layers, index, count, layer)
    {
        struct pt_layer *place = &storage->layers[storage->layers_used++]; // a bad one's as well
        *place = (struct pt_layer){0};
        int r = yyjson_is_obj(layer) ? pt_fields_read(&pt_layer_fields, layer, place, err)
                                     : pt_error_set(err, EINVAL, "must be an object");
        if (r < 0)
            return pt_error_prefix(err, "layers[%zu]", index);
    }
    return 0;
}

bool pt_is_node_name(const char *name)
{
    if (!isalnum((unsigned char)name[0]))
        return false;
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name) && !strchr("-._", *name))
            return false;
    }
    return true;
}

static bool is_run(const char *run)
{
    return run[0] && run[strspn(run, "0123456789abcdef")] == '\0';
}

static int decode_head(yyjson_val *root, struct pt_report *report, struct pt_error *err)
{
    int r = pt_fields_read(&pt_report_fields, root, report, err);
    if (r < 0)
        return r;
    if (!pt_is_node_name(report->node_name))
        return pt_error_set(err, EINVAL,
                            "nodeName: must be letters, digits, '-', '.' and '_', the first one a "
                            "letter or digit");
    if (report->run && !is_run(report->run))
        return pt_error_set(err, EINVAL, "run: must be hexadecimal digits in lower case");
    if (report->timestamp == 0)
        return pt_error_set(err, EINVAL, "timestamp: missing");
    // An interval without end would make the server wait for the next report without end.
    if (report->interval_ms > PT_LIMIT_INTERVAL_MS)
        report->interval_ms = PT_LIMIT_INTERVAL_MS;
    return 0;
}

// Counts the layers of the pulls, as far as a pull may have them.
static size_t count_layers(yyjson_val *pulls)
{
    size_t index, pull_count, total = 0;
    yyjson_val *pull;
    yyjson_arr_foreach(pulls, index, pull_count, pull)
    {
        size_t count = yyjson_arr_size(yyjson_obj_get(pull, "layers"));
        total += count <= PT_LIMIT_LAYERS_PER_PULL ? count : 0;
    }
    return total;
}

static int decode_pull(yyjson_val *object, struct pt_pull *pull, struct report_storage *storage,
                       struct pt_error *err)
{
    yyjson_val *layers = yyjson_obj_get(object, "layers");
    if (!yyjson_is_obj(object))
        return pt_error_set(err, EINVAL, "must be an object");
    if (layers && !yyjson_is_arr(layers) && !yyjson_is_null(layers))
        return pt_error_set(err, EINVAL, "layers: must be an array");
    if (yyjson_arr_size(layers) > PT_LIMIT_LAYERS_PER_PULL)
        return pt_error_set(err, EMSGSIZE, "layers: more than %d", PT_LIMIT_LAYERS_PER_PULL);
    int r = pt_fields_read(&pt_pull_fields, object, pull, err);
    return r < 0 ? r : decode_layers(layers, pull, storage, err);
}

static void leave_out(struct pt_left_out *left_out, size_t index, struct pt_error *why)
{
    (void)pt_error_prefix(why, "pulls[%zu]", index);
    if (left_out->invalid + left_out->too_large == 0)
        left_out->why = *why;
    if (why->code == EMSGSIZE)
        left_out->too_large++;
    else
        left_out->invalid++;
}

static void free_storage(struct report_storage *storage)
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
    if (pull_count > PT_LIMIT_PULLS_PER_REPORT)
        return pt_error_set(err, EMSGSIZE, "pulls: more than %d", PT_LIMIT_PULLS_PER_REPORT);
    struct report_storage *storage =
        calloc(1, sizeof(*storage) + pull_count * sizeof(struct pt_pull));
    if (storage)
        storage->layers = malloc((count_layers(pulls) + 1) * sizeof(struct pt_layer));
    if (!storage || !storage->layers) {
        free_storage(storage);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    int r = decode_head(root, report, err);
    if (r < 0) {
        free_storage(storage);
        return r;
    }
    storage->doc = doc;
    storage->left = yyjson_arr_iter_with(pulls);
    report->pulls = storage->pulls;
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
        if (!yyjson_is_ctn(value))
            continue;
        while (depth > 0 && value >= ends[depth - 1])
            depth--;
        if (depth == PT_LIMIT_REPORT_DEPTH)
            return true;
        ends[depth++] = unsafe_yyjson_get_next(value);
    }
    return false;
}

int pt_report_decode_head(const char *json, size_t length, struct pt_report *ret_report,
                          struct pt_error *err)
{
    if (length > PT_LIMIT_REPORT_BYTES)
        return pt_error_set(err, EMSGSIZE, "the report is larger than %d bytes",
                            PT_LIMIT_REPORT_BYTES);
    if (length == 0)
        return pt_error_set(err, EINVAL, "the report is empty");
    int r = length <= UNSEEN_BYTES ? 0
                                   : pt_json_check_shape(json, length, PT_LIMIT_REPORT_DEPTH,
                                                         PT_LIMIT_REPORT_VALUES, err);
    if (r < 0)
        return r;
    yyjson_read_err why;
    yyjson_doc *doc = yyjson_read_opts((char *)json, length, YYJSON_READ_NOFLAG, NULL, &why);
    if (!doc)
        return pt_error_set(err, why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? ENOMEM : EINVAL,
                            "invalid JSON: %s at byte %zu", why.msg, why.pos);
    struct pt_report report = {0};
    r = length <= UNSEEN_BYTES && is_too_deep(doc)
            ? pt_error_set(err, EMSGSIZE, "nested deeper than %d levels", PT_LIMIT_REPORT_DEPTH)
            : decode_document(doc, &report, err);
    if (r < 0) {
        yyjson_doc_free(doc);
        return r;
    }
    *ret_report = report;
    return 0;
}

bool pt_report_decode_more(struct pt_report *report, size_t max_items)
{
    struct report_storage *storage = report->storage;
    size_t items = 0;
    yyjson_val *object;
    while (items < max_items && (object = yyjson_arr_iter_next(&storage->left))) {
        struct pt_pull *pull = &storage->pulls[report->pull_count];
        struct pt_error why;
        size_t layers_before = storage->layers_used;
        if (decode_pull(object, pull, storage, &why) == 0) {
            report->pull_count++;
        } else {
            leave_out(&report->left_out, storage->left.idx - 1, &why);
            *pull = (struct pt_pull){0};
        }
        items += 1 + storage->layers_used - layers_before;
    }
    return yyjson_arr_iter_has_next(&storage->left);
}

int pt_report_decode(const char *json, size_t length, struct pt_report *ret_report,
                     struct pt_error *err)
{
    int r = pt_report_decode_head(json, length, ret_report, err);
    if (r == 0)
        (void)pt_report_decode_more(ret_report, SIZE_MAX);
    return r;
}

void pt_report_finish(struct pt_report *report)
{
    free_storage(report->storage);
    *report = (struct pt_report){0};
}

// --- writing ---

static void write_pull(const struct pt_pull *pull, struct pt_buffer *out)
{
    pt_json_open(out, NULL, '{');
    pt_fields_write(&pt_pull_fields, pull, out);
    pt_json_open(out, "layers", '[');
    for (size_t i = 0; i < pull->layer_count; i++) {
        pt_json_open(out, NULL, '{');
        pt_fields_write(&pt_layer_fields, &pull->layers[i], out);
        pt_json_close(out, '}');
    }
    pt_json_close(out, ']');
    pt_json_close(out, '}');
}

int pt_report_begin(const struct pt_report *report, struct pt_buffer *out)
{
    pt_json_begin(out);
    pt_fields_write(&pt_report_fields, report, out);
    pt_json_open(out, "pulls", '[');
    return out->failure;
}

int pt_report_add(const struct pt_pull *pull, struct pt_buffer *out)
{
    size_t length = out->length;
    if (out->failure)
        return out->failure;
    write_pull(pull, out);
    int r = out->failure;
    if (r == 0 && out->max_length - out->length < END_LENGTH)
        r = -EMSGSIZE;
    if (r < 0)
        pt_buffer_rewind(out, length);
    return r;
}

int pt_report_end(struct pt_buffer *out)
{
    pt_json_close(out, ']');
    pt_json_close(out, '}');
    return out->failure;
}

int pt_report_encode(const struct pt_report *report, struct pt_buffer *out)
{
    int r = pt_report_begin(report, out);
    for (size_t i = 0; r == 0 && i < report->pull_count; i++)
        r = pt_report_add(&report->pulls[i], out);
    return r < 0 ? r : pt_report_end(out);
}
