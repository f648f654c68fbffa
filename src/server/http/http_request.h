// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_REQUEST_H
#define PT_SERVER_HTTP_HTTP_REQUEST_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PT_REQUEST_MAX_HEADERS 64
#define PT_REQUEST_ADMISSION_SIZE 48

struct pt_http_connection;

enum pt_http_method {
    PT_HTTP_GET = 1,
    PT_HTTP_HEAD = 2,
    PT_HTTP_POST = 4,
    PT_HTTP_OTHER = 8,
};

// A request that has been read whole. All texts are its own and end with it, as does the body,
// which may also end as soon as the handler has returned.
struct pt_request {
    enum pt_http_method method;
    bool http_1_0;
    bool keeps_alive;  // the connection may serve another request after this one
    const char *path;  // as it came, with its escapes
    const char *query; // NULL: none
    const char *body;
    size_t body_length;
    bool body_left_out; // it has one, which is not wanted
    bool is_admitted;   // wants_body has found that its head is in order
    bool is_refused;    // wants_body has found what on_request, called at once, is to answer
    char admission[PT_REQUEST_ADMISSION_SIZE]; // what it then noted for on_request
    bool is_extra;   // its connection is one too many: only a probe is answered
    int heartbeat_s; // what the answer to a report asks of its agent, below 100; 0: nothing
    struct pt_http_connection *connection; // which it came by
    struct pt_buffer reply_headers;        // lines for the answer

    // --- of the parser ---
    struct pt_buffer text; // the target, then each header's name and value, all with a NUL behind
    struct pt_buffer gathered; // a body that came in pieces
    size_t header_count;
    uint32_t initials; // of the headers' names: the bit of each letter that one begins with
    struct {
        uint32_t name, value; // where they begin in the text
    } headers[PT_REQUEST_MAX_HEADERS];
};

struct pt_request *pt_request_new(void);
void pt_request_free(struct pt_request *request);

// As new, except that the memory of its texts stays if it is that of a usual request.
void pt_request_clear(struct pt_request *request);

// The name of the newest header is whole; its value begins behind it.
void pt_request_end_name(struct pt_request *request);

// The value of the first header of that name in any case, NULL if there is none.
const char *pt_request_header(const struct pt_request *request, const char *name);

size_t pt_request_count_headers(const struct pt_request *request, const char *name);

// Adds a header to the answer, which has not begun yet.
void pt_request_add_reply_header(struct pt_request *request, const char *name, const char *value);

#endif
