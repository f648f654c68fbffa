// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/steps.h"

#include "pull/digest.h"

#include <stdlib.h>
#include <string.h>

// The CRI plugin writes its own records after a pull's lease has gone: within 10 ms on a quiet
// node.
#define VERDICT_NS (500 * PT_NS_PER_MS)
#define CRI_LABEL "io.cri-containerd.image"

static void take_config(struct pt_ask *ask, const void *message)
{
    const Ctrd__ContentInfoResponse *response = message;
    if (response && response->info)
        pt_blob_take_info(&ask->lease->blobs[ask->index], response->info);
}

static bool is_labelled(const Ctrd__Image *image, const char *key)
{
    for (size_t i = 0; i < image->n_labels; i++) {
        if (strcmp(image->labels[i]->key, key) == 0)
            return true;
    }
    return false;
}

// A record `repository@digest`: the CRI plugin writes it beside the name that was asked for when a
// pull has succeeded, whatever kind of image it is.
static bool is_acceptance(const Ctrd__Image *image, const struct pt_seen_lease *seen)
{
    const char *at = strchr(image->name, '@');
    return at && strcmp(at + 1, seen->root_digest) == 0 && is_labelled(image, CRI_LABEL) &&
           pt_containerd_time(image->updated_at) >= pt_seen_since(seen) && seen->image_name &&
           strcmp(image->name, seen->image_name) != 0;
}

// Of the records written in the lease's time the first one with a name that a person would write.
static void take_records(struct pt_ask *ask, const void *message)
{
    const Ctrd__ListImagesResponse *list = message;
    struct pt_seen_lease *seen = &ask->lease->seen;
    if (!list) { // that there are none would be a failure
        pt_ask_fail_round(ask, "image records cannot be listed");
        return;
    }
    for (size_t i = 0; i < list->n_images; i++) {
        const Ctrd__Image *image = list->images[i];
        int64_t updated_at = pt_containerd_time(image->updated_at);
        if (updated_at < pt_seen_since(seen) || pt_is_digest(image->name))
            continue;
        if (seen->image_name && seen->image_updated_at <= updated_at)
            continue;
        free(seen->image_name);
        seen->image_name = strdup(image->name);
        seen->image_updated_at = updated_at;
    }
    for (size_t i = 0; i < list->n_images; i++)
        seen->is_accepted |= is_acceptance(list->images[i], seen);
}

// When an image is unpacked the client labels its config, whichever snapshotter it used.
static void ask_configs(struct pt_round *round, struct pt_lease *lease)
{
    for (size_t i = 0; i < lease->blob_count; i++) {
        enum pt_document_kind kind = lease->blobs[i].document.kind;
        if (kind == PT_DOCUMENT_CONFIG || kind == PT_DOCUMENT_OTHER)
            PT_ASK(&round->asks, lease, i, take_config, pt_containerd_content_info,
                   lease->seen.namespace, lease->blobs[i].digest);
    }
}

static void take_image(struct pt_ask *ask, const void *message)
{
    const Ctrd__GetImageResponse *response = message;
    struct pt_seen_image *image = &ask->asks->round->images[ask->index];
    if (response && response->image && response->image->target)
        image->target_digest = strdup(response->image->target->digest);
    if (response && response->image)
        image->record_updated_at = pt_containerd_time(response->image->updated_at);
}

void pt_round_ask_ends(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (pt_lease_is_listed(lease) || !lease->is_pull || !lease->seen.root_digest)
            continue;
        PT_ASK(&round->asks, lease, 0, take_records, pt_containerd_list_images,
               lease->seen.namespace, lease->seen.root_digest);
        ask_configs(round, lease);
    }
    round->images_asked = round->image_count;
    for (size_t i = 0; i < round->images_asked; i++) {
        if (!round->images[i].target_digest)
            PT_ASK(&round->asks, NULL, i, take_image, pt_containerd_get_image,
                   round->images[i].namespace, round->images[i].name);
    }
}

// The client or containerd itself removes what it extracts into when it gives up; a layer that is
// done has its snapshot, of which the round has asked.
static bool has_given_up(const struct pt_lease *lease)
{
    for (size_t i = 0; i < lease->seen.layer_count; i++) {
        if (lease->notes[i].extraction == PT_EXTRACTION_GIVEN_UP &&
            lease->seen.layers[i].extracted_at == 0)
            return true;
    }
    return false;
}

// An image that is stored but not unpacked may be well: the CRI plugin says so by a second record a
// moment later. Until then, or VERDICT_NS, the end stays open.
void pt_round_judge_ends(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        struct pt_seen_lease *seen = &lease->seen;
        if (pt_lease_is_listed(lease)) {
            seen->has_given_up = has_given_up(lease);
            continue;
        }
        if (seen->fate == PT_LEASE_MISSED) {
            seen->fate = PT_LEASE_GONE;
            lease->gone_ns = round->began_ns;
        }
        seen->is_unpacked = pt_lease_is_unpacked(lease);
        bool is_open =
            lease->is_pull && seen->image_name && !seen->is_unpacked && !seen->is_accepted;
        if (!is_open || pt_round_has_passed(round, lease->gone_ns, VERDICT_NS))
            seen->fate = PT_LEASE_OVER;
    }
}
