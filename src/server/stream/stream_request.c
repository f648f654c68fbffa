// SPDX-License-Identifier: Apache-2.0
#include "server/stream/event_stream.h"

#include <errno.h>
#include <string.h>

int pt_stream_request_read(const struct pt_query *query, struct pt_stream_request *ret_request,
                           struct pt_error *err)
{
    struct pt_stream_request request = {0};
    int r = pt_pull_filter_read(query, &request.filter, err);
    if (r == 0)
        r = pt_query_get_bool(query, "layers", true, &request.layers, err);
    if (r == 0)
        r = pt_query_get_bool(query, "hello", false, &request.hello, err);
    if (r < 0)
        return r;
    const char *last_event_id = pt_query_get(query, "lastEventId");
    if (last_event_id)
        pt_stream_request_go_on_behind(&request, last_event_id);
    const char *types = pt_query_get(query, "types");
    if (!types)
        types = "pull";
    request.pull_events = strcmp(types, "layer") != 0;
    request.layer_events = strcmp(types, "pull") != 0;
    if (request.pull_events && request.layer_events && strcmp(types, "pull,layer") != 0 &&
        strcmp(types, "layer,pull") != 0)
        return pt_error_set(err, EINVAL, "types: must be pull, layer or pull,layer");
    *ret_request = request;
    return 0;
}

void pt_stream_request_go_on_behind(struct pt_stream_request *request, const char *id)
{
    size_t length = strlen(id);
    if (length >= sizeof(request->last_event_id))
        length = 0;
    memcpy(request->last_event_id, id, length);
    request->last_event_id[length] = '\0';
}
