// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_waited.h"

#include "base/limits.h"
#include "pull/fields.h"
#include "pull/json_writer.h"
#include "pull/pull_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <yyjson.h>

#define RANK_OF_COMPLETED ((int64_t)1 << 32) // above that of all attempts

// --- writing ---

// Behind its last end is the one with more attempts, and a success is the last. Of several servers'
// words on the same end those count that know for how long it was queued: who began in the middle
// does not.
static int64_t rank_of(const struct pt_join *join, const struct pt_pull *row)
{
    int64_t attempts = join->attempts < INT32_MAX ? join->attempts : INT32_MAX;
    int64_t rank = row->phase == PT_PULL_COMPLETED ? RANK_OF_COMPLETED : 2 * attempts;
    return rank + (join->queued_seconds >= 0);
}

static void write_row(const struct pt_join *join, const struct pt_pull *row, struct pt_buffer *out)
{
    pt_json_integer(out, "rank", rank_of(join, row));
    pt_json_open(out, "row", '{');
    pt_fields_write(&pt_pull_fields, row, out);
    pt_json_close(out, '}');
    if (join->pull_ns > 0)
        pt_json_integer(out, "pullNs", join->pull_ns);
    if (join->image_bytes > 0)
        pt_json_integer(out, "imageBytes", join->image_bytes);
}

void pt_share_waited_write(const struct pt_join *join, const struct pt_pull *row,
                           struct pt_buffer *out)
{
    pt_json_begin(out);
    if (row)
        write_row(join, row, out);
    else if (join->image_ref)
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

// --- reading ---

static int read_pods(yyjson_val *pods, struct pt_share_waited *waited)
{
    struct pt_error err;
    size_t index, count = yyjson_arr_size(pods);
    yyjson_val *pod;
    if (count > PT_LIMIT_CONTAINERS_PER_NODE)
        return -EINVAL;
    waited->list = calloc(count + 1, sizeof(*waited->list));
    if (!waited->list)
        return -ENOMEM;
    yyjson_arr_foreach(pods, index, count, pod)
    {
        if (!yyjson_is_obj(pod) ||
            pt_fields_read(&pt_waiting_fields, pod, &waited->list[index], &err) < 0)
            return -EINVAL;
    }
    waited->join.waiting = waited->list;
    waited->join.waiting_count = count;
    return 0;
}

static int64_t read_integer(yyjson_val *root, const char *name, int64_t maximum)
{
    yyjson_val *value = yyjson_obj_get(root, name);
    bool is_known = yyjson_is_uint(value) && yyjson_get_uint(value) <= (uint64_t)maximum;
    return is_known ? (int64_t)yyjson_get_uint(value) : 0;
}

static int read_join(yyjson_val *root, struct pt_join *join)
{
    yyjson_val *name = yyjson_obj_get(root, "imageRef");
    yyjson_val *queued = yyjson_obj_get(root, "queuedSeconds");
    if (yyjson_get_len(name) > PT_LIMIT_REFERENCE_BYTES)
        return -EINVAL;
    *join = (struct pt_join){
        .image_ref = yyjson_get_str(name),
        .image_ref_exact = yyjson_get_bool(yyjson_obj_get(root, "imageRefExact")),
        .queued_seconds =
            yyjson_get_num(queued) > 0 || yyjson_is_uint(queued) ? yyjson_get_num(queued) : -1,
        .attempts = read_integer(root, "attempts", INT32_MAX),
    };
    return 0;
}

static int read_row(yyjson_val *root, yyjson_val *object, struct pt_share_waited *waited)
{
    struct pt_pull *row = &waited->row;
    struct pt_error err;
    if (!yyjson_is_obj(object) || pt_fields_read(&pt_pull_fields, object, row, &err) < 0 ||
        (row->phase != PT_PULL_COMPLETED && row->phase != PT_PULL_FAILED) || !row->completed_at)
        return -EBADMSG;
    waited->is_row = true;
    waited->join.image_ref = row->image_ref;
    waited->join.error = row->error;
    waited->join.error_class = row->error_class;
    waited->join.pull_ns = read_integer(root, "pullNs", INT64_MAX);
    waited->join.image_bytes = read_integer(root, "imageBytes", PT_LIMIT_SIZE_BYTES);
    return 0;
}

static int read_root(yyjson_val *root, struct pt_share_waited *waited)
{
    yyjson_val *row = yyjson_obj_get(root, "row");
    int r = read_join(root, &waited->join);
    if (r == 0)
        r = read_pods(yyjson_obj_get(root, "pods"), waited);
    if (r == 0 && row)
        r = read_row(root, row, waited);
    else if (r == 0 && waited->join.waiting_count == 0)
        r = -EINVAL;
    return r == -EINVAL && row ? -EBADMSG : r;
}

int pt_share_waited_read(const char *json, size_t length, struct pt_share_waited *ret_waited)
{
    struct pt_share_waited waited = {0};
    yyjson_read_err why;
    if (length > PT_LIMIT_SHARE_END_BYTES)
        return -EINVAL;
    waited.document = yyjson_read_opts((char *)json, length, YYJSON_READ_NOFLAG, NULL, &why);
    if (!waited.document)
        return why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? -ENOMEM : -EINVAL;
    int r = read_root(yyjson_doc_get_root(waited.document), &waited);
    if (r < 0)
        pt_share_waited_finish(&waited);
    else
        *ret_waited = waited;
    return r;
}

void pt_share_waited_finish(struct pt_share_waited *waited)
{
    yyjson_doc_free(waited->document);
    free(waited->list);
    *waited = (struct pt_share_waited){0};
}
