// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_POD_WATCH_H
#define PT_KUBE_POD_WATCH_H

#include "base/error.h"
#include "kube/kube_client.h"
#include "kube/kube_object.h"
#include "kube/kube_watch.h"

// Follows the pods of a namespace that wait on a node for images. Remembers which pods it has
// emitted and nothing else of them, and nothing at all of the other pods.
struct pt_pod_watch;

enum pt_pod_end {
    PT_POD_STARTED, // nothing waits in it any more
    PT_POD_DELETED, // deleted, evicted or moved
    PT_POD_LOST,    // it has left the waiting pods: one of the two
};

struct pt_pod_watch_handler {
    // The pod waits, or waits otherwise than before; borrowed for the call.
    void (*on_waiting)(void *context, const struct pt_kube_pod *pod);
    // It waits no more. Called once for each pod that on_waiting was called for.
    void (*on_end)(void *context, const char *pod_uid, enum pt_pod_end end);
    void (*on_listed)(void *context); // on_waiting was called for all; may be NULL
    void *context;
};

// `name_space` NULL: all. The client is borrowed.
PT_MUST_CHECK int pt_pod_watch_create(const struct pt_kube_client *client, const char *name_space,
                                      const struct pt_pod_watch_handler *handler,
                                      struct pt_pod_watch **ret_watch, struct pt_error *err);
void pt_pod_watch_destroy(struct pt_pod_watch *watch);

// How often a pod was passed over since PT_LIMIT_WAITING_PODS others wait.
uint64_t pt_pod_watch_left_out(const struct pt_pod_watch *watch);

const struct pt_kube_watch_state *pt_pod_watch_state(const struct pt_pod_watch *watch);

#endif
