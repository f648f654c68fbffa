// SPDX-License-Identifier: Apache-2.0
#include "observation_json.h"

#include <stdlib.h>
#include <string.h>

static void add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
    if (text)
        yyjson_mut_obj_add_str(doc, object, key, text);
}

static void add_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t number)
{
    if (number)
        yyjson_mut_obj_add_sint(doc, object, key, number);
}

static int write_line(FILE *out, yyjson_mut_doc *doc)
{
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NEWLINE_AT_END, NULL);
    int r = text && fputs(text, out) >= 0 ? fflush(out) : -1;
    free(text);
    yyjson_mut_doc_free(doc);
    return r;
}

static yyjson_mut_val *layer_json(yyjson_mut_doc *doc, const struct pt_seen_layer *layer)
{
    yyjson_mut_val *out = yyjson_mut_obj(doc);
    add_text(doc, out, "digest", layer->digest);
    add_text(doc, out, "mediaType", layer->media_type);
    add_text(doc, out, "chainId", layer->chain_id);
    add_number(doc, out, "size", layer->size);
    add_number(doc, out, "image", layer->image);
    add_number(doc, out, "hasIngest", layer->has_ingest);
    add_number(doc, out, "ownsIngest", layer->owns_ingest);
    add_number(doc, out, "offset", layer->offset);
    add_number(doc, out, "ingestTotal", layer->ingest_total);
    add_number(doc, out, "ingestStartedAt", layer->ingest_started_at);
    add_number(doc, out, "ingestUpdatedAt", layer->ingest_updated_at);
    add_number(doc, out, "blobAt", layer->blob_at);
    add_number(doc, out, "preparedAt", layer->prepared_at);
    add_number(doc, out, "extractedAt", layer->extracted_at);
    add_number(doc, out, "extractBegun", layer->extract_begun);
    return out;
}

static yyjson_mut_val *lease_json(yyjson_mut_doc *doc, const struct pt_seen_lease *lease)
{
    yyjson_mut_val *out = yyjson_mut_obj(doc);
    add_text(doc, out, "namespace", lease->namespace);
    add_text(doc, out, "id", lease->id);
    add_number(doc, out, "createdAt", lease->created_at);
    add_number(doc, out, "isGone", lease->fate == PT_LEASE_OVER);
    add_number(doc, out, "fingerprint", (int64_t)(lease->fingerprint >> 1));
    add_text(doc, out, "rootDigest", lease->root_digest);
    add_text(doc, out, "manifestDigest", lease->manifest_digest);
    add_text(doc, out, "repository", lease->repository);
    add_number(doc, out, "layersKnown", lease->layers_known);
    add_number(doc, out, "documentsFetched", lease->documents_fetched);
    add_text(doc, out, "imageName", lease->image_name);
    add_number(doc, out, "imageUpdatedAt", lease->image_updated_at);
    add_number(doc, out, "hasGivenUp", lease->has_given_up);
    add_number(doc, out, "isUnpacked", lease->is_unpacked);
    add_number(doc, out, "isAccepted", lease->is_accepted);
    yyjson_mut_val *layers = yyjson_mut_obj_add_arr(doc, out, "layers");
    for (size_t i = 0; i < lease->layer_count; i++)
        yyjson_mut_arr_append(layers, layer_json(doc, &lease->layers[i]));
    return out;
}

int observation_write(FILE *out, const struct pt_observation *observation)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    add_number(doc, root, "takenAt", observation->taken_at);
    add_number(doc, root, "takenMonotonic", observation->taken_monotonic);
    add_number(doc, root, "containerdPid", observation->containerd_pid);
    yyjson_mut_val *leases = yyjson_mut_obj_add_arr(doc, root, "leases");
    for (size_t i = 0; i < observation->lease_count; i++)
        yyjson_mut_arr_append(leases, lease_json(doc, observation->leases[i]));
    yyjson_mut_val *images = yyjson_mut_obj_add_arr(doc, root, "images");
    for (size_t i = 0; i < observation->image_count; i++) {
        const struct pt_seen_image *image = &observation->images[i];
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(doc, images);
        add_text(doc, item, "namespace", image->namespace);
        add_text(doc, item, "name", image->name);
        add_text(doc, item, "targetDigest", image->target_digest);
        add_number(doc, item, "writtenAt", image->written_at);
    }
    return write_line(out, doc);
}

static const char *const kinds[] = {
    [PT_SEEN_SNAPSHOT_PREPARED] = "prepared", [PT_SEEN_SNAPSHOT_COMMITTED] = "committed",
    [PT_SEEN_CONTENT_CREATED] = "created",    [PT_SEEN_IMAGE_WRITTEN] = "written",
    [PT_SEEN_EXTRACTION_REMOVED] = "removed",
};

int event_write(FILE *out, const struct pt_seen_event *event)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    add_text(doc, root, "event", kinds[event->kind]);
    add_text(doc, root, "namespace", event->namespace);
    add_text(doc, root, "subject", event->subject);
    add_number(doc, root, "at", event->at);
    return write_line(out, doc);
}

// --- and back ---

static char *text_of(yyjson_val *object, const char *key)
{
    return (char *)yyjson_get_str(yyjson_obj_get(object, key));
}

static int64_t number_of(yyjson_val *object, const char *key)
{
    return yyjson_get_sint(yyjson_obj_get(object, key));
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (!memory)
        abort();
    return memory;
}

static struct pt_seen_layer read_layer(yyjson_val *in)
{
    return (struct pt_seen_layer){
        .digest = text_of(in, "digest"),
        .media_type = text_of(in, "mediaType"),
        .chain_id = text_of(in, "chainId"),
        .size = number_of(in, "size"),
        .image = (unsigned)number_of(in, "image"),
        .has_ingest = number_of(in, "hasIngest"),
        .owns_ingest = number_of(in, "ownsIngest"),
        .offset = number_of(in, "offset"),
        .ingest_total = number_of(in, "ingestTotal"),
        .ingest_started_at = number_of(in, "ingestStartedAt"),
        .ingest_updated_at = number_of(in, "ingestUpdatedAt"),
        .blob_at = number_of(in, "blobAt"),
        .prepared_at = number_of(in, "preparedAt"),
        .extracted_at = number_of(in, "extractedAt"),
        .extract_begun = number_of(in, "extractBegun"),
    };
}

static struct pt_seen_lease read_lease(yyjson_val *in)
{
    yyjson_val *layers = yyjson_obj_get(in, "layers");
    struct pt_seen_lease lease = {
        .namespace = text_of(in, "namespace"),
        .id = text_of(in, "id"),
        .created_at = number_of(in, "createdAt"),
        .fate = number_of(in, "isGone") ? PT_LEASE_OVER : PT_LEASE_LISTED,
        .fingerprint = (uint64_t)number_of(in, "fingerprint"),
        .root_digest = text_of(in, "rootDigest"),
        .manifest_digest = text_of(in, "manifestDigest"),
        .repository = text_of(in, "repository"),
        .layers_known = number_of(in, "layersKnown"),
        .documents_fetched = number_of(in, "documentsFetched"),
        .image_name = text_of(in, "imageName"),
        .image_updated_at = number_of(in, "imageUpdatedAt"),
        .has_given_up = number_of(in, "hasGivenUp"),
        .is_unpacked = number_of(in, "isUnpacked"),
        .is_accepted = number_of(in, "isAccepted"),
        .layer_count = yyjson_arr_size(layers),
        .layers = allocate(yyjson_arr_size(layers), sizeof(struct pt_seen_layer)),
    };
    for (size_t i = 0; i < lease.layer_count; i++)
        lease.layers[i] = read_layer(yyjson_arr_get(layers, i));
    return lease;
}

static void read_observation(yyjson_val *root, struct played_line *line)
{
    yyjson_val *leases = yyjson_obj_get(root, "leases");
    yyjson_val *images = yyjson_obj_get(root, "images");
    size_t count = yyjson_arr_size(leases);
    line->leases = allocate(count, sizeof(*line->leases));
    line->images = allocate(yyjson_arr_size(images), sizeof(*line->images));
    line->observation = (struct pt_observation){
        .taken_at = number_of(root, "takenAt"),
        .taken_monotonic = number_of(root, "takenMonotonic"),
        .containerd_pid = number_of(root, "containerdPid"),
        .leases = allocate(count, sizeof(struct pt_seen_lease *)),
        .lease_count = count,
        .images = line->images,
        .image_count = yyjson_arr_size(images),
    };
    for (size_t i = 0; i < count; i++) {
        line->leases[i] = read_lease(yyjson_arr_get(leases, i));
        line->observation.leases[i] = &line->leases[i];
    }
    for (size_t i = 0; i < line->observation.image_count; i++) {
        yyjson_val *in = yyjson_arr_get(images, i);
        line->images[i] = (struct pt_seen_image){
            .namespace = text_of(in, "namespace"),
            .name = text_of(in, "name"),
            .target_digest = text_of(in, "targetDigest"),
            .written_at = number_of(in, "writtenAt"),
        };
    }
}

int played_line_read(FILE *in, struct played_line *line)
{
    char *text = NULL;
    size_t capacity = 0;
    ssize_t length = getline(&text, &capacity, in);
    *line = (struct played_line){0};
    if (length > 0)
        line->doc = yyjson_read(text, (size_t)length, YYJSON_READ_NOFLAG);
    free(text);
    if (length <= 0)
        return -1;
    if (!line->doc) {
        fprintf(stderr, "a line that is no JSON\n");
        abort();
    }
    yyjson_val *root = yyjson_doc_get_root(line->doc);
    const char *event = text_of(root, "event");
    line->is_event = event != NULL;
    if (!event) {
        read_observation(root, line);
        return 0;
    }
    line->event.namespace = text_of(root, "namespace");
    line->event.subject = text_of(root, "subject");
    line->event.at = number_of(root, "at");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i], event) == 0)
            line->event.kind = (enum pt_seen_event_kind)i;
    }
    return 0;
}

void played_line_finish(struct played_line *line)
{
    for (size_t i = 0; i < line->observation.lease_count; i++)
        free(line->leases[i].layers);
    free(line->observation.leases);
    free(line->leases);
    free(line->images);
    yyjson_doc_free(line->doc);
}
