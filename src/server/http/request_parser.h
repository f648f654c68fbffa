// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_REQUEST_PARSER_H
#define PT_SERVER_HTTP_REQUEST_PARSER_H

#include "base/memory_share.h"
#include "server/http/http_request.h"

#include <llhttp.h>

// What the requests of many connections take that are not answered yet.
struct pt_request_budget {
    struct pt_memory_share *memory; // that both are part of; NULL: no more than the limits below
    int64_t bytes;                  // of the memory that all requests take
    size_t head_bytes;              // kept bounded by who has the connections
    size_t body_bytes; // at most PT_LIMIT_BODIES_BYTES: a body beyond is refused with 503
    uint64_t refused_bodies;
    struct pt_request *spare; // of the last one that was answered, for the next; NULL: none
};

// How far the first line of a request has been read.
enum pt_request_line {
    PT_LINE_NONE,     // it has not begun; an empty one may come before it
    PT_LINE_EMPTY,    // that one has begun
    PT_LINE_METHOD,   // the method has
    PT_LINE_BEGUN,    // its space has come
    PT_LINE_TARGET,   // the target has begun
    PT_LINE_PROTOCOL, // its space has come
    PT_LINE_READ,     // as far as it is looked at
};

// Reads requests of HTTP/1.0 and 1.1 (https://www.rfc-editor.org/rfc/rfc9112), one at a time, from
// bytes that come in pieces of any size. The limits on header, body and their number are kept here.
// What the RFC lets a server take although it is malformed is refused: a proxy in front may have
// read it otherwise.
struct pt_request_parser {
    llhttp_t http;
    struct pt_request_budget *budget;
    struct pt_request *request; // NULL: none has begun
    size_t head_bytes;          // of target, header names and values, also behind the body
    int64_t counted_bytes;      // of the budget's memory
    uint64_t body_length;       // as the header says; 0 for a body in chunks
    enum pt_request_line line;
    unsigned protocol_length; // of "HTTP/", so much has come
    bool in_header;           // between the first byte of a name and the end of its value
    bool headers_done;
    bool is_whole;
    bool continue_wanted; // the client waits for "100 Continue" before it sends the body
    int refusal;
};

enum pt_parse_result {
    PT_PARSE_MORE,    // the request is not whole yet
    PT_PARSE_HEAD,    // its head is, and a body follows: once for each request that has one
    PT_PARSE_WHOLE,   // it is, and stays here until the parser is cleared
    PT_PARSE_REFUSED, // `refusal` is the status that says why; the rest cannot be understood
};

// Frees what the budget keeps; it may be used again.
void pt_request_budget_finish(struct pt_request_budget *budget);

// The budget outlives the parser.
void pt_request_parser_init(struct pt_request_parser *parser, struct pt_request_budget *budget);

// Frees the request; the next one may be fed.
void pt_request_parser_clear(struct pt_request_parser *parser);

// Lets go of the request's target and headers: an answer that takes its time needs them no more.
void pt_request_parser_forget_head(struct pt_request_parser *parser);

// Copies the body of a whole request if it stands in the data that was fed, so that it stays with
// the request. -ENOMEM, also when bodies have no room, which is counted.
PT_MUST_CHECK int pt_request_parser_keep_body(struct pt_request_parser *parser);

// Begins a request, of which nothing is known yet; there is still none when out of memory.
void pt_request_parser_begin(struct pt_request_parser *parser);

// Reads up to the end of one request, which it begins if need be, or of its head, and sets
// *ret_used to how many bytes that took. The body may be part of `data`.
enum pt_parse_result pt_request_parser_feed(struct pt_request_parser *parser, const char *data,
                                            size_t length, size_t *ret_used);

#endif
