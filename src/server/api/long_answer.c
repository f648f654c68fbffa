// SPDX-License-Identifier: Apache-2.0
#include "server/api/long_answer.h"

#include "server/http/http_reply.h"
#include "server/http/http_stream.h"

#include <stdlib.h>

#define MAX_PART_BYTES (64 * 1024 * 1024) // one part with a pull of full size
#define MAX_PENDING_BYTES (256 * 1024)
#define MAX_LONG_ANSWERS 64

struct long_answer {
    struct pt_api *api;
    struct pt_request *request;
    struct pt_long_answer_source source;
    struct pt_buffer part;
};

static void destroy(struct long_answer *answer)
{
    answer->api->long_answers--;
    answer->source.release(answer->source.context);
    pt_buffer_finish(&answer->part);
    free(answer);
}

static void on_closed(void *context)
{
    destroy(context);
}

static void on_drained(void *context)
{
    struct long_answer *answer = context;
    if (pt_http_stream_pending(answer->request) > MAX_PENDING_BYTES)
        return;
    pt_buffer_clear(&answer->part);
    int r = answer->source.write(answer->source.context, &answer->part);
    if (r < 0) {
        pt_http_stream_abort(answer->request);
        return;
    }
    pt_http_stream_send(answer->request, answer->part.data, answer->part.length);
    if (r == 0) {
        pt_http_stream_end(answer->request, pt_http_server_is_draining(answer->api->server));
        destroy(answer);
    }
}

static void begin(struct long_answer *answer)
{
    static const struct pt_http_stream_events events = {false, on_drained, on_closed};
    pt_http_stream_begin(answer->request, "application/json", &events, answer);
    pt_http_stream_send(answer->request, answer->part.data, answer->part.length);
}

void pt_long_answer(struct pt_api *api, struct pt_request *request,
                    const struct pt_long_answer_source *source)
{
    pt_request_add_reply_header(request, "Cache-Control", "no-store");
    struct long_answer *answer = calloc(1, sizeof(*answer));
    if (!answer) {
        source->release(source->context);
        pt_reply_error(request, 503, 5, "out of memory");
        return;
    }
    *answer = (struct long_answer){.api = api, .request = request, .source = *source};
    api->long_answers++;
    pt_buffer_init(&answer->part, MAX_PART_BYTES);
    int r = source->write(source->context, &answer->part);
    if (r > 0 && api->long_answers <= MAX_LONG_ANSWERS) {
        begin(answer);
        return;
    }
    if (r < 0)
        pt_reply_error(request, 503, 5, "out of memory");
    else if (r > 0)
        pt_reply_error(request, 503, 5, "too many long answers are under way");
    else
        pt_reply(request, 200, "application/json", answer->part.data, answer->part.length);
    destroy(answer);
}
