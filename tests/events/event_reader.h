// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_EVENTS_EVENT_READER_H
#define PT_TESTS_EVENTS_EVENT_READER_H

#include "base/error.h"
#include "pull/event.h"

#include <stdbool.h>
#include <stddef.h>

// Reads what the server sends its readers, by the rows of pull_fields.h, as a program that follows
// it does.

#define EVENT_TYPE_COUNT (PT_EVENT_LAYER_COMPLETED + 1)

struct read_event {
    struct pt_pull_event head;
    enum pt_event_type type;
    struct pt_pull_status pull;   // of a pull's event; its layers have their rates
    struct pt_layer_status layer; // of a layer's event
    void *storage;                // what all views borrow from
};

static inline bool event_is_of_layer(enum pt_event_type type)
{
    return type >= PT_EVENT_LAYER_STARTED;
}

// Reads a PullEvent, or one PullStatus into `pull` of an event that is empty otherwise. Of one that
// was sent without its layers they are NULL, and `layer_count` says how many there are. -EINVAL or
// -EMSGSIZE says which field is wrong, -ENOMEM. On success event_finish frees it.
PT_MUST_CHECK int event_decode(const char *json, size_t length, struct read_event *ret_event,
                               struct pt_error *err);
PT_MUST_CHECK int status_decode(const char *json, size_t length, struct read_event *ret_event,
                                struct pt_error *err);
void event_finish(struct read_event *event);

#endif
