// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/model.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/text.h"
#include "pull/image_ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_KEY_SIZE (PT_IMAGE_REF_SIZE + PT_LIMIT_REFERENCE_BYTES)

bool pt_correlate_replace_text(char **slot, const char *text)
{
    return pt_text_replace((const char **)slot, text, NULL) == 0;
}

struct correlate_node *pt_correlate_get_node(struct pt_correlate *correlate, const char *name)
{
    struct correlate_node *node = pt_map_get(&correlate->nodes, name);
    if (node)
        return node;
    if (correlate->nodes.count >= correlate->max_nodes) {
        correlate->left_out_nodes++;
        return NULL;
    }
    node = calloc(1, sizeof(*node));
    if (!node)
        return NULL;
    node->correlate = correlate;
    node->due_ns = INT64_MAX;
    node->name = strdup(name);
    TAILQ_INIT(&node->images);
    TAILQ_INIT(&node->pods);
    TAILQ_INIT(&node->pulls);
    TAILQ_INIT(&node->new_pulls);
    TAILQ_INIT(&node->unnamed);
    node->changes = 1;
    pt_map_init(&node->images_by_key);
    pt_map_init(&node->pulls_by_key);
    pt_map_init(&node->repositories);
    node->is_sorted = true;
    if (!node->name || pt_map_put(&correlate->nodes, node->name, node) < 0) {
        free(node->name);
        free(node);
        return NULL;
    }
    return node;
}

// --- images ---

int pt_correlate_repository(const char *reference, char repository[static PT_IMAGE_REF_SIZE])
{
    struct pt_image_ref ref;
    int r = pt_image_ref_parse(reference, &ref);
    if (r < 0)
        return r;
    char *host = ref.host;
    if (*host == '[') {
        host++;
        host[strcspn(host, "]")] = '\0';
    } else {
        host[strcspn(host, ":")] = '\0';
    }
    snprintf(repository, PT_IMAGE_REF_SIZE, "%s/%s", host, ref.path);
    return 0;
}

static void leave_repository(struct correlate_image *image)
{
    struct correlate_repository *repository = image->repository;
    if (!repository)
        return;
    TAILQ_REMOVE(&repository->images, image, repository_link);
    if (!TAILQ_EMPTY(&repository->images))
        return;
    pt_map_remove(&image->node->repositories, repository->name);
    free(repository->name);
    free(repository);
}

static bool enter_repository(struct correlate_image *image, const char *name)
{
    struct correlate_node *node = image->node;
    struct correlate_repository *repository = pt_map_get(&node->repositories, name);
    if (!repository) {
        repository = calloc(1, sizeof(*repository));
        if (repository)
            repository->name = strdup(name);
        if (!repository || !repository->name ||
            pt_map_put(&node->repositories, repository->name, repository) < 0) {
            if (repository)
                free(repository->name);
            free(repository);
            return false;
        }
        TAILQ_INIT(&repository->images);
    }
    TAILQ_INSERT_TAIL(&repository->images, image, repository_link);
    image->repository = repository;
    return true;
}

static void free_image(struct correlate_image *image)
{
    leave_repository(image);
    if (image->key)
        pt_map_remove(&image->node->images_by_key, image->key);
    free(image->key);
    free(image->tag);
    free(image->digest);
    free(image->error);
    free(image->served_digest);
    struct correlate_unnamed *unnamed, *next;
    for (unnamed = TAILQ_FIRST(&image->node->unnamed); image->unnamed_count > 0; unnamed = next) {
        next = TAILQ_NEXT(unnamed, link);
        if (unnamed->image == image)
            pt_correlate_free_unnamed(unnamed);
    }
    free(image);
}

static struct correlate_image *add_image(struct correlate_node *node, const char *key,
                                         const char *repository, const struct pt_image_ref *ref)
{
    struct correlate_image *image = calloc(1, sizeof(*image));
    if (!image)
        return NULL;
    image->node = node;
    TAILQ_INIT(&image->containers);
    TAILQ_INIT(&image->running_pulls);
    TAILQ_INIT(&image->completed_pulls);
    TAILQ_INIT(&image->failed_pulls);
    image->key = strdup(key);
    image->tag = strdup(ref->tag);
    image->digest = strdup(ref->digest);
    if (!image->key || !image->tag || !image->digest ||
        (*repository && !enter_repository(image, repository)) ||
        pt_map_put(&node->images_by_key, image->key, image) < 0) {
        free_image(image);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&node->images, image, link);
    return image;
}

// A malformed reference stays as it came and matches only itself; its repository is empty.
static void make_key(const char *text, char key[static IMAGE_KEY_SIZE],
                     char repository[static PT_IMAGE_REF_SIZE], struct pt_image_ref *ref)
{
    if (pt_image_ref_parse(text, ref) == 0 && pt_correlate_repository(text, repository) == 0) {
        key[0] = 'k';
        pt_image_ref_format(ref, key + 1);
        return;
    }
    *ref = (struct pt_image_ref){0};
    *repository = '\0';
    snprintf(key, PT_LIMIT_REFERENCE_BYTES + 2, "k%s", text);
}

static struct correlate_image *get_image(struct correlate_node *node, const char *text)
{
    struct pt_image_ref ref;
    char key[IMAGE_KEY_SIZE], repository[PT_IMAGE_REF_SIZE];
    make_key(text, key, repository, &ref);
    struct correlate_image *image = pt_map_get(&node->images_by_key, key);
    return image ? image : add_image(node, key, repository, &ref);
}

// --- containers and pods ---

struct correlate_container *pt_correlate_find_container(struct correlate_pod *pod, const char *name,
                                                        enum pt_kube_container_kind kind)
{
    struct correlate_container *container;
    TAILQ_FOREACH(container, &pod->containers, pod_link)
    {
        if (container->kind == kind && strcmp(container->name, name) == 0)
            return container;
    }
    return NULL;
}

bool pt_correlate_is_of_image(const struct correlate_container *container, const char *text)
{
    char key[IMAGE_KEY_SIZE], repository[PT_IMAGE_REF_SIZE];
    struct pt_image_ref ref;
    if (strcmp(container->image_text, text) == 0)
        return true;
    make_key(text, key, repository, &ref);
    return strcmp(container->image->key, key) == 0;
}

struct pt_moment pt_correlate_at(struct pt_correlate *correlate, int64_t at)
{
    struct pt_moment now = pt_correlate_now(correlate);
    now.at = at;
    now.is_of_node = true;
    return now;
}

struct pt_moment pt_correlate_now(struct pt_correlate *correlate)
{
    int64_t now = pt_clock_wall_ns(correlate->clock);
    return (struct pt_moment){
        .at = now, .heard_ns = pt_correlate_now_ns(correlate), .order = ++correlate->moments};
}

static void free_container(struct correlate_container *container)
{
    free(container->name);
    free(container->image_text);
    free(container);
}

void pt_correlate_remove_container(struct correlate_container *container)
{
    struct correlate_pod *pod = container->pod;
    struct correlate_image *image = container->image;
    image->gone_failures += container->failures;
    image->left_ns = pt_correlate_now_ns(pod->node->correlate);
    image->summed_at = 0;
    image->users--;
    TAILQ_REMOVE(&image->containers, container, image_link);
    TAILQ_REMOVE(&pod->containers, container, pod_link);
    pod->count--;
    pod->node->containers--;
    pod->node->correlate->waiting_containers--;
    free_container(container);
}

static int compare_places(const struct correlate_container *a, const struct correlate_container *b)
{
    int order = strcmp(a->pod->name_space, b->pod->name_space);
    if (order == 0)
        order = strcmp(a->pod->name, b->pod->name);
    return order != 0 ? order : strcmp(a->name, b->name);
}

// In the order in which they are shown; pods are listed in that order, so that most come last.
static void enter_image_of(struct correlate_container *container)
{
    struct correlate_image *image = container->image;
    struct correlate_container *before = TAILQ_LAST(&image->containers, correlate_containers);
    while (before && compare_places(before, container) > 0)
        before = TAILQ_PREV(before, correlate_containers, image_link);
    if (before)
        TAILQ_INSERT_AFTER(&image->containers, before, container, image_link);
    else
        TAILQ_INSERT_HEAD(&image->containers, container, image_link);
    image->users++;
    image->summed_at = 0;
}

struct correlate_container *pt_correlate_add_container(struct correlate_pod *pod, const char *name,
                                                       enum pt_kube_container_kind kind,
                                                       const char *image)
{
    struct correlate_node *node = pod->node;
    if (pod->count >= PT_LIMIT_CONTAINERS_PER_POD ||
        node->containers >= PT_LIMIT_CONTAINERS_PER_NODE)
        return NULL;
    struct correlate_container *container = calloc(1, sizeof(*container));
    if (!container)
        return NULL;
    container->pod = pod;
    container->kind = kind;
    container->queued_ns = -1;
    container->heard = pt_correlate_now(node->correlate);
    container->name = strdup(name);
    container->image_text = strdup(image);
    if (container->name && container->image_text)
        container->image = get_image(node, image);
    if (!container->image) {
        free_container(container);
        return NULL;
    }
    enter_image_of(container);
    TAILQ_INSERT_TAIL(&pod->containers, container, pod_link);
    pod->count++;
    node->containers++;
    node->correlate->waiting_containers++;
    return container;
}

void pt_correlate_pod_key(const char *name_space, const char *name,
                          char key[static PT_POD_KEY_SIZE])
{
    snprintf(key, PT_POD_KEY_SIZE, "%s/%s", name_space, name);
}

static void free_texts(struct correlate_pod *pod)
{
    free(pod->uid);
    free(pod->name_space);
    free(pod->name);
    free(pod->key);
}

// Takes it in under its number and names; of two pods of a name the later one is found by it.
static bool enter(struct pt_correlate *correlate, struct correlate_pod *pod)
{
    if (pt_pod_order_add(&correlate->order, pod, &pod->number) < 0)
        return false;
    if (pt_map_put(&correlate->pods, pod->uid, pod) < 0) {
        pt_pod_order_remove(&correlate->order, pod->number);
        return false;
    }
    pt_map_remove(&correlate->pods_by_name, pod->key);
    if (pt_map_put(&correlate->pods_by_name, pod->key, pod) == 0)
        return true;
    pt_map_remove(&correlate->pods, pod->uid);
    pt_pod_order_remove(&correlate->order, pod->number);
    return false;
}

struct correlate_pod *pt_correlate_add_pod(struct correlate_node *node, const char *uid,
                                           const char *name_space, const char *name)
{
    char key[PT_POD_KEY_SIZE];
    struct correlate_pod *pod = calloc(1, sizeof(*pod));
    if (!pod)
        return NULL;
    pod->node = node;
    TAILQ_INIT(&pod->containers);
    pod->uid = strdup(uid);
    pod->name_space = strdup(name_space);
    pod->name = strdup(name);
    pt_correlate_pod_key(name_space, name, key);
    pod->key = strdup(key);
    if (!pod->uid || !pod->name_space || !pod->name || !pod->key || !enter(node->correlate, pod)) {
        free_texts(pod);
        free(pod);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&node->pods, pod, link);
    node->event_pods++;
    pt_correlate_mark(node); // even if no container of it finds room
    return pod;
}

void pt_correlate_free_pod(struct correlate_pod *pod)
{
    struct correlate_node *node = pod->node;
    struct correlate_look *look = &node->correlate->look;
    struct correlate_container *container, *next;
    if (look->next_pod == pod)
        look->next_pod = TAILQ_NEXT(pod, link);
    for (container = TAILQ_FIRST(&pod->containers); container; container = next) {
        next = TAILQ_NEXT(container, pod_link);
        pt_correlate_remove_container(container);
    }
    pt_map_remove(&node->correlate->pods, pod->uid);
    if (pt_map_get(&node->correlate->pods_by_name, pod->key) == pod)
        pt_map_remove(&node->correlate->pods_by_name, pod->key);
    pt_pod_order_remove(&node->correlate->order, pod->number);
    TAILQ_REMOVE(&node->pods, pod, link);
    node->event_pods -= !pod->is_cached;
    free_texts(pod);
    free(pod);
}

void pt_correlate_note_deleted(struct pt_correlate *correlate, const char *uid)
{
    struct correlate_deleted *deleted = &correlate->deleted;
    deleted->uids[deleted->next] = pt_hash_text(PT_HASH_EMPTY, uid);
    deleted->next = (deleted->next + 1) % PT_DELETED_PODS;
}

bool pt_correlate_is_deleted(const struct pt_correlate *correlate, const char *uid)
{
    uint64_t hash = pt_hash_text(PT_HASH_EMPTY, uid);
    for (size_t i = 0; i < PT_DELETED_PODS; i++) {
        if (correlate->deleted.uids[i] == hash)
            return true;
    }
    return false;
}

// --- letting go ---

void pt_correlate_drop_unused(struct correlate_node *node, int64_t now_ns)
{
    struct correlate_image *image, *next;
    size_t kept = 0;
    for (image = TAILQ_FIRST(&node->images); image; image = next) {
        next = TAILQ_NEXT(image, link);
        if (image->users > 0 || image->row_phase != PT_PULL_UNKNOWN)
            continue;
        bool may_be_taken =
            pt_correlate_may_go_on(image, now_ns) || pt_correlate_awaits_agent(image, now_ns);
        if (may_be_taken && kept++ < PT_MAX_KEPT_IMAGES)
            continue;
        TAILQ_REMOVE(&node->images, image, link);
        free_image(image);
    }
    if (TAILQ_EMPTY(&node->images) && TAILQ_EMPTY(&node->pods) && TAILQ_EMPTY(&node->pulls))
        pt_correlate_free_node(node);
}

void pt_correlate_free_node(struct correlate_node *node)
{
    struct pt_correlate *correlate = node->correlate;
    while (!TAILQ_EMPTY(&node->pods))
        pt_correlate_free_pod(TAILQ_FIRST(&node->pods));
    while (!TAILQ_EMPTY(&node->pulls))
        pt_correlate_free_pull(node, TAILQ_FIRST(&node->pulls));
    struct correlate_image *image;
    while ((image = TAILQ_FIRST(&node->images))) {
        TAILQ_REMOVE(&node->images, image, link);
        free_image(image);
    }
    if (node->is_dirty)
        TAILQ_REMOVE(&correlate->dirty, node, dirty_link);
    if (correlate->look.node == node)
        correlate->look = (struct correlate_look){0};
    pt_correlate_unschedule(node);
    correlate->waiting_pods -= node->waiting_pods;
    pt_map_remove(&correlate->nodes, node->name);
    pt_map_finish(&node->images_by_key);
    pt_map_finish(&node->pulls_by_key);
    pt_map_finish(&node->repositories);
    free(node->name);
    free(node);
}
