// SPDX-License-Identifier: Apache-2.0
#include "pull/event.h"

#include "pull/json_writer.h"
#include "pull/pull_fields.h"

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
