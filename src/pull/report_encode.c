// SPDX-License-Identifier: Apache-2.0
#include "pull/json_fields.h"
#include "pull/report.h"

static void add_pull(yyjson_mut_doc *doc, yyjson_mut_val *pulls, const struct pt_pull *pull)
{
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, pulls);
    pt_json_add_text(doc, object, "id", pull->id);
    pt_json_add_text(doc, object, "imageRef", pull->image_ref);
    pt_json_add_text(doc, object, "repository", pull->repository);
    pt_json_add_text(doc, object, "rootDigest", pull->root_digest);
    pt_json_add_text(doc, object, "manifestDigest", pull->manifest_digest);
    pt_json_add_text(doc, object, "namespace", pull->containerd_namespace);
    pt_json_add_text(doc, object, "phase", pt_pull_phase_name(pull->phase));
    pt_json_add_text(doc, object, "error", pull->error);
    pt_json_add_time(doc, object, "startedAt", pull->started_at);
    pt_json_add_time(doc, object, "completedAt", pull->completed_at);
    yyjson_mut_obj_add_bool(doc, object, "totalKnown", pull->total_known);
    yyjson_mut_obj_add_bool(doc, object, "imageRefExact", pull->image_ref_exact);
    yyjson_mut_val *layers = yyjson_mut_obj_add_arr(doc, object, "layers");
    for (size_t i = 0; i < pull->layer_count; i++)
        pt_json_add_layer(doc, yyjson_mut_arr_add_obj(doc, layers), &pull->layers[i]);
}

int pt_report_encode(const struct pt_report *report, struct pt_buffer *out)
{
    yyjson_mut_doc *doc = pt_json_begin();
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    pt_json_add_text(doc, root, "nodeName", report->node_name);
    pt_json_add_time(doc, root, "timestamp", report->timestamp);
    pt_json_add_text(doc, root, "agentVersion", report->agent_version);
    if (report->runtime_name) {
        yyjson_mut_val *runtime = yyjson_mut_obj_add_obj(doc, root, "runtime");
        pt_json_add_text(doc, runtime, "name", report->runtime_name);
        pt_json_add_text(doc, runtime, "version", report->runtime_version);
    }
    if (report->interval_ms > 0)
        yyjson_mut_obj_add_sint(doc, root, "intervalMs", report->interval_ms);
    yyjson_mut_val *pulls = yyjson_mut_obj_add_arr(doc, root, "pulls");
    for (size_t i = 0; i < report->pull_count; i++)
        add_pull(doc, pulls, &report->pulls[i]);
    return pt_json_finish(doc, out);
}
