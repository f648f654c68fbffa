// SPDX-License-Identifier: Apache-2.0

// Nodes where something has happened are looked at one after the other, each in small steps: a pod,
// a pull, the row of an image. A flush takes as many steps as it is given, so that a node with
// thousands of each holds nobody up. Between two flushes anything may happen to the node that is
// looked at: what is freed is passed over, what is new comes at the end, and the node is looked at
// once more.

#include "base/saturate.h"
#include "server/correlate/model.h"

#define LOOK_AGAIN_NS PT_NS_PER_S
#define MARKED_AT_ONCE 2000 // nodes

// --- when ---

void pt_correlate_unschedule(struct correlate_node *node)
{
    if (node->due_list)
        TAILQ_REMOVE(node->due_list, node, due_link);
    node->due_list = NULL;
}

// After a look at the node, which began with due_ns = INT64_MAX: a tick marks it when it is due.
static void schedule(struct correlate_node *node)
{
    pt_correlate_unschedule(node);
    if (node->due_ns == INT64_MAX)
        return;
    uint64_t second = (uint64_t)(node->due_ns / PT_NS_PER_S);
    node->due_list = &node->correlate->due[second % PT_DUE_LISTS];
    TAILQ_INSERT_TAIL(node->due_list, node, due_link);
}

// So much would be compared there that it has to wait: whoever reports without end must not keep
// the server at it.
static bool has_to_wait(struct correlate_node *node)
{
    int64_t now_ns = pt_correlate_now_ns(node->correlate);
    int64_t again_ns = node->looked_ns + LOOK_AGAIN_NS;
    if (node->pulls_by_key.count * node->containers <= PT_OFTEN_COMPARED || now_ns >= again_ns)
        return false;
    if (node->correlate->look.node == node) {
        pt_correlate_look_again(node);
        return true;
    }
    node->due_ns = again_ns; // what is due before is looked at then
    schedule(node);
    return true;
}

void pt_correlate_mark(struct correlate_node *node)
{
    node->changes++;
    if (node->is_dirty || has_to_wait(node))
        return;
    struct pt_correlate *correlate = node->correlate;
    bool is_first = TAILQ_EMPTY(&correlate->dirty);
    node->is_dirty = true;
    TAILQ_INSERT_TAIL(&correlate->dirty, node, dirty_link);
    if (is_first && correlate->output.on_dirty)
        correlate->output.on_dirty(correlate->output.context);
}

static void be_due(struct correlate_node *node, int64_t at_ns)
{
    if (at_ns < node->due_ns)
        node->due_ns = at_ns;
}

bool pt_correlate_has_passed(struct correlate_node *node, int64_t at_ns, int64_t now_ns)
{
    if (now_ns < at_ns)
        be_due(node, at_ns);
    return now_ns >= at_ns;
}

bool pt_correlate_has_come(struct correlate_node *node, int64_t at)
{
    int64_t now = pt_clock_wall_ns(node->correlate->clock);
    int64_t at_ns = pt_correlate_now_ns(node->correlate);
    if (now < at) {
        pt_add_saturated(&at_ns, at - now);
        be_due(node, at_ns);
    }
    return now >= at;
}

void pt_correlate_look_again(struct correlate_node *node)
{
    be_due(node, pt_correlate_now_ns(node->correlate) + LOOK_AGAIN_NS);
}

// Of a list's nodes, others are due later in that second, or when it is the list's turn again.
// False: *left was not enough.
static bool mark_due(struct correlate_due_list *list, int64_t now_ns, int *left)
{
    struct correlate_node *node, *next;
    for (node = TAILQ_FIRST(list); node; node = next) {
        next = TAILQ_NEXT(node, due_link);
        if (node->due_ns > now_ns)
            continue;
        if (--*left < 0)
            return false;
        pt_correlate_unschedule(node);
        pt_correlate_mark(node);
    }
    return true;
}

bool pt_correlate_tick(struct pt_correlate *correlate)
{
    int64_t now_ns = pt_correlate_now_ns(correlate);
    uint64_t second = (uint64_t)(now_ns / PT_NS_PER_S), from = correlate->ticked_at;
    int left = MARKED_AT_ONCE;
    if (second - from >= PT_DUE_LISTS)
        from = second - PT_DUE_LISTS + 1;
    for (; from <= second; from++) {
        correlate->ticked_at = from;
        if (!mark_due(&correlate->due[from % PT_DUE_LISTS], now_ns, &left))
            return true;
    }
    pt_gone_pods_expire(&correlate->gone, now_ns);
    return false;
}

// --- the look ---

// Forgets a pod that nothing is to be expected of any more, and counts one that lacks an image.
static void look_at_pod(struct correlate_look *look, struct correlate_pod *pod, int64_t now_ns)
{
    size_t waiting = 0;
    bool is_quiet = true, lacks_image = false;
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &pod->containers, pod_link)
    {
        waiting += pt_correlate_is_waiting(container, now_ns);
        lacks_image |= pt_correlate_lacks_image(container) &&
                       (!pt_correlate_is_held_up(pod) || container->has_failed ||
                        pt_correlate_is_outstanding(container));
        is_quiet &= !pt_correlate_is_outstanding(container) && !container->has_failed;
    }
    int64_t ttl = is_quiet ? PT_LATE_PODS_NS : PT_EVENT_TTL_NS;
    bool is_silent =
        !pod->is_cached && pt_correlate_has_passed(look->node, pod->heard_ns + ttl, now_ns);
    if (!is_silent && waiting > 0) {
        look->lacking += lacks_image;
        return;
    }
    pt_correlate_keep_pod(pod, now_ns);
    pt_correlate_free_pod(pod);
}

static bool begin(struct pt_correlate *correlate, int64_t now_ns)
{
    struct correlate_node *node = TAILQ_FIRST(&correlate->dirty);
    if (!node)
        return false;
    TAILQ_REMOVE(&correlate->dirty, node, dirty_link);
    node->is_dirty = false;
    node->due_ns = INT64_MAX;
    node->looked_ns = now_ns;
    node->changes++;
    correlate->look = (struct correlate_look){.node = node, .next_pod = TAILQ_FIRST(&node->pods)};
    return true;
}

static void begin_pulls(struct correlate_look *look, int64_t now_ns)
{
    struct correlate_node *node = look->node;
    node->correlate->waiting_pods += look->lacking - node->waiting_pods;
    node->waiting_pods = look->lacking;
    pt_correlate_sort_pulls(node);
    pt_correlate_release_pulls(node, now_ns);
    look->part = CORRELATE_LOOK_PULLS;
    look->next_pull = TAILQ_FIRST(&node->pulls);
}

static void begin_rows(struct correlate_look *look)
{
    look->part = CORRELATE_LOOK_ROWS;
    look->next_image = TAILQ_FIRST(&look->node->images);
}

static void end(struct correlate_look *look, int64_t now_ns)
{
    struct correlate_node *node = look->node;
    *look = (struct correlate_look){0};
    schedule(node);
    pt_correlate_drop_unused(node, now_ns);
}

static void take_step(struct correlate_look *look, int64_t now_ns)
{
    struct correlate_pod *pod = look->next_pod;
    struct correlate_pull *pull = look->next_pull;
    struct correlate_image *image = look->next_image;
    switch (look->part) {
    case CORRELATE_LOOK_PODS:
        if (!pod) {
            begin_pulls(look, now_ns);
            break;
        }
        look->next_pod = TAILQ_NEXT(pod, link);
        look_at_pod(look, pod, now_ns);
        break;
    case CORRELATE_LOOK_PULLS:
        if (!pull) {
            begin_rows(look);
            break;
        }
        look->next_pull = TAILQ_NEXT(pull, link);
        pt_correlate_look_at_pull(look->node, pull, now_ns);
        break;
    case CORRELATE_LOOK_ROWS:
        if (!image) {
            end(look, now_ns);
            break;
        }
        look->next_image = TAILQ_NEXT(image, link);
        pt_correlate_update_row(image, now_ns);
        break;
    }
}

bool pt_correlate_flush(struct pt_correlate *correlate, size_t max_items)
{
    struct correlate_look *look = &correlate->look;
    int64_t now_ns = pt_correlate_now_ns(correlate);
    for (correlate->items = 0; correlate->items < max_items; correlate->items++) {
        if (!look->node && !begin(correlate, now_ns))
            return false;
        take_step(look, now_ns);
    }
    return look->node || !TAILQ_EMPTY(&correlate->dirty);
}
