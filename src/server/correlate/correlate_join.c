// SPDX-License-Identifier: Apache-2.0

// Which image a pull is of, and which containers wait for it. An agent knows the repository early,
// the exact name only when the image record is written; a container names its image by tag. So each
// pull is compared with the images of its repository that containers of its node wait for. What
// decides is the exact name, then a digest. Else an image that no running pull has goes before one
// that has one, one whose container has started since before one that merely waits, and what
// another pull has served does not count. Then the kubelet's Pulling events decide: the first that
// nothing has followed, since the kubelet pulls in the order in which it asks. The choice stays
// open for some seconds, for pods and events that come late, and the unsettled pulls of a node
// choose anew together, in the order in which they began. Example: a.io/b:1 and a.io/b:2 are asked
// for at 10:00:00 and 10:00:04, a pull of a.io/b begins at 10:00:05: it is taken for :1, until its
// exact name says :2; then the two rows are exchanged.

#include "server/correlate/failure.h"
#include "server/correlate/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The kubelet's times are whole seconds, and its clock is the node's as the agent's is.
#define SLACK_NS PT_NS_PER_S
// A kubelet that pulls several images at once begins within this time.
#define PROMPT_NS (2 * PT_NS_PER_S)
// What is asked for within this time may be pulled in another order: the kubelet writes a file for
// each image before it queues it.
#define TOSS_UP_NS (50 * PT_NS_PER_MS)
#define JOINED_AT_ONCE 16 // pulls, besides the one that is asked for

// --- which image ---

// What speaks for an image as that of a pull.
struct evidence {
    struct correlate_image *image;
    int64_t asked_at; // first Pulling event before the pull that nothing has followed, 0: none
    int64_t since;    // first that waits
    bool has_come;    // a container of it has got its image since the pull began
    bool is_live;     // one still waits, none has merely ended just now
    bool is_prompt;   // the pull began as soon as it was asked for
    bool is_taken;    // by another pull that runs
    bool is_named;
    bool by_digest;
};

static bool equal(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static bool digest_matches(const struct correlate_image *image, const struct correlate_pull *pull)
{
    return equal(image->digest, pull->root_digest) || equal(image->digest, pull->manifest_digest);
}

static bool is_by_digest(const struct correlate_image *image, const struct correlate_pull *pull)
{
    return *image->digest && digest_matches(image, pull);
}

// The pull before has brought the same, as when several containers each ask for one image.
static bool is_served_again(const struct correlate_image *image, const struct correlate_pull *pull)
{
    return equal(image->served_digest, pull->root_digest);
}

// By its tag: containerd leaves the tag out of a name that has a digest as well.
static bool is_named(const struct correlate_image *image, const struct correlate_pull *pull)
{
    return !*image->digest && equal(image->key + 1, pull->exact_ref);
}

bool pt_correlate_matches(const struct correlate_image *image, const struct correlate_pull *pull)
{
    if (pull->is_nameless)
        return true;
    if (pull->exact_ref && equal(image->key + 1, pull->exact_ref))
        return true;
    if (!image->repository || !equal(image->repository->name, pull->repository))
        return false;
    if (*image->digest)
        return !pull->root_digest || digest_matches(image, pull);
    // An exact name with another tag rules this one out; a name by digest says nothing of tags.
    return !pull->exact_ref || strchr(pull->exact_ref, '@');
}

// What holds for a pull and all containers of an image.
struct comparison {
    const struct correlate_pull *pull;
    struct correlate_image *image;
    int64_t now_ns;
    bool is_known;        // the pull is of the image, by name or digest
    bool is_served_again; // it brings what the pull before it has brought
};

static struct comparison compare(struct correlate_image *image, const struct correlate_pull *pull,
                                 int64_t now_ns)
{
    return (struct comparison){.pull = pull,
                               .image = image,
                               .now_ns = now_ns,
                               .is_known = is_named(image, pull) || is_by_digest(image, pull),
                               .is_served_again = is_served_again(image, pull)};
}

// It waits, and had not got its image before the pull began.
static bool may_wait_for(const struct correlate_container *container,
                         const struct comparison *comparison)
{
    const struct correlate_pull *pull = comparison->pull;
    const struct correlate_image *image = comparison->image;
    bool is_known = comparison->is_known;
    bool had_it = container->pulled.at && container->pulled.at + SLACK_NS < pull->started_at;
    // Another pull has brought it since it was asked for; its container runs in a moment. An agent
    // may have begun this one before it saw the end of that one. Where only the kubelet's word is
    // there yet, it may speak of this very pull.
    bool has_word = pt_moment_is_later(&container->pulled, &container->pulling);
    bool is_word_only = has_word && !pt_moment_is_later(&image->served, &container->pulling);
    int64_t slack = is_word_only ? 0 : SLACK_NS;
    bool is_served = image->pulled.at && image->pulled.at <= pull->started_at + slack &&
                     pt_moment_is_later(&image->pulled, &container->pulling) && !is_known &&
                     !comparison->is_served_again;
    return pt_correlate_is_waiting(container, comparison->now_ns) && !is_served &&
           (is_known || !pt_correlate_is_in_back_off(container, pull->started_at)) &&
           (!had_it || pt_correlate_is_outstanding(container));
}

// The kubelet says so, or the container runs.
static bool has_got_it(const struct correlate_container *container,
                       const struct correlate_pull *pull)
{
    if (container->ended_ns)
        return container->end != PT_POD_DELETED && container->ended_ns > pull->heard_ns;
    return !container->is_present && container->pulled.at > pull->started_at;
}

size_t pt_correlate_share(const struct correlate_node *node)
{
    size_t pulls = node->pulls_by_key.count;
    return pulls > 0 ? PT_LIMIT_COMPARED_PER_NODE / pulls : PT_LIMIT_COMPARED_PER_NODE;
}

bool pt_correlate_take_share(const struct correlate_node *node, size_t *left)
{
    if (*left == 0)
        return false;
    (*left)--;
    node->correlate->items++;
    return true;
}

// Gathers what the containers of an image say; false if none of them waits.
static bool gather(struct correlate_image *image, const struct correlate_pull *pull, size_t *left,
                   struct evidence *ret_evidence)
{
    struct evidence found = {.image = image};
    const struct comparison comparison =
        compare(image, pull, pt_correlate_now_ns(image->node->correlate));
    bool is_waited_for = false;
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        if (!pt_correlate_take_share(image->node, left))
            break;
        if (!may_wait_for(container, &comparison) ||
            (pull->has_brought && pt_correlate_lacked_it_at(container) > pull->completed_at))
            continue;
        is_waited_for = true;
        found.has_come |= has_got_it(container, pull);
        found.is_live |= container->ended_ns == 0;
        if (!found.since || container->since < found.since)
            found.since = container->since;
        int64_t at = container->pulling.at;
        bool is_open = pt_correlate_is_outstanding(container) &&
                       !pt_moment_is_later(&image->pulled, &container->pulling) &&
                       !pt_moment_is_later(&image->failed, &container->pulling);
        if (is_open && at <= pull->started_at && (!found.asked_at || at < found.asked_at))
            found.asked_at = at;
    }
    found.is_prompt = image->node->pulls_at_once && found.asked_at &&
                      pull->started_at - found.asked_at <= PROMPT_NS;
    bool is_own = pull->image == image && !pull->final_ns && !pull->is_released;
    found.is_taken = image->running - image->released > (is_own ? 1 : 0);
    found.is_named = is_named(image, pull);
    found.by_digest = is_by_digest(image, pull) || comparison.is_served_again;
    *ret_evidence = found;
    return is_waited_for;
}

// a speaks stronger than b. What decides first, then what is untaken, has come since, or still
// waits; then what the kubelet asked for first, since it pulls in the order in which it asks, one
// at a time or several. One that pulls several at once does so as soon as it has asked, so what was
// asked for long before is something else. Then what has waited longest.
static bool is_stronger(const struct evidence *a, const struct evidence *b)
{
    if (a->is_named != b->is_named)
        return a->is_named;
    if (a->by_digest != b->by_digest)
        return a->by_digest;
    if (a->is_taken != b->is_taken)
        return b->is_taken;
    if (a->has_come != b->has_come)
        return a->has_come;
    if (a->is_live != b->is_live)
        return a->is_live;
    if (a->is_prompt != b->is_prompt)
        return a->is_prompt;
    if (!a->asked_at != !b->asked_at)
        return a->asked_at != 0;
    return a->asked_at ? a->asked_at < b->asked_at : a->since < b->since;
}

// What speaks for each image that may be a pull's.
struct candidates {
    struct evidence list[PT_MAX_CANDIDATES];
    size_t count;
    size_t left; // of the pull's share
};

static void consider(struct correlate_image *image, const struct correlate_pull *pull,
                     struct candidates *candidates)
{
    struct evidence *evidence = &candidates->list[candidates->count];
    if (candidates->count == PT_MAX_CANDIDATES ||
        !pt_correlate_take_share(image->node, &candidates->left) ||
        !pt_correlate_matches(image, pull) || !gather(image, pull, &candidates->left, evidence))
        return;
    candidates->count++;
}

static void find_candidates(struct correlate_node *node, const struct correlate_pull *pull,
                            struct candidates *candidates)
{
    struct correlate_image *image, *named = NULL;
    candidates->count = 0;
    candidates->left = pt_correlate_share(node);
    if (pull->is_nameless) {
        TAILQ_FOREACH(image, &node->images, link)
        {
            consider(image, pull, candidates);
            if (candidates->count > 1 || candidates->left == 0)
                return; // it could be either
        }
        return;
    }
    if (pull->exact_ref) {
        char key[PT_IMAGE_REF_SIZE + 1];
        snprintf(key, sizeof(key), "k%s", pull->exact_ref);
        named = pt_map_get(&node->images_by_key, key);
        if (named)
            consider(named, pull, candidates);
    }
    const struct correlate_repository *repository =
        pull->repository ? pt_map_get(&node->repositories, pull->repository) : NULL;
    bool is_decided = candidates->count > 0 && candidates->list[0].is_named;
    if (!repository || is_decided)
        return;
    TAILQ_FOREACH(image, &repository->images, repository_link)
    {
        if (candidates->count == PT_MAX_CANDIDATES || candidates->left == 0)
            return;
        if (image != named)
            consider(image, pull, candidates);
    }
}

// Another one was asked for at nearly the same moment, and the kubelet may have taken either first.
static bool is_toss_up(const struct candidates *candidates, const struct evidence *best)
{
    for (size_t i = 0; i < candidates->count; i++) {
        const struct evidence *other = &candidates->list[i];
        int64_t apart = other->asked_at - best->asked_at;
        if (other->image != best->image && !other->is_taken && other->asked_at &&
            apart < TOSS_UP_NS && apart > -TOSS_UP_NS && !best->has_come)
            return true;
    }
    return false;
}

struct correlate_choice pt_correlate_choose(struct correlate_node *node,
                                            const struct correlate_pull *pull)
{
    struct candidates candidates;
    struct evidence best = {0};
    if (pull->is_unnamed)
        return (struct correlate_choice){.image = pt_correlate_guess(node, pull)};
    find_candidates(node, pull, &candidates);
    for (size_t i = 0; i < candidates.count; i++) {
        if (!best.image || is_stronger(&candidates.list[i], &best))
            best = candidates.list[i];
    }
    bool is_decided = best.is_named || best.by_digest;
    // Content without a name could be anything, if anything else is waited for.
    if (pull->is_nameless && candidates.count != 1)
        return (struct correlate_choice){0};
    return (struct correlate_choice){
        .image = best.image,
        .is_certain = is_decided || (candidates.count == 1 && !pull->is_nameless),
        .is_toss_up = !is_decided && best.asked_at && is_toss_up(&candidates, &best)};
}

// It keeps its image against another one: what decides speaks for it, or it has settled or ended
// and nothing decides for the other.
static bool keeps_image(const struct correlate_pull *pull, const struct correlate_image *other,
                        int64_t now_ns)
{
    const struct correlate_image *own = pull->image;
    if (!own || pull->is_released || !pt_correlate_matches(own, pull))
        return false;
    if (is_named(own, pull))
        return true;
    if (is_named(other, pull))
        return false;
    if (is_by_digest(own, pull))
        return true;
    return !is_by_digest(other, pull) && (pull->final_ns || pt_correlate_has_settled(pull, now_ns));
}

static void choose_image(struct correlate_node *node, struct correlate_pull *pull, int64_t now_ns)
{
    struct correlate_choice choice = pt_correlate_choose(node, pull);
    struct correlate_image *image = choice.image;
    struct correlate_image *earlier = pull->image;
    pull->is_toss_up = choice.is_toss_up && !pull->final_ns;
    if (!image) {
        pt_correlate_set_released(pull, false);
        if (pull->image && !pt_correlate_matches(pull->image, pull))
            pt_correlate_use_image(node, pull, NULL);
        return;
    }
    if (image != pull->image) {
        if (keeps_image(pull, image, now_ns))
            return;
        if (!pull->joined_ns)
            pull->joined_ns = now_ns;
        pt_correlate_use_image(node, pull, image);
    }
    pt_correlate_set_released(pull, false);
    pt_correlate_exchange_rows(node, pull, earlier, image);
    if (!pull->final_ns || pull->exact_ref)
        pull->is_certain = choice.is_certain;
}

// --- who waits for it ---

static bool belongs(const struct correlate_container *container,
                    const struct comparison *comparison)
{
    const struct correlate_pull *pull = comparison->pull;
    int64_t lacked_at = pull->has_brought ? pt_correlate_lacked_it_at(container) : 0;
    int64_t since = lacked_at > container->since ? lacked_at : container->since;
    // One that came to wait after the pull's end waits for another one, unless that is a check:
    // nothing was fetched for it, so that the image is what this pull brought.
    if (pull->final_ns && since > pull->completed_at + SLACK_NS &&
        since > pt_correlate_checked_at(comparison->image) + SLACK_NS)
        return false;
    return may_wait_for(container, comparison);
}

// The next attempt of a pull that failed goes on in its row: all that wait for its image wait
// there.
static bool still_waits(const struct correlate_pull *pull,
                        const struct correlate_container *container, bool does_belong)
{
    return pt_correlate_lacks_image(container) && (does_belong || pull->has_failed);
}

static double queued_seconds(const struct correlate_pull *pull, int64_t first_pulling,
                             int64_t kubelet_ns)
{
    if (kubelet_ns >= 0)
        return (double)kubelet_ns / (double)PT_NS_PER_S;
    if (!first_pulling)
        return -1;
    int64_t ns = pull->started_at - first_pulling;
    return ns > 0 ? (double)ns / (double)PT_NS_PER_S : 0;
}

// Finds who waits for the pull, and since when it was asked for.
static void find_waiting(struct correlate_node *node, const struct correlate_pull *pull,
                         int64_t now_ns, struct correlate_waiting *waiting, struct pt_join *join)
{
    struct pt_moment first_pulling = {0};
    int64_t kubelet_ns = -1;
    size_t left = pt_correlate_share(node);
    const struct comparison comparison = compare(pull->image, pull, now_ns);
    const struct correlate_pull *last_failed =
        TAILQ_LAST(&pull->image->failed_pulls, correlate_pulls);
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &pull->image->containers, image_link)
    {
        if (!pt_correlate_take_share(node, &left)) {
            node->correlate->shortened++;
            break;
        }
        bool does_belong = belongs(container, &comparison);
        bool does_wait = still_waits(pull, container, does_belong);
        join->is_waited_for |= does_wait;
        if (does_belong || (does_wait && pull == last_failed))
            pt_correlate_add_waiting(waiting, container);
        if (!does_belong || pt_correlate_asked_behind(container, pull))
            continue;
        // Those that came later have waited for the pull itself.
        if (container->pulling.at &&
            (!first_pulling.at || pt_moment_is_later(&first_pulling, &container->pulling))) {
            first_pulling = container->pulling;
            kubelet_ns = container->queued_ns;
        }
    }
    join->queued_seconds = queued_seconds(pull, first_pulling.at, kubelet_ns);
}

static void fill_image(const struct correlate_pull *pull, struct pt_join *join)
{
    bool agent_knows = pull->exact_ref && !is_by_digest(pull->image, pull);
    join->image_ref = agent_knows || pull->is_toss_up ? NULL : pull->image->key + 1;
    join->image_ref_exact = pull->is_certain;
    pt_correlate_fill_failure(pull->image, join);
    if (!pt_correlate_is_of_attempt(pull->image, pull)) {
        join->error = NULL;
        join->error_class = PT_FAILURE_NONE;
    }
    if (pull->has_failed && pull->final_ns)
        join->next_attempt_at = pt_correlate_next_attempt(pull->image);
}

static void report_join(struct correlate_node *node, struct correlate_pull *pull, int64_t now_ns)
{
    const struct pt_correlate_output *output = &node->correlate->output;
    struct correlate_waiting waiting = {0};
    struct pt_join join = {.queued_seconds = -1};
    if (pull->final_ns) // it keeps those that have been shown
        pt_correlate_add_shown(&waiting, &pull->shown);
    if (pull->image) {
        find_waiting(node, pull, now_ns, &waiting, &join);
        fill_image(pull, &join);
    }
    pt_correlate_sort_waiting(&waiting);
    join.waiting = waiting.list;
    join.waiting_count = waiting.count;
    uint64_t hash = pt_join_hash(&join);
    if (hash != pull->hash) {
        pull->hash = hash;
        output->on_join(output->context, node->name, pull->key, &join);
        pt_correlate_remember_waiting(&pull->shown, &waiting);
    }
    free(waiting.list);
}

// A finished pull is let go when no more pods are to be expected; a failed one stays as long as
// its image is waited for and a while longer, since the next attempt goes on in its row.
static bool is_over(struct correlate_node *node, const struct correlate_pull *pull, int64_t now_ns)
{
    if (!pull->final_ns || !pt_correlate_has_passed(node, pull->final_ns + PT_LATE_PODS_NS, now_ns))
        return false;
    const struct correlate_image *image = pull->image;
    if (!pull->has_failed || !image || image->failed_count > PT_LIMIT_FAILED_PULLS_PER_IMAGE)
        return true;
    return image->users <= 1 &&
           pt_correlate_has_passed(node, image->left_ns + PT_GOES_ON_NS, now_ns);
}

static void join(struct correlate_node *node, struct correlate_pull *pull, int64_t now_ns)
{
    if (pull->is_new)
        TAILQ_REMOVE(&node->new_pulls, pull, new_link);
    pull->is_new = false;
    choose_image(node, pull, now_ns);
    report_join(node, pull, now_ns);
}

void pt_correlate_join_pull(struct correlate_node *node, struct correlate_pull *pull,
                            int64_t now_ns)
{
    for (int i = 0; i < JOINED_AT_ONCE && !TAILQ_EMPTY(&node->new_pulls); i++)
        join(node, TAILQ_FIRST(&node->new_pulls), now_ns);
    join(node, pull, now_ns);
}

void pt_correlate_release_pulls(struct correlate_node *node, int64_t now_ns)
{
    struct correlate_pull *pull;
    TAILQ_FOREACH(pull, &node->pulls, link)
    {
        if (!pull->image || pull->final_ns || pull->is_certain ||
            pt_correlate_has_settled(pull, now_ns))
            continue;
        pt_correlate_set_released(pull, true);
        pt_correlate_look_again(node);
    }
}

void pt_correlate_look_at_pull(struct correlate_node *node, struct correlate_pull *pull,
                               int64_t now_ns)
{
    if (is_over(node, pull, now_ns))
        pt_correlate_free_pull(node, pull);
    else
        join(node, pull, now_ns);
}
