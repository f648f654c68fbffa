// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_stream.h"

#include "server/http/http_connection.h"
#include "server/http/http_reply.h"

#include <event2/buffer.h>

bool pt_http_stream_has_room(const struct pt_request *request, bool is_endless, size_t max)
{
    const struct pt_peer *peer = pt_connection_peer(request->connection);
    return pt_peer_may_hold_more(is_endless ? peer->streams : peer->long_answers, max);
}

const char *pt_http_stream_address(const struct pt_request *request)
{
    return pt_connection_peer(request->connection)->name;
}

bool pt_http_stream_has_memory(const struct pt_request *request, size_t bytes)
{
    return pt_connection_has_room_for(request->connection, bytes);
}

void pt_http_stream_prepare(struct pt_request *request, const struct pt_http_stream_events *events,
                            void *context)
{
    pt_connection_watch(request->connection,
                        events->is_endless ? PT_ANSWER_ENDLESS : PT_ANSWER_LONG, NULL,
                        events->on_closed, context);
}

int pt_http_stream_wait(struct pt_request *request, void (*on_closed)(void *context), void *context)
{
    int r = pt_connection_keep_body(request->connection);
    if (r == 0)
        pt_reply_later(request, on_closed, context);
    return r;
}

void pt_http_stream_forget(struct pt_request *request)
{
    pt_connection_watch(request->connection, PT_ANSWER_WHOLE, NULL, NULL, NULL);
}

void pt_http_stream_begin(struct pt_request *request, const char *content_type,
                          const struct pt_http_stream_events *events, void *context)
{
    struct pt_http_connection *connection = request->connection;
    if (!pt_http_stream_is_chunked(request))
        request->keeps_alive = false;
    pt_connection_watch(connection, events->is_endless ? PT_ANSWER_ENDLESS : PT_ANSWER_LONG,
                        events->on_drained, events->on_closed, context);
    if (!pt_reply_begin(request, content_type, pt_http_stream_is_chunked(request)))
        pt_connection_fail(connection);
    pt_connection_forget_head(connection);
    pt_connection_touch(connection);
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
    bool chunked = pt_http_stream_is_chunked(request);
    if (length == 0)
        return;
    if ((chunked && evbuffer_add_printf(output, "%zx\r\n", length) < 0) ||
        evbuffer_add(output, data, length) < 0 || (chunked && evbuffer_add(output, "\r\n", 2) < 0))
        pt_http_stream_fail(request);
}

bool pt_http_stream_cut_stalled(struct pt_request *request)
{
    return pt_connection_cut_stalled_stream(request->connection);
}

void pt_http_stream_fail(struct pt_request *request)
{
    pt_connection_fail(request->connection);
}

void pt_http_stream_end(struct pt_request *request, bool last)
{
    if (pt_http_stream_is_chunked(request) &&
        evbuffer_add(pt_connection_output(request->connection), "0\r\n\r\n", 5) < 0)
        pt_http_stream_fail(request);
    if (last)
        request->keeps_alive = false;
    pt_connection_end_answer(request->connection);
}

void pt_http_stream_abort(struct pt_request *request)
{
    pt_connection_cut(request->connection);
}
