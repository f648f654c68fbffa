// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/model.h"

#include <stdlib.h>
#include <string.h>

// Pulls of which the agent knows no name yet. With a registry far away, a lease exists for some
// round trips before containerd knows what it is about. Shown at once, such a pull would be a row
// of its own beside the row of the image that its pods wait for. So it is held back: the image
// whose turn has come is being resolved, and the pull goes on in that row as soon as it has a name.
// If the name turns out to be another one, nothing has to be taken back but the word `resolving`.
//
// Who waits may be heard of later than the pull, as when the API server is away: then the pull has
// a row already, and the image must not get another one beside it. So it is guessed to be of the
// image that would be on turn, as long as it has no name.

// An agent that follows a pull reports it once a second.
#define HEARD_NS (5 * PT_NS_PER_S)
#define MAX_UNNAMED 64 // of a node at the same time
#define MAX_ASKED 128  // times that an image is asked for; later ones do not count

bool pt_correlate_is_unnamed(const struct pt_pull *reported)
{
    return reported->id && !reported->repository && !reported->image_ref_exact;
}

static struct correlate_unnamed *find_held(struct correlate_node *node, const char *key)
{
    struct correlate_unnamed *unnamed;
    TAILQ_FOREACH(unnamed, &node->unnamed, link)
    {
        if (strcmp(unnamed->key, key) == 0)
            return unnamed;
    }
    return NULL;
}

// The times when the kubelet asked for an image, the first `max_count`, in order.
struct asked {
    int64_t at[MAX_ASKED];
    size_t count, max_count;
};

static void add_asked(struct asked *asked, int64_t at)
{
    size_t i = asked->count;
    if (i == asked->max_count && at >= asked->at[i - 1])
        return;
    if (i < asked->max_count)
        asked->count++;
    else
        i--;
    for (; i > 0 && asked->at[i - 1] > at; i--)
        asked->at[i] = asked->at[i - 1];
    asked->at[i] = at;
}

// When the kubelet asked for the image, which it does once for each container; what it asks for
// first it pulls first. Each pull of it answers one. 0: it has not asked, not again since the last
// attempt, or all of it is answered.
static int64_t asked_at(const struct correlate_image *image, size_t answered)
{
    struct asked asked;
    const struct correlate_container *container;
    if (answered >= MAX_ASKED)
        return 0;
    asked.count = 0;
    asked.max_count = answered + 1;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        if (pt_correlate_lacks_image(container) && pt_correlate_is_outstanding(container))
            add_asked(&asked, container->pulling.at);
    }
    return answered < asked.count ? asked.at[answered] : 0;
}

// Since when somebody waits whose turn it is, though no event says that the kubelet has asked. 0:
// nobody does.
static int64_t waits_since(const struct correlate_image *image)
{
    int64_t since = 0;
    const struct correlate_container *container;
    if (image->pulled.at || image->failed.at)
        return 0;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        if (container->is_on_turn && !container->has_failed && !container->pulled.at &&
            !container->pulling.at && pt_correlate_lacks_image(container) &&
            !pt_correlate_is_held_up(container->pod) && (!since || container->since < since))
            since = container->since;
    }
    return since;
}

// The image that is on turn, of those that were looked at.
struct turn {
    struct correlate_image *image;
    int64_t at; // asked for, or else waited for
    bool is_asked_for;
};

// So many pulls `answer` the asking. What is asked for goes before what is merely waited for.
static void consider(struct correlate_image *image, size_t answer, int64_t latest,
                     struct turn *turn)
{
    int64_t asked = asked_at(image, answer);
    int64_t at = asked ? asked : answer == 0 && !turn->is_asked_for ? waits_since(image) : 0;
    bool is_first = !turn->image || (asked && !turn->is_asked_for) || at < turn->at;
    if (at && at <= latest && is_first)
        *turn = (struct turn){.image = image, .at = at, .is_asked_for = asked != 0};
}

// A pull has answered all that was asked, though the kubelet's words on its end have not come.
static bool has_ended_since(const struct correlate_image *image)
{
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        if (pt_correlate_is_outstanding(container) &&
            !pt_moment_is_later(&image->pulled, &container->pulling) &&
            !pt_moment_is_later(&image->failed, &container->pulling))
            return false;
    }
    return image->pulled.at || image->failed.at;
}

static bool is_digest(const struct correlate_image *image, const char *root_digest)
{
    return *image->digest && root_digest && strcmp(image->digest, root_digest) == 0;
}

// Takes the image and its containers from the share; false if they are more than is left.
static bool take_all(const struct correlate_image *image, size_t *left)
{
    const struct correlate_container *container = TAILQ_FIRST(&image->containers);
    if (!pt_correlate_take_share(image->node, left))
        return false;
    while (container && pt_correlate_take_share(image->node, left))
        container = TAILQ_NEXT(container, image_link);
    return !container;
}

struct correlate_image *pt_correlate_guess(struct correlate_node *node,
                                           const struct correlate_pull *pull)
{
    struct turn turn = {0};
    struct correlate_image *image, *own = NULL;
    size_t left = pt_correlate_share(node);
    if (pull->final_ns)
        return pull->image;
    TAILQ_FOREACH(image, &node->images, link)
    {
        bool is_own = image == pull->image;
        size_t others = image->running + image->unnamed_count - (is_own ? 1 : 0);
        if (!take_all(image, &left)) {
            node->correlate->shortened++;
            return pull->image;
        }
        if (image->row_phase != PT_PULL_UNKNOWN)
            continue;
        if (is_digest(image, pull->root_digest))
            return image;
        if (*image->digest && pull->root_digest)
            continue; // another digest
        if (is_own && others == 0 && pt_correlate_is_waited_for(image))
            own = image;
        else if (!has_ended_since(image))
            consider(image, others, pull->started_at, &turn);
    }
    return own ? own : turn.image;
}

static struct correlate_image *find_on_turn(struct correlate_node *node,
                                            const struct pt_pull *reported)
{
    struct turn turn = {0};
    struct correlate_image *image;
    // Where nothing was heard since, a report of many such pulls is gone through once.
    if (node->unnamed_count >= MAX_UNNAMED || node->nobody_asks == node->correlate->moments)
        return NULL;
    TAILQ_FOREACH(image, &node->images, link)
    {
        size_t answered = image->running + image->unnamed_count;
        bool is_queued = image->row_phase == PT_PULL_QUEUED;
        if (is_digest(image, reported->root_digest) && asked_at(image, answered))
            return image;
        if ((!*image->digest || !reported->root_digest) && (is_queued || asked_at(image, answered)))
            consider(image, answered, INT64_MAX, &turn);
    }
    if (!turn.image)
        node->nobody_asks = node->correlate->moments;
    return turn.image;
}

static struct correlate_unnamed *hold(struct correlate_image *image, const char *key)
{
    struct correlate_node *node = image->node;
    struct correlate_unnamed *unnamed = calloc(1, sizeof(*unnamed));
    if (unnamed)
        unnamed->key = strdup(key);
    if (!unnamed || !unnamed->key) {
        free(unnamed);
        return NULL;
    }
    unnamed->image = image;
    image->unnamed_count++;
    node->unnamed_count++;
    TAILQ_INSERT_TAIL(&node->unnamed, unnamed, link);
    pt_correlate_mark(node);
    return unnamed;
}

void pt_correlate_free_unnamed(struct correlate_unnamed *unnamed)
{
    struct correlate_node *node = unnamed->image->node;
    unnamed->image->unnamed_count--;
    node->unnamed_count--;
    node->nobody_asks = 0;
    TAILQ_REMOVE(&node->unnamed, unnamed, link);
    free(unnamed->key);
    free(unnamed);
}

static void let_go(struct correlate_unnamed *unnamed)
{
    pt_correlate_mark(unnamed->image->node);
    pt_correlate_free_unnamed(unnamed);
}

bool pt_correlate_is_resolving(struct correlate_image *image, int64_t now_ns)
{
    struct correlate_node *node = image->node;
    struct correlate_unnamed *unnamed, *next;
    for (unnamed = TAILQ_FIRST(&node->unnamed); image->unnamed_count > 0 && unnamed;
         unnamed = next) {
        next = TAILQ_NEXT(unnamed, link);
        if (unnamed->image == image &&
            pt_correlate_has_passed(node, unnamed->heard_ns + HEARD_NS, now_ns))
            pt_correlate_free_unnamed(unnamed);
    }
    return image->unnamed_count > 0;
}

bool pt_correlate_hold_back(struct pt_correlate *correlate, const char *node_name, const char *key,
                            const struct pt_pull *reported, bool is_older)
{
    struct correlate_node *node = pt_map_get(&correlate->nodes, node_name);
    if (correlate->is_listing && is_older && !pt_pull_phase_is_final(reported->phase))
        return true;
    if (!node || TAILQ_EMPTY(&node->images))
        return false;
    struct correlate_unnamed *unnamed = find_held(node, key);
    if (!pt_correlate_is_unnamed(reported)) {
        if (unnamed)
            let_go(unnamed);
        return pt_correlate_waits_for_end(node, reported);
    }
    bool is_final = pt_pull_phase_is_final(reported->phase);
    if (is_final && unnamed) { // the kubelet says why
        let_go(unnamed);
        return true;
    }
    if (!is_final && !unnamed) {
        struct correlate_image *image = find_on_turn(node, reported);
        unnamed = image ? hold(image, key) : NULL;
    }
    if (!unnamed)
        return false;
    unnamed->heard_ns = pt_correlate_now_ns(correlate);
    return true;
}
