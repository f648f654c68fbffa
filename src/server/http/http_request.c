// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_request.h"

#include "base/limits.h"

#include <stdlib.h>
#include <strings.h>

#define MAX_REPLY_HEADER_BYTES 4096
#define USUAL_TEXT_BYTES 2048

// The headers are set as they come.
static void begin(struct pt_request *request)
{
    request->method = PT_HTTP_OTHER;
    request->http_1_0 = request->keeps_alive = false;
    request->path = "";
    request->query = NULL;
    request->body = "";
    request->body_length = 0;
    request->body_left_out = request->is_admitted = request->is_refused = request->is_extra = false;
    request->admission[0] = '\0';
    request->heartbeat_s = 0;
    request->connection = NULL;
    request->header_count = 0;
    request->initials = 0;
}

struct pt_request *pt_request_new(void)
{
    struct pt_request *request = malloc(sizeof(*request));
    if (!request)
        return NULL;
    pt_buffer_init(&request->reply_headers, MAX_REPLY_HEADER_BYTES);
    pt_buffer_init(&request->text, 2 * PT_LIMIT_REQUEST_HEADER_BYTES);
    pt_buffer_init(&request->gathered, PT_LIMIT_REPORT_BYTES);
    begin(request);
    return request;
}

void pt_request_free(struct pt_request *request)
{
    if (!request)
        return;
    pt_buffer_finish(&request->reply_headers);
    pt_buffer_finish(&request->text);
    pt_buffer_finish(&request->gathered);
    free(request);
}

void pt_request_clear(struct pt_request *request)
{
    pt_buffer_finish(&request->reply_headers);
    pt_buffer_finish(&request->gathered);
    if (request->text.capacity > USUAL_TEXT_BYTES)
        pt_buffer_finish(&request->text);
    else
        pt_buffer_clear(&request->text);
    begin(request);
}

static uint32_t bit_of(char letter)
{
    return UINT32_C(1) << (letter & 0x1f);
}

void pt_request_end_name(struct pt_request *request)
{
    size_t newest = request->header_count - 1;
    request->headers[newest].value = (uint32_t)request->text.length;
    request->initials |= bit_of(request->text.data[request->headers[newest].name]);
}

// Most headers differ from the one that is looked for in their first letter.
static bool is_named(const struct pt_request *request, size_t header, const char *name)
{
    const char *text = request->text.data + request->headers[header].name;
    return (*text | 0x20) == (*name | 0x20) && strcasecmp(text, name) == 0;
}

// None of the headers has a name that begins so.
static bool lacks_initial(const struct pt_request *request, const char *name)
{
    return !(request->initials & bit_of(*name));
}

const char *pt_request_header(const struct pt_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count && !lacks_initial(request, name); i++) {
        if (is_named(request, i, name))
            return request->text.data + request->headers[i].value;
    }
    return NULL;
}

size_t pt_request_count_headers(const struct pt_request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count && !lacks_initial(request, name); i++)
        count += is_named(request, i, name);
    return count;
}

void pt_request_add_reply_header(struct pt_request *request, const char *name, const char *value)
{
    pt_buffer_printf(&request->reply_headers, "%s: %s\r\n", name, value);
}
