// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/steps.h"

#include "base/limits.h"
#include "base/log.h"
#include "containerd/snapshotters.h"
#include "pull/image_ref.h"

#include <stdlib.h>
#include <string.h>

#define OTHERS_EVERY_NS (60 * PT_NS_PER_S)
// An extraction's snapshot may be there a moment after the lease names it.
#define NAME_ROUNDS 3

// What clients and snapshotters label snapshots with.
#define NAME_LABEL "containerd.io/snapshot/cri.image-ref"
#define REMOTE_LABEL "containerd.io/snapshot/remote"
#define NYDUS_LABEL "containerd.io/snapshot/nydus-"

// --- documents ---

static void take_guesses(struct pt_ask *ask, const void *message)
{
    const Ctrd__ListImagesResponse *list = message;
    if (!list && ask->status->code == PT_GRPC_TOO_LARGE) {
        struct pt_round *round = ask->asks->round;
        pt_log_warn("images.too_many", pt_log_text("namespace", ask->lease->seen.namespace),
                    pt_log_text("lost", "the name of a pull whose manifest was not seen"),
                    pt_log_int("limitBytes", PT_LIMIT_IMAGE_RECORDS_BYTES),
                    pt_log_int("times", (int64_t)++round->guesses_lost));
        return;
    }
    if (!list) {
        pt_ask_fail_round(ask, "image records cannot be listed");
        return;
    }
    for (size_t i = 0; i < list->n_images; i++) {
        const Ctrd__Image *image = list->images[i];
        if (image->target &&
            pt_containerd_time(image->updated_at) >= pt_seen_since(&ask->lease->seen))
            pt_lease_guess_root(ask->lease, image->target->digest);
    }
}

// Of an image of schema 1 containerd writes a manifest of its own last of all, so that the lease
// may go before it was seen to hold that; the image record still names it.
void pt_round_ask_roots(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (!pt_lease_is_listed(lease) && !lease->seen.root_digest && lease->seen.layer_count > 0)
            PT_ASK(&round->asks, lease, 0, take_guesses, pt_containerd_list_images,
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

void pt_round_ask_blobs(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        for (size_t i = 0; i < lease->blob_count; i++) {
            struct pt_blob *blob = &lease->blobs[i];
            if (!pt_blob_is_unsettled(blob) || blob->asked_in == round->rounds)
                continue;
            blob->asked_in = round->rounds;
            PT_ASK(&round->asks, lease, i, take_blob, pt_containerd_content_info,
                   lease->seen.namespace, blob->digest);
        }
    }
}

static void take_document(struct pt_ask *ask, const void *message)
{
    const struct pt_buffer *content = message;
    struct pt_blob *blob = &ask->lease->blobs[ask->index];
    if (content)
        pt_lease_take_document(ask->lease, blob, content->data, content->length);
}

static void log_left_out(struct pt_lease *lease)
{
    if (lease->documents_left_out == 0 || lease->has_logged_left_out)
        return;
    lease->has_logged_left_out = true;
    pt_log_warn("image.documents_left_out", pt_log_text("image", lease->seen.root_digest),
                pt_log_text("repository", lease->seen.repository),
                pt_log_int("documents", (int64_t)lease->documents_left_out),
                pt_log_int("readBytes", lease->document_bytes));
}

void pt_round_ask_documents(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        pt_lease_choose_documents(lease, round->rounds);
        log_left_out(lease);
        for (size_t i = 0; i < lease->blob_count; i++) {
            struct pt_blob *blob = &lease->blobs[i];
            if (!blob->is_due)
                continue;
            blob->read_in = round->rounds;
            PT_ASK(&round->asks, lease, i, take_document, pt_containerd_read_content,
                   lease->seen.namespace, blob->digest, 0);
        }
    }
}

bool pt_round_has_open_documents(struct pt_round *round)
{
    const struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        for (size_t i = 0; i < lease->blob_count; i++) {
            const struct pt_blob *blob = &lease->blobs[i];
            if ((blob->stage < PT_BLOB_KNOWN && blob->asked_in != round->rounds) ||
                (pt_lease_wants(lease, blob) && blob->read_in != round->rounds))
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
    ask->lease->notes[ask->index].wants_info = false;
    if (!response || !response->info)
        return;
    layer->is_foreign_open |= layer->blob_at == 0;
    layer->blob_at = pt_containerd_time(response->info->created_at);
    layer->has_ingest = false;
    if (layer->size < 0)
        layer->size = pt_lease_size(response->info->size);
}

static void take_others(struct pt_ask *ask, const void *message)
{
    const Ctrd__ListNamespacesResponse *list = message;
    struct pt_round *round = ask->asks->round;
    if (!list)
        return;
    pt_round_clear_others(round);
    for (size_t i = 0; i < list->n_namespaces && round->other_count < PT_MAX_OTHERS; i++) {
        char *name = strdup(list->namespaces[i]->name);
        if (name)
            round->others[round->other_count++] = name;
    }
}

void pt_round_clear_others(struct pt_round *round)
{
    while (round->other_count > 0)
        free(round->others[--round->other_count]);
}

// Containerd's namespaces share their content: what another one has, nobody fetches again.
static void ask_others(struct pt_round *round)
{
    struct pt_lease *lease;
    bool has_pull = false;
    TAILQ_FOREACH(lease, &round->leases, link)
    has_pull |= lease->is_pull && lease->seen.layer_count > 0;
    if (!has_pull || !pt_round_has_passed(round, round->others_asked_ns, OTHERS_EVERY_NS))
        return;
    round->others_asked_ns = round->began_ns;
    PT_ASK_OPTIONAL(&round->asks, NULL, 0, take_others, pt_containerd_list_namespaces);
}

static void take_foreign(struct pt_ask *ask, const void *message)
{
    const Ctrd__ContentInfoResponse *response = message;
    struct pt_seen_layer *layer = &ask->lease->seen.layers[ask->index];
    int64_t at = response && response->info ? pt_containerd_time(response->info->created_at) : 0;
    layer->is_foreign |= at != 0 && at < layer->blob_at;
}

// Of a layer that came in the lease's time, and of which nothing was seen on its way.
static void ask_foreign(struct pt_round *round, struct pt_lease *lease, size_t index)
{
    struct pt_seen_layer *layer = &lease->seen.layers[index];
    if (!layer->is_foreign_open || layer->blob_at == 0)
        return;
    layer->is_foreign_open = false;
    if (lease->notes[index].has_moved || layer->blob_at < pt_seen_since(&lease->seen))
        return;
    for (size_t i = 0; i < round->other_count; i++) {
        if (strcmp(round->others[i], lease->seen.namespace) != 0)
            PT_ASK_OPTIONAL(&round->asks, lease, index, take_foreign, pt_containerd_content_info,
                            round->others[i], layer->digest);
    }
}

static void take_config(struct pt_ask *ask, const void *message)
{
    const Ctrd__ContentInfoResponse *response = message;
    if (response && response->info)
        pt_lease_take_config(ask->lease, response->info);
}

// A pull may be over before its lease has shown a snapshotter: its config's label names it.
static void ask_snapshotter(struct pt_round *round, struct pt_lease *lease)
{
    if (pt_lease_is_listed(lease) || lease->snapshotter || lease->unpacked_with)
        return;
    for (size_t i = 0; i < lease->blob_count; i++) {
        if (lease->blobs[i].document.kind == PT_DOCUMENT_CONFIG)
            PT_ASK(&round->asks, lease, i, take_config, pt_containerd_content_info,
                   lease->seen.namespace, lease->blobs[i].digest);
    }
}

void pt_round_ask_layers(struct pt_round *round)
{
    ask_others(round);
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        struct pt_namespace *namespace = pt_round_find_namespace(round, lease->seen.namespace);
        ask_snapshotter(round, lease);
        pt_lease_take_ingests(lease, &namespace->ingest_map);
        for (size_t i = 0; i < lease->seen.layer_count; i++) {
            const struct pt_seen_layer *layer = &lease->seen.layers[i];
            if (layer->blob_at == 0 && (lease->notes[i].wants_info || !pt_lease_is_listed(lease)))
                PT_ASK(&round->asks, lease, i, take_layer, pt_containerd_content_info,
                       lease->seen.namespace, layer->digest);
        }
    }
}

// --- snapshots ---

const char *pt_round_snapshotter(struct pt_round *round, struct pt_lease *lease)
{
    struct pt_namespace *namespace = pt_round_find_namespace(round, lease->seen.namespace);
    if (!lease->snapshotter && lease->unpacked_with)
        return lease->unpacked_with;
    if (lease->snapshotter) {
        if (!namespace->snapshotter || strcmp(namespace->snapshotter, lease->snapshotter) != 0) {
            free(namespace->snapshotter);
            namespace->snapshotter = strdup(lease->snapshotter);
        }
        return lease->snapshotter;
    }
    return namespace->snapshotter ? namespace->snapshotter : PT_DEFAULT_SNAPSHOTTER;
}

static void take_snapshot(struct pt_ask *ask, const void *message);

// Asks for the lowest snapshot of the image that begins with layer `from`.
static void ask_next_snapshot(struct pt_round *round, struct pt_lease *lease, size_t from)
{
    const struct pt_seen_layer *layer = pt_lease_next_to_extract(lease, from);
    if (layer)
        PT_ASK(&round->asks, lease, (size_t)(layer - lease->seen.layers), take_snapshot,
               pt_containerd_stat_snapshot, lease->seen.namespace,
               pt_round_snapshotter(round, lease), layer->chain_id);
}

static const char *label_of(const Ctrd__SnapshotInfo *info, const char *key)
{
    for (size_t i = 0; i < info->n_labels; i++) {
        if (strcmp(info->labels[i]->key, key) == 0)
            return info->labels[i]->value;
    }
    return NULL;
}

// Of a layer that containerd has not fetched.
static enum pt_layer_source source_by(const Ctrd__SnapshotInfo *info, const char *name)
{
    const struct pt_snapshotter *snapshotter = pt_snapshotter_of(name);
    if (snapshotter->has_cache)
        return PT_SOURCE_SNAPSHOTTER_CACHE;
    if (label_of(info, REMOTE_LABEL) || snapshotter->only_mounts)
        return PT_SOURCE_REMOTE;
    for (size_t i = 0; i < info->n_labels; i++) {
        if (strncmp(info->labels[i]->key, NYDUS_LABEL, strlen(NYDUS_LABEL)) == 0)
            return PT_SOURCE_REMOTE;
    }
    return PT_SOURCE_SNAPSHOTTER;
}

// The label is set by whoever pulls, so it is a stranger's text. It is taken if it is a reference,
// and of the repository that containerd has fetched from, whose labels lack the port.
static void take_name(struct pt_lease *lease, const Ctrd__SnapshotInfo *info)
{
    const char *name = label_of(info, NAME_LABEL);
    struct pt_image_ref ref;
    if (!name || lease->seen.labelled_name || pt_image_ref_parse(name, &ref) < 0)
        return;
    ref.host[strcspn(ref.host, ":")] = '\0';
    const char *repository = lease->seen.repository;
    size_t length = strlen(ref.host);
    bool is_of =
        !repository || (strncmp(repository, ref.host, length) == 0 && repository[length] == '/' &&
                        strcmp(repository + length + 1, ref.path) == 0);
    if (is_of)
        pt_lease_set_text(&lease->seen.labelled_name, name);
}

static void take_snapshot(struct pt_ask *ask, const void *message)
{
    const Ctrd__StatSnapshotResponse *response = message;
    struct pt_seen_layer *layer = &ask->lease->seen.layers[ask->index];
    if (!response || !response->info ||
        response->info->kind != CTRD__SNAPSHOT_KIND__SNAPSHOT_COMMITTED)
        return;
    layer->extracted_at = pt_containerd_time(response->info->created_at);
    layer->brought = source_by(response->info, pt_round_snapshotter(ask->asks->round, ask->lease));
    // One that is older has the name of whoever made it.
    if (layer->extracted_at >= pt_seen_since(&ask->lease->seen) &&
        layer->brought == PT_SOURCE_REMOTE)
        take_name(ask->lease, response->info);
    if (layer->extracted_at)
        ask_next_snapshot(ask->asks->round, ask->lease, ask->index);
}

// Of a layer that the lease holds a snapshot of, whatever is below it.
static void ask_committed(struct pt_round *round, struct pt_lease *lease, size_t index)
{
    const struct pt_seen_layer *layer = &lease->seen.layers[index];
    if (lease->notes[index].is_committed && layer->extracted_at == 0)
        PT_ASK(&round->asks, lease, index, take_snapshot, pt_containerd_stat_snapshot,
               lease->seen.namespace, pt_round_snapshotter(round, lease), layer->chain_id);
}

static void take_extraction(struct pt_ask *ask, const void *message)
{
    const Ctrd__StatSnapshotResponse *response = message;
    struct pt_seen_layer *layer = &ask->lease->seen.layers[ask->index];
    if (!response || !response->info)
        return;
    layer->prepared_at = pt_containerd_time(response->info->created_at);
    layer->is_apart = !response->info->parent || !response->info->parent[0];
}

static void take_own_name(struct pt_ask *ask, const void *message)
{
    const Ctrd__StatSnapshotResponse *response = message;
    if (!response || !response->info ||
        response->info->kind != CTRD__SNAPSHOT_KIND__SNAPSHOT_ACTIVE)
        return;
    ask->lease->names_asked = NAME_ROUNDS;
    take_name(ask->lease, response->info);
}

static void ask_name(struct pt_round *round, struct pt_lease *lease)
{
    if (!lease->extraction || lease->names_asked >= NAME_ROUNDS || !pt_lease_is_listed(lease))
        return;
    lease->names_asked++;
    PT_ASK_OPTIONAL(&round->asks, lease, 0, take_own_name, pt_containerd_stat_snapshot,
                    lease->seen.namespace, pt_round_snapshotter(round, lease), lease->extraction);
}

// The snapshots below are asked for from the bottom up: at first, because some may be there from
// before, and later as long as the next layer's blob is there.
void pt_round_ask_snapshots(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        bool ask_all = !lease->is_scanned || !pt_lease_is_listed(lease);
        lease->is_scanned = true;
        ask_name(round, lease);
        for (size_t i = 0; i < lease->seen.layer_count; i++)
            ask_foreign(round, lease, i);
        if (!lease->is_asked && !ask_all)
            continue;
        if (ask_all)
            pt_lease_set_text(&lease->scanned, pt_round_snapshotter(round, lease));
        const struct pt_seen_layer *layers = lease->seen.layers;
        for (size_t i = 0; i < lease->seen.layer_count; i++) {
            if (i > 0 && layers[i].image == layers[i - 1].image)
                continue;
            const struct pt_seen_layer *next = pt_lease_next_to_extract(lease, i);
            if (next && (ask_all || next->blob_at))
                ask_next_snapshot(round, lease, i);
        }
        for (size_t i = 0; i < lease->seen.layer_count; i++) {
            ask_committed(round, lease, i);
            const struct pt_seen_layer *layer = &lease->seen.layers[i];
            const char *key = lease->notes[i].extract_key;
            if (key && layer->prepared_at == 0)
                PT_ASK(&round->asks, lease, i, take_extraction, pt_containerd_stat_snapshot,
                       lease->seen.namespace, pt_round_snapshotter(round, lease), key);
        }
    }
}
