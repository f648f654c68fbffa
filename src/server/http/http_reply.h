// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_REPLY_H
#define PT_SERVER_HTTP_HTTP_REPLY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct pt_request;

// Why a request is not answered as was asked. Each has a status and a code that stays the same, by
// which programs know it from others (https://www.rfc-editor.org/rfc/rfc9457).
enum pt_problem {
    // --- of HTTP ---
    PT_PROBLEM_MALFORMED,
    PT_PROBLEM_METHOD,
    PT_PROBLEM_BODY_TOO_LARGE,
    PT_PROBLEM_BODY_NOT_TAKEN,
    PT_PROBLEM_EXPECTATION,
    PT_PROBLEM_HEADERS_TOO_LARGE,
    PT_PROBLEM_HTTP_VERSION,
    PT_PROBLEM_HTTPS_ONLY,
    PT_PROBLEM_HOST,
    // --- of what is asked for ---
    PT_PROBLEM_NOT_FOUND,
    PT_PROBLEM_NO_SUCH_PULL,
    PT_PROBLEM_NO_SUCH_POD,
    PT_PROBLEM_PARAMETER,
    PT_PROBLEM_UNKNOWN_PARAMETER,
    // --- of reports ---
    PT_PROBLEM_REPORT_ADDRESS,
    PT_PROBLEM_REPORT_TOKEN,
    PT_PROBLEM_REPORT_TOKEN_UNCHECKED,
    PT_PROBLEM_REPORT_NODE,
    PT_PROBLEM_REPORT_ORIGIN,
    PT_PROBLEM_REPORT_TYPE,
    PT_PROBLEM_REPORT_INVALID,
    PT_PROBLEM_REPORT_TOO_LARGE,
    PT_PROBLEM_REPORT_TOO_SOON,
    PT_PROBLEM_NODE_LIMIT,
    PT_PROBLEM_PULL_LIMIT,
    PT_PROBLEM_NODE_PULL_LIMIT,
    PT_PROBLEM_STORE_MEMORY,
    PT_PROBLEM_NODE_MEMORY,
    PT_PROBLEM_NOT_SHARED,
    // --- of the server ---
    PT_PROBLEM_SHUTTING_DOWN,
    PT_PROBLEM_NOT_READY,
    PT_PROBLEM_CONNECTION_LIMIT,
    PT_PROBLEM_READING_LIMIT,
    PT_PROBLEM_ANSWER_LIMIT,
    PT_PROBLEM_STREAM_LIMIT,
    PT_PROBLEM_OUT_OF_MEMORY,
    PT_PROBLEM_COUNT,
};

// Each of these answers the request, which is gone when it returns. When there is no memory for all
// of the answer the connection is cut.

// Answers with `length` bytes of the type, and no body to a HEAD request.
void pt_reply(struct pt_request *request, int status, const char *content_type, const void *body,
              size_t length);

// Answers a HEAD request 200, where the length of what a GET brings is not known.
void pt_reply_head(struct pt_request *request, const char *content_type);

// Answers 200 with bytes that stay as long as the program runs; they are not copied.
void pt_reply_static(struct pt_request *request, const char *content_type, const void *body,
                     size_t length);

// Answers 200 with an empty object, and with what is asked of the agent. As this goes out for every
// report, it is text that is ready and not put together header by header, unless the connection
// needs a word of its own.
void pt_reply_taken(struct pt_request *request);

// Any answer, in a later turn of the loop, to a request whose body is needed no more. on_closed:
// the client is gone before that.
void pt_reply_later(struct pt_request *request, void (*on_closed)(void *context), void *context);

// Answers 304: what the client has is still good.
void pt_reply_not_modified(struct pt_request *request);

// Answers with the problem and words on it, as JSON. retry_after_s > 0 adds that header.
void pt_reply_error(struct pt_request *request, enum pt_problem problem, int retry_after_s,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

// Answers 405 with the methods that are allowed, as in "GET, HEAD".
void pt_reply_method_not_allowed(struct pt_request *request, const char *allowed);

// Answers what could not be read as a request, with the parser's status.
void pt_reply_refusal(struct pt_request *request, int status);

// Begins an answer whose body is sent later; `chunked`: in HTTP's chunked coding, else up to the
// end of the connection. The request stays. False when out of memory: half of it may be there.
PT_MUST_CHECK bool pt_reply_begin(struct pt_request *request, const char *content_type,
                                  bool chunked);

#endif
