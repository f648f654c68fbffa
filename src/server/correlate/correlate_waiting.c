// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/failure.h"
#include "server/correlate/model.h"

#include <stdlib.h>
#include <string.h>

bool pt_correlate_is_waiting(const struct correlate_container *container, int64_t now_ns)
{
    return container->ended_ns == 0 ||
           (container->end != PT_POD_DELETED &&
            !pt_correlate_has_passed(container->pod->node, container->ended_ns + PT_LINGER_NS,
                                     now_ns));
}

bool pt_correlate_is_held_up(const struct correlate_pod *pod)
{
    return pod->lacks != CORRELATE_LACKS_NOTHING || pod->sandbox == PT_KUBE_SANDBOX_MISSING;
}

bool pt_correlate_is_outstanding(const struct correlate_container *container)
{
    return container->ended_ns == 0 &&
           pt_moment_is_later(&container->pulling, &container->pulled) &&
           pt_moment_is_later(&container->pulling, &container->failed);
}

bool pt_correlate_asked_behind(const struct correlate_container *container,
                               const struct correlate_pull *pull)
{
    return pull->completed_at && container->pulling.at > pull->completed_at;
}

int64_t pt_correlate_lacked_it_at(const struct correlate_container *container)
{
    int64_t failed_at = container->failed.is_of_node ? container->failed.at : 0;
    return container->pulling.at > failed_at ? container->pulling.at : failed_at;
}

bool pt_correlate_lacks_image(const struct correlate_container *container)
{
    return container->ended_ns == 0 && !container->is_present &&
           !pt_moment_is_later(&container->pulled, &container->pulling);
}

static bool has_come(const struct correlate_container *container)
{
    return pt_moment_is_later(&container->image->pulled, &container->heard) ||
           pt_moment_is_later(&container->pulled, &container->heard);
}

bool pt_correlate_asks_anew(const struct correlate_container *container)
{
    return pt_correlate_is_outstanding(container) &&
           pt_moment_is_later(&container->pulling, &container->image->pulled);
}

bool pt_correlate_is_served(const struct correlate_container *container)
{
    bool has_failed =
        container->has_failed && pt_moment_is_later(&container->failed, &container->image->pulled);
    return has_come(container) && !has_failed && !pt_correlate_is_refused(container) &&
           !pt_correlate_asks_anew(container);
}

struct pt_moment pt_correlate_began_to_wait(const struct correlate_container *container)
{
    if (has_come(container)) {
        bool has_failed = pt_moment_is_later(&container->failed, &container->image->pulled);
        return has_failed ? container->failed : container->looked;
    }
    struct pt_moment began = container->heard;
    began.at = container->turn_at > container->since ? container->turn_at : container->since;
    return began;
}

bool pt_correlate_is_waited_for(const struct correlate_image *image)
{
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        if (pt_correlate_lacks_image(container))
            return true;
    }
    return false;
}

// --- as it is sent ---

static void add(struct correlate_waiting *waiting, struct pt_waiting_container container)
{
    if (waiting->count == waiting->capacity) {
        size_t capacity = waiting->capacity ? 2 * waiting->capacity : 8;
        void *longer = realloc(waiting->list, capacity * sizeof(*waiting->list));
        if (!longer)
            return;
        waiting->list = longer;
        waiting->capacity = capacity;
    }
    waiting->list[waiting->count++] = container;
}

void pt_correlate_add_waiting(struct correlate_waiting *waiting,
                              const struct correlate_container *container)
{
    add(waiting, (struct pt_waiting_container){.namespace = container->pod->name_space,
                                               .pod = container->pod->name,
                                               .container = container->name,
                                               .image = container->image_text});
}

void pt_correlate_add_shown(struct correlate_waiting *waiting, const struct pt_buffer *shown)
{
    const char *text[4];
    size_t at = 0;
    while (at < shown->length) {
        for (int i = 0; i < 4; i++) {
            text[i] = shown->data + at;
            at += strlen(text[i]) + 1;
        }
        add(waiting, (struct pt_waiting_container){text[0], text[1], text[2], text[3]});
    }
}

static int compare(const void *left, const void *right)
{
    const struct pt_waiting_container *a = left, *b = right;
    int order = strcmp(a->namespace, b->namespace);
    if (order == 0)
        order = strcmp(a->pod, b->pod);
    return order != 0 ? order : strcmp(a->container, b->container);
}

// How many are in order from there on.
static size_t run_length(const struct correlate_waiting *waiting, size_t from)
{
    size_t to = from;
    while (to < waiting->count &&
           (to == from || compare(&waiting->list[to - 1], &waiting->list[to]) <= 0))
        to++;
    return to - from;
}

// Merges the first ones, which are in order, with the others, which are in order too; false when
// out of memory.
static bool merge(struct correlate_waiting *waiting, size_t first)
{
    size_t a = 0, b = 0, second = waiting->count - first;
    struct pt_waiting_container *others = malloc(first * sizeof(*others));
    if (!others)
        return false;
    memcpy(others, waiting->list, first * sizeof(*others));
    const struct pt_waiting_container *rest = waiting->list + first;
    for (size_t at = 0; a < first; at++) {
        bool is_other = b == second || compare(&others[a], &rest[b]) <= 0;
        waiting->list[at] = is_other ? others[a++] : rest[b++];
    }
    free(others);
    return true;
}

// As a rule there is one run in order, or two: those shown before, and those of now.
static void sort(struct correlate_waiting *waiting)
{
    size_t first = run_length(waiting, 0);
    if (first == waiting->count ||
        (first + run_length(waiting, first) == waiting->count && merge(waiting, first)))
        return;
    qsort(waiting->list, waiting->count, sizeof(*waiting->list), compare);
}

void pt_correlate_sort_waiting(struct correlate_waiting *waiting)
{
    size_t kept = 0;
    sort(waiting);
    for (size_t i = 0; i < waiting->count; i++) {
        if (kept == 0 || compare(&waiting->list[kept - 1], &waiting->list[i]) != 0)
            waiting->list[kept++] = waiting->list[i];
    }
    waiting->count = kept;
}

void pt_correlate_remember_waiting(struct pt_buffer *shown, const struct correlate_waiting *waiting)
{
    struct pt_buffer copy;
    pt_buffer_init(&copy, shown->max_length);
    for (size_t i = 0; i < waiting->count; i++) {
        const struct pt_waiting_container *one = &waiting->list[i];
        const char *texts[] = {one->namespace, one->pod, one->container, one->image};
        for (int t = 0; t < 4; t++)
            (void)pt_buffer_append(&copy, texts[t], strlen(texts[t]) + 1);
    }
    if (copy.failure) {
        pt_buffer_finish(&copy);
        return;
    }
    pt_buffer_finish(shown);
    *shown = copy;
}
