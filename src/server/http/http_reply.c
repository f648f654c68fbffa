// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_reply.h"

#include "base/clock.h"
#include "base/json_escape.h"
#include "base/limits.h"
#include "base/rhythm.h"
#include "server/http/http_connection.h"
#include "server/http/http_request.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yyjson.h>

#define SECURITY_HEADERS                                                                           \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "X-Frame-Options: DENY\r\n"                                                                    \
    "Referrer-Policy: no-referrer\r\n"                                                             \
    "Permissions-Policy: camera=(), geolocation=(), microphone=()\r\n"                             \
    "Content-Security-Policy: default-src 'self'; base-uri 'none'; form-action 'none'; "           \
    "frame-ancestors 'none'; object-src 'none'\r\n"

#define LARGE_BYTES (32 * 1024) // the socket takes less at once, most likely

#define DATE_HEADER "Date: %a, %d %b %Y %H:%M:%S GMT\r\n" // for strftime

static const struct {
    int status;
    const char *code;
} problems[PT_PROBLEM_COUNT] = {
    [PT_PROBLEM_MALFORMED] = {400, "malformed_request"},
    [PT_PROBLEM_METHOD] = {405, "method_not_allowed"},
    [PT_PROBLEM_BODY_TOO_LARGE] = {413, "body_too_large"},
    [PT_PROBLEM_BODY_NOT_TAKEN] = {413, "body_not_taken"},
    [PT_PROBLEM_EXPECTATION] = {417, "expectation_failed"},
    [PT_PROBLEM_HEADERS_TOO_LARGE] = {431, "headers_too_large"},
    [PT_PROBLEM_HTTP_VERSION] = {505, "http_version"},
    [PT_PROBLEM_HTTPS_ONLY] = {421, "https_only"},
    [PT_PROBLEM_HOST] = {421, "host_not_allowed"},
    [PT_PROBLEM_NOT_FOUND] = {404, "not_found"},
    [PT_PROBLEM_NO_SUCH_PULL] = {404, "no_such_pull"},
    [PT_PROBLEM_NO_SUCH_POD] = {404, "no_such_pod"},
    [PT_PROBLEM_PARAMETER] = {400, "invalid_parameter"},
    [PT_PROBLEM_UNKNOWN_PARAMETER] = {400, "unknown_parameter"},
    [PT_PROBLEM_REPORT_ADDRESS] = {421, "report_address"},
    [PT_PROBLEM_REPORT_TOKEN] = {401, "report_token"},
    [PT_PROBLEM_REPORT_TOKEN_UNCHECKED] = {503, "report_token_unchecked"},
    [PT_PROBLEM_REPORT_NODE] = {403, "report_node"},
    [PT_PROBLEM_REPORT_ORIGIN] = {403, "report_origin"},
    [PT_PROBLEM_REPORT_TYPE] = {415, "report_type"},
    [PT_PROBLEM_REPORT_INVALID] = {400, "report_invalid"},
    [PT_PROBLEM_REPORT_TOO_LARGE] = {400, "report_too_large"},
    [PT_PROBLEM_REPORT_TOO_SOON] = {429, "report_too_soon"},
    [PT_PROBLEM_NODE_LIMIT] = {429, "node_limit"},
    [PT_PROBLEM_PULL_LIMIT] = {429, "pull_limit"},
    [PT_PROBLEM_NODE_PULL_LIMIT] = {429, "node_pull_limit"},
    [PT_PROBLEM_STORE_MEMORY] = {429, "store_memory"},
    [PT_PROBLEM_NODE_MEMORY] = {429, "node_memory"},
    [PT_PROBLEM_NOT_SHARED] = {503, "report_not_shared"},
    [PT_PROBLEM_SHUTTING_DOWN] = {503, "shutting_down"},
    [PT_PROBLEM_NOT_READY] = {503, "not_ready"},
    [PT_PROBLEM_CONNECTION_LIMIT] = {503, "connection_limit"},
    [PT_PROBLEM_READING_LIMIT] = {503, "reading_limit"},
    [PT_PROBLEM_ANSWER_LIMIT] = {503, "answer_limit"},
    [PT_PROBLEM_STREAM_LIMIT] = {503, "stream_limit"},
    [PT_PROBLEM_OUT_OF_MEMORY] = {503, "out_of_memory"},
};

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {
        {200, "OK"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].status == status)
            return known[i].reason;
    }
    return "";
}

static time_t now_of(const struct pt_request *request)
{
    return (time_t)(pt_connection_wall_ns(request->connection) / PT_NS_PER_S);
}

// Ends the answer if all of it has found memory. Half of one must not look like a whole one: the
// connection is cut.
static void end_answer(struct pt_request *request, bool is_good)
{
    if (is_good)
        pt_connection_end_answer(request->connection);
    else
        pt_connection_cut(request->connection);
}

// All of the head that every answer has; what is special to one comes behind, then an empty line.
// False when out of memory.
static bool begin_head(const struct pt_request *request, struct evbuffer *output, int status)
{
    char date[64];
    time_t now = now_of(request);
    struct tm utc;
    strftime(date, sizeof(date), DATE_HEADER, gmtime_r(&now, &utc));
    const char *connection = "";
    if (!request->keeps_alive)
        connection = "Connection: close\r\n";
    else if (request->http_1_0)
        connection = "Connection: keep-alive\r\n";
    const struct pt_buffer *more = &request->reply_headers;
    return !more->failure &&
           evbuffer_add_printf(output, "HTTP/1.1 %d %s\r\n%s" SECURITY_HEADERS "%s%s", status,
                               reason_of(status), date, connection,
                               more->data ? more->data : "") >= 0;
}

static bool begin_whole(const struct pt_request *request, int status, const char *content_type,
                        size_t length)
{
    struct evbuffer *output = pt_connection_output(request->connection);
    return begin_head(request, output, status) &&
           evbuffer_add_printf(output, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                               content_type, length) >= 0;
}

void pt_reply(struct pt_request *request, int status, const char *content_type, const void *body,
              size_t length)
{
    if (length > LARGE_BYTES && !pt_connection_has_room_for(request->connection, length)) {
        pt_reply_error(request, PT_PROBLEM_ANSWER_LIMIT, 5, "the memory for answers is full");
        return;
    }
    bool good = begin_whole(request, status, content_type, length);
    if (good && request->method != PT_HTTP_HEAD)
        good = evbuffer_add(pt_connection_output(request->connection), body, length) == 0;
    end_answer(request, good);
}

void pt_reply_head(struct pt_request *request, const char *content_type)
{
    struct evbuffer *output = pt_connection_output(request->connection);
    end_answer(request,
               begin_head(request, output, 200) &&
                   evbuffer_add_printf(output, "Content-Type: %s\r\n\r\n", content_type) >= 0);
}

void pt_reply_static(struct pt_request *request, const char *content_type, const void *body,
                     size_t length)
{
    bool good = begin_whole(request, 200, content_type, length);
    pt_connection_lend_output(request->connection);
    if (good && request->method != PT_HTTP_HEAD)
        good = evbuffer_add_reference(pt_connection_output(request->connection), body, length, NULL,
                                      NULL) == 0;
    end_answer(request, good);
}

// The whole answer to a report that was taken, which is the same for a second; there is one that
// asks for a heartbeat and one that does not. Answers that wait to be sent hold it meanwhile, so
// that what is written over it has the same length.
static const char *taken_text(time_t now, int heartbeat_s, size_t *ret_length)
{
    static struct {
        char text[1024];
        size_t length;
        time_t made_at;
        int heartbeat_s;
    } answers[2];
    bool asks = heartbeat_s > 0;
    if (now != answers[asks].made_at || heartbeat_s != answers[asks].heartbeat_s) {
        char date[64], heartbeat[64] = "";
        struct tm utc;
        strftime(date, sizeof(date), DATE_HEADER, gmtime_r(&now, &utc));
        if (asks)
            snprintf(heartbeat, sizeof(heartbeat), PT_REPORT_HEARTBEAT_HEADER ": %02d\r\n",
                     heartbeat_s);
        answers[asks].length = (size_t)snprintf(answers[asks].text, sizeof(answers[asks].text),
                                                "HTTP/1.1 200 OK\r\n%s" SECURITY_HEADERS
                                                "%sContent-Type: application/json\r\n"
                                                "Content-Length: 2\r\n\r\n{}",
                                                date, heartbeat);
        answers[asks].made_at = now;
        answers[asks].heartbeat_s = heartbeat_s;
    }
    *ret_length = answers[asks].length;
    return answers[asks].text;
}

// The connection needs a word of its own.
static void reply_taken_alone(struct pt_request *request)
{
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%02d", request->heartbeat_s);
    if (request->heartbeat_s > 0)
        pt_request_add_reply_header(request, PT_REPORT_HEARTBEAT_HEADER, seconds);
    pt_reply(request, 200, "application/json", "{}", 2);
}

void pt_reply_taken(struct pt_request *request)
{
    size_t length;
    const char *text = taken_text(now_of(request), request->heartbeat_s, &length);
    if (request->http_1_0 || !request->keeps_alive)
        reply_taken_alone(request);
    else
        pt_connection_answer_with(request->connection, text, length);
}

void pt_reply_later(struct pt_request *request, void (*on_closed)(void *context), void *context)
{
    pt_connection_watch(request->connection, PT_ANSWER_LATER, NULL, on_closed, context);
}

void pt_reply_not_modified(struct pt_request *request)
{
    struct evbuffer *output = pt_connection_output(request->connection);
    end_answer(request, begin_head(request, output, 304) && evbuffer_add(output, "\r\n", 2) == 0);
}

// Writes the problem in words and in members for programs (https://www.rfc-editor.org/rfc/rfc9457);
// `error` is what the first version of the format has. The words may hold what a client has sent.
// Returns the failure.
static int write_problem(enum pt_problem problem, const char *message, struct pt_buffer *out)
{
    size_t length = 0;
    int status = problems[problem].status;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "error", message);
    yyjson_mut_obj_add_str(doc, root, "code", problems[problem].code);
    yyjson_mut_obj_add_int(doc, root, "status", status);
    yyjson_mut_obj_add_str(doc, root, "title", reason_of(status));
    yyjson_mut_obj_add_str(doc, root, "detail", message);
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &length);
    yyjson_mut_doc_free(doc);
    int r = text ? pt_json_append_escaped(out, text, length) : -ENOMEM;
    free(text);
    return r;
}

void pt_reply_error(struct pt_request *request, enum pt_problem problem, int retry_after_s,
                    const char *format, ...)
{
    static const char type[] = "application/problem+json";
    static const char out_of_memory[] = "{\"error\":\"out of memory\",\"code\":\"out_of_memory\"}";
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (retry_after_s > 0) {
        char text[16];
        snprintf(text, sizeof(text), "%d", retry_after_s);
        pt_request_add_reply_header(request, "Retry-After", text);
    }
    pt_request_add_reply_header(request, "Cache-Control", "no-store");
    struct pt_buffer json;
    pt_buffer_init(&json, 16 * sizeof(message) + 512); // each byte of both is escaped, at most
    int status = problems[problem].status;
    if (write_problem(problem, message, &json) < 0)
        pt_reply(request, status, type, out_of_memory, sizeof(out_of_memory) - 1);
    else
        pt_reply(request, status, type, json.data, json.length);
    pt_buffer_finish(&json);
}

void pt_reply_method_not_allowed(struct pt_request *request, const char *allowed)
{
    pt_request_add_reply_header(request, "Allow", allowed);
    pt_reply_error(request, PT_PROBLEM_METHOD, 0, "method not allowed here; allowed: %s", allowed);
}

void pt_reply_refusal(struct pt_request *request, int status)
{
    switch (status) {
    case 413:
        pt_reply_error(request, PT_PROBLEM_BODY_TOO_LARGE, 0, "the body is larger than %d bytes",
                       PT_LIMIT_REPORT_BYTES);
        break;
    case 417:
        pt_reply_error(request, PT_PROBLEM_EXPECTATION, 0, "only 100-continue can be expected");
        break;
    case 421:
        pt_reply_error(request, PT_PROBLEM_HTTPS_ONLY, 0,
                       "HTTPS is spoken here: the address begins with https://");
        break;
    case 431:
        pt_reply_error(request, PT_PROBLEM_HEADERS_TOO_LARGE, 0,
                       "the headers are larger than %d bytes or more than %d",
                       PT_LIMIT_REQUEST_HEADER_BYTES, PT_REQUEST_MAX_HEADERS);
        break;
    case 503:
        pt_reply_error(request, PT_PROBLEM_READING_LIMIT, 5,
                       "too many requests are being read, or out of memory");
        break;
    case 505:
        pt_reply_error(request, PT_PROBLEM_HTTP_VERSION, 0,
                       "only HTTP/1.0 and 1.1 are spoken here");
        break;
    default:
        pt_reply_error(request, PT_PROBLEM_MALFORMED, 0, "malformed HTTP request");
        break;
    }
}

bool pt_reply_begin(struct pt_request *request, const char *content_type, bool chunked)
{
    struct evbuffer *output = pt_connection_output(request->connection);
    return begin_head(request, output, 200) &&
           evbuffer_add_printf(output, "Content-Type: %s\r\n%s\r\n", content_type,
                               chunked ? "Transfer-Encoding: chunked\r\n" : "") >= 0;
}
