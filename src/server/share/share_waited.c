// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_waited.h"

#include "base/limits.h"
#include "pull/fields.h"
#include "pull/join.h"
#include "pull/json_writer.h"
#include "pull/pull_fields.h"

#include <stdlib.h>
#include <yyjson.h>

void pt_share_waited_write(const struct pt_join *join, struct pt_buffer *out)
{
    pt_json_begin(out);
    if (join->image_ref)
        pt_json_text(out, "imageRef", join->image_ref, PT_LIMIT_REFERENCE_BYTES);
    pt_json_bool(out, "imageRefExact", join->image_ref_exact);
    if (join->queued_seconds >= 0)
        pt_json_number(out, "queuedSeconds", join->queued_seconds);
    pt_json_integer(out, "attempts", join->attempts);
    pt_json_open(out, "pods", '[');
    for (size_t i = 0; i < join->waiting_count; i++) {
        pt_json_open(out, NULL, '{');
        pt_fields_write(&pt_waiting_fields, &join->waiting[i], out);
        pt_json_close(out, '}');
    }
    pt_json_close(out, ']');
    pt_json_close(out, '}');
}

static bool read_pods(yyjson_val *pods, struct pt_waiting_container *waiting)
{
    struct pt_error err;
    size_t index, count;
    yyjson_val *pod;
    yyjson_arr_foreach(pods, index, count, pod)
    {
        if (!yyjson_is_obj(pod) ||
            pt_fields_read(&pt_waiting_fields, pod, &waiting[index], &err) < 0)
            return false;
    }
    return true;
}

static struct pt_join *read_root(yyjson_val *root)
{
    yyjson_val *pods = yyjson_obj_get(root, "pods"), *name = yyjson_obj_get(root, "imageRef");
    yyjson_val *queued = yyjson_obj_get(root, "queuedSeconds");
    yyjson_val *attempts = yyjson_obj_get(root, "attempts");
    size_t count = yyjson_arr_size(pods);
    if (count == 0 || count > PT_LIMIT_CONTAINERS_PER_NODE ||
        yyjson_get_len(name) > PT_LIMIT_REFERENCE_BYTES)
        return NULL;
    struct pt_waiting_container *waiting = calloc(count, sizeof(*waiting));
    if (!waiting)
        return NULL;
    const struct pt_join join = {
        .image_ref = yyjson_get_str(name),
        .image_ref_exact = yyjson_get_bool(yyjson_obj_get(root, "imageRefExact")),
        .waiting = waiting,
        .waiting_count = count,
        .queued_seconds =
            yyjson_get_num(queued) > 0 || yyjson_is_uint(queued) ? yyjson_get_num(queued) : -1,
        .attempts = yyjson_is_uint(attempts) ? (int64_t)(yyjson_get_uint(attempts) & INT32_MAX) : 0,
    };
    struct pt_join *copy = read_pods(pods, waiting) ? pt_join_copy(&join) : NULL;
    free(waiting);
    return copy;
}

struct pt_join *pt_share_waited_read(const char *json, size_t length)
{
    yyjson_doc *doc = yyjson_read(json, length, YYJSON_READ_NOFLAG);
    struct pt_join *join = read_root(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return join;
}
