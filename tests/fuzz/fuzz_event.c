// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "event_reader.h"
#include "source.h"

#include <assert.h>

#define MOST_BYTES (8 * PT_LIMIT_REPORT_BYTES)

static int write_event(struct read_event *event, struct pt_buffer *out)
{
    event->pull.node_name = event->head.node_name; // stands in both on the wire
    if (!event_is_of_layer(event->type))
        return pt_pull_event_encode(event->type, event->head.timestamp, &event->pull, true, out);
    struct pt_pull_status of = pt_pull_status_make(&event->pull.pull);
    struct pt_layer layer = event->layer.layer;
    const struct pt_layer_rate rate = {event->layer.bytes_per_second};
    of.id = event->layer.pull_id;
    of.node_name = event->head.node_name;
    of.pull.layers = &layer;
    of.pull.layer_count = 1;
    of.layer_rates = &rate;
    return pt_layer_event_encode(event->type, event->head.timestamp, &of, 0, out);
}

// What a server sends its readers, as a program that follows it reads it: what is accepted can be
// written, and what was written is accepted.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct read_event event, again;
    struct pt_buffer text;
    if (status_decode((const char *)data, size, &event, NULL) == 0)
        event_finish(&event);
    if (event_decode((const char *)data, size, &event, NULL) < 0)
        return 0;
    assert(event.type < EVENT_TYPE_COUNT);
    pt_buffer_init(&text, MOST_BYTES);
    int r = write_event(&event, &text);
    assert(r == 0);
    if (text.length <= PT_LIMIT_REPORT_BYTES &&
        event_decode(text.data, text.length, &again, NULL) == 0) {
        assert(again.type == event.type && !again.head.node_name == !event.head.node_name);
        assert(again.head.timestamp / 1000000 == event.head.timestamp / 1000000);
        event_finish(&again);
    }
    event_finish(&event);
    pt_buffer_finish(&text);
    return 0;
}
