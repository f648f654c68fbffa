// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/model.h"

#include <string.h>

// Pulls of which the agent knows no name yet. With a registry far away, a lease exists for some
// round trips before containerd knows what it is about. Shown at once, such a pull would be a row
// of its own beside the row of the image that its pods wait for. So it is held back: the image
// whose turn has come is being resolved, and the pull goes on in that row as soon as it has a name.
// If the name turns out to be another one, nothing has to be taken back but the word `resolving`.

// An agent that follows a pull reports it once a second.
#define HEARD_NS (5 * PT_NS_PER_S)
#define MAX_RESOLVING 64 // images of a node at the same time

static bool is_unnamed(const struct pt_pull *reported)
{
    return reported->id && !reported->repository && !reported->image_ref_exact;
}

static struct correlate_image *find_held(struct correlate_node *node, const char *key)
{
    struct correlate_image *image;
    TAILQ_FOREACH(image, &node->resolving_images, resolving_link)
    {
        if (strcmp(image->resolving_key, key) == 0)
            return image;
    }
    return NULL;
}

// When the kubelet asked for the image; of several, the one that it asked for first is pulled
// first. 0: it has not asked, or not again since the last attempt.
static int64_t asked_at(const struct correlate_image *image)
{
    int64_t asked = 0;
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        if (!pt_correlate_lacks_image(container) || !pt_correlate_is_outstanding(container))
            continue;
        if (!asked || container->pulling.at < asked)
            asked = container->pulling.at;
    }
    return asked;
}

static struct correlate_image *find_on_turn(struct correlate_node *node,
                                            const struct pt_pull *reported)
{
    struct correlate_image *image, *found = NULL;
    int64_t found_at = 0;
    // Where nothing was heard since, a report of many such pulls is gone through once.
    if (node->resolving >= MAX_RESOLVING || node->nobody_asks == node->correlate->moments)
        return NULL;
    TAILQ_FOREACH(image, &node->images, link)
    {
        int64_t asked = image->running == 0 && !image->resolving_key ? asked_at(image) : 0;
        if (!asked)
            continue;
        bool is_digest = *image->digest && reported->root_digest;
        if (is_digest && strcmp(image->digest, reported->root_digest) == 0)
            return image;
        if (!is_digest && (!found || asked < found_at)) {
            found = image;
            found_at = asked;
        }
    }
    if (!found)
        node->nobody_asks = node->correlate->moments;
    return found;
}

static void forget_resolving(struct correlate_image *image)
{
    image->node->resolving--;
    TAILQ_REMOVE(&image->node->resolving_images, image, resolving_link);
    image->node->nobody_asks = 0;
    (void)pt_correlate_replace_text(&image->resolving_key, NULL);
}

static void stop_resolving(struct correlate_image *image)
{
    pt_correlate_mark(image->node);
    forget_resolving(image);
}

bool pt_correlate_is_resolving(struct correlate_image *image, int64_t now)
{
    if (image->resolving_key &&
        (image->running > 0 ||
         pt_correlate_has_passed(image->node, image->resolving_at + HEARD_NS, now)))
        forget_resolving(image);
    return image->resolving_key;
}

bool pt_correlate_hold_back(struct pt_correlate *correlate, const char *node_name, const char *key,
                            const struct pt_pull *reported)
{
    struct correlate_node *node = pt_map_get(&correlate->nodes, node_name);
    if (!node || TAILQ_EMPTY(&node->images))
        return false;
    struct correlate_image *image = find_held(node, key);
    if (!is_unnamed(reported)) {
        if (image)
            stop_resolving(image);
        return false;
    }
    bool is_final = pt_pull_phase_is_final(reported->phase);
    if (is_final && image) { // the kubelet says why
        stop_resolving(image);
        return true;
    }
    if (!is_final && !image) {
        image = find_on_turn(node, reported);
        if (!image || !pt_correlate_replace_text(&image->resolving_key, key))
            return false;
        node->resolving++;
        TAILQ_INSERT_TAIL(&node->resolving_images, image, resolving_link);
        pt_correlate_mark(node);
    }
    if (!image)
        return false;
    image->resolving_at = pt_clock_wall_ns(correlate->clock);
    return true;
}
