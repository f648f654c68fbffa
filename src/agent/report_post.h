// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_REPORT_POST_H
#define PT_AGENT_REPORT_POST_H

#include "base/error.h"

#include <stddef.h>

struct pt_http_client;
struct pt_http_request;
struct pt_http_result;

#define PT_REPORT_PATH "/api/v1/report"

// A report on its way to the server. Everything is borrowed for the call, but http and context.
struct pt_report_post {
    struct pt_http_client *http;
    const char *url;     // with PT_REPORT_PATH
    const char *ca_file; // "": the system's
    const char *token;   // "": none
    const char *content_type;
    const void *body; // of body_length bytes, copied
    size_t body_length;
    size_t max_answer_bytes;                                               // 0: no limit
    void (*on_header)(void *context, const char *name, const char *value); // may be NULL
    int (*on_data)(void *context, const char *data, size_t length);
    void (*on_done)(void *context, const struct pt_http_result *result);
    void *context;
};

// As pt_http_client_start, with 10 s for all of it. The copy of the token that it makes is wiped.
PT_MUST_CHECK int pt_report_post_start(const struct pt_report_post *post,
                                       struct pt_http_request **ret_request, struct pt_error *err);

#endif
