// SPDX-License-Identifier: Apache-2.0
#include "server/http/request_parser.h"

#include "base/limits.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

// Returns what makes the library stop; 1 and 2 would mean something else to it.
static int refuse(struct pt_request_parser *parser, int status)
{
    parser->refusal = status;
    return -1;
}

// Ends what was appended before with a NUL; a value without the space behind it.
static void end_text(struct pt_request_parser *parser)
{
    struct pt_request *request = parser->request;
    struct pt_buffer *text = &request->text;
    size_t begin =
        parser->in_value ? request->headers[request->header_count - 1].value : text->length;
    while (text->length > begin && strchr(" \t", text->data[text->length - 1]))
        text->length--;
    (void)pt_buffer_append(text, "", 1);
}

static int on_url(struct http_parser *http, const char *at, size_t length)
{
    struct pt_request_parser *parser = http->data;
    return pt_buffer_append(&parser->request->text, at, length) < 0 ? refuse(parser, 414) : 0;
}

static int on_header_field(struct http_parser *http, const char *at, size_t length)
{
    struct pt_request_parser *parser = http->data;
    struct pt_request *request = parser->request;
    if (parser->headers_done)
        return 0; // a trailer
    if (parser->in_value || request->header_count == 0) {
        if (request->header_count == PT_REQUEST_MAX_HEADERS)
            return refuse(parser, 431);
        end_text(parser);
        request->headers[request->header_count++].name = (uint32_t)request->text.length;
        parser->in_value = false;
    }
    return pt_buffer_append(&request->text, at, length) < 0 ? refuse(parser, 431) : 0;
}

static int on_header_value(struct http_parser *http, const char *at, size_t length)
{
    struct pt_request_parser *parser = http->data;
    struct pt_request *request = parser->request;
    if (parser->headers_done)
        return 0;
    if (!parser->in_value) {
        end_text(parser);
        request->headers[request->header_count - 1].value = (uint32_t)request->text.length;
        parser->in_value = true;
    }
    return pt_buffer_append(&request->text, at, length) < 0 ? refuse(parser, 431) : 0;
}

static enum pt_http_method method_of(const struct http_parser *http)
{
    switch (http->method) {
    case HTTP_GET:
        return PT_HTTP_GET;
    case HTTP_HEAD:
        return PT_HTTP_HEAD;
    case HTTP_POST:
        return PT_HTTP_POST;
    default:
        return PT_HTTP_OTHER;
    }
}

// Splits the target in place: all but path and query is put aside.
static void split_target(struct pt_request *request)
{
    char *target = request->text.data;
    char *scheme_end = *target == '/' ? NULL : strstr(target, "://");
    char *path = scheme_end ? strpbrk(scheme_end + 3, "/?#") : target;
    char *fragment = path ? strchr(path, '#') : NULL;
    if (fragment)
        *fragment = '\0';
    char *query = path ? strchr(path, '?') : NULL;
    if (query) {
        *query = '\0';
        request->query = query + 1;
    }
    request->path = path && *path ? path : "/";
}

static int on_headers_complete(struct http_parser *http)
{
    struct pt_request_parser *parser = http->data;
    struct pt_request *request = parser->request;
    end_text(parser);
    if (request->text.failure)
        return refuse(parser, 503);
    parser->headers_done = true;
    http->upgrade = 0; // nothing else is spoken here
    request->method = method_of(http);
    request->http_1_0 = http->http_minor == 0;
    request->keeps_alive = http_should_keep_alive(http) && http->method != HTTP_CONNECT;
    split_target(request);
    if (http->http_major != 1)
        return refuse(parser, 505);
    bool has_length = http->flags & F_CONTENTLENGTH;
    if (has_length && http->content_length > PT_LIMIT_REPORT_BYTES)
        return refuse(parser, 413);
    const char *expected = pt_request_header(request, "Expect");
    if (expected && strcasecmp(expected, "100-continue") != 0)
        return refuse(parser, 417);
    parser->continue_wanted = expected && !request->http_1_0;
    return 0;
}

static int on_body(struct http_parser *http, const char *at, size_t length)
{
    struct pt_request_parser *parser = http->data;
    struct pt_request *request = parser->request;
    if (request->gathered.length == 0 && http_body_is_final(http)) {
        request->body = at;
        request->body_length = length;
        return 0;
    }
    if (pt_buffer_append(&request->gathered, at, length) < 0)
        return refuse(parser, request->gathered.failure == -EMSGSIZE ? 413 : 503);
    request->body = request->gathered.data;
    request->body_length = request->gathered.length;
    return 0;
}

static int on_message_complete(struct http_parser *http)
{
    http_parser_pause(http, 1);
    return 0;
}

void pt_request_parser_init(struct pt_request_parser *parser)
{
    *parser = (struct pt_request_parser){0};
}

void pt_request_parser_clear(struct pt_request_parser *parser)
{
    pt_request_free(parser->request);
    pt_request_parser_init(parser);
}

void pt_request_parser_begin(struct pt_request_parser *parser)
{
    http_parser_init(&parser->http, HTTP_REQUEST);
    http_parser_set_max_header_size(PT_LIMIT_REQUEST_HEADER_BYTES); // one for the whole process
    parser->http.data = parser;
    parser->request = pt_request_new();
}

enum pt_parse_result pt_request_parser_feed(struct pt_request_parser *parser, const char *data,
                                            size_t length, size_t *ret_used)
{
    static const struct http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };
    *ret_used = 0;
    if (!parser->request)
        pt_request_parser_begin(parser);
    if (!parser->request) {
        parser->refusal = 503;
        return PT_PARSE_REFUSED;
    }
    *ret_used = http_parser_execute(&parser->http, &settings, data, length);
    enum http_errno error = HTTP_PARSER_ERRNO(&parser->http);
    if (error == HPE_OK)
        return PT_PARSE_MORE;
    if (error == HPE_PAUSED)
        return PT_PARSE_WHOLE;
    if (!parser->refusal)
        parser->refusal = error == HPE_HEADER_OVERFLOW ? 431 : 400;
    return PT_PARSE_REFUSED;
}
