// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/failure.h"
#include "server/correlate/model.h"

#include <string.h>

// What the kubelet's events say of containers.
//
// An event names a container by its field path and an image in its words, and the two need not
// belong together: client-go combines similar events into one, which keeps the first container's
// path, and a new list repeats events about an image that a container had before it was changed. So
// the words decide: an event is about the container of that pod whose image they name, whatever the
// path says. The kubelet's short words ("Error: ErrImagePull") name nothing; long ones came before
// them, so they say nothing new.

static bool is_same_second(const struct pt_moment *asked, const struct pt_moment *answered)
{
    return answered->is_of_node && asked->at / PT_NS_PER_S == answered->at / PT_NS_PER_S;
}

static void asks(struct correlate_container *container, struct pt_moment at)
{
    if (!pt_moment_is_later(&at, &container->pulling) || at.at == container->pulling.at)
        return;
    // What a Pulled or Failed event of the same second answered: events may come in any order, and
    // nothing is asked for again so soon.
    if (is_same_second(&at, &container->pulled) || is_same_second(&at, &container->failed))
        at.order = 0;
    container->pulling = at;
    container->is_present = false;
}

static int64_t or_zero(int64_t figure)
{
    return figure > 0 ? figure : 0;
}

static void has_come(struct correlate_container *container, const struct pt_kube_event *event,
                     struct pt_moment at)
{
    struct correlate_image *image = container->image;
    if (!pt_moment_is_later(&at, &container->pulled) || at.at == container->pulled.at)
        return; // a new list repeats it
    if (event->message.word == PT_KUBELET_PULLED && !event->is_listed)
        pt_correlate_show_before_end(image, pt_correlate_now_ns(image->node->correlate));
    container->pulled = at;
    container->queued_ns = event->message.queued_ns;
    container->is_present =
        event->message.word == PT_KUBELET_PRESENT && !pt_moment_is_later(&container->pulling, &at);
    if (!pt_moment_is_later(&image->failed, &at))
        container->has_failed = false;
    if (container->is_present)
        return;
    if (pt_moment_is_later(&at, &image->pulled))
        image->pulled = at;
    if (image->row_queued_ns >= 0) // those that asked later have waited for the pull itself
        return;
    image->row_queued_ns = event->message.queued_ns;
    image->row_pull_ns = or_zero(event->message.pull_ns);
    image->row_image_bytes = or_zero(event->message.image_bytes);
}

static void apply_event(struct correlate_container *container, const struct pt_kube_event *event)
{
    struct pt_moment at = pt_correlate_at(container->pod->node->correlate, event->last_at);
    switch (event->message.word) {
    case PT_KUBELET_PULLING:
        asks(container, at);
        break;
    case PT_KUBELET_PULLED:
    case PT_KUBELET_PRESENT:
        has_come(container, event, at);
        break;
    case PT_KUBELET_PULL_FAILED:
    case PT_KUBELET_NEVER_PULL:
    case PT_KUBELET_INVALID_NAME:
    case PT_KUBELET_INSPECT_FAILED:
    case PT_KUBELET_NO_SANDBOX:
        pt_correlate_event_failed(container, event);
        break;
    case PT_KUBELET_BACK_OFF:
        pt_correlate_backs_off(container, event);
        break;
    case PT_KUBELET_OTHER:
    case PT_KUBELET_WAITING:
    case PT_KUBELET_NO_VOLUME:
        break;
    }
}

static enum correlate_lack lack_of(enum pt_kubelet_word word)
{
    return word == PT_KUBELET_NO_VOLUME    ? CORRELATE_LACKS_VOLUME
           : word == PT_KUBELET_NO_SANDBOX ? CORRELATE_LACKS_SANDBOX
                                           : CORRELATE_LACKS_NOTHING;
}

// The pod's newest event shows whether it waits for something else than an image. Once one is about
// an image, the sandbox stands.
static void note_hold_up(struct correlate_pod *pod, const struct pt_kube_event *event)
{
    struct pt_moment at = pt_correlate_at(pod->node->correlate, event->last_at);
    if (!pt_moment_is_later(&at, &pod->held_up))
        return;
    pod->held_up = at;
    pod->lacks = lack_of(event->message.word);
    struct correlate_container *sandbox =
        pt_correlate_find_container(pod, PT_SANDBOX_NAME, PT_KUBE_SANDBOX);
    if (sandbox && pod->lacks == CORRELATE_LACKS_NOTHING && !sandbox->ended_ns) {
        sandbox->ended_ns = pt_correlate_now_ns(pod->node->correlate);
        sandbox->end = PT_POD_STARTED;
    }
}

// The container of the pod that the event is about, NULL: none.
static struct correlate_container *find_container(struct correlate_pod *pod,
                                                  const struct pt_kube_event *event)
{
    const char *image = event->message.image;
    struct correlate_container *named = NULL, *container;
    if (*event->container)
        named = pt_correlate_find_container(pod, event->container, event->kind);
    if (!*image || (named && pt_correlate_is_of_image(named, image)))
        return named;
    TAILQ_FOREACH(container, &pod->containers, pod_link)
    {
        if (pt_correlate_is_of_image(container, image))
            return container;
    }
    return NULL;
}

// A pod that no list has named: it runs and pulls all the same, or the event is quicker.
static struct correlate_pod *add_event_pod(struct pt_correlate *correlate,
                                           const struct pt_kube_event *event)
{
    struct correlate_node *node =
        *event->node ? pt_correlate_get_node(correlate, event->node) : NULL;
    if (!node || node->event_pods >= PT_MAX_EVENT_PODS)
        return NULL;
    return pt_correlate_add_pod(node, event->pod_uid, event->name_space, event->pod);
}

// A container of which only the event is known; NULL if it is of no interest.
static struct correlate_container *add_container(struct pt_correlate *correlate,
                                                 struct correlate_pod *pod,
                                                 const struct pt_kube_event *event)
{
    int64_t now = pt_clock_wall_ns(correlate->clock);
    const char *image = event->message.image;
    // Of what nobody waits for, only fresh news count.
    if (!*image || now - event->written_at > PT_EVENT_TTL_NS)
        return NULL;
    if (!pod && (event->is_listed || pt_correlate_is_deleted(correlate, event->pod_uid)))
        return NULL;
    // The pod has a container of that name with another image: the event is about its past.
    if (pod && pod->is_cached && *event->container &&
        pt_correlate_find_container(pod, event->container, event->kind))
        return NULL;
    if (!pod)
        pod = add_event_pod(correlate, event);
    if (!pod)
        return NULL;
    bool is_sandbox = event->message.word == PT_KUBELET_NO_SANDBOX;
    const char *name = is_sandbox          ? PT_SANDBOX_NAME
                       : *event->container ? event->container
                                           : PT_UNNAMED_VOLUME;
    struct correlate_container *container =
        pt_correlate_add_container(pod, name, is_sandbox ? PT_KUBE_SANDBOX : event->kind, image);
    if (!container)
        return NULL;
    container->word = PT_KUBELET_WAITING;
    container->since = event->first_at;
    container->since_ns = pt_correlate_now_ns(correlate);
    // A pod that is listed would name it if it waited.
    if (pod->is_cached && !pod->has_left && !is_sandbox) {
        container->ended_ns = pt_correlate_now_ns(correlate);
        container->end = PT_POD_STARTED;
    }
    return container;
}

// A container of a pod that runs asks for its image again. What it had asked for before it ended is
// compared by the node's clock; its end was heard by the server's, and with that goes the API
// server's.
static bool asks_again(const struct correlate_container *container,
                       const struct pt_kube_event *event)
{
    if (event->message.word != PT_KUBELET_PULLING)
        return false;
    return container->pulled.is_of_node
               ? event->last_at > container->pulled.at
               : event->written_at >
                     pt_correlate_wall_at(container->pod->node->correlate, container->ended_ns);
}

void pt_correlate_event(struct pt_correlate *correlate, const struct pt_kube_event *event)
{
    struct correlate_pod *pod = pt_map_get(&correlate->pods, event->pod_uid);
    if (pod)
        note_hold_up(pod, event);
    if (pod && lack_of(event->message.word) != CORRELATE_LACKS_NOTHING)
        pt_correlate_mark(pod->node);
    if (!*event->message.image && !event->message.error)
        return;
    struct correlate_container *container = pod ? find_container(pod, event) : NULL;
    if (!container)
        container = add_container(correlate, pod, event);
    if (!container)
        return;
    if (!pod)
        note_hold_up(container->pod, event);
    pod = container->pod;
    pod->heard_ns = pt_correlate_now_ns(correlate);
    if (container->ended_ns && event->message.word == PT_KUBELET_NO_SANDBOX) {
        container->ended_ns = 0; // it is made anew
    } else if (container->ended_ns && asks_again(container, event)) {
        container->ended_ns = 0; // a container of a pod that runs pulls again
        container->since = event->last_at;
        container->since_ns = pt_correlate_now_ns(correlate);
    }
    apply_event(container, event);
    pt_correlate_mark(pod->node);
}
