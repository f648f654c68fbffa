// SPDX-License-Identifier: Apache-2.0

// The pulls of a node in the order in which they started, and of which image each is.

#include "server/correlate/model.h"

#include <stdlib.h>
#include <string.h>

#define SETTLE_NS (5 * PT_NS_PER_S) // pods may come so much later than the pull that is theirs
#define SHOWN_BYTES (256 * 1024)    // more waiting containers of one pull are not remembered

struct correlate_pull *pt_correlate_add_pull(struct correlate_node *node, const char *key,
                                             int64_t started_at)
{
    struct correlate_pull *pull = calloc(1, sizeof(*pull));
    if (pull)
        pull->key = strdup(key);
    if (!pull || !pull->key || pt_map_put(&node->pulls_by_key, pull->key, pull) < 0) {
        if (pull)
            free(pull->key);
        free(pull);
        return NULL;
    }
    pull->started_at = started_at;
    pull->heard_ns = pt_correlate_now_ns(node->correlate);
    pt_buffer_init(&pull->shown, SHOWN_BYTES);
    const struct correlate_pull *last = TAILQ_LAST(&node->pulls, correlate_pulls);
    node->is_sorted &= !last || last->started_at <= started_at;
    TAILQ_INSERT_TAIL(&node->pulls, pull, link);
    pull->is_new = true;
    TAILQ_INSERT_TAIL(&node->new_pulls, pull, new_link);
    return pull;
}

// Takes the first of both lists that started earlier, of equals that of `a`.
static struct correlate_pull *take_earlier(struct correlate_pulls *a, struct correlate_pulls *b)
{
    struct correlate_pull *first = TAILQ_FIRST(a), *second = TAILQ_FIRST(b);
    bool is_second = !first || (second && second->started_at < first->started_at);
    TAILQ_REMOVE(is_second ? b : a, is_second ? second : first, link);
    return is_second ? second : first;
}

// Merges each two rows of `width` pulls that are in order; returns how many merges that were.
static size_t merge_rows(struct correlate_pulls *pulls, size_t width)
{
    struct correlate_pulls all, a, b;
    size_t merges = 0;
    TAILQ_INIT(&all);
    TAILQ_INIT(&a);
    TAILQ_INIT(&b);
    TAILQ_CONCAT(&all, pulls, link);
    for (; !TAILQ_EMPTY(&all); merges++) {
        for (size_t i = 0; i < 2 * width && !TAILQ_EMPTY(&all); i++) {
            struct correlate_pull *pull = TAILQ_FIRST(&all);
            TAILQ_REMOVE(&all, pull, link);
            if (i < width)
                TAILQ_INSERT_TAIL(&a, pull, link);
            else
                TAILQ_INSERT_TAIL(&b, pull, link);
        }
        while (!TAILQ_EMPTY(&a) || !TAILQ_EMPTY(&b)) {
            struct correlate_pull *pull = take_earlier(&a, &b);
            TAILQ_INSERT_TAIL(pulls, pull, link);
        }
    }
    return merges;
}

void pt_correlate_sort_pulls(struct correlate_node *node)
{
    for (size_t width = 1; !node->is_sorted; width *= 2)
        node->is_sorted = merge_rows(&node->pulls, width) <= 1;
}

// Where its image has it.
static struct correlate_pulls *list_of(const struct correlate_pull *pull)
{
    if (!pull->final_ns)
        return &pull->image->running_pulls;
    return pull->has_failed ? &pull->image->failed_pulls : &pull->image->completed_pulls;
}

static void leave_image(struct correlate_pull *pull)
{
    struct correlate_image *image = pull->image;
    pt_correlate_set_released(pull, false);
    image->running -= pull->final_ns == 0;
    image->failed_count -= pull->final_ns != 0 && pull->has_failed;
    if (pull->is_check && pull->started_at == image->checked_at)
        image->is_check_known = false;
    TAILQ_REMOVE(list_of(pull), pull, image_link);
}

static void enter_image(struct correlate_pull *pull)
{
    struct correlate_image *image = pull->image;
    struct correlate_pulls *list = list_of(pull);
    struct correlate_pull *before = TAILQ_LAST(list, correlate_pulls);
    while (before && pull->final_ns && before->started_at > pull->started_at)
        before = TAILQ_PREV(before, correlate_pulls, image_link);
    if (before)
        TAILQ_INSERT_AFTER(list, before, pull, image_link);
    else
        TAILQ_INSERT_HEAD(list, pull, image_link);
    image->running += pull->final_ns == 0;
    image->failed_count += pull->final_ns != 0 && pull->has_failed;
    if (pull->is_check && pull->started_at > image->checked_at)
        image->checked_at = pull->started_at;
}

void pt_correlate_use_image(struct correlate_node *node, struct correlate_pull *pull,
                            struct correlate_image *image)
{
    if (image == pull->image)
        return;
    if (pull->image) {
        leave_image(pull);
        pull->image->users--;
    }
    pull->image = image;
    if (image) {
        image->users++;
        enter_image(pull);
    }
    pt_correlate_look_again(node);
}

void pt_correlate_set_final(struct correlate_pull *pull, int64_t final_ns, bool has_failed)
{
    if (pull->image)
        leave_image(pull);
    pull->final_ns = final_ns;
    pull->has_failed = has_failed;
    if (pull->image)
        enter_image(pull);
}

void pt_correlate_set_check(struct correlate_pull *pull, bool is_check)
{
    if (pull->is_check != is_check && pull->image)
        pull->image->is_check_known = false;
    pull->is_check = is_check;
}

static void find_last_check(struct correlate_image *image, const struct correlate_pulls *pulls)
{
    const struct correlate_pull *pull;
    TAILQ_FOREACH(pull, pulls, image_link)
    {
        image->node->correlate->items++;
        if (pull->is_check && pull->started_at > image->checked_at)
            image->checked_at = pull->started_at;
    }
}

int64_t pt_correlate_checked_at(struct correlate_image *image)
{
    if (!image->is_check_known) {
        image->checked_at = 0;
        find_last_check(image, &image->running_pulls);
        find_last_check(image, &image->completed_pulls);
        find_last_check(image, &image->failed_pulls);
        image->is_check_known = true;
    }
    return image->checked_at;
}

void pt_correlate_set_released(struct correlate_pull *pull, bool is_released)
{
    if (pull->is_released == is_released)
        return;
    pull->is_released = is_released;
    pull->image->released += is_released ? 1 : -1U;
}

void pt_correlate_free_names(struct correlate_pull *pull)
{
    free(pull->repository);
    free(pull->root_digest);
    free(pull->manifest_digest);
    free(pull->exact_ref);
}

void pt_correlate_free_pull(struct correlate_node *node, struct correlate_pull *pull)
{
    struct correlate_look *look = &node->correlate->look;
    if (look->next_pull == pull)
        look->next_pull = TAILQ_NEXT(pull, link);
    pt_correlate_use_image(node, pull, NULL);
    TAILQ_REMOVE(&node->pulls, pull, link);
    if (pull->is_new)
        TAILQ_REMOVE(&node->new_pulls, pull, new_link);
    pt_map_remove(&node->pulls_by_key, pull->key);
    pt_buffer_finish(&pull->shown);
    free(pull->key);
    pt_correlate_free_names(pull);
    free(pull);
}

bool pt_correlate_has_settled(const struct correlate_pull *pull, int64_t now_ns)
{
    return now_ns - pull->joined_ns >= SETTLE_NS;
}
