// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/round.h"

#include "agent/observe/steps.h"
#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Containerd labels content so long after its creation at most.
#define YOUNG_NS (500 * PT_NS_PER_MS)

// Index, manifest, config.
#define MAX_TURNS 4

// --- the end of a round ---

static void finish_image(struct pt_seen_image *image)
{
    free(image->namespace);
    free(image->name);
    free(image->target_digest);
}

// Those that came during the round after its last question wait for the next one.
static void drop_asked_images(struct pt_observer *observer)
{
    for (size_t i = 0; i < observer->images_asked; i++)
        finish_image(&observer->images[i]);
    observer->image_count -= observer->images_asked;
    memmove(observer->images, observer->images + observer->images_asked,
            observer->image_count * sizeof(observer->images[0]));
    observer->images_asked = 0;
}

static bool is_young(const struct pt_observer *observer, const struct pt_lease *lease)
{
    if (!pt_lease_is_listed(lease))
        return lease->seen.fate != PT_LEASE_OVER;
    if (lease->is_pull && lease->seen.layers_known)
        return false;
    int64_t changed_at = lease->seen.created_at;
    for (size_t i = 0; i < lease->blob_count; i++) {
        if (changed_at < lease->blobs[i].created_at)
            changed_at = lease->blobs[i].created_at;
    }
    return observer->began_at - changed_at < YOUNG_NS;
}

// What no longer is has been reported now.
static void drop_gone_leases(struct pt_observer *observer)
{
    struct pt_lease *lease = TAILQ_FIRST(&observer->leases);
    while (lease) {
        struct pt_lease *next = TAILQ_NEXT(lease, link);
        if (lease->seen.fate == PT_LEASE_OVER) {
            pt_observer_remember(observer, &lease->seen);
            TAILQ_REMOVE(&observer->leases, lease, link);
            pt_lease_destroy(lease);
        }
        lease = next;
    }
}

static void tell_observation(struct pt_observer *observer)
{
    const struct pt_clock *clock = observer->options.clock;
    size_t count = 0;
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    count++;
    struct pt_seen_lease **leases = calloc(count ? count : 1, sizeof(struct pt_seen_lease *));
    if (!leases)
        return;
    struct pt_observation observation = {
        .taken_at = pt_clock_wall_ns(clock),
        .taken_monotonic = pt_clock_monotonic_ns(clock),
        .containerd_pid = pt_containerd_peer(observer->options.containerd),
        .leases = leases,
        .images = observer->images,
        .image_count = observer->images_asked,
    };
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        observation.has_young |= is_young(observer, lease);
        if (lease->is_pull)
            leases[observation.lease_count++] = &lease->seen;
    }
    observer->options.on_observation(observer->options.context, &observation);
    free(leases);
}

// Events may have been missed, and another containerd may answer next.
static void ask_all_again(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        lease->asked_at = 0;
        lease->is_scanned = false;
    }
}

static void end_round(struct pt_observer *observer)
{
    if (observer->asks.has_failed) {
        ask_all_again(observer);
        observer->step = STEP_IDLE;
        observer->options.on_failure(observer->options.context, observer->asks.failure.message);
        return;
    }
    pt_observer_judge_ends(observer);
    tell_observation(observer);
    pt_observer_adopt_images(observer);
    drop_gone_leases(observer);
    drop_asked_images(observer);
    observer->step = STEP_IDLE;
}

// --- its course ---

static void settle_leases(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    pt_lease_settle(lease);
}

static void ask(struct pt_observer *observer)
{
    switch (observer->step) {
    case STEP_NAMESPACES:
        pt_observer_ask_namespaces(observer);
        break;
    case STEP_LEASES:
        pt_observer_ask_leases(observer);
        break;
    case STEP_INGESTS:
        pt_observer_ask_ingests(observer);
        break;
    case STEP_RESOURCES:
        pt_observer_ask_resources(observer);
        break;
    case STEP_ROOTS:
        pt_observer_ask_roots(observer);
        break;
    case STEP_BLOBS:
        pt_observer_ask_blobs(observer);
        break;
    case STEP_DOCUMENTS:
        pt_observer_judge_unseen(observer);
        pt_observer_ask_documents(observer);
        break;
    case STEP_LAYERS:
        settle_leases(observer);
        if (observer->turns++ < MAX_TURNS && pt_observer_has_open_documents(observer)) {
            observer->step = STEP_BLOBS;
            pt_observer_ask_blobs(observer);
        } else {
            pt_observer_ask_layers(observer);
        }
        break;
    case STEP_SNAPSHOTS:
        pt_observer_ask_snapshots(observer);
        break;
    case STEP_IMAGES:
        pt_observer_ask_ends(observer);
        break;
    case STEP_IDLE:
    case STEP_END:
        break;
    }
}

// Each step begins when all answers of the one before are in.
static void advance(struct pt_observer *observer)
{
    while (!observer->is_asking && LIST_EMPTY(&observer->asks.open) &&
           observer->step != STEP_IDLE) {
        if (observer->asks.has_failed || observer->step == STEP_END) {
            end_round(observer);
            return;
        }
        observer->step++;
        observer->is_asking = true;
        ask(observer);
        observer->is_asking = false;
    }
}

// --- what the header promises ---

int pt_observer_create(const struct pt_observer_options *options, struct pt_observer **ret_observer,
                       struct pt_error *err)
{
    struct pt_observer *observer = calloc(1, sizeof(*observer));
    if (observer)
        observer->namespaces = calloc(PT_LIMIT_CONTAINERD_NAMESPACES, sizeof(struct pt_namespace));
    if (!observer || !observer->namespaces) {
        free(observer);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    pt_asks_init(&observer->asks, options->containerd, observer, advance);
    TAILQ_INIT(&observer->leases);
    observer->options = *options;
    observer->all_namespaces = strcmp(options->namespaces, "*") == 0;
    for (const char *item = options->namespaces; !observer->all_namespaces && *item;) {
        size_t length = strcspn(item, ",");
        pt_observer_add_namespace(observer, item, length);
        item += length + (item[length] == ',');
    }
    if (!observer->all_namespaces && observer->namespace_count == 0) {
        pt_observer_destroy(observer);
        return pt_error_set(err, EINVAL,
                            "PULLTRACE_CONTAINERD_NAMESPACE=%s names no containerd namespace",
                            options->namespaces);
    }
    *ret_observer = observer;
    return 0;
}

void pt_observer_destroy(struct pt_observer *observer)
{
    if (!observer)
        return;
    pt_asks_finish(&observer->asks);
    struct pt_lease *lease = TAILQ_FIRST(&observer->leases);
    while (lease) {
        struct pt_lease *next = TAILQ_NEXT(lease, link);
        pt_lease_destroy(lease);
        lease = next;
    }
    for (size_t i = 0; i < observer->image_count; i++)
        finish_image(&observer->images[i]);
    for (size_t i = 0; i < observer->namespace_count; i++)
        pt_namespace_finish(&observer->namespaces[i]);
    free(observer->namespaces);
    free(observer);
}

void pt_observer_start(struct pt_observer *observer)
{
    if (observer->step != STEP_IDLE)
        return;
    observer->rounds++;
    observer->turns = 0;
    observer->previous_began_at = observer->began_at;
    observer->began_at = pt_clock_wall_ns(observer->options.clock);
    observer->asks.has_failed = false;
    observer->step = STEP_NAMESPACES;
    observer->is_asking = true;
    ask(observer);
    observer->is_asking = false;
    advance(observer);
}

bool pt_observer_is_busy(const struct pt_observer *observer)
{
    return observer->step != STEP_IDLE;
}

bool pt_observer_note_event(struct pt_observer *observer, const struct pt_seen_event *event)
{
    bool is_known = false;
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        if (strcmp(lease->seen.namespace, event->namespace) == 0)
            is_known |= pt_lease_take_event(lease, event);
    }
    return is_known;
}

void pt_observer_note_image(struct pt_observer *observer, const char *namespace, const char *name,
                            bool is_repull, int64_t written_at)
{
    if (observer->image_count == PT_MAX_IMAGES)
        return; // the records are looked up at the end of each pull anyway
    struct pt_seen_image *image = &observer->images[observer->image_count];
    *image = (struct pt_seen_image){
        .namespace = strdup(namespace),
        .name = strdup(name),
        .written_at = written_at,
        .is_repull = is_repull,
    };
    if (image->namespace && image->name) {
        observer->image_count++;
        return;
    }
    free(image->namespace);
    free(image->name);
}
