// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"
#include "server/api/pull_list.h"
#include "server/stream/event_stream.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Every reader of queries: what is accepted is valid text and keeps to its bounds.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[PT_QUERY_MAX_BYTES + 2];
    struct pt_query query;
    struct pt_pull_list_request list;
    struct pt_stream_request stream;
    size = size < sizeof(text) ? size : sizeof(text) - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    if (pt_query_parse(text, &query, NULL) < 0)
        return 0;
    assert(query.count <= PT_QUERY_MAX_PARAMETERS);
    for (size_t i = 0; i < query.count; i++) {
        assert(pt_utf8_is_valid(query.parameters[i].name));
        assert(pt_utf8_is_valid(query.parameters[i].value));
    }
    if (pt_pull_list_request_read(&query, &list, NULL) == 0)
        assert(list.limit <= PT_PULL_LIST_MAX_LIMIT);
    if (pt_stream_request_read(&query, &stream, NULL) == 0)
        assert(stream.pull_events || stream.layer_events);
    return 0;
}
