// SPDX-License-Identifier: Apache-2.0
#include "server/api/api.h"
#include "server/api/api_query.h"
#include "server/http/http_reply.h"
#include "server/stream/event_feed.h"

#include <errno.h>
#include <stdlib.h>

// The header, which a browser sends when it connects again, goes before the parameter.
static void read_last_event_id(struct pt_request *request, struct pt_stream_request *wish)
{
    const char *text = pt_request_header(request, "Last-Event-ID");
    if (!text || *text < '0' || *text > '9')
        return;
    char *end;
    errno = 0;
    unsigned long long id = strtoull(text, &end, 10);
    wish->last_event_id = errno || *end ? 0 : id;
}

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
    read_last_event_id(request, &wish);
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
