// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/correlate.h"

#include "base/limits.h"
#include "pull/image_ref.h"
#include "pull/legacy_report.h"
#include "server/correlate/failure.h"
#include "server/correlate/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE_NS PT_NS_PER_S
#define OLDEST_PULLS 32

int pt_correlate_create(const struct pt_clock *clock, size_t max_nodes,
                        const struct pt_correlate_output *output,
                        struct pt_correlate **ret_correlate)
{
    struct pt_correlate *correlate = calloc(1, sizeof(*correlate));
    if (!correlate)
        return -ENOMEM;
    correlate->clock = clock;
    correlate->max_nodes = max_nodes;
    correlate->output = *output;
    pt_map_init(&correlate->nodes);
    pt_map_init(&correlate->pods);
    pt_map_init(&correlate->pods_by_name);
    pt_gone_pods_init(&correlate->gone);
    TAILQ_INIT(&correlate->dirty);
    for (size_t i = 0; i < PT_DUE_LISTS; i++)
        TAILQ_INIT(&correlate->due[i]);
    *ret_correlate = correlate;
    return 0;
}

void pt_correlate_destroy(struct pt_correlate *correlate)
{
    if (!correlate)
        return;
    struct correlate_node *node;
    size_t cursor = 0;
    while ((node = pt_map_next(&correlate->nodes, &cursor))) {
        pt_correlate_free_node(node);
        cursor = 0; // the map has changed
    }
    pt_map_finish(&correlate->nodes);
    pt_map_finish(&correlate->pods);
    pt_map_finish(&correlate->pods_by_name);
    pt_pod_order_finish(&correlate->order);
    pt_gone_pods_finish(&correlate->gone);
    free(correlate);
}

static int64_t now_of(const struct pt_correlate *correlate)
{
    return pt_clock_wall_ns(correlate->clock);
}

// --- pods ---

// An init container may have run for hours before it.
static void note_turn(struct correlate_container *container, const struct pt_kube_container *listed)
{
    const struct pt_correlate *correlate = container->pod->node->correlate;
    int64_t now = now_of(correlate);
    bool has_come = listed->is_on_turn && !container->is_on_turn && listed->turn_at;
    container->is_on_turn = listed->is_on_turn;
    if (!has_come)
        return;
    container->turn_at = listed->turn_at < now ? listed->turn_at : now; // two clocks
    container->since_ns = pt_correlate_now_ns(correlate);
}

// What is new in the status.
static bool update_container(struct correlate_container *container,
                             const struct pt_kube_container *listed, int64_t since)
{
    const struct pt_correlate *correlate = container->pod->node->correlate;
    int64_t now = now_of(correlate);
    bool was_failure = pt_kubelet_word_is_failure(container->word);
    bool is_failure = pt_kubelet_word_is_failure(listed->word);
    if (since > now) // the API server's clock is ahead
        since = container->since ? container->since : now;
    if (since < container->given_at)
        since = container->given_at;
    if (container->ended_ns == 0 && container->word == listed->word && container->since == since &&
        container->is_on_turn == listed->is_on_turn)
        return false;
    if (container->ended_ns) { // restarted: it waits anew
        container->ended_ns = 0;
        container->pulling = (struct pt_moment){0};
        container->pulled = (struct pt_moment){0};
        container->failed = (struct pt_moment){0};
        container->is_present = false;
        container->heard = pt_correlate_now(container->pod->node->correlate);
        since = now;
    }
    if (container->since != since)
        container->since_ns = pt_correlate_now_ns(correlate);
    container->since = since;
    note_turn(container, listed);
    bool is_new_failure = is_failure && (!was_failure || (listed->word == PT_KUBELET_PULL_FAILED &&
                                                          container->word == PT_KUBELET_BACK_OFF));
    container->word = listed->word;
    if (is_new_failure)
        pt_correlate_state_failed(container, listed->word, listed->error);
    return true;
}

// A volume that an event named before its pod was listed: now it has a name.
static struct correlate_container *find_unnamed_volume(struct correlate_pod *pod,
                                                       const struct pt_kube_container *listed)
{
    struct correlate_container *container =
        listed->kind == PT_KUBE_IMAGE_VOLUME
            ? pt_correlate_find_container(pod, PT_UNNAMED_VOLUME, listed->kind)
            : NULL;
    if (!container || !pt_correlate_is_of_image(container, listed->image) ||
        !pt_correlate_replace_text(&container->name, listed->name))
        return NULL;
    return container;
}

static void apply_container(struct correlate_pod *pod, const struct pt_kube_container *listed,
                            int64_t since, bool is_new_pod, bool *changed)
{
    bool is_late = !is_new_pod && listed->kind == PT_KUBE_EPHEMERAL_CONTAINER;
    struct correlate_container *container =
        pt_correlate_find_container(pod, listed->name, listed->kind);
    if (!container)
        container = find_unnamed_volume(pod, listed);
    int64_t given_at = 0;
    if (container && !pt_correlate_is_of_image(container, listed->image) && !container->ended_ns) {
        pt_correlate_remove_container(container); // its pod was given another image
        container = NULL;
        given_at = now_of(pod->node->correlate);
        *changed = true;
    }
    if (!container) {
        container = pt_correlate_add_container(pod, listed->name, listed->kind, listed->image);
        if (!container)
            return;
        container->given_at = given_at;
        container->turn_at = is_late ? now_of(pod->node->correlate) : 0;
        container->word = PT_KUBELET_WAITING;
        *changed = true;
    }
    *changed |= update_container(container, listed, since);
}

static bool is_listed(const struct pt_kube_pod *pod, const struct correlate_container *container)
{
    for (size_t i = 0; i < pod->waiting_count; i++) {
        if (pod->waiting[i].kind == container->kind &&
            strcmp(pod->waiting[i].name, container->name) == 0)
            return true;
    }
    return false;
}

static void end_containers(struct correlate_pod *pod, const struct pt_kube_pod *listed,
                           enum pt_pod_end end, int64_t now_ns, bool *changed)
{
    struct correlate_container *container;
    TAILQ_FOREACH(container, &pod->containers, pod_link)
    {
        bool is_sandbox = container->kind == PT_KUBE_SANDBOX;
        if (container->ended_ns || (listed && is_listed(listed, container)) ||
            (listed && is_sandbox && listed->sandbox != PT_KUBE_SANDBOX_READY))
            continue;
        container->ended_ns = now_ns;
        container->end = end;
        *changed = true;
    }
}

void pt_correlate_pod(struct pt_correlate *correlate, const struct pt_kube_pod *listed)
{
    bool changed = false;
    struct correlate_node *node = pt_correlate_get_node(correlate, listed->node);
    struct correlate_pod *pod = pt_map_get(&correlate->pods, listed->uid);
    if (!node)
        return;
    if (!pod && node->containers + listed->waiting_count > PT_LIMIT_CONTAINERS_PER_NODE) {
        correlate->left_out_pods++;
        return;
    }
    if (!pod)
        pod = pt_correlate_add_pod(node, listed->uid, listed->name_space, listed->name);
    if (!pod)
        return;
    bool is_new_pod = !pod->is_cached;
    if (is_new_pod)
        pod->node->event_pods--;
    pod->is_cached = true;
    pod->has_left = false;
    changed |= pod->sandbox != listed->sandbox;
    pod->sandbox = listed->sandbox;
    if (listed->sandbox == PT_KUBE_SANDBOX_READY)
        pod->lacks = CORRELATE_LACKS_NOTHING;
    for (size_t i = 0; i < listed->waiting_count; i++)
        apply_container(pod, &listed->waiting[i], listed->waiting_since, is_new_pod, &changed);
    end_containers(pod, listed, PT_POD_STARTED, pt_correlate_now_ns(correlate), &changed);
    if (changed)
        pt_correlate_mark(pod->node);
}

void pt_correlate_pod_end(struct pt_correlate *correlate, const char *uid, enum pt_pod_end end)
{
    bool changed = false;
    struct correlate_pod *pod = pt_map_get(&correlate->pods, uid);
    if (end == PT_POD_DELETED)
        pt_correlate_note_deleted(correlate, uid);
    if (!pod)
        return;
    pod->has_left = true;
    end_containers(pod, NULL, end, pt_correlate_now_ns(correlate), &changed);
    if (changed)
        pt_correlate_mark(pod->node);
}

// --- pulls ---

static bool equal(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

// Takes over names and digests, and its end; false when out of memory.
static bool read_report(struct correlate_pull *pull, const struct pt_pull *reported)
{
    char repository[PT_IMAGE_REF_SIZE], exact[PT_IMAGE_REF_SIZE];
    struct pt_image_ref ref;
    const char *repository_text = reported->repository;
    bool is_ref = reported->image_ref && pt_image_ref_parse(reported->image_ref, &ref) == 0;
    bool is_exact = reported->image_ref_exact && is_ref;
    // Without its port, as the images' are.
    bool has_port = repository_text && memchr(repository_text, ':', strcspn(repository_text, "/"));
    if (has_port && pt_correlate_repository(repository_text, repository) == 0)
        repository_text = repository;
    // An agent that sends no repository may still know the name. Ours does not: it has an id for
    // it.
    pull->is_unnamed = pt_correlate_is_unnamed(reported);
    pull->completed_at = reported->completed_at;
    pull->has_brought = reported->phase == PT_PULL_COMPLETED && reported->completed_at;
    if (!repository_text && is_ref && !pull->is_unnamed &&
        pt_correlate_repository(reported->image_ref, repository) == 0) {
        repository_text = repository;
        is_exact = true;
    }
    pull->is_nameless = !repository_text && equal(reported->image_ref, PT_MERGED_IMAGE_REF);
    return pt_correlate_replace_text(&pull->repository, repository_text) &&
           pt_correlate_replace_text(&pull->root_digest, reported->root_digest) &&
           pt_correlate_replace_text(&pull->manifest_digest, reported->manifest_digest) &&
           pt_correlate_replace_text(&pull->exact_ref,
                                     is_exact ? pt_image_ref_format(&ref, exact) : NULL);
}

// Of the oldest pulls for containers, one that runs on had begun well before this one's end.
static void note_pulls_at_once(struct correlate_node *node, const struct correlate_pull *ended)
{
    const struct correlate_pull *pull = TAILQ_FIRST(&node->pulls);
    for (int i = 0; i < OLDEST_PULLS && pull && !node->pulls_at_once; i++) {
        bool runs_on = pull != ended && pull->image && ended->image && !pull->final_ns;
        node->pulls_at_once = runs_on && pull->started_at < ended->completed_at - AT_ONCE_NS;
        pull = TAILQ_NEXT(pull, link);
    }
}

static void finish_pull(struct correlate_node *node, struct correlate_pull *pull,
                        const struct pt_pull *reported, int64_t now_ns)
{
    pt_correlate_join_pull(node, pull, now_ns); // its image, while it still counts as running
    if (pull->is_unnamed && reported->phase != PT_PULL_FAILED)
        pt_correlate_use_image(node, pull, NULL); // what it has brought nobody knows
    pt_correlate_set_final(pull, now_ns, reported->phase == PT_PULL_FAILED);
    note_pulls_at_once(node, pull);
    if (!pull->image)
        return;
    struct correlate_image *image = pull->image;
    struct pt_moment at = pt_correlate_at(node->correlate, reported->completed_at);
    struct pt_moment *known = pull->has_failed ? &image->failed : &image->pulled;
    if (pull->has_failed) {
        image->agent_failures++;
        if (!pt_correlate_is_of_attempt(image, pull))
            (void)pt_correlate_replace_text(&image->error, NULL); // words on an earlier attempt
    }
    if (pt_moment_is_later(&at, known))
        *known = at;
    if (!pull->has_failed) {
        image->served = at;
        (void)pt_correlate_replace_text(&image->served_digest, pull->root_digest);
    }
}

void pt_correlate_pull(struct pt_correlate *correlate, const char *node_name, const char *key,
                       const struct pt_pull *reported)
{
    struct correlate_node *node = pt_correlate_get_node(correlate, node_name);
    if (!node)
        return;
    struct correlate_pull *pull = pt_map_get(&node->pulls_by_key, key);
    bool is_first = !pull;
    int64_t now_ns = pt_correlate_now_ns(correlate);
    if (is_first)
        pull = pt_correlate_add_pull(node, key, reported->started_at);
    bool was_unnamed = pull && pull->is_unnamed;
    if (!pull || !read_report(pull, reported))
        return;
    if (was_unnamed && !pull->is_unnamed)
        pull->joined_ns = now_ns; // what was guessed has not settled
    pt_correlate_set_check(pull, reported->kind == PT_KIND_CHECK);
    // The row that it goes on in has the name of the image that waited, which may be a guess now.
    if (is_first && !TAILQ_EMPTY(&node->images))
        pt_correlate_join_pull(node, pull, now_ns);
    bool is_final = pt_pull_phase_is_final(reported->phase);
    if (is_final && !pull->final_ns)
        finish_pull(node, pull, reported, now_ns);
    else if (!is_final)
        pt_correlate_set_final(pull, 0, pull->has_failed); // it may have been given up too early
    pt_correlate_mark(node);
}

void pt_correlate_pull_gone(struct pt_correlate *correlate, const char *node_name, const char *key)
{
    struct correlate_node *node = pt_map_get(&correlate->nodes, node_name);
    struct correlate_pull *pull = node ? pt_map_get(&node->pulls_by_key, key) : NULL;
    if (!pull)
        return;
    pt_correlate_free_pull(node, pull);
    pt_correlate_mark(node);
}

// Whoever has asked for the image since then waits for another attempt: for this one, unless it had
// ended by then.
static bool has_failed_already(const struct correlate_image *image,
                               const struct correlate_pull *pull)
{
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        if (pt_correlate_is_outstanding(container) && !pt_correlate_asked_behind(container, pull))
            return false;
    }
    return pt_correlate_is_of_attempt(image, pull);
}

// Since when the row of the image waits, or would.
static int64_t waits_since(const struct correlate_image *image)
{
    int64_t since = 0;
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        bool waits =
            !container->ended_ns && !container->is_present && !pt_correlate_is_served(container);
        if (waits && (!since || container->since < since))
            since = container->since;
    }
    return since;
}

// The pull began while the image had a row of its own, which stands or has ended lately.
static bool is_of_row(const struct correlate_image *image, const struct correlate_pull *pull)
{
    int64_t now_ns = pt_correlate_now_ns(image->node->correlate);
    bool stands = image->row_phase != PT_PULL_UNKNOWN;
    bool has_ended =
        pt_correlate_may_go_on(image, now_ns) || pt_correlate_awaits_agent(image, now_ns);
    // The kubelet's times are whole seconds.
    return (stands || has_ended) && pull->started_at >= image->row_started.at - PT_NS_PER_S &&
           (stands || pull->started_at < image->row_ended_at + PT_NS_PER_S) &&
           pt_correlate_matches(image, pull);
}

// Of the images of its repository that nobody waits for any more.
static struct correlate_image *find_late(struct correlate_node *node,
                                         const struct correlate_pull *pull)
{
    const struct correlate_repository *repository =
        pull->repository ? pt_map_get(&node->repositories, pull->repository) : NULL;
    struct correlate_image *image, *found = NULL;
    if (!repository)
        return NULL;
    TAILQ_FOREACH(image, &repository->images, repository_link)
    {
        if (pt_correlate_is_waited_for(image) || !is_of_row(image, pull))
            continue;
        if (found)
            return NULL; // it could be either
        found = image;
    }
    return found;
}

// The image whose row the pull may go on in, NULL: none.
static struct correlate_image *find_image(struct correlate_node *node,
                                          const struct correlate_pull *pull)
{
    if (pull->is_nameless || pull->is_unnamed)
        return NULL;
    struct correlate_image *image = pt_correlate_choose(node, pull).image;
    return image ? image : find_late(node, pull);
}

// The kubelet has called the end of this very pull, and its row has ended by that.
static bool has_come(const struct correlate_image *image, const struct correlate_pull *pull)
{
    return image->row_phase == PT_PULL_UNKNOWN && image->came_ns && is_of_row(image, pull);
}

bool pt_correlate_waits_for_end(struct correlate_node *node, const struct pt_pull *reported)
{
    struct correlate_pull pull = {.started_at = reported->started_at};
    struct correlate_image *image = NULL;
    if (pt_correlate_now_ns(node->correlate) >= node->came_ns + PT_GOES_ON_NS)
        return false;
    if (read_report(&pull, reported))
        image = find_image(node, &pull);
    bool is_over = image && has_come(image, &pull);
    // An attempt before the one that brought it, whose failure the kubelet has counted.
    bool is_counted = reported->phase == PT_PULL_FAILED && is_over && pt_correlate_failures(image);
    pt_correlate_free_names(&pull);
    return is_over && (is_counted || !pt_pull_phase_is_final(reported->phase));
}

// The key of the row that a pull of the image goes on in, NULL: none. Its row is the pull's then.
static const char *take_row(struct correlate_image *image, const struct correlate_pull *pull)
{
    struct pt_correlate *correlate = image->node->correlate;
    struct correlate_pull *failed = TAILQ_LAST(&image->failed_pulls, correlate_pulls);
    bool may_go_on = !failed && (pt_correlate_may_go_on(image, pt_correlate_now_ns(correlate)) ||
                                 has_come(image, pull));
    const char *key = NULL;
    if (image->row_phase != PT_PULL_UNKNOWN || may_go_on) {
        image->row_phase = PT_PULL_UNKNOWN;
        image->may_go_on = false;
        image->came_ns = 0;
        image->row_hash = 0;
        image->row_failures = 0;
        key = image->key;
    } else if (failed) {
        key = failed->key;
    }
    if (key) {
        pt_correlate_mark(image->node);
        snprintf(correlate->continued_key, sizeof(correlate->continued_key), "%s", key);
        key = correlate->continued_key;
    }
    if (failed)
        pt_correlate_free_pull(image->node, failed);
    return key;
}

const char *pt_correlate_take_over_row(struct pt_correlate *correlate, const char *node_name,
                                       const struct pt_pull *reported,
                                       struct pt_row_taken *ret_taken)
{
    struct correlate_node *node = pt_map_get(&correlate->nodes, node_name);
    struct correlate_pull pull = {.started_at = reported->started_at,
                                  .heard_ns = pt_correlate_now_ns(correlate)};
    struct correlate_image *image = NULL;
    *ret_taken = (struct pt_row_taken){0};
    if (!node || TAILQ_EMPTY(&node->images))
        return NULL;
    if (read_report(&pull, reported))
        image = find_image(node, &pull);
    ret_taken->has_come = image && has_come(image, &pull);
    // A check found it there, and what has failed has not brought it.
    bool is_another = ret_taken->has_come &&
                      (reported->phase != PT_PULL_COMPLETED || reported->kind == PT_KIND_CHECK);
    if (image && !is_another) {
        ret_taken->is_counted = has_failed_already(image, &pull);
        ret_taken->waits_since = waits_since(image);
        ret_taken->image_key = ret_taken->waits_since ? image->key : NULL;
        ret_taken->key = take_row(image, &pull);
    }
    pt_correlate_free_names(&pull);
    return ret_taken->key;
}

void pt_correlate_set_listing(struct pt_correlate *correlate, bool is_listing)
{
    correlate->is_listing = is_listing;
}

struct pt_correlate_figures pt_correlate_figures(const struct pt_correlate *correlate)
{
    return (struct pt_correlate_figures){.waiting_containers = correlate->waiting_containers,
                                         .waiting_pods = correlate->waiting_pods,
                                         .nodes = correlate->nodes.count,
                                         .left_out_pods = correlate->left_out_pods,
                                         .left_out_nodes = correlate->left_out_nodes,
                                         .shortened = correlate->shortened,
                                         .gone_pods = correlate->gone.by_name.count,
                                         .dropped_pods = correlate->gone.dropped};
}
