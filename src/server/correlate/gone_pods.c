// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/gone_pods.h"

#include <stdlib.h>
#include <string.h>

#define EXPIRED_AT_ONCE 1000 // each second; the limits hold meanwhile

// The texts stand behind the containers, in one block.
struct gone_pod {
    TAILQ_ENTRY(gone_pod) link;
    const char *key;
    size_t bytes;
    int64_t kept_ns;
    struct pt_pod_view *view; // as much of it as its containers need
};

static size_t view_size(size_t containers)
{
    return offsetof(struct pt_pod_view, containers) + containers * sizeof(struct pt_pod_container);
}

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t text_bytes(const char *key, const struct pt_pod_view *view)
{
    size_t bytes = size_of(key) + size_of(view->uid) + size_of(view->name_space) +
                   size_of(view->name) + size_of(view->node_name);
    for (size_t i = 0; i < view->container_count; i++) {
        const struct pt_pod_container *container = &view->containers[i];
        bytes += size_of(container->name) + size_of(container->image) +
                 size_of(container->repository) + size_of(container->pull_key);
    }
    return bytes;
}

static const char *put(char **cursor, const char *text)
{
    if (!text)
        return NULL;
    char *copy = memcpy(*cursor, text, size_of(text));
    *cursor += size_of(text);
    return copy;
}

static struct gone_pod *copy_pod(const char *key, const struct pt_pod_view *view)
{
    size_t size = view_size(view->container_count);
    struct gone_pod *pod = malloc(sizeof(*pod) + size + text_bytes(key, view));
    if (!pod)
        return NULL;
    pod->bytes = sizeof(*pod) + size + text_bytes(key, view);
    pod->view = (struct pt_pod_view *)(pod + 1);
    memcpy(pod->view, view, size);
    char *cursor = (char *)pod->view + size;
    pod->key = put(&cursor, key);
    pod->view->uid = put(&cursor, view->uid);
    pod->view->name_space = put(&cursor, view->name_space);
    pod->view->name = put(&cursor, view->name);
    pod->view->node_name = put(&cursor, view->node_name);
    for (size_t i = 0; i < view->container_count; i++) {
        struct pt_pod_container *container = &pod->view->containers[i];
        container->name = put(&cursor, view->containers[i].name);
        container->image = put(&cursor, view->containers[i].image);
        container->repository = put(&cursor, view->containers[i].repository);
        container->pull_key = put(&cursor, view->containers[i].pull_key);
    }
    return pod;
}

void pt_gone_pods_init(struct pt_gone_pods *pods)
{
    *pods = (struct pt_gone_pods){0};
    pt_map_init(&pods->by_name);
    TAILQ_INIT(&pods->order);
}

static void forget(struct pt_gone_pods *pods, struct gone_pod *pod)
{
    pt_map_remove(&pods->by_name, pod->key);
    TAILQ_REMOVE(&pods->order, pod, link);
    pods->bytes -= pod->bytes;
    free(pod);
}

void pt_gone_pods_finish(struct pt_gone_pods *pods)
{
    struct gone_pod *pod;
    while ((pod = TAILQ_FIRST(&pods->order)))
        forget(pods, pod);
    pt_map_finish(&pods->by_name);
}

static bool is_over_limit(const struct pt_gone_pods *pods)
{
    return pods->by_name.count > pods->max_count || pods->bytes > pods->max_bytes;
}

void pt_gone_pods_add(struct pt_gone_pods *pods, const char *key, const struct pt_pod_view *view,
                      int64_t now_ns)
{
    struct gone_pod *earlier = pt_map_get(&pods->by_name, key);
    if (earlier)
        forget(pods, earlier);
    struct gone_pod *pod = pods->max_count > 0 ? copy_pod(key, view) : NULL;
    if (!pod)
        return;
    if (pt_map_put(&pods->by_name, pod->key, pod) < 0) {
        free(pod);
        return;
    }
    pod->kept_ns = now_ns;
    TAILQ_INSERT_TAIL(&pods->order, pod, link);
    pods->bytes += pod->bytes;
    while (is_over_limit(pods)) {
        forget(pods, TAILQ_FIRST(&pods->order));
        pods->dropped++;
    }
}

void pt_gone_pods_expire(struct pt_gone_pods *pods, int64_t now_ns)
{
    struct gone_pod *pod;
    for (size_t i = 0; i < EXPIRED_AT_ONCE && (pod = TAILQ_FIRST(&pods->order)) &&
                       now_ns - pod->kept_ns >= pods->ttl_ns;
         i++)
        forget(pods, pod);
}

bool pt_gone_pods_find(const struct pt_gone_pods *pods, const char *key,
                       struct pt_pod_view *ret_view)
{
    const struct gone_pod *pod = pt_map_get(&pods->by_name, key);
    if (!pod)
        return false;
    memcpy(ret_view, pod->view, view_size(pod->view->container_count));
    return true;
}
