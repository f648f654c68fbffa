// SPDX-License-Identifier: Apache-2.0
#include "kube/event_watch.h"

#include <errno.h>
#include <stdlib.h>

// A selector takes one reason, but may exclude many: what else a pod's life writes stays away, and
// one watch does instead of five.
#define SELECTOR                                                                                   \
    "involvedObject.kind=Pod,reason!=Scheduled,reason!=Created,reason!=Started,reason!=Killing,"   \
    "reason!=Unhealthy,reason!=FailedScheduling,reason!=Preempted"

struct pt_event_watch {
    struct pt_kube_watch *watch;
    struct pt_event_watch_handler handler;
    bool is_listing;
};

// Events are news, not a set: nothing is gone because a list lacks it.
static void on_list_begin(void *context)
{
    struct pt_event_watch *watch = context;
    watch->is_listing = true;
}

static void on_list_end(void *context)
{
    struct pt_event_watch *watch = context;
    watch->is_listing = false;
    if (watch->handler.on_listed)
        watch->handler.on_listed(watch->handler.context);
}

static int on_object(void *context, enum pt_kube_change change, yyjson_val *object)
{
    struct pt_event_watch *watch = context;
    struct pt_kube_event event;
    // Events are deleted when they are old; nothing happened then.
    if (change == PT_KUBE_DELETED)
        return 0;
    int r = pt_kube_event_decode(object, &event);
    event.is_listed = watch->is_listing;
    if (r == 0 && event.message.word != PT_KUBELET_OTHER)
        watch->handler.on_event(watch->handler.context, &event);
    return r;
}

int pt_event_watch_create(const struct pt_kube_client *client, const char *name_space,
                          const struct pt_event_watch_handler *handler,
                          struct pt_event_watch **ret_watch, struct pt_error *err)
{
    struct pt_event_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return pt_error_set(err, ENOMEM, "out of memory");
    struct pt_kube_watch_handler own = {.on_list_begin = on_list_begin,
                                        .on_object = on_object,
                                        .on_list_end = on_list_end,
                                        .context = watch};
    watch->handler = *handler;
    int r = pt_kube_watch_create(client, "events", name_space, SELECTOR, &own, &watch->watch, err);
    if (r < 0) {
        pt_event_watch_destroy(watch);
        return r;
    }
    *ret_watch = watch;
    return 0;
}

void pt_event_watch_destroy(struct pt_event_watch *watch)
{
    if (!watch)
        return;
    pt_kube_watch_destroy(watch->watch);
    free(watch);
}

const struct pt_kube_watch_state *pt_event_watch_state(const struct pt_event_watch *watch)
{
    return pt_kube_watch_state(watch->watch);
}
