// SPDX-License-Identifier: Apache-2.0
#include "pull/event.h"

#include "base/utf8.h"
#include "pull/json_fields.h"

#include <string.h>

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
        .pull = pull,
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

static void add_layer(yyjson_mut_doc *doc, yyjson_mut_val *object,
                      const struct pt_pull_status *status, size_t index)
{
    const struct pt_layer *layer = &status->pull->layers[index];
    double rate = status->layer_rates ? status->layer_rates[index].bytes_per_second : 0;
    pt_json_add_text(doc, object, "pullId", status->id);
    pt_json_add_layer(doc, object, layer);
    yyjson_mut_obj_add_sint(doc, object, "bytesPerSec", (int64_t)rate);
    pt_json_add_number(doc, object, "percent", layer_percent(layer));
}

// "host" of "host/path", as bytes of the text; 0 if there is none.
static size_t registry_length(const char *repository)
{
    const char *slash = repository ? strchr(repository, '/') : NULL;
    return slash ? (size_t)(slash - repository) : 0;
}

static void add_waiting(yyjson_mut_doc *doc, yyjson_mut_val *object,
                        const struct pt_pull_status *status)
{
    if (status->waiting_count == 0)
        return;
    yyjson_mut_val *pods = yyjson_mut_obj_add_arr(doc, object, "pods");
    for (size_t i = 0; i < status->waiting_count; i++) {
        const struct pt_waiting_container *waiting = &status->waiting[i];
        yyjson_mut_val *pod = yyjson_mut_arr_add_obj(doc, pods);
        pt_json_add_text(doc, pod, "namespace", waiting->namespace);
        pt_json_add_text(doc, pod, "podName", waiting->pod);
        pt_json_add_text(doc, pod, "container", waiting->container);
        pt_json_add_text(doc, pod, "image", waiting->image);
    }
}

static void add_progress(yyjson_mut_doc *doc, yyjson_mut_val *object,
                         const struct pt_pull_status *status)
{
    yyjson_mut_obj_add_sint(doc, object, "totalBytes", status->totals.total_bytes);
    yyjson_mut_obj_add_sint(doc, object, "downloadedBytes", status->totals.downloaded_bytes);
    yyjson_mut_obj_add_sint(doc, object, "cachedBytes", status->totals.cached_bytes);
    yyjson_mut_obj_add_sint(doc, object, "extractedBytes", status->totals.extracted_bytes);
    yyjson_mut_obj_add_sint(doc, object, "bytesPerSec", (int64_t)status->bytes_per_second);
    pt_json_add_number(doc, object, "percent", status->totals.percent);
    yyjson_mut_obj_add_uint(doc, object, "layerCount", status->pull->layer_count);
    yyjson_mut_obj_add_uint(doc, object, "layersDone", status->totals.layers_done);
    yyjson_mut_obj_add_uint(doc, object, "layersExtracted", status->totals.layers_extracted);
    yyjson_mut_obj_add_bool(doc, object, "totalKnown", status->pull->total_known);
    pt_json_add_seconds(doc, object, "etaSeconds", status->eta_seconds);
    pt_json_add_seconds(doc, object, "readyEtaSeconds", status->ready_eta_seconds);
    pt_json_add_seconds(doc, object, "queuedSeconds", status->queued_seconds);
    pt_json_add_seconds(doc, object, "downloadSeconds", status->download_seconds);
    pt_json_add_seconds(doc, object, "extractSeconds", status->extract_seconds);
    if (status->stalled_seconds > 0)
        pt_json_add_number(doc, object, "stalledSeconds", status->stalled_seconds);
}

static void add_pull(yyjson_mut_doc *doc, yyjson_mut_val *object,
                     const struct pt_pull_status *status, bool with_layers)
{
    const struct pt_pull *pull = status->pull;
    pt_json_add_text(doc, object, "id", status->id);
    pt_json_add_text(doc, object, "nodeName", status->node_name);
    pt_json_add_text(doc, object, "imageRef", status->image_ref);
    yyjson_mut_obj_add_bool(doc, object, "imageRefExact", status->image_ref_exact);
    size_t registry = registry_length(pull->repository);
    if (registry > 0 && pt_utf8_is_valid(pull->repository))
        yyjson_mut_obj_add_strn(doc, object, "registry", pull->repository, registry);
    pt_json_add_text(doc, object, "repository", pull->repository);
    pt_json_add_text(doc, object, "rootDigest", pull->root_digest);
    pt_json_add_text(doc, object, "manifestDigest", pull->manifest_digest);
    pt_json_add_text(doc, object, "phase", pt_pull_phase_name(pull->phase));
    add_progress(doc, object, status);
    pt_json_add_time(doc, object, "startedAt", pull->started_at);
    pt_json_add_time(doc, object, "completedAt", pull->completed_at);
    pt_json_add_text(doc, object, "error", pull->error);
    pt_json_add_text(doc, object, "errorClass", status->error_class);
    if (status->attempts > 0)
        yyjson_mut_obj_add_sint(doc, object, "attempts", status->attempts);
    pt_json_add_time(doc, object, "nextAttemptAt", status->next_attempt_at);
    if (status->version > 0)
        yyjson_mut_obj_add_uint(doc, object, "version", status->version);
    add_waiting(doc, object, status);
    if (!with_layers)
        return;
    yyjson_mut_val *layers = yyjson_mut_obj_add_arr(doc, object, "layers");
    for (size_t i = 0; i < pull->layer_count; i++)
        add_layer(doc, yyjson_mut_arr_add_obj(doc, layers), status, i);
}

static yyjson_mut_doc *make_event(enum pt_event_type type, int64_t timestamp, const char *node_name)
{
    yyjson_mut_doc *doc = pt_json_begin();
    yyjson_mut_val *event = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, event);
    yyjson_mut_obj_add_str(doc, event, "schemaVersion", "v1");
    pt_json_add_time(doc, event, "timestamp", timestamp);
    yyjson_mut_obj_add_str(doc, event, "type", pt_event_type_name(type));
    pt_json_add_text(doc, event, "nodeName", node_name);
    return doc;
}

int pt_pull_status_encode(const struct pt_pull_status *status, bool with_layers,
                          struct pt_buffer *out)
{
    yyjson_mut_doc *doc = pt_json_begin();
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, object);
    add_pull(doc, object, status, with_layers);
    return pt_json_finish(doc, out);
}

int pt_pull_event_encode(enum pt_event_type type, int64_t timestamp,
                         const struct pt_pull_status *status, bool with_layers,
                         struct pt_buffer *out)
{
    yyjson_mut_doc *doc = make_event(type, timestamp, status->node_name);
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, yyjson_mut_doc_get_root(doc), "pull");
    add_pull(doc, object, status, with_layers);
    return pt_json_finish(doc, out);
}

int pt_layer_event_encode(enum pt_event_type type, int64_t timestamp,
                          const struct pt_pull_status *status, size_t layer_index,
                          struct pt_buffer *out)
{
    yyjson_mut_doc *doc = make_event(type, timestamp, status->node_name);
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, yyjson_mut_doc_get_root(doc), "layer");
    add_layer(doc, object, status, layer_index);
    return pt_json_finish(doc, out);
}
