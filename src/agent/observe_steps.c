// SPDX-License-Identifier: Apache-2.0
#include "agent/observe_steps.h"

#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A lease that shows no sign of a pull after this time is looked at less often.
#define SETTLED_AFTER_NS (30 * PT_NS_PER_S)
#define REST_NS (10 * PT_NS_PER_S)
// Once its layers are known, ingests and events tell all of a lease that moves; what it holds is
// asked for in case an event was missed, or another lease has taken over its ingests.
#define ASK_EVERY_NS (3 * PT_NS_PER_S)
#define DEFAULT_SNAPSHOTTER "overlayfs"
// Index, manifest, config.
#define MAX_TURNS 4

// --- namespaces ---

static struct pt_namespace *find_namespace(struct pt_observer *observer, const char *name)
{
    for (size_t i = 0; i < observer->namespace_count; i++) {
        if (strcmp(observer->namespaces[i].name, name) == 0)
            return &observer->namespaces[i];
    }
    return NULL;
}

void pt_observer_add_namespace(struct pt_observer *observer, const char *name, size_t length)
{
    char text[PT_LIMIT_NAME_BYTES + 1];
    if (length == 0 || length >= sizeof(text) ||
        observer->namespace_count == PT_LIMIT_CONTAINERD_NAMESPACES)
        return;
    memcpy(text, name, length);
    text[length] = '\0';
    if (find_namespace(observer, text))
        return;
    struct pt_namespace *namespace = &observer->namespaces[observer->namespace_count];
    namespace->name = strdup(text);
    if (namespace->name)
        observer->namespace_count++;
}

static void take_namespaces(struct pt_ask *ask, const void *message)
{
    const Ctrd__ListNamespacesResponse *list = message;
    for (size_t i = 0; list && i < list->n_namespaces; i++) {
        const char *name = list->namespaces[i]->name;
        pt_observer_add_namespace(ask->observer, name, strlen(name));
    }
}

static void ask_namespaces(struct pt_observer *observer)
{
    if (!observer->all_namespaces)
        return;
    struct pt_error err;
    struct pt_ask *ask = pt_ask_create(observer, NULL, 0, take_namespaces);
    if (ask &&
        pt_containerd_list_namespaces(observer->options.containerd, pt_ask_answer, ask, &err) < 0)
        pt_ask_give_up(ask, &err);
}

// --- leases ---

static struct pt_lease *find_lease(struct pt_observer *observer, const char *namespace,
                                   const char *id, int64_t created_at)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        if (lease->seen.created_at == created_at && strcmp(lease->seen.id, id) == 0 &&
            strcmp(lease->seen.namespace, namespace) == 0)
            return lease;
    }
    return NULL;
}

// Gives up the oldest lease that shows no pull for one that is newer than that; returns whether.
static bool make_room(struct pt_observer *observer, int64_t created_at)
{
    struct pt_lease *oldest = NULL;
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        bool is_idle = !lease->is_pull && !lease->is_unseen;
        if (is_idle && (!oldest || lease->seen.created_at < oldest->seen.created_at))
            oldest = lease;
    }
    if (!oldest || oldest->seen.created_at >= created_at)
        return false;
    TAILQ_REMOVE(&observer->leases, oldest, link);
    pt_lease_destroy(oldest);
    return true;
}

// A pull that is followed stays so, however many leases there are; of others the newest are.
static void take_leases(struct pt_ask *ask, const void *message)
{
    struct pt_observer *observer = ask->observer;
    const char *namespace = observer->namespaces[ask->index].name;
    const Ctrd__ListLeasesResponse *list = message;
    size_t followed = 0;
    struct pt_lease *lease;
    if (!list) { // that there are none would end all pulls
        pt_ask_fail_round(ask, "leases cannot be listed");
        return;
    }
    TAILQ_FOREACH(lease, &observer->leases, link)
    followed++;
    for (size_t i = 0; i < list->n_leases; i++) {
        int64_t created_at = pt_containerd_time(list->leases[i]->created_at);
        lease = find_lease(observer, namespace, list->leases[i]->id, created_at);
        if (!lease && (followed < PT_LIMIT_LEASES || make_room(observer, created_at))) {
            lease = pt_lease_create(namespace, list->leases[i]->id, created_at);
            if (!lease)
                continue; // out of memory: the next round tries again
            TAILQ_INSERT_TAIL(&observer->leases, lease, link);
            followed++;
        }
        if (lease)
            lease->is_listed = true;
    }
}

static void ask_leases(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    lease->is_listed = false;
    for (size_t i = 0; i < observer->namespace_count; i++)
        PT_ASK(observer, NULL, i, take_leases, pt_containerd_list_leases,
               observer->namespaces[i].name);
}

// --- ingests ---

void pt_namespace_clear_ingests(struct pt_namespace *namespace)
{
    for (size_t i = 0; i < namespace->ingest_count; i++)
        free(namespace->ingests[i].digest);
    free(namespace->ingests);
    namespace->ingests = NULL;
    namespace->ingest_count = 0;
    pt_map_finish(&namespace->ingest_map);
}

static void take_ingests(struct pt_ask *ask, const void *message)
{
    struct pt_namespace *namespace = &ask->observer->namespaces[ask->index];
    const Ctrd__ListStatusesResponse *list = message;
    if (!list) { // that there are none would stop all downloads
        pt_ask_fail_round(ask, "ingests cannot be listed");
        return;
    }
    if (list->n_statuses == 0)
        return;
    namespace->ingests = calloc(list->n_statuses, sizeof(*namespace->ingests));
    pt_map_init(&namespace->ingest_map);
    for (size_t i = 0; namespace->ingests && i < list->n_statuses; i++) {
        const Ctrd__IngestStatus *status = list->statuses[i];
        const char *digest = pt_ref_digest(status->ref);
        char *copy = digest ? strdup(digest) : NULL;
        if (!copy)
            continue;
        struct pt_ingest *ingest = &namespace->ingests[namespace->ingest_count++];
        *ingest = (struct pt_ingest){copy, status->offset, status->total,
                                     pt_containerd_time(status->started_at),
                                     pt_containerd_time(status->updated_at)};
        if (pt_map_put(&namespace->ingest_map, copy, ingest) < 0)
            return;
    }
}

static bool rests(const struct pt_observer *observer, const struct pt_lease *lease)
{
    return !lease->is_pull && observer->began_at - lease->seen.created_at >= SETTLED_AFTER_NS &&
           observer->began_at - lease->asked_at < REST_NS;
}

static void ask_ingests(struct pt_observer *observer)
{
    for (size_t i = 0; i < observer->namespace_count; i++) {
        pt_namespace_clear_ingests(&observer->namespaces[i]);
        observer->namespaces[i].has_pulls = false;
    }
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        lease->is_resting = lease->is_listed && rests(observer, lease);
        if (lease->is_listed && !lease->is_resting)
            find_namespace(observer, lease->seen.namespace)->has_pulls = true;
    }
    for (size_t i = 0; i < observer->namespace_count; i++) {
        if (observer->namespaces[i].has_pulls)
            PT_ASK(observer, NULL, i, take_ingests, pt_containerd_list_ingests,
                   observer->namespaces[i].name);
    }
}

// --- what each lease holds ---

static void take_resources(struct pt_ask *ask, const void *message)
{
    if (message)
        pt_lease_take_resources(ask->lease, message);
    else if (ask->status->code == PT_GRPC_NOT_FOUND)
        ask->lease->is_listed = false; // deleted since
}

static void ask_resources(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        bool is_due = observer->began_at - lease->asked_at >= ASK_EVERY_NS;
        lease->is_asked =
            lease->is_listed && !lease->is_resting && (is_due || !pt_lease_is_settled(lease));
        if (!lease->is_asked)
            continue;
        lease->asked_at = observer->began_at;
        PT_ASK(observer, lease, 0, take_resources, pt_containerd_list_resources,
               lease->seen.namespace, lease->seen.id);
    }
}

static void take_guesses(struct pt_ask *ask, const void *message)
{
    const Ctrd__ListImagesResponse *list = message;
    if (!list) {
        pt_ask_fail_round(ask, "image records cannot be listed");
        return;
    }
    for (size_t i = 0; i < list->n_images; i++) {
        const Ctrd__Image *image = list->images[i];
        if (image->target && pt_containerd_time(image->updated_at) >= ask->lease->seen.created_at)
            pt_lease_guess_root(ask->lease, image->target->digest);
    }
}

// Of an image of schema 1 containerd writes a manifest of its own last of all, so that the lease
// may go before it was seen to hold that; the image record still names it.
static void ask_roots(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        if (!lease->is_listed && !lease->seen.root_digest && lease->seen.layer_count > 0)
            PT_ASK(observer, lease, 0, take_guesses, pt_containerd_list_images,
                   lease->seen.namespace, NULL);
    }
}

static void take_blob(struct pt_ask *ask, const void *message)
{
    const Ctrd__ContentInfoResponse *response = message;
    struct pt_blob *blob = &ask->lease->blobs[ask->index];
    if (response && response->info)
        pt_blob_take_info(blob, response->info);
}

static void ask_blobs(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        for (size_t i = 0; i < lease->blob_count; i++) {
            struct pt_blob *blob = &lease->blobs[i];
            if (!pt_blob_is_unsettled(blob) || blob->asked_in == observer->rounds)
                continue;
            blob->asked_in = observer->rounds;
            PT_ASK(observer, lease, i, take_blob, pt_containerd_content_info, lease->seen.namespace,
                   blob->digest);
        }
    }
}

static void take_document(struct pt_ask *ask, const void *message)
{
    const struct pt_buffer *content = message;
    struct pt_blob *blob = &ask->lease->blobs[ask->index];
    if (!content || pt_document_parse(content->data, content->length, &blob->document) < 0)
        return;
    blob->is_read = true;
}

static void ask_documents(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        for (size_t i = 0; i < lease->blob_count; i++) {
            struct pt_blob *blob = &lease->blobs[i];
            if (!pt_lease_wants(lease, blob) || blob->read_in == observer->rounds)
                continue;
            blob->read_in = observer->rounds;
            PT_ASK(observer, lease, i, take_document, pt_containerd_read_content,
                   lease->seen.namespace, blob->digest, 0);
        }
    }
}

// What was read has named something that was not asked for yet in this round.
static bool has_open_documents(struct pt_observer *observer)
{
    const struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        for (size_t i = 0; i < lease->blob_count; i++) {
            const struct pt_blob *blob = &lease->blobs[i];
            if ((!blob->is_known && blob->asked_in != observer->rounds) ||
                (pt_lease_wants(lease, blob) && blob->read_in != observer->rounds))
                return true;
        }
    }
    return false;
}

// --- layers ---

static void take_layer(struct pt_ask *ask, const void *message)
{
    const Ctrd__ContentInfoResponse *response = message;
    struct pt_seen_layer *layer = &ask->lease->seen.layers[ask->index];
    layer->wants_info = false;
    if (!response || !response->info)
        return;
    layer->blob_at = pt_containerd_time(response->info->created_at);
    layer->has_ingest = false;
    if (layer->size < 0)
        layer->size = response->info->size;
}

static void ask_layers(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        struct pt_namespace *namespace = find_namespace(observer, lease->seen.namespace);
        if (!lease->is_resting)
            pt_lease_take_ingests(lease, &namespace->ingest_map);
        for (size_t i = 0; i < lease->seen.layer_count; i++) {
            const struct pt_seen_layer *layer = &lease->seen.layers[i];
            if (layer->blob_at == 0 && (layer->wants_info || !lease->is_listed))
                PT_ASK(observer, lease, i, take_layer, pt_containerd_content_info,
                       lease->seen.namespace, layer->digest);
        }
    }
}

// --- snapshots ---

static const char *snapshotter_of(struct pt_observer *observer, struct pt_lease *lease)
{
    struct pt_namespace *namespace = find_namespace(observer, lease->seen.namespace);
    if (lease->snapshotter) {
        if (!namespace->snapshotter || strcmp(namespace->snapshotter, lease->snapshotter) != 0) {
            free(namespace->snapshotter);
            namespace->snapshotter = strdup(lease->snapshotter);
        }
        return lease->snapshotter;
    }
    return namespace->snapshotter ? namespace->snapshotter : DEFAULT_SNAPSHOTTER;
}

static void take_snapshot(struct pt_ask *ask, const void *message);

// Asks for the lowest snapshot of the image that begins with layer `from`.
static void ask_next_snapshot(struct pt_observer *observer, struct pt_lease *lease, size_t from)
{
    const struct pt_seen_layer *layer = pt_lease_next_to_extract(lease, from);
    if (layer)
        PT_ASK(observer, lease, (size_t)(layer - lease->seen.layers), take_snapshot,
               pt_containerd_stat_snapshot, lease->seen.namespace, snapshotter_of(observer, lease),
               layer->chain_id);
}

static void take_snapshot(struct pt_ask *ask, const void *message)
{
    const Ctrd__StatSnapshotResponse *response = message;
    struct pt_seen_layer *layer = &ask->lease->seen.layers[ask->index];
    if (!response || !response->info ||
        response->info->kind != CTRD__SNAPSHOT_KIND__SNAPSHOT_COMMITTED)
        return;
    layer->extracted_at = pt_containerd_time(response->info->created_at);
    if (layer->extracted_at)
        ask_next_snapshot(ask->observer, ask->lease, ask->index);
}

static void take_extraction(struct pt_ask *ask, const void *message)
{
    const Ctrd__StatSnapshotResponse *response = message;
    struct pt_seen_layer *layer = &ask->lease->seen.layers[ask->index];
    if (response && response->info)
        layer->prepared_at = pt_containerd_time(response->info->created_at);
}

// The snapshots below are asked for from the bottom up: at first, because some may be there from
// before, and later as long as the next layer's blob is there.
static void ask_snapshots(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        bool ask_all = !lease->is_scanned || !lease->is_listed;
        lease->is_scanned = true;
        if (!lease->is_asked && !ask_all)
            continue;
        const struct pt_seen_layer *layers = lease->seen.layers;
        for (size_t i = 0; i < lease->seen.layer_count; i++) {
            if (i > 0 && layers[i].image == layers[i - 1].image)
                continue;
            const struct pt_seen_layer *next = pt_lease_next_to_extract(lease, i);
            if (next && (ask_all || next->blob_at))
                ask_next_snapshot(observer, lease, i);
        }
        for (size_t i = 0; i < lease->seen.layer_count; i++) {
            const struct pt_seen_layer *layer = &lease->seen.layers[i];
            if (layer->extract_key && layer->prepared_at == 0)
                PT_ASK(observer, lease, i, take_extraction, pt_containerd_stat_snapshot,
                       lease->seen.namespace, snapshotter_of(observer, lease), layer->extract_key);
        }
    }
}

// --- the round ---

static void settle_leases(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    pt_lease_settle(lease);
}

void pt_observer_ask(struct pt_observer *observer)
{
    switch (observer->step) {
    case STEP_NAMESPACES:
        ask_namespaces(observer);
        break;
    case STEP_LEASES:
        ask_leases(observer);
        break;
    case STEP_INGESTS:
        ask_ingests(observer);
        break;
    case STEP_RESOURCES:
        ask_resources(observer);
        break;
    case STEP_ROOTS:
        ask_roots(observer);
        break;
    case STEP_BLOBS:
        ask_blobs(observer);
        break;
    case STEP_DOCUMENTS:
        pt_observer_judge_unseen(observer);
        ask_documents(observer);
        break;
    case STEP_LAYERS:
        settle_leases(observer);
        if (observer->turns++ < MAX_TURNS && has_open_documents(observer)) {
            observer->step = STEP_BLOBS;
            ask_blobs(observer);
        } else {
            ask_layers(observer);
        }
        break;
    case STEP_SNAPSHOTS:
        ask_snapshots(observer);
        break;
    case STEP_IMAGES:
        pt_observer_ask_ends(observer);
        break;
    case STEP_IDLE:
    case STEP_END:
        break;
    }
}
