// SPDX-License-Identifier: Apache-2.0

// They come and go in the order of their numbers, so that the one that is looked for is near the
// head. Each node has a list of its own: how many others wait costs nothing.

#include "server/share/share_pending.h"

#include "base/clock.h"
#include "base/map.h"
#include "server/http/http_reply.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS (5 * PT_NS_PER_S) // for an entry to come back

struct pt_share_pending_node {
    LIST_HEAD(, pt_share_pending) pendings;
    char name[];
};

struct pt_share_pendings {
    const struct pt_clock *clock;
    pt_share_settled_fn *on_settled;
    void *context;
    TAILQ_HEAD(, pt_share_pending) list; // oldest first
    struct pt_map nodes;                 // those with pendings, by name
};

struct pt_share_pendings *pt_share_pendings_create(const struct pt_clock *clock,
                                                   pt_share_settled_fn *on_settled, void *context)
{
    struct pt_share_pendings *all = calloc(1, sizeof(*all));
    if (!all)
        return NULL;
    all->clock = clock;
    all->on_settled = on_settled;
    all->context = context;
    TAILQ_INIT(&all->list);
    pt_map_init(&all->nodes);
    return all;
}

void pt_share_pendings_destroy(struct pt_share_pendings *all)
{
    struct pt_share_pending *pending;
    if (!all)
        return;
    while ((pending = TAILQ_FIRST(&all->list)))
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        pt_share_pending_remove(pending);
    pt_map_finish(&all->nodes);
    free(all);
}

static struct pt_share_pending_node *get_node(struct pt_share_pendings *all, const char *name)
{
    struct pt_share_pending_node *node = pt_map_get(&all->nodes, name);
    size_t size = strlen(name) + 1;
    if (node)
        return node;
    node = malloc(sizeof(*node) + size);
    if (!node)
        return NULL;
    LIST_INIT(&node->pendings);
    memcpy(node->name, name, size);
    if (pt_map_put(&all->nodes, node->name, node) == 0)
        return node;
    free(node);
    return NULL;
}

struct pt_share_pending *pt_share_pendings_add(struct pt_share_pendings *all, const char *node_name,
                                               bool has_end)
{
    struct pt_share_pending *pending = malloc(sizeof(*pending));
    struct pt_share_pending_node *node = pending ? get_node(all, node_name) : NULL;
    if (!node) {
        free(pending);
        return NULL;
    }
    *pending = (struct pt_share_pending){
        .all = all,
        .node = node,
        .since = pt_clock_monotonic_ns(all->clock),
        .has_end = has_end,
    };
    TAILQ_INSERT_TAIL(&all->list, pending, in_all);
    LIST_INSERT_HEAD(&node->pendings, pending, in_node);
    return pending;
}

void pt_share_pending_remove(struct pt_share_pending *pending)
{
    struct pt_share_pending_node *node = pending->node;
    TAILQ_REMOVE(&pending->all->list, pending, in_all);
    LIST_REMOVE(pending, in_node);
    if (LIST_EMPTY(&node->pendings)) {
        pt_map_remove(&pending->all->nodes, node->name);
        free(node);
    }
    free(pending);
}

static void on_client_gone(void *context)
{
    struct pt_share_pending *pending = context;
    pending->request = NULL;
}

void pt_share_pending_hold(struct pt_share_pending *pending, struct pt_request *request)
{
    pending->request = request;
    pt_reply_later(request, on_client_gone, pending);
}

const char *pt_share_pending_node_name(const struct pt_share_pending *pending)
{
    return pending->node->name;
}

struct pt_share_pending *pt_share_pendings_find(const struct pt_share_pendings *all,
                                                uint64_t number)
{
    struct pt_share_pending *pending = TAILQ_FIRST(&all->list);
    while (pending && pending->number < number)
        pending = TAILQ_NEXT(pending, in_all);
    return pending && pending->number == number ? pending : NULL;
}

void pt_share_pending_settle(struct pt_share_pending *pending, bool is_in_log)
{
    const struct pt_share_pendings *all = pending->all;
    struct pt_request *request = pending->request;
    bool has_end = pending->has_end;
    pt_share_pending_remove(pending);
    if (request)
        all->on_settled(all->context, request, is_in_log, has_end);
}

void pt_share_pendings_settle_old(struct pt_share_pendings *all)
{
    struct pt_share_pending *pending;
    int64_t now = pt_clock_monotonic_ns(all->clock);
    // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    while ((pending = TAILQ_FIRST(&all->list)) && now - pending->since > PATIENCE_NS)
        pt_share_pending_settle(pending, false);
}

void pt_share_pendings_note_overtaken(struct pt_share_pendings *all, const char *node_name)
{
    const struct pt_share_pending_node *node = pt_map_get(&all->nodes, node_name);
    struct pt_share_pending *pending;
    if (!node)
        return;
    LIST_FOREACH(pending, &node->pendings, in_node)
    {
        pending->is_overtaken = true;
    }
}
