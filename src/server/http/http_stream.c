// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_stream.h"

#include "server/http/http_connection.h"
#include "server/http/http_reply.h"

#include <event2/buffer.h>

void pt_http_stream_begin(struct pt_request *request, const char *content_type,
                          const struct pt_http_stream_events *events, void *context)
{
    if (!pt_http_stream_is_chunked(request))
        request->keeps_alive = false;
    pt_connection_watch(request->connection, events->on_drained, events->on_closed, context);
    pt_reply_begin(request, content_type, pt_http_stream_is_chunked(request));
    pt_connection_touch(request->connection);
}

size_t pt_http_stream_pending(const struct pt_request *request)
{
    return evbuffer_get_length(pt_connection_output(request->connection));
}

struct evbuffer *pt_http_stream_output(struct pt_request *request)
{
    pt_connection_touch(request->connection);
    return pt_connection_output(request->connection);
}

bool pt_http_stream_is_chunked(const struct pt_request *request)
{
    return !request->http_1_0;
}

void pt_http_stream_send(struct pt_request *request, const void *data, size_t length)
{
    struct evbuffer *output = pt_http_stream_output(request);
    if (length == 0)
        return;
    if (pt_http_stream_is_chunked(request))
        evbuffer_add_printf(output, "%zx\r\n", length);
    evbuffer_add(output, data, length);
    if (pt_http_stream_is_chunked(request))
        evbuffer_add(output, "\r\n", 2);
}

void pt_http_stream_end(struct pt_request *request, bool last)
{
    if (pt_http_stream_is_chunked(request))
        evbuffer_add(pt_connection_output(request->connection), "0\r\n\r\n", 5);
    if (last)
        request->keeps_alive = false;
    pt_connection_end_answer(request->connection);
}

void pt_http_stream_abort(struct pt_request *request)
{
    pt_connection_cut(request->connection);
}
