// SPDX-License-Identifier: Apache-2.0

// Rows for images that containers wait for and no agent reports a pull of: the kubelet has queued
// the pull, or it failed before containerd began. An image gets a queued row when a Pulling event
// stands, or a container whose turn it is has waited for two seconds, and a failed row when a
// container that still waits has failed. A row ends with the image (completed), with its last
// container (cancelled, or failed for good), or when a pull takes it over: the pull then goes on
// under the row's id, and this file forgets the row (pt_correlate_take_over_row). A failed pull
// keeps the kubelet's words in its own row, so that its image gets none here. Example: a pod waits
// for a.io/b:1 at 10:00:00, row queued at 10:00:02, agent's pull at 10:00:05 in the same row.

#include "server/correlate/failure.h"
#include "server/correlate/model.h"

#include <stdlib.h>

#define QUEUED_STEP_NS (10 * PT_NS_PER_S)

// What the containers of an image say now.
struct situation {
    struct correlate_waiting waiting; // still or just now
    size_t live_count;                // still
    bool has_failing;                 // one that still waits has failed
    bool has_failed_since;            // since the image has come last
    bool is_asked_for;                // a Pulling event stands, or one on turn has waited for long
    bool is_unseen;                   // a Pulling event stands, and no agent reports from the node
    bool has_image;                   // one has started, or the kubelet found its image there
    bool is_lingering;                // the last ones ended just now
    struct pt_moment since;           // asked for, or waiting
    int64_t waits_since;              // of the one that waits longest
};

// A pull of it that failed keeps the words of the kubelet in its own row.
static bool has_failed_pull(const struct correlate_image *image)
{
    return image->failed_count > 0;
}

static bool has_agent(const struct correlate_node *node)
{
    const struct pt_correlate_output *output = &node->correlate->output;
    return !output->has_agent || output->has_agent(output->context, node->name);
}

static void look_at(const struct correlate_image *image,
                    const struct correlate_container *container, struct situation *situation,
                    int64_t now_ns)
{
    if (container->ended_ns) {
        situation->has_image |= container->end == PT_POD_STARTED || container->is_present;
        situation->is_lingering |= pt_correlate_is_waiting(container, now_ns);
        return;
    }
    if (container->is_present) {
        situation->has_image = true;
        return;
    }
    situation->live_count++;
    situation->has_failing |=
        container->has_failed && pt_moment_is_later(&image->failed, &image->pulled);
    situation->has_failed_since |=
        container->has_failed && pt_moment_is_later(&container->failed, &image->pulled);
    bool is_asked_for = pt_correlate_asks_anew(container);
    bool waits_long =
        container->is_on_turn && !pt_correlate_is_held_up(container->pod) &&
        container->pulled.at == 0 && image->pulled.at == 0 &&
        (pt_correlate_has_come(image->node,
                               pt_correlate_began_to_wait(container).at + PT_QUEUED_AFTER_NS) ||
         pt_correlate_has_passed(image->node, container->since_ns + PT_QUEUED_AFTER_NS, now_ns));
    situation->is_asked_for |= is_asked_for || waits_long;
    situation->is_unseen |= is_asked_for && !has_agent(image->node);
    if (pt_correlate_is_served(container))
        return; // the row of whoever asks next is not its own
    if (!situation->waits_since || container->since < situation->waits_since)
        situation->waits_since = container->since;
    struct pt_moment since =
        is_asked_for ? container->pulling : pt_correlate_began_to_wait(container);
    if (!situation->since.at || since.at < situation->since.at)
        situation->since = since;
}

static void look(const struct correlate_image *image, struct situation *situation, int64_t now_ns)
{
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        image->node->correlate->items++;
        look_at(image, container, situation, now_ns);
        if (pt_correlate_is_waiting(container, now_ns))
            pt_correlate_add_waiting(&situation->waiting, container);
    }
    pt_correlate_sort_waiting(&situation->waiting);
}

// In steps, so that a row is not sent each second.
static double queued_seconds(const struct correlate_image *image)
{
    int64_t now = pt_clock_wall_ns(image->node->correlate->clock);
    int64_t started_at = image->row_started.at;
    int64_t ns = now > started_at ? now - started_at : 0;
    ns -= ns % QUEUED_STEP_NS;
    (void)pt_correlate_has_come(image->node, started_at + ns + QUEUED_STEP_NS);
    return (double)ns / (double)PT_NS_PER_S;
}

// What the kubelet says in the end.
static void fill_end(const struct correlate_image *image, struct pt_join *join)
{
    join->pull_ns = image->row_pull_ns;
    join->image_bytes = image->row_image_bytes;
    if (image->row_queued_ns >= 0)
        join->queued_seconds = (double)image->row_queued_ns / (double)PT_NS_PER_S;
}

static void report_row(struct correlate_image *image, const struct situation *situation)
{
    struct pt_correlate *correlate = image->node->correlate;
    struct pt_image_row row = {.node_name = image->node->name,
                               .key = image->key,
                               .image_ref = image->key + 1,
                               .repository = image->repository ? image->repository->name : NULL,
                               .phase = image->row_phase,
                               .waits_since = image->row_waits_since,
                               .started_at = image->row_started.at,
                               .ended_at = image->row_ended_at};
    row.join = (struct pt_join){.image_ref = row.image_ref,
                                .image_ref_exact = true,
                                .waiting = situation->waiting.list,
                                .waiting_count = situation->waiting.count,
                                .is_waited_for = situation->live_count > 0,
                                .queued_seconds = -1};
    pt_correlate_fill_failure(image, &row.join);
    if (row.phase != PT_PULL_FAILED) {
        row.join.error = NULL;
        row.join.error_class = PT_FAILURE_NONE;
    } else if (situation->live_count > 0) {
        row.join.next_attempt_at = pt_correlate_next_attempt(image);
    }
    if (row.phase == PT_PULL_QUEUED)
        row.join.queued_seconds = queued_seconds(image);
    else if (row.phase == PT_PULL_COMPLETED)
        fill_end(image, &row.join);
    int64_t failures = row.phase == PT_PULL_FAILED ? row.join.attempts : image->row_failures;
    // How often it failed before the server came to know of it is no news.
    row.new_failures = failures <= image->row_failures ? 0
                       : image->row_failures           ? failures - image->row_failures
                                                       : 1;
    uint64_t hash = pt_join_hash(&row.join) ^ ((uint64_t)row.phase << 60) ^ (uint64_t)row.ended_at;
    if (hash == image->row_hash)
        return;
    image->row_hash = hash;
    image->row_failures = failures;
    correlate->output.on_row(correlate->output.context, &row);
}

// Since its row began, and behind the last failure.
static bool has_come(const struct correlate_image *image)
{
    return pt_moment_is_later(&image->pulled, &image->failed) &&
           !pt_moment_is_later(&image->row_started, &image->pulled);
}

// A success ended when the kubelet says, by the clock that its beginning was taken from.
static int64_t end_of_row(const struct correlate_image *image, enum pt_pull_phase phase)
{
    if (phase == PT_PULL_FAILED)
        return image->failed.at;
    bool is_known = phase == PT_PULL_COMPLETED && image->pulled.is_of_node && has_come(image);
    return is_known ? image->pulled.at : pt_clock_wall_ns(image->node->correlate->clock);
}

// The last words on the row, unless it goes on soon.
static void end_row(struct correlate_image *image, enum pt_pull_phase phase,
                    const struct situation *situation, int64_t now_ns)
{
    image->row_phase = phase;
    image->row_ended_at = end_of_row(image, phase);
    report_row(image, situation);
    image->may_go_on = phase != PT_PULL_COMPLETED && !situation->has_image && image->running == 0;
    image->came_ns = phase == PT_PULL_COMPLETED ? now_ns : 0;
    image->node->came_ns = image->came_ns ? now_ns : image->node->came_ns;
    image->row_phase = PT_PULL_UNKNOWN;
    image->row_hash = 0;
}

bool pt_correlate_may_go_on(const struct correlate_image *image, int64_t now_ns)
{
    return image->may_go_on &&
           !pt_correlate_has_passed(image->node, image->left_ns + PT_GOES_ON_NS, now_ns);
}

bool pt_correlate_awaits_agent(const struct correlate_image *image, int64_t now_ns)
{
    return image->came_ns &&
           !pt_correlate_has_passed(image->node, image->came_ns + PT_GOES_ON_NS, now_ns);
}

static void begin_row(struct correlate_image *image, enum pt_pull_phase phase,
                      const struct situation *situation, int64_t now_ns)
{
    bool is_new = image->row_phase == PT_PULL_UNKNOWN;
    if (is_new && !pt_correlate_may_go_on(image, now_ns)) {
        image->row_started = situation->since;
        image->row_waits_since = situation->waits_since;
        // Of one that is refused what was tried before is no news.
        bool is_known = phase == PT_PULL_FAILED && !situation->has_failed_since;
        image->row_failures = is_known ? pt_correlate_failures(image) : 0;
    }
    if (is_new) {
        image->may_go_on = false;
        image->came_ns = 0;
        image->node->nobody_asks = 0;
        image->row_queued_ns = -1;
        image->row_pull_ns = image->row_image_bytes = 0;
    }
    image->row_phase = phase;
    image->row_ended_at = phase == PT_PULL_FAILED ? image->failed.at : 0;
}

// Nothing waits for the image any more.
static void end_unwaited_row(struct correlate_image *image, const struct situation *situation,
                             int64_t now_ns)
{
    bool is_failed = image->row_phase == PT_PULL_FAILED, came = has_come(image);
    if (is_failed && (situation->has_image || came))
        end_row(image, PT_PULL_COMPLETED, situation, now_ns);
    else if (!situation->is_lingering ||
             (came && !has_agent(image->node))) // the agent or an event may yet report the pull
        end_row(image,
                came        ? PT_PULL_COMPLETED
                : is_failed ? PT_PULL_FAILED
                            : PT_PULL_CANCELLED,
                situation, now_ns);
}

static void update_row(struct correlate_image *image, const struct situation *situation,
                       int64_t now_ns)
{
    bool has_row = image->row_phase != PT_PULL_UNKNOWN;
    if (image->running > 0) {
        // The pull had no name yet when it got a row of its own, in which they wait now.
        struct situation over = *situation;
        over.live_count = 0;
        if (has_row)
            end_row(image, image->row_phase == PT_PULL_FAILED ? PT_PULL_FAILED : PT_PULL_CANCELLED,
                    &over, now_ns);
        return;
    }
    // The next attempt goes on in the row of the pull that failed. Of several containers that asked
    // before the image came, the later ones only check it.
    bool has_failed_row = !has_row && has_failed_pull(image);
    bool may_resolve = has_row || situation->is_asked_for || situation->has_failing;
    bool is_resolving = pt_correlate_is_resolving(image, now_ns) || situation->is_unseen;
    if (is_resolving && situation->live_count > 0 && may_resolve) {
        if (!has_failed_row) {
            begin_row(image, PT_PULL_RESOLVING, situation, now_ns);
            report_row(image, situation);
        }
        return;
    }
    if (image->row_phase == PT_PULL_RESOLVING) // it was another one's pull, or has failed
        image->row_phase = situation->has_failing ? PT_PULL_FAILED : PT_PULL_QUEUED;
    if (situation->live_count == 0) {
        if (has_row)
            end_unwaited_row(image, situation, now_ns);
        return;
    }
    if (has_row && has_come(image) &&
        (!has_agent(image->node) ||
         pt_correlate_has_passed(image->node, image->pulled.heard_ns + PT_LINGER_NS, now_ns))) {
        end_row(image, PT_PULL_COMPLETED, situation, now_ns);
        return;
    }
    // Its pull has begun, and ended, before the kubelet's words came.
    bool is_shown_elsewhere = situation->has_failing && has_failed_pull(image);
    if (is_shown_elsewhere && image->row_phase == PT_PULL_QUEUED)
        end_row(image, PT_PULL_CANCELLED, situation, now_ns);
    else if (situation->has_failing && !is_shown_elsewhere)
        begin_row(image, PT_PULL_FAILED, situation, now_ns);
    else if (!has_failed_row && !situation->has_failing && situation->is_asked_for &&
             (!has_row || image->row_phase == PT_PULL_FAILED)) // whoever has failed is gone
        begin_row(image, PT_PULL_QUEUED, situation, now_ns);
    if (image->row_phase != PT_PULL_UNKNOWN)
        report_row(image, situation);
}

void pt_correlate_update_row(struct correlate_image *image, int64_t now_ns)
{
    struct situation situation = {0};
    enum pt_pull_phase phase = image->row_phase;
    look(image, &situation, now_ns);
    update_row(image, &situation, now_ns);
    if (image->row_phase != phase)
        pt_correlate_look_again(image->node);
    (void)pt_correlate_may_go_on(image, now_ns); // looked at again when that is over
    (void)pt_correlate_awaits_agent(image, now_ns);
    free(situation.waiting.list);
}

void pt_correlate_show_before_end(struct correlate_image *image, int64_t now_ns)
{
    image->node->changes++;
    if (image->row_phase == PT_PULL_UNKNOWN && !has_agent(image->node))
        pt_correlate_update_row(image, now_ns);
}

void pt_correlate_exchange_rows(struct correlate_node *node, const struct correlate_pull *pull,
                                struct correlate_image *seemed, struct correlate_image *is)
{
    const struct pt_correlate_output *output = &node->correlate->output;
    if (!seemed || seemed == is || is->row_phase == PT_PULL_UNKNOWN ||
        seemed->row_phase != PT_PULL_UNKNOWN)
        return;
    const struct pt_row_exchange exchange = {
        .node_name = node->name,
        .pull_key = pull->key,
        .row_key = is->key,
        .new_row_key = seemed->key,
        .image_ref = seemed->key + 1,
        .repository = seemed->repository ? seemed->repository->name : NULL};
    seemed->row_phase = PT_PULL_QUEUED;
    seemed->row_started = is->row_started;
    seemed->row_queued_ns = -1;
    is->row_phase = PT_PULL_UNKNOWN;
    is->row_hash = 0;
    is->row_failures = 0;
    output->on_exchange(output->context, &exchange);
}
