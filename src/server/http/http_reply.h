// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_REPLY_H
#define PT_SERVER_HTTP_HTTP_REPLY_H

#include <stddef.h>

struct evbuffer;
struct evhttp_request;

// Adds the headers that every answer carries.
void pt_reply_add_security_headers(struct evhttp_request *request);

// Answers with `length` bytes of the type, and no body to a HEAD request.
void pt_reply(struct evhttp_request *request, int status, const char *content_type,
              const void *body, size_t length);

// Answers 200 with an empty object. As this goes out for every report, it is text that is ready and
// not put together header by header, unless the connection needs a word of its own.
void pt_reply_taken(struct evhttp_request *request);

// Answers {"error":"…"}. retry_after_s > 0 adds that header.
void pt_reply_error(struct evhttp_request *request, int status, int retry_after_s,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

// Answers 405 with the methods that are allowed, as in "GET, HEAD".
void pt_reply_method_not_allowed(struct evhttp_request *request, const char *allowed);

// Appends a whole answer that closes the connection, in place of one that evhttp began by itself
// with this status.
void pt_reply_add_own_error(struct evbuffer *output, int status);

#endif
