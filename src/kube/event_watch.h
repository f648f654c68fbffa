// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_EVENT_WATCH_H
#define PT_KUBE_EVENT_WATCH_H

#include "base/error.h"
#include "kube/kube_client.h"
#include "kube/kube_object.h"
#include "kube/kube_watch.h"

// Follows the kubelet's events about images in a namespace. Remembers none of them.
struct pt_event_watch;

struct pt_event_watch_handler {
    // An event was written or has occurred again; the same one may come several times, and
    // events may come in any order. Borrowed for the call.
    void (*on_event)(void *context, const struct pt_kube_event *event);
    // A whole list has been reported; may be NULL.
    void (*on_listed)(void *context);
    void *context;
};

// `name_space` NULL: all. The client is borrowed.
PT_MUST_CHECK int pt_event_watch_create(const struct pt_kube_client *client, const char *name_space,
                                        const struct pt_event_watch_handler *handler,
                                        struct pt_event_watch **ret_watch, struct pt_error *err);
void pt_event_watch_destroy(struct pt_event_watch *watch);

const struct pt_kube_watch_state *pt_event_watch_state(const struct pt_event_watch *watch);

#endif
