// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_reply.h"

#include "base/limits.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define CONTENT_SECURITY_POLICY                                                                    \
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "            \
    "object-src 'none'"
#define PERMISSIONS_POLICY "camera=(), geolocation=(), microphone=()"

static const struct {
    const char *name;
    const char *value;
} security_headers[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Permissions-Policy", PERMISSIONS_POLICY},
    {"Content-Security-Policy", CONTENT_SECURITY_POLICY},
};

// The whole answer to a report that was taken.
static const char taken[] = "HTTP/1.1 200 OK\r\n"
                            "X-Content-Type-Options: nosniff\r\n"
                            "X-Frame-Options: DENY\r\n"
                            "Referrer-Policy: no-referrer\r\n"
                            "Permissions-Policy: " PERMISSIONS_POLICY "\r\n"
                            "Content-Security-Policy: " CONTENT_SECURITY_POLICY "\r\n"
                            "Content-Type: application/json\r\n"
                            "Content-Length: 2\r\n\r\n{}";

#define HEADER_COUNT (sizeof(security_headers) / sizeof(security_headers[0]))

void pt_reply_add_security_headers(struct evhttp_request *request)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    for (size_t i = 0; i < HEADER_COUNT; i++)
        evhttp_add_header(headers, security_headers[i].name, security_headers[i].value);
}

// evhttp knows fewer reasons than there are.
static const char *reason_of(int status)
{
    switch (status) {
    case 429:
        return "Too Many Requests";
    case 413:
        return "Content Too Large";
    default:
        return NULL;
    }
}

void pt_reply(struct evhttp_request *request, int status, const char *content_type,
              const void *body, size_t length)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", content_type);
    pt_reply_add_security_headers(request);
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        char text[24];
        snprintf(text, sizeof(text), "%zu", length);
        evhttp_add_header(headers, "Content-Length", text);
    } else {
        evbuffer_add(evhttp_request_get_output_buffer(request), body, length);
    }
    evhttp_send_reply(request, status, reason_of(status), NULL);
}

void pt_reply_taken(struct evhttp_request *request)
{
    struct evkeyvalq *asked = evhttp_request_get_input_headers(request);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    if (evhttp_find_header(asked, "Connection") || evhttp_find_header(headers, "Connection") ||
        evhttp_find_header(asked, "Transfer-Encoding")) {
        pt_reply(request, 200, "application/json", "{}", 2);
        return;
    }
    struct bufferevent *bev =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
    evbuffer_add_reference(bufferevent_get_output(bev), taken, sizeof(taken) - 1, NULL, NULL);
    bufferevent_enable(bev, EV_WRITE);
    evhttp_send_reply_end(request);
}

// Writes {"error": message}; the caller frees it. NULL when out of memory.
static char *error_json(const char *message, size_t *ret_length)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "error", message);
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, ret_length);
    yyjson_mut_doc_free(doc);
    return text;
}

void pt_reply_error(struct evhttp_request *request, int status, int retry_after_s,
                    const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    if (retry_after_s > 0) {
        char text[16];
        snprintf(text, sizeof(text), "%d", retry_after_s);
        evhttp_add_header(headers, "Retry-After", text);
    }
    evhttp_add_header(headers, "Cache-Control", "no-store");
    size_t length = 0;
    char *json = error_json(message, &length);
    pt_reply(request, status, "application/json", json ? json : "{\"error\":\"out of memory\"}",
             json ? length : strlen("{\"error\":\"out of memory\"}"));
    free(json);
}

void pt_reply_method_not_allowed(struct evhttp_request *request, const char *allowed)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", allowed);
    pt_reply_error(request, 405, 0, "method not allowed here; allowed: %s", allowed);
}

void pt_reply_add_own_error(struct evbuffer *output, int status)
{
    char body[128];
    const char *line;
    switch (status) {
    case 413:
        line = "413 Content Too Large";
        snprintf(body, sizeof(body), "{\"error\":\"the body is larger than %d bytes\"}",
                 PT_LIMIT_REPORT_BYTES);
        break;
    case 417:
        line = "417 Expectation Failed";
        snprintf(body, sizeof(body), "{\"error\":\"only 100-continue can be expected\"}");
        break;
    default:
        line = "400 Bad Request";
        snprintf(body, sizeof(body), "{\"error\":\"malformed HTTP request\"}");
        break;
    }
    evbuffer_add_printf(output, "HTTP/1.1 %s\r\n", line);
    for (size_t i = 0; i < HEADER_COUNT; i++)
        evbuffer_add_printf(output, "%s: %s\r\n", security_headers[i].name,
                            security_headers[i].value);
    evbuffer_add_printf(output,
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                        "Cache-Control: no-store\r\nConnection: close\r\n\r\n%s",
                        strlen(body), body);
}
