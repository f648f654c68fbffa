// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/failure.h"
#include "server/correlate/model.h"

#include <string.h>

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

// How often an event has occurred, counted once however often it is told. Returns whether it grew.
static bool count_failure(struct correlate_container *container, const struct pt_kube_event *event)
{
    uint64_t hash = hash_text(event->uid);
    bool never_retried = event->message.word != PT_KUBELET_PULL_FAILED;
    int64_t count = never_retried ? 1 : event->count;
    for (unsigned i = 0; i < container->failure_event_count; i++) {
        if (container->failure_events[i].event != hash)
            continue;
        bool grew = count > container->failure_events[i].count;
        if (grew)
            container->failure_events[i].count = count;
        return grew;
    }
    unsigned i = container->failure_event_count;
    if (i == PT_MAX_FAILURE_EVENTS) { // the last place takes in what is news of further kinds
        if (event->last_at <= container->failed_at)
            return false;
        container->failure_events[i - 1].event = hash;
        container->failure_events[i - 1].count++;
        return true;
    }
    container->failure_events[i].event = hash;
    container->failure_events[i].count = count;
    container->failure_event_count++;
    return true;
}

static void apply_event(struct correlate_container *container, const struct pt_kube_event *event)
{
    const struct pt_kubelet_message *message = &event->message;
    switch (message->word) {
    case PT_KUBELET_PULLING:
        if (event->last_at > container->pulling_at)
            container->pulling_at = event->last_at;
        break;
    case PT_KUBELET_PULLED:
    case PT_KUBELET_PRESENT:
        if (event->last_at < container->pulled_at)
            break;
        container->pulled_at = event->last_at;
        container->queued_ns = message->queued_ns;
        if (event->last_at >= container->image->failed_at)
            container->has_failed = false;
        if (message->word == PT_KUBELET_PULLED && event->last_at > container->image->pulled_at)
            container->image->pulled_at = event->last_at;
        break;
    case PT_KUBELET_PULL_FAILED:
    case PT_KUBELET_NEVER_PULL:
    case PT_KUBELET_INVALID_NAME:
        // The short form follows each long one, which alone counts.
        if (*message->image && !count_failure(container, event))
            break;
        if (event->last_at > container->pulled_at)
            pt_correlate_note_failure(container, message->word, message->error, event->last_at);
        if (event->last_at > container->failed_at)
            container->failed_at = event->last_at;
        break;
    case PT_KUBELET_BACK_OFF:
        if (event->last_at > container->pulled_at)
            pt_correlate_note_failure(container, message->word, message->error, event->last_at);
        break;
    case PT_KUBELET_OTHER:
    case PT_KUBELET_WAITING:
        break;
    }
}

// The volume of the pod with that image: its events name no container.
static struct correlate_container *find_volume(struct correlate_pod *pod, const char *image)
{
    struct correlate_container *container;
    TAILQ_FOREACH(container, &pod->containers, pod_link)
    {
        if (container->kind == PT_KUBE_IMAGE_VOLUME && strcmp(container->image_text, image) == 0)
            return container;
    }
    return NULL;
}

// A pod that no list has told of: it runs and pulls all the same, or the event is quicker.
static struct correlate_pod *add_event_pod(struct pt_correlate *correlate,
                                           const struct pt_kube_event *event)
{
    struct correlate_node *node = pt_correlate_get_node(correlate, event->node);
    if (!node || node->event_pods >= PT_MAX_EVENT_PODS)
        return NULL;
    return pt_correlate_add_pod(node, event->pod_uid, event->name_space, event->pod);
}

void pt_correlate_event(struct pt_correlate *correlate, const struct pt_kube_event *event)
{
    int64_t now = pt_clock_wall_ns(correlate->clock);
    const char *image = event->message.image;
    struct correlate_pod *pod = pt_map_get(&correlate->pods, event->pod_uid);
    struct correlate_container *container = NULL;
    if (pod && *event->container)
        container = pt_correlate_find_container(pod, event->container, event->kind);
    else if (pod)
        container = find_volume(pod, image);
    if (!container) {
        // Of what nobody waits for, only fresh news count.
        if (!*image || now - event->last_at > PT_EVENT_TTL_NS)
            return;
        if (!pod)
            pod = add_event_pod(correlate, event);
        if (pod)
            container = pt_correlate_add_container(
                pod, *event->container ? event->container : "image volume", event->kind, image);
        if (!container)
            return;
        container->word = PT_KUBELET_WAITING;
        container->since = event->first_at;
        // A cached pod would name it if it waited.
        if (pod->is_cached) {
            container->ended_at = now;
            container->end = PT_POD_STARTED;
        }
    }
    pod->heard_at = now;
    if (container->ended_at && event->message.word == PT_KUBELET_PULLING &&
        event->last_at > container->ended_at) {
        container->ended_at = 0; // a container of a pod that runs pulls again
        container->since = event->last_at;
    }
    apply_event(container, event);
    pt_correlate_mark(pod->node);
}
