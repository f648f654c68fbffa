// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_REPLY_H
#define PT_SERVER_HTTP_HTTP_REPLY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct pt_request;

// Each of these answers the request, which is gone when it returns. When there is no memory for all
// of the answer the connection is cut.

// Answers with `length` bytes of the type, and no body to a HEAD request.
void pt_reply(struct pt_request *request, int status, const char *content_type, const void *body,
              size_t length);

// Answers 200 with bytes that stay as long as the program runs; they are not copied.
void pt_reply_static(struct pt_request *request, const char *content_type, const void *body,
                     size_t length);

// Answers 200 with an empty object. As this goes out for every report, it is text that is ready and
// not put together header by header, unless the connection needs a word of its own.
void pt_reply_taken(struct pt_request *request);

// Any answer, in a later turn of the loop, to a request whose body is needed no more. on_closed:
// the client is gone before that.
void pt_reply_later(struct pt_request *request, void (*on_closed)(void *context), void *context);

// Answers 304: what the client has is still good.
void pt_reply_not_modified(struct pt_request *request);

// Answers {"error":"…"}. retry_after_s > 0 adds that header.
void pt_reply_error(struct pt_request *request, int status, int retry_after_s, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));

// Answers 405 with the methods that are allowed, as in "GET, HEAD".
void pt_reply_method_not_allowed(struct pt_request *request, const char *allowed);

// Answers what could not be read as a request, with the parser's status.
void pt_reply_refusal(struct pt_request *request, int status);

// Begins an answer whose body is sent later; `chunked`: in HTTP's chunked coding, else up to the
// end of the connection. The request stays. False when out of memory: half of it may be there.
PT_MUST_CHECK bool pt_reply_begin(struct pt_request *request, const char *content_type,
                                  bool chunked);

#endif
