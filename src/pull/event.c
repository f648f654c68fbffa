// SPDX-License-Identifier: Apache-2.0
#include "pull/event.h"

#include "base/limits.h"
#include "pull/json_writer.h"
#include "pull/pull_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

static const char *const hold_up_names[PT_HOLD_UP_COUNT] = {
    [PT_HOLD_UP_QUEUE] = "queue",
    [PT_HOLD_UP_RESOLVING] = "resolving",
    [PT_HOLD_UP_NO_BYTES] = "no_bytes",
    [PT_HOLD_UP_SLOW] = "slow",
    [PT_HOLD_UP_EXTRACTING] = "extracting",
    [PT_HOLD_UP_BACKOFF] = "backoff",
    [PT_HOLD_UP_FAILED] = "failed",
    [PT_HOLD_UP_VOLUME] = "volume",
    [PT_HOLD_UP_SANDBOX] = "sandbox",
    [PT_HOLD_UP_NODE_SILENT] = "node_silent",
    [PT_HOLD_UP_AGENT_MISSING] = "agent_missing",
};
const struct pt_words pt_hold_up_words = {hold_up_names, PT_HOLD_UP_COUNT};

const char *pt_event_type_name(enum pt_event_type type)
{
    static const char *const names[] = {
        [PT_EVENT_PULL_STARTED] = "pull.started",
        [PT_EVENT_PULL_PROGRESS] = "pull.progress",
        [PT_EVENT_PULL_COMPLETED] = "pull.completed",
        [PT_EVENT_PULL_FAILED] = "pull.failed",
        [PT_EVENT_LAYER_STARTED] = "layer.started",
        [PT_EVENT_LAYER_PROGRESS] = "layer.progress",
        [PT_EVENT_LAYER_COMPLETED] = "layer.completed",
    };
    return names[type];
}

struct pt_pull_status pt_pull_status_make(const struct pt_pull *pull)
{
    struct pt_pull_status status = {
        .id = pull->id,
        .pull = *pull,
        .image_ref = pull->image_ref,
        .image_ref_exact = pull->image_ref_exact,
        .eta_seconds = -1,
        .ready_eta_seconds = -1,
        .queued_seconds = -1,
        .download_seconds = -1,
        .extract_seconds = -1,
    };
    pt_pull_totals(pull, &status.totals);
    return status;
}

static double layer_percent(const struct pt_layer *layer)
{
    if (pt_layer_is_downloaded(layer))
        return 100;
    if (!layer->total_known || layer->total_bytes <= 0)
        return 0;
    double percent = 100.0 * (double)layer->downloaded_bytes / (double)layer->total_bytes;
    return percent > 100 ? 100 : percent;
}

static void write_layer(const struct pt_pull_status *status, size_t index, struct pt_buffer *out)
{
    const struct pt_layer_status layer = {
        .pull_id = status->id,
        .layer = status->pull.layers[index],
        .bytes_per_second = status->layer_rates ? status->layer_rates[index].bytes_per_second : 0,
        .percent = layer_percent(&status->pull.layers[index]),
    };
    pt_fields_write(&pt_layer_status_fields, &layer, out);
}

static void write_waiting(const struct pt_pull_status *status, struct pt_buffer *out)
{
    if (status->waiting_count == 0)
        return;
    pt_json_open(out, "pods", '[');
    for (size_t i = 0; i < status->waiting_count; i++) {
        pt_json_open(out, NULL, '{');
        pt_fields_write(&pt_waiting_fields, &status->waiting[i], out);
        pt_json_close(out, '}');
    }
    pt_json_close(out, ']');
}

static void write_pull(const struct pt_pull_status *status, bool with_layers, struct pt_buffer *out)
{
    pt_fields_write(&pt_pull_status_fields, status, out);
    write_waiting(status, out);
    bool has_none = status->pull.layer_count > 0 && !status->pull.layers;
    if (!with_layers || has_none)
        return;
    pt_json_open(out, "layers", '[');
    for (size_t i = 0; i < status->pull.layer_count; i++) {
        pt_json_open(out, NULL, '{');
        write_layer(status, i, out);
        pt_json_close(out, '}');
    }
    pt_json_close(out, ']');
}

static void open_event(enum pt_event_type type, int64_t timestamp, const char *node_name,
                       struct pt_buffer *out)
{
    const struct pt_pull_event event = {
        .schema_version = "v1",
        .timestamp = timestamp,
        .type_name = pt_event_type_name(type),
        .node_name = node_name,
    };
    pt_json_begin(out);
    pt_fields_write(&pt_event_fields, &event, out);
}

int pt_pull_status_encode(const struct pt_pull_status *status, bool with_layers,
                          struct pt_buffer *out)
{
    pt_json_begin(out);
    write_pull(status, with_layers, out);
    pt_json_close(out, '}');
    return out->failure;
}

int pt_pull_event_encode(enum pt_event_type type, int64_t timestamp,
                         const struct pt_pull_status *status, bool with_layers,
                         struct pt_buffer *out)
{
    open_event(type, timestamp, status->node_name, out);
    pt_json_open(out, "pull", '{');
    write_pull(status, with_layers, out);
    pt_json_close(out, '}');
    pt_json_close(out, '}');
    return out->failure;
}

int pt_layer_event_encode(enum pt_event_type type, int64_t timestamp,
                          const struct pt_pull_status *status, size_t layer_index,
                          struct pt_buffer *out)
{
    open_event(type, timestamp, status->node_name, out);
    pt_json_open(out, "layer", '{');
    write_layer(status, layer_index, out);
    pt_json_close(out, '}');
    pt_json_close(out, '}');
    return out->failure;
}

// --- reading ---

// Everything that the views of a decoded event borrow from, in one place to free.
struct event_storage {
    yyjson_doc *doc;
    struct pt_layer *layers;
    struct pt_layer_rate *rates;
    struct pt_waiting_container *waiting;
};

static void free_storage(struct event_storage *storage)
{
    if (!storage)
        return;
    yyjson_doc_free(storage->doc);
    free(storage->layers);
    free(storage->rates);
    free(storage->waiting);
    free(storage);
}

static int read_waiting(yyjson_val *pods, struct pt_pull_status *status,
                        struct event_storage *storage, struct pt_error *err)
{
    size_t index, count;
    yyjson_val *pod;
    storage->waiting = calloc(yyjson_arr_size(pods) + 1, sizeof(*storage->waiting));
    if (!storage->waiting)
        return pt_error_set(err, ENOMEM, "out of memory");
    status->waiting = storage->waiting;
    yyjson_arr_foreach(pods, index, count, pod)
    {
        if (pt_fields_read(&pt_waiting_fields, pod, &storage->waiting[index], err) < 0)
            return pt_error_prefix(err, "pods[%zu]", index);
        status->waiting_count++;
    }
    return 0;
}

static int read_layers(yyjson_val *layers, struct pt_pull_status *status,
                       struct event_storage *storage, struct pt_error *err)
{
    size_t index, count;
    yyjson_val *layer;
    storage->layers = calloc(yyjson_arr_size(layers) + 1, sizeof(*storage->layers));
    storage->rates = calloc(yyjson_arr_size(layers) + 1, sizeof(*storage->rates));
    if (!storage->layers || !storage->rates)
        return pt_error_set(err, ENOMEM, "out of memory");
    status->pull.layers = storage->layers;
    status->layer_rates = storage->rates;
    yyjson_arr_foreach(layers, index, count, layer)
    {
        struct pt_layer_status one = {0};
        if (pt_fields_read(&pt_layer_status_fields, layer, &one, err) < 0)
            return pt_error_prefix(err, "layers[%zu]", index);
        storage->layers[index] = one.layer;
        storage->rates[index].bytes_per_second = one.bytes_per_second;
    }
    return 0;
}

static int read_object(const struct pt_fields *fields, yyjson_val *object, void *target,
                       struct pt_error *err)
{
    return yyjson_is_obj(object) ? pt_fields_read(fields, object, target, err)
                                 : pt_error_set(err, EINVAL, "must be an object");
}

static int read_pull(yyjson_val *object, struct pt_pull_status *status,
                     struct event_storage *storage, struct pt_error *err)
{
    static const struct pt_pull empty;
    *status = pt_pull_status_make(&empty);
    int r = read_object(&pt_pull_status_fields, object, status, err);
    yyjson_val *layers = yyjson_obj_get(object, "layers");
    // An event without its layers says how many there are nevertheless.
    if (r == 0 && yyjson_is_arr(layers)) {
        status->pull.layer_count = yyjson_arr_size(layers);
        r = read_layers(layers, status, storage, err);
    }
    if (r == 0)
        r = read_waiting(yyjson_obj_get(object, "pods"), status, storage, err);
    return r;
}

static int read_event(yyjson_val *root, struct pt_pull_event *event, struct event_storage *storage,
                      struct pt_error *err)
{
    int r = read_object(&pt_event_fields, root, event, err);
    if (r < 0)
        return r;
    int type = PT_EVENT_PULL_STARTED;
    while (type < PT_EVENT_TYPE_COUNT &&
           strcmp(pt_event_type_name((enum pt_event_type)type), event->type_name) != 0)
        type++;
    if (type == PT_EVENT_TYPE_COUNT)
        return pt_error_set(err, EINVAL, "type: unknown");
    event->type = (enum pt_event_type)type;
    if (pt_event_is_of_layer(event->type))
        return read_object(&pt_layer_status_fields, yyjson_obj_get(root, "layer"), &event->layer,
                           err);
    return read_pull(yyjson_obj_get(root, "pull"), &event->pull, storage, err);
}

static int decode(const char *json, size_t length, bool is_event, struct pt_pull_event *ret_event,
                  struct pt_error *err)
{
    struct pt_pull_event event = {0};
    struct event_storage *storage = calloc(1, sizeof(*storage));
    yyjson_read_err why;
    if (!storage)
        return pt_error_set(err, ENOMEM, "out of memory");
    storage->doc = yyjson_read_opts((char *)json, length, YYJSON_READ_NOFLAG, NULL, &why);
    yyjson_val *root = yyjson_doc_get_root(storage->doc);
    int r = 0;
    if (!storage->doc)
        r = pt_error_set(err, why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? ENOMEM : EINVAL,
                         "invalid JSON: %s at byte %zu", why.msg, why.pos);
    else if (is_event)
        r = read_event(root, &event, storage, err);
    else
        r = read_pull(root, &event.pull, storage, err);
    if (r < 0) {
        free_storage(storage);
        return r;
    }
    event.storage = storage;
    *ret_event = event;
    return 0;
}

int pt_pull_event_decode(const char *json, size_t length, struct pt_pull_event *ret_event,
                         struct pt_error *err)
{
    return decode(json, length, true, ret_event, err);
}

int pt_pull_status_decode(const char *json, size_t length, struct pt_pull_event *ret_event,
                          struct pt_error *err)
{
    return decode(json, length, false, ret_event, err);
}

void pt_pull_event_finish(struct pt_pull_event *event)
{
    free_storage(event->storage);
    *event = (struct pt_pull_event){0};
}
