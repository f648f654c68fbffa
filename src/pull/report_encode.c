// SPDX-License-Identifier: Apache-2.0
#include "pull/json_writer.h"
#include "pull/pull_fields.h"
#include "pull/report.h"

#include <errno.h>

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

int pt_report_encode(const struct pt_report *report, struct pt_buffer *out)
{
    pt_json_begin(out);
    pt_fields_write(&pt_report_fields, report, out);
    pt_json_open(out, "pulls", '[');
    for (size_t i = 0; i < report->pull_count; i++)
        write_pull(&report->pulls[i], out);
    pt_json_close(out, ']');
    pt_json_close(out, '}');
    return out->failure;
}
