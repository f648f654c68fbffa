// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/failure.h"
#include "server/correlate/model.h"

// What is known of a pod, for readers.

// Which pull, or row, an image's containers wait for; NULL: none yet.
static const char *key_of(const struct correlate_image *image)
{
    const struct correlate_pull *running = TAILQ_FIRST(&image->running_pulls);
    const struct correlate_pull *last = TAILQ_LAST(&image->completed_pulls, correlate_pulls);
    const struct correlate_pull *failed = TAILQ_LAST(&image->failed_pulls, correlate_pulls);
    if (running)
        return running->key;
    if (image->row_phase != PT_PULL_UNKNOWN)
        return image->key;
    if (failed && (!last || failed->started_at >= last->started_at))
        last = failed;
    return last ? last->key : NULL;
}

// Its image has come, whichever of kubelet, agent and API server said so.
static bool has_image(const struct correlate_container *container)
{
    return container->end == PT_POD_STARTED || container->is_present ||
           pt_moment_is_later(&container->pulled, &container->pulling) ||
           pt_moment_is_later(&container->image->pulled, &container->heard);
}

static enum pt_pod_container_state state_of(const struct correlate_container *container)
{
    if (container->ended_ns && has_image(container))
        return PT_POD_CONTAINER_STARTED;
    if (!container->ended_ns && !pt_correlate_lacks_image(container))
        return PT_POD_CONTAINER_READY;
    return container->has_failed ? PT_POD_CONTAINER_FAILED : PT_POD_CONTAINER_WAITING;
}

// The order in which the kubelet needs them.
static int turn_of(enum pt_kube_container_kind kind)
{
    static const int turns[] = {
        [PT_KUBE_SANDBOX] = 0,   [PT_KUBE_IMAGE_VOLUME] = 1,        [PT_KUBE_INIT_CONTAINER] = 2,
        [PT_KUBE_CONTAINER] = 3, [PT_KUBE_EPHEMERAL_CONTAINER] = 4,
    };
    return turns[kind];
}

static void add(struct pt_pod_view *view, const struct correlate_container *container)
{
    size_t at = view->container_count;
    if (at == PT_LIMIT_CONTAINERS_PER_POD)
        return;
    while (at > 0 && turn_of(view->containers[at - 1].kind) > turn_of(container->kind)) {
        view->containers[at] = view->containers[at - 1];
        at--;
    }
    view->containers[at] = (struct pt_pod_container){
        .name = container->name,
        .image = container->image_text,
        .kind = container->kind,
        .state = state_of(container),
        .since = container->since,
        .repository = container->image->repository ? container->image->repository->name : NULL,
        .pull_key = key_of(container->image),
    };
    if (view->containers[at].state == PT_POD_CONTAINER_FAILED) {
        view->containers[at].error_class = container->image->error_class;
        view->containers[at].next_attempt_at = pt_correlate_next_attempt(container->image);
    }
    view->container_count++;
}

// What became of a pod in which nothing waits any more, and when.
static void conclude(const struct correlate_pod *pod, struct pt_pod_view *view)
{
    const struct correlate_container *container;
    bool has_all = true, is_gone = false;
    TAILQ_FOREACH(container, &pod->containers, pod_link)
    {
        int64_t ended_at = container->ended_ns
                               ? pt_correlate_wall_at(pod->node->correlate, container->ended_ns)
                               : container->pulled.at;
        has_all &= has_image(container);
        is_gone |= container->end == PT_POD_DELETED;
        if (ended_at > view->ended_at)
            view->ended_at = ended_at;
        if (!view->since || container->since < view->since)
            view->since = container->since;
    }
    if (!view->ended_at)
        view->ended_at = pt_correlate_wall_at(pod->node->correlate, pod->heard_ns);
    view->outcome = is_gone ? PT_POD_WAS_GONE : has_all ? PT_POD_HAS_ALL : PT_POD_HAS_LEFT;
}

void pt_correlate_view_pod(const struct correlate_pod *pod, struct pt_pod_view *ret_view)
{
    *ret_view = (struct pt_pod_view){
        .uid = pod->uid,
        .name_space = pod->name_space,
        .name = pod->name,
        .node_name = pod->node->name,
    };
    // Volumes come before the sandbox: as long as one lacks, there is none.
    ret_view->waits_for_volume = pod->lacks == CORRELATE_LACKS_VOLUME;
    ret_view->waits_for_sandbox =
        !ret_view->waits_for_volume &&
        (pod->lacks == CORRELATE_LACKS_SANDBOX || pod->sandbox == PT_KUBE_SANDBOX_MISSING);
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &pod->containers, pod_link)
    {
        add(ret_view, container);
        if (container->ended_ns)
            continue;
        ret_view->is_waiting = true;
        if (!ret_view->since || container->since < ret_view->since)
            ret_view->since = container->since;
    }
    if (!ret_view->is_waiting)
        conclude(pod, ret_view);
}

void pt_correlate_keep_pods(struct pt_correlate *correlate, int64_t ttl_ns, size_t max_bytes)
{
    correlate->gone.ttl_ns = ttl_ns;
    correlate->gone.max_count = PT_LIMIT_GONE_PODS;
    correlate->gone.max_bytes = max_bytes;
}

void pt_correlate_keep_pod(const struct correlate_pod *pod, int64_t now_ns)
{
    struct pt_pod_view view;
    const struct correlate_pod *of_name = pt_map_get(&pod->node->correlate->pods_by_name, pod->key);
    if (of_name != pod || TAILQ_EMPTY(&pod->containers))
        return; // a later pod has its name
    pt_correlate_view_pod(pod, &view);
    if (view.is_waiting) { // known by events alone, and nothing was heard of it any more
        view.is_waiting = false;
        conclude(pod, &view);
    }
    view.waits_for_volume = view.waits_for_sandbox = false;
    pt_gone_pods_add(&pod->node->correlate->gone, pod->key, &view, now_ns);
}

bool pt_correlate_view_gone_pod(const struct pt_correlate *correlate, const char *name_space,
                                const char *name, struct pt_pod_view *ret_view)
{
    char key[PT_POD_KEY_SIZE];
    pt_correlate_pod_key(name_space, name, key);
    return pt_gone_pods_find(&correlate->gone, key, ret_view);
}

const struct correlate_pod *pt_correlate_find_pod(const struct pt_correlate *correlate,
                                                  const char *name_space, const char *name)
{
    char key[PT_POD_KEY_SIZE];
    pt_correlate_pod_key(name_space, name, key);
    return pt_map_get(&correlate->pods_by_name, key);
}

const struct correlate_pod *pt_correlate_next_pod(const struct pt_correlate *correlate,
                                                  uint64_t number)
{
    return pt_pod_order_after(&correlate->order, number);
}

uint64_t pt_correlate_pod_number(const struct correlate_pod *pod)
{
    return pod->number;
}
