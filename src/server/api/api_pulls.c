// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "server/api/api.h"
#include "server/api/api_query.h"
#include "server/api/long_answer.h"
#include "server/api/pull_list.h"
#include "server/http/http_reply.h"

#include <errno.h>
#include <stdlib.h>
#include <yyjson.h>

#define PART_PULLS 64
#define PART_BYTES (64 * 1024)
#define MAX_PULL_BYTES (4 * 1024 * 1024)

// A list of pulls that is being told.
struct telling {
    struct pt_pull_list list;
    size_t told;
    bool layers;
};

static int encode(const struct pt_stored_pull *stored, bool layers, struct pt_buffer *out)
{
    struct pt_layer_rate rates[PT_LIMIT_LAYERS_PER_PULL];
    struct pt_pull_status status = pt_stored_pull_status(stored, rates);
    return pt_pull_status_encode(&status, layers, out);
}

static int write_end(const struct telling *telling, struct pt_buffer *out)
{
    if (!telling->list.next_cursor)
        return pt_buffer_append_text(out, "]}");
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(doc, yyjson_mut_str(doc, telling->list.next_cursor));
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_mut_doc_free(doc);
    int r = text ? pt_buffer_printf(out, "],\"nextCursor\":%s}", text) : -ENOMEM;
    free(text);
    return r;
}

static int write_part(void *context, struct pt_buffer *out)
{
    struct telling *telling = context;
    int r = telling->told == 0 ? pt_buffer_append_text(out, "{\"pulls\":[") : 0;
    for (size_t i = 0; r == 0 && i < PART_PULLS && out->length < PART_BYTES; i++) {
        if (telling->told == telling->list.count)
            break;
        if (telling->told > 0)
            r = pt_buffer_append_text(out, ",");
        if (r == 0)
            r = encode(telling->list.pulls[telling->told++], telling->layers, out);
    }
    if (r < 0 || telling->told < telling->list.count)
        return r < 0 ? r : 1;
    return write_end(telling, out);
}

static void release(void *context)
{
    struct telling *telling = context;
    pt_pull_list_finish(&telling->list);
    free(telling);
}

void pt_api_pulls(struct pt_api *api, struct pt_request *request)
{
    struct pt_query query;
    struct pt_pull_list_request wish;
    struct pt_error err;
    if (!pt_api_read_query(request, &query))
        return;
    if (pt_pull_list_request_read(&query, &wish, &err) < 0) {
        pt_reply_error(request, 400, 0, "%s", err.message);
        return;
    }
    struct telling *telling = calloc(1, sizeof(*telling));
    if (!telling) {
        pt_reply_error(request, 503, 5, "out of memory");
        return;
    }
    int r = pt_pull_list_select(api->store, &wish, &telling->list, &err);
    if (r < 0) {
        free(telling);
        pt_reply_error(request, r == -EINVAL ? 400 : 503, r == -EINVAL ? 0 : 5, "%s", err.message);
        return;
    }
    telling->layers = wish.layers;
    struct pt_long_answer_source source = {write_part, release, telling};
    pt_long_answer(api, request, &source);
}

void pt_api_pull(struct pt_api *api, struct pt_request *request, const char *id)
{
    const struct pt_stored_pull *stored = pt_store_find(api->store, id);
    if (!stored) {
        pt_reply_error(request, 404, 0, "there is no such pull, or it ended too long ago");
        return;
    }
    struct pt_buffer out;
    pt_buffer_init(&out, MAX_PULL_BYTES);
    pt_request_add_reply_header(request, "Cache-Control", "no-store");
    if (encode(stored, true, &out) < 0)
        pt_reply_error(request, 503, 5, "out of memory");
    else
        pt_reply(request, 200, "application/json", out.data, out.length);
    pt_buffer_finish(&out);
}
