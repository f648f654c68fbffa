// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_REQUEST_PARSER_H
#define PT_SERVER_HTTP_REQUEST_PARSER_H

#include "server/http/http_request.h"

#include <http_parser.h>

// Reads requests of HTTP/1.0 and 1.1 (https://www.rfc-editor.org/rfc/rfc9112), one at a time, from
// bytes that come in pieces of any size. The limits on header, body and their number are kept here.
struct pt_request_parser {
    struct http_parser http;
    struct pt_request *request; // NULL: none has begun
    bool in_value;
    bool headers_done;
    bool continue_wanted; // the client waits to be told before it sends the body
    int refusal;
};

enum pt_parse_result {
    PT_PARSE_MORE,    // the request is not whole yet
    PT_PARSE_WHOLE,   // it is, and stays here until the parser is cleared
    PT_PARSE_REFUSED, // `refusal` is the status that says why; the rest cannot be understood
};

void pt_request_parser_init(struct pt_request_parser *parser);

// Frees the request; the next one may be fed.
void pt_request_parser_clear(struct pt_request_parser *parser);

// Begins a request, of which nothing is known yet; there is still none when out of memory.
void pt_request_parser_begin(struct pt_request_parser *parser);

// Reads up to the end of one request, which it begins if need be, and tells in *ret_used how many
// bytes that took. The body may be part of `data`.
enum pt_parse_result pt_request_parser_feed(struct pt_request_parser *parser, const char *data,
                                            size_t length, size_t *ret_used);

#endif
