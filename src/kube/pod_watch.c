// SPDX-License-Identifier: Apache-2.0
#include "kube/pod_watch.h"

#include "base/log.h"
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

// Nearly all pods that wait are Pending, and the others never cross the wire.
#define SELECTOR "status.phase=Pending"

struct known_pod {
    TAILQ_ENTRY(known_pod) link;
    uint64_t list; // number of the list that named it last
    char uid[];
};

struct pt_pod_watch {
    struct pt_kube_watch *watch;
    struct pt_pod_watch_handler handler;
    struct pt_map pods; // uid → struct known_pod
    TAILQ_HEAD(, known_pod) order;
    uint64_t list; // number of the newest list
    bool is_full;
    uint64_t left_out;
};

static void on_list_begin(void *context)
{
    struct pt_pod_watch *watch = context;
    watch->list++;
}

static void forget(struct pt_pod_watch *watch, struct known_pod *pod)
{
    pt_map_remove(&watch->pods, pod->uid);
    TAILQ_REMOVE(&watch->order, pod, link);
    free(pod);
}

static void end_pod(struct pt_pod_watch *watch, struct known_pod *pod, enum pt_pod_end end)
{
    watch->handler.on_end(watch->handler.context, pod->uid, end);
    forget(watch, pod);
}

static struct known_pod *add_pod(struct pt_pod_watch *watch, const char *uid)
{
    if (watch->pods.count >= PT_LIMIT_WAITING_PODS) {
        if (!watch->is_full)
            pt_log_warn("kubernetes.pod_limit", pt_log_int("limit", PT_LIMIT_WAITING_PODS));
        watch->is_full = true;
        watch->left_out++;
        return NULL;
    }
    size_t size = strlen(uid) + 1;
    struct known_pod *pod = malloc(sizeof(*pod) + size);
    if (!pod)
        return NULL;
    memcpy(pod->uid, uid, size);
    if (pt_map_put(&watch->pods, pod->uid, pod) < 0) {
        free(pod);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&watch->order, pod, link);
    return pod;
}

static int on_object(void *context, enum pt_kube_change change, yyjson_val *object)
{
    struct pt_pod_watch *watch = context;
    struct pt_kube_pod pod;
    int r = pt_kube_pod_decode(object, &pod);
    if (r < 0)
        return r;
    struct known_pod *known = pt_map_get(&watch->pods, pod.uid);
    if (change == PT_KUBE_DELETED || pod.waiting_count == 0) {
        // One that has started leaves the selection, which comes as a deletion of what it was
        // before.
        enum pt_pod_end end = pod.is_leaving              ? PT_POD_DELETED
                              : change == PT_KUBE_DELETED ? PT_POD_LOST
                                                          : PT_POD_STARTED;
        if (known)
            end_pod(watch, known, end);
        return 0;
    }
    if (!known)
        known = add_pod(watch, pod.uid);
    if (!known)
        return 0;
    known->list = watch->list;
    watch->handler.on_waiting(watch->handler.context, &pod);
    return 0;
}

static void on_list_end(void *context)
{
    struct pt_pod_watch *watch = context;
    struct known_pod *pod, *next;
    for (pod = TAILQ_FIRST(&watch->order); pod; pod = next) {
        next = TAILQ_NEXT(pod, link);
        if (pod->list != watch->list)
            end_pod(watch, pod, PT_POD_LOST);
    }
    watch->is_full = false;
    if (watch->handler.on_listed)
        watch->handler.on_listed(watch->handler.context);
}

int pt_pod_watch_create(const struct pt_kube_client *client, const char *name_space,
                        const struct pt_pod_watch_handler *handler, struct pt_pod_watch **ret_watch,
                        struct pt_error *err)
{
    struct pt_pod_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return pt_error_set(err, ENOMEM, "out of memory");
    struct pt_kube_watch_handler own = {.on_list_begin = on_list_begin,
                                        .on_object = on_object,
                                        .on_list_end = on_list_end,
                                        .context = watch};
    watch->handler = *handler;
    pt_map_init(&watch->pods);
    TAILQ_INIT(&watch->order);
    int r = pt_kube_watch_create(client, "pods", name_space, SELECTOR, &own, &watch->watch, err);
    if (r < 0) {
        pt_pod_watch_destroy(watch);
        return r;
    }
    *ret_watch = watch;
    return 0;
}

void pt_pod_watch_destroy(struct pt_pod_watch *watch)
{
    if (!watch)
        return;
    struct known_pod *pod;
    pt_kube_watch_destroy(watch->watch);
    while ((pod = TAILQ_FIRST(&watch->order)))
        forget(watch, pod);
    pt_map_finish(&watch->pods);
    free(watch);
}

uint64_t pt_pod_watch_left_out(const struct pt_pod_watch *watch)
{
    return watch->left_out;
}

const struct pt_kube_watch_state *pt_pod_watch_state(const struct pt_pod_watch *watch)
{
    return pt_kube_watch_state(watch->watch);
}
