// SPDX-License-Identifier: Apache-2.0
#include "pull/json_writer.h"
#include "pull/pull_fields.h"
#include "pull/report.h"

#include <errno.h>

#define END_LENGTH 2 // of what pt_report_end writes

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
