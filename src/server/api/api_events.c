// SPDX-License-Identifier: Apache-2.0
#include "server/api/api.h"
#include "server/api/api_query.h"
#include "server/http/http_reply.h"
#include "server/stream/event_feed.h"

void pt_api_events(struct pt_api *api, struct pt_request *request)
{
    struct pt_query query;
    struct pt_stream_request wish;
    struct pt_error err;
    if (!pt_api_read_query(request, &query))
        return;
    if (pt_stream_request_read(&query, &wish, &err) < 0) {
        pt_reply_error(request, PT_PROBLEM_PARAMETER, 0, "%s", err.message);
        return;
    }
    // The header, which a browser sends when it connects again, goes before the parameter.
    const char *last_event_id = pt_request_header(request, "Last-Event-ID");
    if (last_event_id && *last_event_id)
        pt_stream_request_go_on_behind(&wish, last_event_id);
    if (pt_http_server_is_draining(api->server)) {
        pt_reply_error(request, PT_PROBLEM_SHUTTING_DOWN, 1, "shutting down");
        return;
    }
    int r = pt_event_feed_add(api->feed, request, &wish, &err);
    if (r < 0) {
        api->metrics->streams_refused++;
        pt_reply_error(request, PT_PROBLEM_STREAM_LIMIT, 5, "%s", err.message);
    }
}
