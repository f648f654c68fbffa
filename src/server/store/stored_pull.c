// SPDX-License-Identifier: Apache-2.0
#include "server/store/stored_pull.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/saturate.h"
#include "base/text.h"
#include "pull/image_ref.h"
#include "pull/join.h"
#include "pull/pull_fields.h"
#include "server/eta/stall.h"
#include "server/store/node.h"
#include "server/store/stored_layers.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

int pt_pull_id_make(const char *node_name, const char *key, int64_t salt,
                    char id[static PT_PULL_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    // The NUL behind each name keeps "a" + "bc" and "ab" + "c" apart.
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(context, node_name, strlen(node_name) + 1) == 1 &&
              EVP_DigestUpdate(context, key, strlen(key) + 1) == 1 &&
              EVP_DigestUpdate(context, &salt, sizeof(salt)) == 1 &&
              EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (!ok)
        return -ENOMEM; // nothing else can fail
    for (size_t i = 0; i < (PT_PULL_ID_SIZE - 1) / 2; i++) {
        id[2 * i] = digits[digest[i] >> 4];
        id[2 * i + 1] = digits[digest[i] & 15];
    }
    id[PT_PULL_ID_SIZE - 1] = '\0';
    return 0;
}

struct pt_stored_pull *pt_stored_pull_create(struct pt_node *node, const char *key)
{
    struct pt_stored_pull *stored = calloc(1, sizeof(*stored));
    if (!stored)
        return NULL;
    stored->node = node;
    stored->key = strdup(key);
    if (!stored->key) {
        free(stored);
        return NULL;
    }
    node->pins++;
    return stored;
}

void pt_stored_pull_destroy(struct pt_stored_pull *stored)
{
    if (!stored)
        return;
    stored->node->pins--;
    pt_fields_free_texts(&pt_pull_fields, &stored->pull);
    free(stored->pull.layers); // the whole block
    free(stored->tracks);
    free(stored->key);
    free(stored->earlier_key);
    free(stored->join);
    free(stored);
}

void pt_stored_pull_restart(struct pt_stored_pull *stored, char *key)
{
    free(stored->earlier_key);
    stored->earlier_key = stored->key;
    stored->key = key;
    free(stored->pull.layers);
    stored->pull.layers = NULL;
    stored->pull.layer_count = 0;
    stored->layers_bytes = 0;
    stored->versions = NULL;
    pt_stored_pull_drop_tracks(stored);
    stored->rate = (struct pt_rate){0};
    stored->steps = (struct pt_step_rate){0};
    stored->pauses = (struct pt_pauses){0};
    stored->percent_floor = 0;
    stored->slots = 0;
    stored->had_queue = false;
    stored->pull.started_at = 0;
    stored->pull.completed_at = 0;
    stored->pull.bytes_fetched = 0;
    stored->pull.phase = PT_PULL_RESOLVING;
    stored->pull.kind = PT_KIND_PULL;
    stored->of_kubelet = stored->is_kept = false;
    stored->row_attempts = 0;
    stored->counted_final = 0;
    pt_stored_pull_set_failure(stored, NULL, PT_FAILURE_NONE);
}

void pt_stored_pull_drop_tracks(struct pt_stored_pull *stored)
{
    free(stored->tracks);
    stored->tracks = NULL;
}

void pt_stored_pull_set_failure(struct pt_stored_pull *stored, const char *error,
                                enum pt_failure_class error_class)
{
    free((char *)stored->pull.error);
    stored->pull.error = error ? strdup(error) : NULL;
    stored->pull.error_class = error_class;
    stored->stale_reason = PT_STALE_NOT;
}

// --- one report ---

// Fills in what the agent left out.
static struct pt_layer complete_layer(const struct pt_stored_pull *stored,
                                      const struct pt_layer *reported, int64_t timestamp)
{
    struct pt_layer layer = *reported;
    if (layer.phase == PT_LAYER_UNKNOWN && layer.cached)
        layer.phase = PT_LAYER_EXISTS;
    else if (layer.phase == PT_LAYER_UNKNOWN)
        layer.phase = pt_layer_is_downloaded(reported) ? PT_LAYER_DOWNLOADED : PT_LAYER_DOWNLOADING;
    if (layer.total_known && layer.downloaded_bytes > layer.total_bytes)
        layer.downloaded_bytes = layer.total_bytes;
    if (layer.started_at == 0)
        layer.started_at = layer.phase == PT_LAYER_QUEUED ? stored->pull.started_at : timestamp;
    return layer;
}

// Its agent is of a version that says of each pull what it has fetched.
static bool says_fetched(const struct pt_pull *reported)
{
    return reported->kind != PT_KIND_UNKNOWN;
}

// Adds new bytes of a layer to the pull's, and to the node's unless another pull did so before. A
// pull that says itself what it has fetched needs no `counted`.
static void count_bytes(const char *digest, int64_t bytes, struct pt_map *counted,
                        struct pt_pull_change *change)
{
    pt_add_saturated(&change->received_bytes, bytes);
    // When out of memory, another pull may count them again.
    if (counted && pt_map_add(counted, digest, (void *)digest) != -EEXIST)
        pt_add_saturated(&change->node_bytes, bytes);
}

static void update_layer(struct pt_stored_pull *stored, size_t index,
                         const struct pt_layer *reported, int64_t timestamp, uint64_t version,
                         struct pt_map *counted, struct pt_pull_change *change)
{
    struct pt_layer *layer = &stored->pull.layers[index];
    struct pt_layer_track *track = &stored->tracks[index];
    struct pt_layer_versions *versions = &stored->versions[index];
    struct pt_layer next = complete_layer(stored, reported, timestamp);
    if (reported->started_at == 0 && versions->started)
        next.started_at = layer->started_at;
    pt_fields_share_texts(&pt_layer_fields, &next, layer);

    double speed_before = track->rate.bytes_per_second;
    if (!pt_layer_is_downloaded(&next))
        pt_rate_add(&track->rate, timestamp, next.downloaded_bytes);
    if (next.downloaded_bytes > layer->downloaded_bytes && pt_layer_has_speed(&next))
        pt_step_rate_add(&track->steps, timestamp, next.downloaded_bytes);
    change->downloading += next.phase == PT_LAYER_DOWNLOADING;
    change->waiting += next.phase == PT_LAYER_QUEUED;
    if (pt_layer_has_speed(&next) && next.downloaded_bytes > layer->downloaded_bytes)
        count_bytes(reported->digest, next.downloaded_bytes - layer->downloaded_bytes, counted,
                    change);
    bool same = versions->newest && pt_fields_have_same_values(&pt_layer_fields, &next, layer);
    if (!same || track->rate.bytes_per_second != speed_before) {
        versions->newest = version;
        change->visible = true;
    }
    change->moved |= !same;
    if (layer->cached && !next.cached && !pt_layer_is_downloaded(&next))
        stored->percent_floor = 0; // it was not there after all
    if (!versions->started && next.phase != PT_LAYER_QUEUED)
        versions->started = version;
    if (!versions->completed && pt_layer_is_downloaded(&next))
        versions->completed = version;
    *layer = next;
}

// A layer that a legacy agent no longer names has been fetched.
static void finish_layer(struct pt_stored_pull *stored, size_t index, int64_t timestamp,
                         uint64_t version, struct pt_pull_change *change)
{
    struct pt_layer *layer = &stored->pull.layers[index];
    if (pt_layer_is_downloaded(layer))
        return;
    if (layer->total_known) {
        int64_t missing = layer->total_bytes - layer->downloaded_bytes;
        pt_add_saturated(&change->received_bytes, missing);
        pt_add_saturated(&change->node_bytes, missing);
        layer->downloaded_bytes = layer->total_bytes;
    }
    layer->phase = PT_LAYER_DOWNLOADED;
    layer->completed_at = timestamp;
    stored->versions[index].newest = version;
    stored->versions[index].completed = version;
    change->visible = change->moved = true;
}

bool pt_stored_pull_would_move(const struct pt_stored_pull *stored, const struct pt_pull *reported)
{
    if (pt_pull_phase_is_final(reported->phase) ||
        stored->pull.layer_count != reported->layer_count)
        return true;
    for (size_t i = 0; i < reported->layer_count; i++) {
        if (stored->pull.layers[i].downloaded_bytes != reported->layers[i].downloaded_bytes ||
            (reported->layers[i].phase &&
             stored->pull.layers[i].phase != reported->layers[i].phase))
            return true;
    }
    return false;
}

static void update_head(struct pt_stored_pull *stored, const struct pt_pull *reported,
                        int64_t timestamp, struct pt_pull_change *change)
{
    struct pt_pull *pull = &stored->pull;
    enum pt_pull_phase phase =
        reported->phase == PT_PULL_UNKNOWN ? PT_PULL_DOWNLOADING : reported->phase;
    enum pt_pull_kind kind = reported->kind == PT_KIND_UNKNOWN ? PT_KIND_PULL : reported->kind;
    change->moved |= pull->phase != phase;
    change->visible |= pull->phase != phase || pull->kind != kind;
    change->visible |= pull->total_known != reported->total_known;
    pull->phase = phase;
    pull->kind = kind;
    pull->error_class = reported->error_class;
    pull->total_known = reported->total_known;
    pull->image_ref_exact = reported->image_ref_exact;
    if (reported->started_at || !pull->started_at)
        pull->started_at = reported->started_at ? reported->started_at : timestamp;
    if (pt_pull_phase_is_final(phase))
        pull->completed_at = reported->completed_at ? reported->completed_at : timestamp;
}

// An agent that says what a pull has fetched knows which of several pulls a layer came by.
static void update_fetched(struct pt_stored_pull *stored, const struct pt_pull *reported,
                           struct pt_pull_change *change)
{
    int64_t fetched = stored->pull.bytes_fetched;
    if (says_fetched(reported))
        change->node_bytes =
            reported->bytes_fetched > fetched ? reported->bytes_fetched - fetched : 0;
    change->visible |= change->node_bytes > 0;
    pt_add_saturated(&stored->pull.bytes_fetched, change->node_bytes);
}

static void update_progress(struct pt_stored_pull *stored, int64_t timestamp,
                            struct pt_pull_change *change)
{
    double speed_before = stored->rate.bytes_per_second;
    pt_add_saturated(&stored->received_bytes, change->received_bytes);
    int64_t bytes = stored->received_bytes;
    bool is_behind = pt_node_speed(stored->node) > 0;
    if (bytes == change->received_bytes &&
        pt_pauses_end_wait(&stored->pauses, timestamp, bytes, is_behind)) {
        stored->rate.count = 0;
        pt_rate_add(&stored->rate, timestamp, bytes);
    } else if (stored->pull.phase == PT_PULL_DOWNLOADING) {
        pt_rate_add_since(&stored->rate, stored->pull.started_at, timestamp, bytes);
        pt_pauses_add(&stored->pauses, timestamp, bytes);
        stored->rate.bytes_per_second =
            pt_pauses_speed(&stored->pauses, timestamp, stored->rate.bytes_per_second);
    }
    pt_step_rate_add(&stored->steps, timestamp, bytes);
    change->visible |= stored->rate.bytes_per_second != speed_before;
    if (change->moved || timestamp < stored->bytes_at)
        stored->bytes_at = timestamp;
    if (change->visible || timestamp - stored->bytes_at >= pt_pauses_patience_ns(&stored->pauses))
        stored->reported_at = timestamp;
    change->visible |= pt_stored_pull_stalled_seconds(stored) > 0;
    change->moved |= stored->pull.phase == PT_PULL_EXTRACTING;

    if (change->downloading >= stored->slots) {
        stored->had_queue =
            change->waiting > 0 || (stored->had_queue && change->downloading == stored->slots);
        stored->slots = change->downloading;
    }
    struct pt_totals totals;
    pt_pull_totals(&stored->pull, &totals);
    if (totals.percent > stored->percent_floor)
        stored->percent_floor = totals.percent;
}

// What says the name for sure, as far as that is known; NULL: nothing.
static const char *sure_name(const struct pt_stored_pull *stored, const struct pt_pull *reported)
{
    if (reported->image_ref_exact)
        return reported->image_ref;
    return stored->join ? stored->join->image_ref : NULL;
}

// The repository with its registry's port, if a name says that.
static const char *with_port(const char *repository, const char *name,
                             char text[static PT_LIMIT_REFERENCE_BYTES + 1])
{
    size_t length = repository && name ? pt_image_ref_ported(name, repository) : 0;
    if (length == 0 || length > PT_LIMIT_REFERENCE_BYTES)
        return repository;
    memcpy(text, name, length);
    text[length] = '\0';
    return text;
}

bool pt_stored_pull_take_port(struct pt_stored_pull *stored)
{
    char text[PT_LIMIT_REFERENCE_BYTES + 1];
    const char *repository =
        with_port(stored->pull.repository, sure_name(stored, &stored->pull), text);
    return repository == stored->pull.repository ||
           pt_text_replace(&stored->pull.repository, repository, NULL) == 0;
}

bool pt_stored_pull_is_name_sure(const struct pt_stored_pull *stored)
{
    return pt_pull_phase_is_final(stored->pull.phase) || sure_name(stored, &stored->pull);
}

int pt_stored_pull_update(struct pt_stored_pull *stored, const struct pt_pull *reported,
                          int64_t timestamp, uint64_t version, struct pt_map *counted,
                          struct pt_pull_change *ret_change)
{
    struct pt_pull_change change = {0};
    bool was_exact = stored->pull.image_ref_exact;
    char text[PT_LIMIT_REFERENCE_BYTES + 1];
    struct pt_pull named = *reported;
    named.repository = with_port(reported->repository, sure_name(stored, reported), text);
    if (pt_fields_replace_texts(&pt_pull_fields, &stored->pull, &named, "id", &change.named) < 0)
        return -ENOMEM;
    change.named |= was_exact != reported->image_ref_exact;
    change.visible |= change.named;
    update_head(stored, reported, timestamp, &change);
    if (!pt_stored_layers_match(stored, reported)) {
        if (pt_stored_layers_replace(stored, reported) < 0)
            return -ENOMEM;
        change.visible = true;
    }
    for (size_t i = 0; i < stored->pull.layer_count; i++) {
        if (i < reported->layer_count)
            update_layer(stored, i, &reported->layers[i], timestamp, version,
                         says_fetched(reported) ? NULL : counted, &change);
        else
            finish_layer(stored, i, timestamp, version, &change);
    }
    update_fetched(stored, reported, &change);
    update_progress(stored, timestamp, &change);
    *ret_change = change;
    return 0;
}

void pt_stored_pull_complete(struct pt_stored_pull *stored, int64_t completed_at, uint64_t version)
{
    struct pt_pull_change change = {0};
    for (size_t i = 0; i < stored->pull.layer_count; i++)
        finish_layer(stored, i, completed_at, version, &change);
    pt_add_saturated(&stored->received_bytes, change.received_bytes);
    pt_add_saturated(&stored->pull.bytes_fetched, change.node_bytes);
    stored->pull.phase = PT_PULL_COMPLETED;
    stored->pull.completed_at = completed_at;
    stored->reported_at = completed_at;
}

double pt_stored_pull_stalled_seconds(const struct pt_stored_pull *stored)
{
    return pt_pull_stalled_seconds(&stored->pull, stored->tracks, &stored->pauses,
                                   stored->reported_at - stored->bytes_at,
                                   pt_node_speed(stored->node) > 0);
}
