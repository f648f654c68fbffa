// SPDX-License-Identifier: Apache-2.0
#include "server/cluster/cluster_nodes.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "kube/object_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct known_node {
    TAILQ_ENTRY(known_node) link;
    struct pt_cluster_node shown; // borrows from `text`
    uint64_t list;                // number of the list that named it last
    char text[];                  // name, runtime's name, its version; each with its NUL
};

struct pt_cluster_nodes {
    struct pt_kube_watch *watch;
    struct pt_map by_name;
    TAILQ_HEAD(, known_node) order;
    LIST_HEAD(, pt_cluster_walk) walks;
    size_t max_nodes;
    uint64_t list; // number of the newest list
    uint64_t left_out;
    bool is_full; // said in the log
};

static const char *put(char **cursor, const char *text, size_t length)
{
    char *copy = memcpy(*cursor, text, length);
    copy[length] = '\0';
    *cursor += length + 1;
    return copy;
}

// `runtime` is `name://version`, as nodeInfo.containerRuntimeVersion has it, or NULL.
static struct known_node *make_node(const char *name, const char *runtime)
{
    const char *mark = runtime ? strstr(runtime, "://") : NULL;
    size_t name_length = strlen(name), runtime_length = mark ? (size_t)(mark - runtime) : 0;
    const char *version = mark ? mark + strlen("://") : "";
    struct known_node *node =
        malloc(sizeof(*node) + name_length + runtime_length + strlen(version) + 3);
    if (!node)
        return NULL;
    char *cursor = node->text;
    node->shown.name = put(&cursor, name, name_length);
    node->shown.runtime_name = put(&cursor, mark ? runtime : "", runtime_length);
    node->shown.runtime_version = put(&cursor, version, strlen(version));
    if (runtime_length == 0)
        node->shown.runtime_name = NULL;
    if (!*version)
        node->shown.runtime_version = NULL;
    return node;
}

static void forget(struct pt_cluster_nodes *nodes, struct known_node *node)
{
    struct pt_cluster_walk *walk;
    LIST_FOREACH(walk, &nodes->walks, in_nodes)
    {
        if (walk->next == node)
            walk->next = TAILQ_NEXT(node, link);
    }
    pt_map_remove(&nodes->by_name, node->shown.name);
    TAILQ_REMOVE(&nodes->order, node, link);
    free(node);
}

// The new one has its place, in the map already: a walk that is past it does not meet it again.
static void replace(struct pt_cluster_nodes *nodes, struct known_node *known,
                    struct known_node *node)
{
    struct pt_cluster_walk *walk;
    LIST_FOREACH(walk, &nodes->walks, in_nodes)
    {
        if (walk->next == known)
            walk->next = node;
    }
    TAILQ_INSERT_AFTER(&nodes->order, known, node, link);
    TAILQ_REMOVE(&nodes->order, known, link);
    free(known);
}

static int leave_out(struct pt_cluster_nodes *nodes)
{
    if (!nodes->is_full)
        pt_log_warn("kubernetes.node_limit", pt_log_int("limit", (int64_t)nodes->max_nodes));
    nodes->is_full = true;
    nodes->left_out++;
    return 0;
}

int pt_cluster_nodes_apply(struct pt_cluster_nodes *nodes, enum pt_kube_change change,
                           yyjson_val *object)
{
    const char *name = pt_kube_name(yyjson_obj_get(object, "metadata"), "name");
    yyjson_val *info = yyjson_obj_get(yyjson_obj_get(object, "status"), "nodeInfo");
    const char *runtime = pt_kube_short_text(info, "containerRuntimeVersion", PT_LIMIT_NAME_BYTES);
    if (!name || !*name || strlen(name) > PT_LIMIT_NODE_NAME_BYTES)
        return -EINVAL;
    struct known_node *known = pt_map_get(&nodes->by_name, name);
    if (change == PT_KUBE_DELETED) {
        if (known)
            forget(nodes, known);
        return 0;
    }
    if (!known && nodes->by_name.count >= nodes->max_nodes)
        return leave_out(nodes);
    struct known_node *node = make_node(name, runtime);
    if (!node || pt_map_put(&nodes->by_name, node->shown.name, node) < 0) {
        free(node);
        return 0; // the next word on it, or the next list, may find room
    }
    node->list = nodes->list;
    if (known)
        replace(nodes, known, node);
    else
        TAILQ_INSERT_TAIL(&nodes->order, node, link);
    return 0;
}

static void on_list_begin(void *context)
{
    struct pt_cluster_nodes *nodes = context;
    nodes->list++;
}

static int on_object(void *context, enum pt_kube_change change, yyjson_val *object)
{
    return pt_cluster_nodes_apply(context, change, object);
}

static void on_list_end(void *context)
{
    struct pt_cluster_nodes *nodes = context;
    struct known_node *node, *next;
    for (node = TAILQ_FIRST(&nodes->order); node; node = next) {
        next = TAILQ_NEXT(node, link);
        if (node->list != nodes->list)
            forget(nodes, node);
    }
    nodes->is_full = false;
}

int pt_cluster_nodes_create(const struct pt_kube_client *client, size_t max_nodes,
                            struct pt_cluster_nodes **ret_nodes, struct pt_error *err)
{
    struct pt_cluster_nodes *nodes = calloc(1, sizeof(*nodes));
    if (!nodes)
        return pt_error_set(err, ENOMEM, "out of memory");
    const struct pt_kube_watch_handler handler = {.on_list_begin = on_list_begin,
                                                  .on_object = on_object,
                                                  .on_list_end = on_list_end,
                                                  .is_optional = true,
                                                  .context = nodes};
    nodes->max_nodes = max_nodes;
    pt_map_init(&nodes->by_name);
    TAILQ_INIT(&nodes->order);
    LIST_INIT(&nodes->walks);
    int r = client ? pt_kube_watch_create(client, "nodes", NULL, NULL, &handler, &nodes->watch, err)
                   : 0;
    if (r < 0) {
        pt_cluster_nodes_destroy(nodes);
        return r;
    }
    *ret_nodes = nodes;
    return 0;
}

void pt_cluster_nodes_destroy(struct pt_cluster_nodes *nodes)
{
    if (!nodes)
        return;
    struct known_node *node;
    struct pt_cluster_walk *walk;
    pt_kube_watch_destroy(nodes->watch);
    while ((walk = LIST_FIRST(&nodes->walks)))
        pt_cluster_walk_end(walk);
    while ((node = TAILQ_FIRST(&nodes->order)))
        forget(nodes, node);
    pt_map_finish(&nodes->by_name);
    free(nodes);
}

const struct pt_cluster_node *pt_cluster_nodes_find(const struct pt_cluster_nodes *nodes,
                                                    const char *name)
{
    const struct known_node *node = nodes ? pt_map_get(&nodes->by_name, name) : NULL;
    return node ? &node->shown : NULL;
}

void pt_cluster_walk_begin(struct pt_cluster_nodes *nodes, struct pt_cluster_walk *walk)
{
    *walk = (struct pt_cluster_walk){.next = nodes ? TAILQ_FIRST(&nodes->order) : NULL};
    if (!nodes)
        return;
    walk->is_under_way = true;
    LIST_INSERT_HEAD(&nodes->walks, walk, in_nodes);
}

void pt_cluster_walk_end(struct pt_cluster_walk *walk)
{
    if (walk->is_under_way)
        LIST_REMOVE(walk, in_nodes);
    walk->is_under_way = false;
    walk->next = NULL;
}

const struct pt_cluster_node *pt_cluster_walk_next(struct pt_cluster_walk *walk)
{
    const struct known_node *node = walk->next;
    if (!node)
        return NULL;
    walk->next = TAILQ_NEXT(node, link);
    return &node->shown;
}

uint64_t pt_cluster_nodes_left_out(const struct pt_cluster_nodes *nodes)
{
    return nodes->left_out;
}

const struct pt_kube_watch_state *pt_cluster_nodes_state(const struct pt_cluster_nodes *nodes)
{
    return pt_kube_watch_state(nodes->watch);
}
