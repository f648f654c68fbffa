// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/round.h"

#include "agent/observe/steps.h"
#include "base/limits.h"
#include "base/name_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Containerd labels content so long after its creation at most.
#define YOUNG_NS (500 * PT_NS_PER_MS)

// An index, its manifest, that one's config, and one more.
#define MAX_TURNS 4

// A round asks containerd what is being pulled: the steps of enum pt_step, one after the other. A
// step puts all its questions at once, a call each; when the last answer is in, the next step
// begins. What the questions are depends on the answers before: first which leases there are, then
// the bytes that are on their way, then what each lease holds. That is digests, so the round asks
// what they are, and reads an index, its manifest and the manifest's config in up to MAX_TURNS
// turns of two steps. Then the layers are known, and the round asks for their blobs and snapshots;
// last for the image records of pulls whose lease is gone. Most rounds need few calls, because what
// a lease has shown once is remembered in its struct pt_lease.
// If any question fails in a way that says nothing about a pull, the round has failed as a whole:
// no observation comes of it, since half a view looks like pulls that have ended.

// --- the end of a round ---

static void finish_image(struct pt_seen_image *image)
{
    free(image->namespace);
    free(image->name);
    free(image->target_digest);
}

// Those that came during the round after its last question wait for the next one.
static void drop_asked_images(struct pt_round *round)
{
    for (size_t i = 0; i < round->images_asked; i++)
        finish_image(&round->images[i]);
    round->image_count -= round->images_asked;
    memmove(round->images, round->images + round->images_asked,
            round->image_count * sizeof(round->images[0]));
    round->images_asked = 0;
}

static bool is_young(const struct pt_round *round, const struct pt_lease *lease)
{
    if (!pt_lease_is_listed(lease))
        return lease->seen.fate != PT_LEASE_OVER;
    if (lease->is_pull && lease->seen.layers_known)
        return false;
    return pt_round_age_ns(round, pt_lease_changed_at(lease)) < YOUNG_NS;
}

// What no longer is has been reported now.
static void drop_gone_leases(struct pt_round *round)
{
    struct pt_lease *lease = TAILQ_FIRST(&round->leases);
    while (lease) {
        struct pt_lease *next = TAILQ_NEXT(lease, link);
        if (lease->seen.fate == PT_LEASE_OVER) {
            pt_round_remember(round, lease);
            TAILQ_REMOVE(&round->leases, lease, link);
            pt_lease_destroy(lease);
        }
        lease = next;
    }
}

static int emit_observation(struct pt_round *round)
{
    const struct pt_clock *clock = round->options.clock;
    size_t count = 0;
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    count++;
    struct pt_seen_lease **leases = calloc(count ? count : 1, sizeof(struct pt_seen_lease *));
    if (!leases)
        return -ENOMEM;
    struct pt_observation observation = {
        .taken_at = pt_clock_wall_ns(clock),
        .taken_monotonic = pt_clock_monotonic_ns(clock),
        .containerd_pid = pt_containerd_peer(round->options.containerd),
        .leases = leases,
        .images = round->images,
        .image_count = round->images_asked,
    };
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        observation.has_young |= is_young(round, lease);
        if (lease->is_pull)
            leases[observation.lease_count++] = &lease->seen;
    }
    round->options.on_observation(round->options.context, &observation);
    free(leases);
    return 0;
}

static void end_round(struct pt_round *round)
{
    free(round->places);
    round->places = NULL;
    round->place_count = 0;
    if (!round->asks.has_failed) {
        pt_round_judge_ends(round);
        // What has ended stays for the next round, which hands it out.
        round->asks.has_failed = emit_observation(round) < 0;
        if (round->asks.has_failed)
            pt_error_set(&round->asks.failure, ENOMEM, "out of memory");
    }
    if (round->asks.has_failed) {
        pt_round_begin_anew(round);
        round->step = STEP_IDLE;
        round->options.on_failure(round->options.context, round->asks.failure.message);
        return;
    }
    pt_round_adopt_images(round);
    drop_gone_leases(round);
    pt_round_rest_leases(round);
    drop_asked_images(round);
    round->step = STEP_IDLE;
}

// --- its course ---

static void settle_leases(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    pt_lease_settle(lease);
}

static void ask(struct pt_round *round)
{
    switch (round->step) {
    case STEP_NAMESPACES:
        pt_round_ask_namespaces(round);
        break;
    case STEP_LEASES:
        pt_round_ask_leases(round);
        break;
    case STEP_INGESTS:
        pt_round_ask_ingests(round);
        break;
    case STEP_RESOURCES:
        pt_round_ask_resources(round);
        break;
    case STEP_ROOTS:
        pt_round_ask_roots(round);
        break;
    case STEP_BLOBS:
        pt_round_ask_blobs(round);
        break;
    case STEP_DOCUMENTS:
        pt_round_judge_unseen(round);
        pt_round_ask_documents(round);
        break;
    case STEP_LAYERS:
        settle_leases(round);
        if (round->turns++ < MAX_TURNS && pt_round_has_open_documents(round)) {
            round->step = STEP_BLOBS;
            pt_round_ask_blobs(round);
        } else {
            pt_round_ask_layers(round);
        }
        break;
    case STEP_SNAPSHOTS:
        pt_round_ask_snapshots(round);
        pt_round_ask_usage(round);
        break;
    case STEP_IMAGES:
        pt_round_ask_ends(round);
        break;
    case STEP_IDLE:
    case STEP_END:
        break;
    }
}

// Each step begins when all answers of the one before are in.
static void advance(struct pt_round *round)
{
    while (!round->is_asking && LIST_EMPTY(&round->asks.open) && round->step != STEP_IDLE) {
        if (round->asks.has_failed || round->step == STEP_END) {
            end_round(round);
            return;
        }
        round->step++;
        round->is_asking = true;
        ask(round);
        round->is_asking = false;
    }
}

// --- what the header promises ---

int pt_round_create(const struct pt_round_options *options, struct pt_round **ret_round,
                    struct pt_error *err)
{
    struct pt_round *round = calloc(1, sizeof(*round));
    if (round)
        round->namespaces = calloc(PT_LIMIT_CONTAINERD_NAMESPACES, sizeof(struct pt_namespace));
    if (!round || !round->namespaces) {
        free(round);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    pt_asks_init(&round->asks, options->containerd, round, advance);
    TAILQ_INIT(&round->leases);
    pt_key_set_init(&round->resting);
    round->options = *options;
    round->all_namespaces = strcmp(options->namespaces, "*") == 0;
    const char *rest = options->namespaces, *name;
    size_t length;
    int r = 0;
    while (r == 0 && !round->all_namespaces && (name = pt_name_list_next(&rest, &length)))
        r = pt_round_add_namespace(round, name, length);
    if (r < 0) {
        pt_round_destroy(round);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    *ret_round = round;
    return 0;
}

void pt_round_destroy(struct pt_round *round)
{
    if (!round)
        return;
    pt_asks_finish(&round->asks);
    struct pt_lease *lease = TAILQ_FIRST(&round->leases);
    while (lease) {
        struct pt_lease *next = TAILQ_NEXT(lease, link);
        pt_lease_destroy(lease);
        lease = next;
    }
    for (size_t i = 0; i < round->image_count; i++)
        finish_image(&round->images[i]);
    pt_round_clear_others(round);
    free(round->places);
    pt_key_set_finish(&round->resting);
    for (size_t i = 0; i < round->namespace_count; i++)
        pt_namespace_finish(&round->namespaces[i]);
    free(round->namespaces);
    free(round);
}

static void forget_answers(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        lease->asked_ns = 0;
        lease->is_scanned = false;
    }
    for (size_t i = 0; i < round->namespace_count; i++)
        round->namespaces[i].has_sign = true;
    round->is_anew = false;
}

// As NTP does soon after a machine has begun with a wrong clock. What comes from now on has times
// before the leases', and is of theirs all the same.
static void note_clock(struct pt_round *round, int64_t set_back_ns)
{
    struct pt_lease *lease;
    if (set_back_ns < PT_SET_BACK_NS)
        return;
    TAILQ_FOREACH(lease, &round->leases, link)
    lease->seen.set_back_ns += set_back_ns;
}

void pt_round_start(struct pt_round *round)
{
    if (round->step != STEP_IDLE)
        return;
    round->rounds++;
    round->turns = 0;
    int64_t at = pt_clock_wall_ns(round->options.clock);
    int64_t now_ns = pt_clock_monotonic_ns(round->options.clock);
    round->previous_began_at = round->began_at ? at - (now_ns - round->began_ns) : 0;
    if (round->began_at)
        note_clock(round, round->began_at - round->previous_began_at);
    round->began_at = at;
    round->began_ns = now_ns;
    if (round->is_anew)
        forget_answers(round);
    round->asks.has_failed = false;
    round->step = STEP_NAMESPACES;
    round->is_asking = true;
    ask(round);
    round->is_asking = false;
    advance(round);
}

// One that is under way has asked before.
void pt_round_begin_anew(struct pt_round *round)
{
    round->is_anew = true;
}

void pt_round_note_event(struct pt_round *round, struct pt_seen_event *event)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (strcmp(lease->seen.namespace, event->namespace) == 0)
            pt_lease_take_event(lease, event);
    }
    if (!event->is_known && event->kind != PT_SEEN_EXTRACTION_REMOVED)
        pt_round_note_sign(round, event->namespace);
}

void pt_round_note_image(struct pt_round *round, const struct pt_seen_image *image)
{
    if (round->image_count == PT_MAX_IMAGES)
        return; // the records are looked up at the end of each pull anyway
    struct pt_seen_image *noted = &round->images[round->image_count];
    *noted = *image;
    noted->namespace = strdup(image->namespace);
    noted->name = strdup(image->name);
    if (noted->namespace && noted->name) {
        round->image_count++;
        return;
    }
    free(noted->namespace);
    free(noted->name);
}
