// SPDX-License-Identifier: Apache-2.0
#include "server/http/request_parser.h"

#include "base/limits.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

// Returns what makes the library stop.
static int refuse(struct pt_request_parser *parser, int status)
{
    parser->refusal = status;
    return HPE_USER;
}

// Brings up to date what the request takes of the memory.
static void count(struct pt_request_parser *parser)
{
    const struct pt_request *request = parser->request;
    size_t bytes = 0;
    if (request)
        bytes = sizeof(*request) + request->text.capacity + request->gathered.capacity;
    if (parser->budget->memory)
        pt_memory_share_add(parser->budget->memory, (int64_t)bytes - parser->counted_bytes);
    parser->budget->bytes += (int64_t)bytes - parser->counted_bytes;
    parser->counted_bytes = (int64_t)bytes;
}

// The library itself takes heads, trailers and chunk extensions of any length.
static int count_head(struct pt_request_parser *parser, size_t length)
{
    parser->head_bytes += length;
    parser->budget->head_bytes += length;
    return parser->head_bytes > PT_LIMIT_REQUEST_HEADER_BYTES ? refuse(parser, 431) : 0;
}

static int append(struct pt_request_parser *parser, const char *at, size_t length)
{
    if (count_head(parser, length) != 0)
        return HPE_USER;
    return pt_buffer_append(&parser->request->text, at, length) < 0 ? refuse(parser, 503) : 0;
}

static int end_text(struct pt_request_parser *parser)
{
    return pt_buffer_append(&parser->request->text, "", 1) < 0 ? refuse(parser, 503) : 0;
}

static int on_url(llhttp_t *http, const char *at, size_t length)
{
    return append(http->data, at, length);
}

static int on_url_complete(llhttp_t *http)
{
    return end_text(http->data);
}

static int on_header_field(llhttp_t *http, const char *at, size_t length)
{
    struct pt_request_parser *parser = http->data;
    struct pt_request *request = parser->request;
    if (parser->headers_done)
        return count_head(parser, length); // a trailer
    if (!parser->in_header) {
        if (request->header_count == PT_REQUEST_MAX_HEADERS)
            return refuse(parser, 431);
        request->headers[request->header_count++].name = (uint32_t)request->text.length;
        parser->in_header = true;
    }
    return append(parser, at, length);
}

static int on_header_field_complete(llhttp_t *http)
{
    struct pt_request_parser *parser = http->data;
    struct pt_request *request = parser->request;
    if (parser->headers_done)
        return 0;
    if (end_text(parser) != 0)
        return HPE_USER;
    pt_request_end_name(request);
    return 0;
}

static int on_header_value(llhttp_t *http, const char *at, size_t length)
{
    struct pt_request_parser *parser = http->data;
    return parser->headers_done ? count_head(parser, length) : append(parser, at, length);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int on_header_value_complete(llhttp_t *http)
{
    struct pt_request_parser *parser = http->data;
    struct pt_request *request = parser->request;
    if (parser->headers_done)
        return 0;
    struct pt_buffer *text = &request->text;
    size_t begin = request->headers[request->header_count - 1].value;
    while (text->length > begin && is_blank(text->data[text->length - 1]))
        text->length--;
    parser->in_header = false;
    return end_text(parser);
}

// A chunk is refused when its size has come, as a body is by its length.
static int on_chunk_header(llhttp_t *http)
{
    struct pt_request_parser *parser = http->data;
    size_t left = PT_LIMIT_REPORT_BYTES - parser->request->gathered.length;
    return http->content_length > left ? refuse(parser, 413) : 0;
}

static int on_chunk_extension(llhttp_t *http, const char *at, size_t length)
{
    (void)at;
    return count_head(http->data, length);
}

static enum pt_http_method method_of(const llhttp_t *http)
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

// Where the authority of a target in absolute form begins; NULL: it has another form.
static char *find_authority(char *target)
{
    char *scheme_end = target;
    while (isalnum((unsigned char)*scheme_end))
        scheme_end++;
    bool is_absolute = scheme_end > target && strncmp(scheme_end, "://", 3) == 0;
    return is_absolute ? scheme_end + 3 : NULL;
}

// Splits the target in place: what is before its path is put aside.
static void split_target(struct pt_request *request)
{
    char *authority = find_authority(request->text.data);
    char *path = authority ? strpbrk(authority, "/?") : request->text.data;
    char *query = path ? strchr(path, '?') : NULL;
    if (query) {
        *query = '\0';
        request->query = query + 1;
    }
    request->path = path && *path ? path : "/";
}

// A name or an address, maybe with a port (https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2).
// A comma, which a name may hold, joins two of them.
static bool is_host(const char *host)
{
    const char *end = host;
    bool is_bracketed = *host == '[';
    while (isalnum((unsigned char)*end) || (*end && strchr("-._~%!$&'()*+;=", *end)) ||
           (is_bracketed && (end == host || *end == ':')))
        end++;
    if (is_bracketed && *end++ != ']')
        return false;
    if (*end == ':')
        end += 1 + strspn(end + 1, "0123456789");
    return *end == '\0';
}

// https://www.rfc-editor.org/rfc/rfc9112#section-3.2: one Host in HTTP/1.1, no second one ever.
static bool has_good_host(const struct pt_request *request)
{
    size_t count = pt_request_count_headers(request, "Host");
    if (count != 1)
        return count == 0 && request->http_1_0;
    return is_host(pt_request_header(request, "Host"));
}

// A target in absolute form names the host that Host names: a proxy in front may go by either.
static bool has_good_target(const struct pt_request *request)
{
    const char *target = request->text.data;
    const char *host = pt_request_header(request, "Host");
    const char *authority = find_authority(request->text.data);
    if (!authority)
        return true;
    size_t length = strcspn(authority, "/?");
    size_t scheme = (size_t)(authority - target);
    bool is_http = (scheme == strlen("http://") && strncasecmp(target, "http", 4) == 0) ||
                   (scheme == strlen("https://") && strncasecmp(target, "https", 5) == 0);
    return is_http && length > 0 &&
           (!host || (strlen(host) == length && strncasecmp(authority, host, length) == 0));
}

// Only `chunked` alone, and only where it exists: whoever reads another coding differently finds
// another end of the body (https://www.rfc-editor.org/rfc/rfc9112#section-6.1).
static bool has_good_coding(const struct pt_request *request)
{
    size_t count = pt_request_count_headers(request, "Transfer-Encoding");
    return count == 0 ||
           (count == 1 && !request->http_1_0 &&
            strcasecmp(pt_request_header(request, "Transfer-Encoding"), "chunked") == 0);
}

static bool has_room_for(const struct pt_request_parser *parser, size_t body_bytes)
{
    struct pt_request_budget *budget = parser->budget;
    if (budget->body_bytes + body_bytes <= PT_LIMIT_BODIES_BYTES &&
        (!budget->memory || pt_memory_share_has_room(budget->memory, (int64_t)body_bytes)))
        return true;
    budget->refused_bodies++;
    if (budget->memory)
        pt_memory_share_note_refusal(budget->memory);
    return false;
}

// What is wrong with a head that the library has taken, as a status; 0: nothing.
static int judge_head(const struct pt_request_parser *parser)
{
    const struct pt_request *request = parser->request;
    const char *expected = pt_request_header(request, "Expect");
    if (parser->http.http_major != 1)
        return 505;
    if (!has_good_host(request) || !has_good_target(request) || !has_good_coding(request))
        return 400;
    if (parser->body_length > PT_LIMIT_REPORT_BYTES)
        return 413;
    if (!has_room_for(parser, parser->body_length))
        return 503;
    return expected && strcasecmp(expected, "100-continue") != 0 ? 417 : 0;
}

static int on_headers_complete(llhttp_t *http)
{
    struct pt_request_parser *parser = http->data;
    struct pt_request *request = parser->request;
    parser->headers_done = true;
    parser->body_length = http->content_length;
    http->upgrade = 0; // nothing else is spoken here
    request->method = method_of(http);
    request->http_1_0 = http->http_minor == 0;
    request->keeps_alive = llhttp_should_keep_alive(http) && http->method != HTTP_CONNECT;
    split_target(request);
    int refusal = judge_head(parser);
    if (refusal)
        return refuse(parser, refusal);
    bool has_body = parser->body_length > 0 || http->flags & F_CHUNKED;
    parser->continue_wanted =
        has_body && !request->http_1_0 && pt_request_header(request, "Expect");
    return has_body ? HPE_PAUSED : 0;
}

// -EMSGSIZE: it is too long; -ENOMEM: also when bodies have no room.
static int gather(struct pt_request_parser *parser, const char *data, size_t length)
{
    struct pt_request *request = parser->request;
    if (!has_room_for(parser, length))
        return -ENOMEM;
    if (pt_buffer_append(&request->gathered, data, length) < 0)
        return request->gathered.failure;
    parser->budget->body_bytes += length;
    request->body = request->gathered.data;
    request->body_length = request->gathered.length;
    return 0;
}

static int on_body(llhttp_t *http, const char *at, size_t length)
{
    struct pt_request_parser *parser = http->data;
    struct pt_request *request = parser->request;
    if (length == parser->body_length) {
        request->body = at;
        request->body_length = length;
        return 0;
    }
    int r = gather(parser, at, length);
    return r < 0 ? refuse(parser, r == -EMSGSIZE ? 413 : 503) : 0;
}

static int on_message_complete(llhttp_t *http)
{
    struct pt_request_parser *parser = http->data;
    parser->is_whole = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_chunk_header = on_chunk_header,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void pt_request_parser_init(struct pt_request_parser *parser, struct pt_request_budget *budget)
{
    *parser = (struct pt_request_parser){.budget = budget};
}

void pt_request_parser_clear(struct pt_request_parser *parser)
{
    struct pt_request_budget *budget = parser->budget;
    size_t body_bytes = parser->request ? parser->request->gathered.length : 0;
    budget->body_bytes -= body_bytes;
    budget->head_bytes -= parser->head_bytes;
    if (parser->request && !budget->spare) {
        pt_request_clear(parser->request);
        budget->spare = parser->request;
    } else {
        pt_request_free(parser->request);
    }
    parser->request = NULL;
    count(parser);
    pt_request_parser_init(parser, budget);
}

void pt_request_budget_finish(struct pt_request_budget *budget)
{
    pt_request_free(budget->spare);
    budget->spare = NULL;
}

void pt_request_parser_forget_head(struct pt_request_parser *parser)
{
    struct pt_request *request = parser->request;
    parser->budget->head_bytes -= parser->head_bytes;
    parser->head_bytes = 0;
    pt_buffer_finish(&request->text);
    count(parser);
    request->header_count = 0;
    request->path = "";
    request->query = NULL;
}

int pt_request_parser_keep_body(struct pt_request_parser *parser)
{
    const struct pt_request *request = parser->request;
    if (request->body == request->gathered.data)
        return 0;
    int r = gather(parser, request->body, request->body_length);
    count(parser);
    return r;
}

void pt_request_parser_begin(struct pt_request_parser *parser)
{
    llhttp_init(&parser->http, HTTP_REQUEST, &settings);
    parser->http.data = parser;
    parser->request = parser->budget->spare ? parser->budget->spare : pt_request_new();
    parser->budget->spare = NULL;
}

// Steps over one byte of the first line; false: it cannot stand there.
static bool step(struct pt_request_parser *parser, char c)
{
    static const char protocol[] = "HTTP/";
    bool is_end = c == '\r' || c == '\n'; // which the library judges
    switch (parser->line) {
    case PT_LINE_NONE:
        parser->line = c == '\r' ? PT_LINE_EMPTY : PT_LINE_METHOD;
        return c != '\n' && (c != '\r' || count_head(parser, 2) == 0);
    case PT_LINE_EMPTY:
        parser->line = PT_LINE_NONE;
        return c == '\n';
    case PT_LINE_METHOD:
        parser->line = c == ' ' ? PT_LINE_BEGUN : is_end ? PT_LINE_READ : PT_LINE_METHOD;
        return true;
    case PT_LINE_BEGUN:
    case PT_LINE_TARGET:
        if (c == ' ' && parser->line == PT_LINE_BEGUN)
            return false;
        parser->line = c == ' ' ? PT_LINE_PROTOCOL : is_end ? PT_LINE_READ : PT_LINE_TARGET;
        return c != '#';
    case PT_LINE_PROTOCOL:
        if (c != protocol[parser->protocol_length++])
            return false;
        if (parser->protocol_length == strlen(protocol))
            parser->line = PT_LINE_READ;
        return true;
    case PT_LINE_READ:
        break;
    }
    return true;
}

// The library takes lone CRs and LFs before the first line, several spaces where there is one,
// fragments, and protocols that are not HTTP (https://www.rfc-editor.org/rfc/rfc9112#section-3).
static int check_line(struct pt_request_parser *parser, const char *data, size_t length)
{
    for (size_t i = 0; i < length && parser->line != PT_LINE_READ; i++) {
        if (!step(parser, data[i]))
            return refuse(parser, parser->refusal ? parser->refusal : 400);
    }
    return 0;
}

// The status for what the library has not taken.
static int status_of(llhttp_errno_t error)
{
    return error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE ? 505 : 400;
}

enum pt_parse_result pt_request_parser_feed(struct pt_request_parser *parser, const char *data,
                                            size_t length, size_t *ret_used)
{
    *ret_used = 0;
    if (!parser->request)
        pt_request_parser_begin(parser);
    if (!parser->request) {
        parser->refusal = 503;
        return PT_PARSE_REFUSED;
    }
    if (check_line(parser, data, length) != 0)
        return PT_PARSE_REFUSED;
    if (parser->headers_done && llhttp_get_errno(&parser->http) == HPE_PAUSED)
        llhttp_resume(&parser->http);
    llhttp_errno_t error = llhttp_execute(&parser->http, data, length);
    count(parser);
    if (error == HPE_OK) {
        *ret_used = length;
        return PT_PARSE_MORE;
    }
    if (error == HPE_PAUSED) {
        *ret_used = (size_t)(llhttp_get_error_pos(&parser->http) - data);
        return parser->is_whole ? PT_PARSE_WHOLE : PT_PARSE_HEAD;
    }
    if (!parser->refusal)
        parser->refusal = status_of(error);
    return PT_PARSE_REFUSED;
}
