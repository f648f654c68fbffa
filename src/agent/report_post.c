// SPDX-License-Identifier: Apache-2.0
#include "agent/report_post.h"

#include "base/http_client.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 10000

int pt_report_post_start(const struct pt_report_post *post, struct pt_http_request **ret_request,
                         struct pt_error *err)
{
    char content_type[64];
    char authorization[PT_LIMIT_TOKEN_BYTES + 32];
    snprintf(content_type, sizeof(content_type), "Content-Type: %s", post->content_type);
    const char *headers[] = {content_type, "Expect:", NULL, NULL};
    if (post->token[0]) {
        snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", post->token);
        headers[2] = authorization;
    }
    const struct pt_http_options options = {
        .method = "POST",
        .url = post->url,
        .headers = headers,
        .body = post->body,
        .body_length = post->body_length,
        .ca_file = post->ca_file[0] ? post->ca_file : NULL,
        .timeout_ms = TIMEOUT_MS,
        .max_response_bytes = post->max_answer_bytes,
        .on_header = post->on_header,
        .on_data = post->on_data,
        .on_done = post->on_done,
        .context = post->context,
    };
    int r = pt_http_client_start(post->http, &options, ret_request, err);
    explicit_bzero(authorization, sizeof(authorization));
    return r;
}
