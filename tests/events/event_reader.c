// SPDX-License-Identifier: Apache-2.0
#include "event_reader.h"

#include "pull/pull_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

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

static int fill_event(yyjson_val *root, struct read_event *event, struct event_storage *storage,
                      struct pt_error *err)
{
    int r = read_object(&pt_event_fields, root, &event->head, err);
    if (r < 0)
        return r;
    int type = PT_EVENT_PULL_STARTED;
    while (type < EVENT_TYPE_COUNT &&
           strcmp(pt_event_type_name((enum pt_event_type)type), event->head.type_name) != 0)
        type++;
    if (type == EVENT_TYPE_COUNT)
        return pt_error_set(err, EINVAL, "type: unknown");
    event->type = (enum pt_event_type)type;
    if (event_is_of_layer(event->type))
        return read_object(&pt_layer_status_fields, yyjson_obj_get(root, "layer"), &event->layer,
                           err);
    return read_pull(yyjson_obj_get(root, "pull"), &event->pull, storage, err);
}

static int decode(const char *json, size_t length, bool is_event, struct read_event *ret_event,
                  struct pt_error *err)
{
    struct read_event event = {0};
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
        r = fill_event(root, &event, storage, err);
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

int event_decode(const char *json, size_t length, struct read_event *ret_event,
                 struct pt_error *err)
{
    return decode(json, length, true, ret_event, err);
}

int status_decode(const char *json, size_t length, struct read_event *ret_event,
                  struct pt_error *err)
{
    return decode(json, length, false, ret_event, err);
}

void event_finish(struct read_event *event)
{
    free_storage(event->storage);
    *event = (struct read_event){0};
}
