// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_stream.h"

#include "server/http/http_reply.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LOW_WATER_BYTES (16 * 1024)
#define MAX_WRITE_BYTES (256 * 1024) // in one call
#define UNSENT_BYTES (128 * 1024)    // that the kernel holds for a client that is slow to take them
#define UNREAD_BYTES 4096            // of what a client says meanwhile, which nobody reads

struct pt_http_stream {
    struct evhttp_request *request;
    struct pt_http_server *server;
    struct evhttp_connection *evcon;
    struct bufferevent *bev;
    struct pt_http_stream_events events;
    void *context;
    bool chunked;
    bufferevent_data_cb evhttp_read, evhttp_write;
    bufferevent_event_cb evhttp_event;
    void *evhttp_context;
};

static void on_write(struct bufferevent *bev, void *context)
{
    (void)bev;
    struct pt_http_stream *stream = context;
    stream->events.on_drained(stream->context);
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
    (void)bev;
    (void)what;
    struct pt_http_stream *stream = context;
    evhttp_connection_free(stream->evcon); // calls on_close
}

static void on_close(void *context)
{
    struct pt_http_stream *stream = context;
    stream->events.on_closed(stream->context);
    free(stream);
}

static void take_over(struct pt_http_stream *stream, int stall_seconds)
{
    struct timeval stall = {.tv_sec = stall_seconds};
    int fd = bufferevent_getfd(stream->bev);
    int unsent = UNSENT_BYTES;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    bufferevent_getcb(stream->bev, &stream->evhttp_read, &stream->evhttp_write,
                      &stream->evhttp_event, &stream->evhttp_context);
    bufferevent_setcb(stream->bev, NULL, on_write, on_event, stream);
    bufferevent_set_timeouts(stream->bev, NULL, &stall);
    bufferevent_setwatermark(stream->bev, EV_WRITE, LOW_WATER_BYTES, 0);
    bufferevent_setwatermark(stream->bev, EV_READ, 0, UNREAD_BYTES);
    bufferevent_set_max_single_write(stream->bev, MAX_WRITE_BYTES);
    bufferevent_enable(stream->bev, EV_READ | EV_WRITE);
}

int pt_http_stream_begin(struct evhttp_request *request, struct pt_http_server *server,
                         const char *content_type, int stall_seconds,
                         const struct pt_http_stream_events *events, void *context,
                         struct pt_http_stream **ret_stream)
{
    struct pt_http_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return -ENOMEM;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    stream->request = request;
    stream->server = server;
    stream->evcon = evhttp_request_get_connection(request);
    stream->bev = evhttp_connection_get_bufferevent(stream->evcon);
    stream->events = *events;
    stream->context = context;
    if (pt_http_server_watch_close(request, server, on_close, stream) < 0) {
        free(stream);
        return -ENOMEM;
    }
    evhttp_add_header(headers, "Content-Type", content_type);
    pt_reply_add_security_headers(request);
    evhttp_send_reply_start(request, 200, NULL);
    stream->chunked = evhttp_find_header(headers, "Transfer-Encoding") != NULL;
    take_over(stream, stall_seconds);
    *ret_stream = stream;
    return 0;
}

size_t pt_http_stream_pending(const struct pt_http_stream *stream)
{
    return evbuffer_get_length(bufferevent_get_output(stream->bev));
}

struct evbuffer *pt_http_stream_output(struct pt_http_stream *stream)
{
    return bufferevent_get_output(stream->bev);
}

bool pt_http_stream_is_chunked(const struct pt_http_stream *stream)
{
    return stream->chunked;
}

void pt_http_stream_send(struct pt_http_stream *stream, const void *data, size_t length)
{
    struct evbuffer *output = bufferevent_get_output(stream->bev);
    if (length == 0)
        return;
    if (stream->chunked)
        evbuffer_add_printf(output, "%zx\r\n", length);
    evbuffer_add(output, data, length);
    if (stream->chunked)
        evbuffer_add(output, "\r\n", 2);
}

void pt_http_stream_end(struct pt_http_stream *stream)
{
    (void)pt_http_server_watch_close(stream->request, stream->server, NULL, NULL);
    bufferevent_setwatermark(stream->bev, EV_WRITE, 0, 0);
    bufferevent_setwatermark(stream->bev, EV_READ, 0, 0);
    bufferevent_setcb(stream->bev, stream->evhttp_read, stream->evhttp_write, stream->evhttp_event,
                      stream->evhttp_context);
    if (pt_http_server_is_draining(stream->server))
        evhttp_add_header(evhttp_request_get_output_headers(stream->request), "Connection",
                          "close");
    struct timeval idle = {.tv_sec = PT_HTTP_IDLE_SECONDS};
    bufferevent_set_timeouts(stream->bev, &idle, &idle);
    evhttp_send_reply_end(stream->request);
    free(stream);
}

void pt_http_stream_abort(struct pt_http_stream *stream)
{
    evhttp_connection_free(stream->evcon);
}
