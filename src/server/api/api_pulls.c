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

// A list of pulls that is being answered.
struct listing {
    struct pt_query query;
    struct pt_pull_list_request request; // borrows from the query
    struct pt_pull_list list;            // borrows from the request
    bool has_begun;                      // to be written
};

static int encode(const struct pt_stored_pull *stored, bool layers, struct pt_buffer *out)
{
    struct pt_layer_rate rates[PT_LIMIT_LAYERS_PER_PULL];
    struct pt_pull_status status = pt_stored_pull_status(stored, rates);
    return pt_pull_status_encode(&status, layers, out);
}

static int write_end(const struct listing *listing, struct pt_buffer *out)
{
    char *cursor;
    int r = pt_pull_list_cursor(&listing->list, &cursor);
    if (r < 0 || !cursor)
        return r < 0 ? r : pt_buffer_append_text(out, "]}");
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(doc, yyjson_mut_str(doc, cursor));
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_mut_doc_free(doc);
    r = text ? pt_buffer_printf(out, "],\"nextCursor\":%s}", text) : -ENOMEM;
    free(text);
    free(cursor);
    return r;
}

static int write_pull(struct listing *listing, const struct pt_stored_pull *stored,
                      struct pt_buffer *out)
{
    int r = pt_buffer_append_text(out, listing->has_begun ? "," : "{\"pulls\":[");
    listing->has_begun = true;
    return r < 0 ? r : encode(stored, listing->request.layers, out);
}

static int write_part(void *context, struct pt_buffer *out)
{
    struct listing *listing = context;
    struct pt_stored_pull *stored;
    for (int i = 0; i < PART_PULLS && out->length < PART_BYTES; i++) {
        stored = pt_pull_list_next(&listing->list);
        if (!stored)
            break;
        int r = write_pull(listing, stored, out);
        if (r < 0)
            return r;
    }
    if (!pt_pull_list_is_through(&listing->list))
        return 1;
    int r = listing->has_begun ? 0 : pt_buffer_append_text(out, "{\"pulls\":[");
    return r < 0 ? r : write_end(listing, out);
}

static int prepare(void *context)
{
    struct listing *listing = context;
    return pt_pull_list_scan(&listing->list);
}

static void release(void *context)
{
    struct listing *listing = context;
    pt_pull_list_finish(&listing->list);
    free(listing);
}

// Reads what is asked for; false: an error has been answered.
static bool begin(struct pt_api *api, struct pt_request *request, struct listing *listing)
{
    struct pt_error err;
    if (!pt_api_read_query(request, &listing->query))
        return false;
    int r = pt_pull_list_request_read(&listing->query, &listing->request, &err);
    if (r == 0)
        r = pt_pull_list_begin(api->store, &listing->request, &api->lists, &listing->list, &err);
    if (r < 0)
        pt_reply_error(request, PT_PROBLEM_PARAMETER, 0, "%s", err.message);
    return r == 0;
}

void pt_api_pulls(struct pt_api *api, struct pt_request *request)
{
    struct listing *listing = calloc(1, sizeof(*listing));
    if (!listing) {
        pt_reply_error(request, PT_PROBLEM_OUT_OF_MEMORY, 5, "out of memory");
        return;
    }
    if (!begin(api, request, listing)) {
        free(listing);
        return;
    }
    struct pt_long_answer_source source = {prepare, write_part, release, listing};
    pt_long_answer(api->long_answers, api->server, request, &source);
}

void pt_api_pull(struct pt_api *api, struct pt_request *request, const char *id)
{
    const struct pt_stored_pull *stored = pt_store_find(api->store, id);
    if (!stored) {
        pt_reply_error(request, PT_PROBLEM_NO_SUCH_PULL, 0,
                       "there is no such pull, or it ended too long ago");
        return;
    }
    struct pt_buffer out;
    pt_buffer_init(&out, MAX_PULL_BYTES);
    pt_api_reply_json(request, encode(stored, true, &out), &out);
}
