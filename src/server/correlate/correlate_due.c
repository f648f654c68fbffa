// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/model.h"

#define LOOK_AGAIN_NS PT_NS_PER_S
#define MARKED_AT_ONCE 2000 // nodes

// So much would be compared there that it has to wait: whoever reports without end must not keep
// the server at it.
static bool has_to_wait(struct correlate_node *node)
{
    int64_t now = pt_clock_wall_ns(node->correlate->clock);
    int64_t again_at = node->looked_at + LOOK_AGAIN_NS;
    if (node->pulls_by_key.count * node->containers <= PT_OFTEN_COMPARED || now < node->looked_at ||
        now >= again_at) // or the clock was set back
        return false;
    if (node->correlate->look.node == node) {
        pt_correlate_look_again(node);
        return true;
    }
    node->due_at = again_at; // what is due before is looked at then
    pt_correlate_schedule(node);
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

static void be_due(struct correlate_node *node, int64_t at)
{
    if (at < node->due_at)
        node->due_at = at;
}

bool pt_correlate_has_passed(struct correlate_node *node, int64_t at, int64_t now)
{
    if (now < at)
        be_due(node, at);
    return now >= at;
}

void pt_correlate_look_again(struct correlate_node *node)
{
    be_due(node, pt_clock_wall_ns(node->correlate->clock) + LOOK_AGAIN_NS);
}

void pt_correlate_unschedule(struct correlate_node *node)
{
    if (node->due_list)
        TAILQ_REMOVE(node->due_list, node, due_link);
    node->due_list = NULL;
}

void pt_correlate_schedule(struct correlate_node *node)
{
    pt_correlate_unschedule(node);
    if (node->due_at == INT64_MAX)
        return;
    uint64_t second = (uint64_t)(node->due_at / PT_NS_PER_S);
    node->due_list = &node->correlate->due[second % PT_DUE_LISTS];
    TAILQ_INSERT_TAIL(node->due_list, node, due_link);
}

// Of a list's nodes, others are due later in that second, or when it is the list's turn again.
// False: *left was not enough.
static bool mark_due(struct correlate_due_list *list, int64_t now, int *left)
{
    struct correlate_node *node, *next;
    for (node = TAILQ_FIRST(list); node; node = next) {
        next = TAILQ_NEXT(node, due_link);
        if (node->due_at > now)
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
    int64_t now = pt_clock_wall_ns(correlate->clock);
    uint64_t second = (uint64_t)(now / PT_NS_PER_S), from = correlate->ticked_at;
    int left = MARKED_AT_ONCE;
    if (second - from >= PT_DUE_LISTS) // or the clock was set back
        from = second - PT_DUE_LISTS + 1;
    for (; from <= second; from++) {
        correlate->ticked_at = from;
        if (!mark_due(&correlate->due[from % PT_DUE_LISTS], now, &left))
            return true;
    }
    pt_gone_pods_expire(&correlate->gone, now);
    return false;
}
