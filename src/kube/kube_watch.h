// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_KUBE_WATCH_H
#define PT_KUBE_KUBE_WATCH_H

#include "base/error.h"
#include "kube/kube_client.h"

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

// Follows one collection of objects: lists it, watches it from there, and begins again as often as
// needed
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
struct pt_kube_watch;

enum pt_kube_change {
    PT_KUBE_ADDED, // also each object of a list
    PT_KUBE_MODIFIED,
    PT_KUBE_DELETED, // the object as it was last, or as it is now that the selector excludes it
};

// All are called from the loop; none may destroy the watch. Objects are borrowed for the call.
struct pt_kube_watch_handler {
    // A list begins; what it does not bring until on_list_end is gone. One that fails in the middle
    // is followed by another on_list_begin.
    void (*on_list_begin)(void *context);
    // -EINVAL if the object lacks what it must have: it is counted and passed over.
    int (*on_object)(void *context, enum pt_kube_change change, yyjson_val *object);
    void (*on_list_end)(void *context);
    // It does without where the right is missing: one line in the log, another try much later.
    bool is_optional;
    void *context;
};

// What happened since the start; counters only grow.
struct pt_kube_watch_state {
    bool is_listed;   // a whole list has come at least once
    bool is_watching; // what is known is current: the watch stands
    uint64_t lists;
    uint64_t failures; // of requests
    uint64_t too_large_objects;
    uint64_t bad_objects; // no JSON, or not what the API promises
};

// Starts at once. `collection` and `field_selector` (may be NULL) are copied; `name_space` NULL:
// all namespaces. `collection` is `pods`, `events` or `nodes` of the core group.
PT_MUST_CHECK int pt_kube_watch_create(const struct pt_kube_client *client, const char *collection,
                                       const char *name_space, const char *field_selector,
                                       const struct pt_kube_watch_handler *handler,
                                       struct pt_kube_watch **ret_watch, struct pt_error *err);
void pt_kube_watch_destroy(struct pt_kube_watch *watch);

const struct pt_kube_watch_state *pt_kube_watch_state(const struct pt_kube_watch *watch);

#endif
