// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_row.h"

#include "base/text.h"
#include "pull/join.h"
#include "server/store/pull_life.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESTORED 'p' // first character of such a row's key; by what is heard here it is `k`

// The row that the hook names; NULL if it is not there.
static struct pt_stored_pull *find_taken(const struct pt_node *node,
                                         const struct pt_row_taken *taken)
{
    struct pt_stored_pull *stored = taken->key ? pt_map_get(&node->pulls, taken->key) : NULL;
    return stored && strcmp(stored->key, taken->key) == 0 ? stored : NULL;
}

// The node's row with the id that another server has chosen, which is not terminated and may be
// NULL; NULL: there is none.
static struct pt_stored_pull *find_of_node(const struct pt_pull_store *store,
                                           const struct pt_node *node, const char *row_id)
{
    char id[PT_PULL_ID_SIZE] = "";
    if (!row_id)
        return NULL;
    memcpy(id, row_id, PT_PULL_ID_LENGTH);
    struct pt_stored_pull *stored = pt_map_get(&store->pulls, id);
    return stored && stored->node == node ? stored : NULL;
}

// The taker has gone on in a row that Kubernetes alone knew and that had ended, which this server
// may have from another one: its own Kubernetes says nothing of it then.
static struct pt_stored_pull *find_ended(const struct pt_pull_store *store,
                                         const struct pt_node *node, const char *row_id,
                                         struct pt_row_taken *taken)
{
    struct pt_stored_pull *stored = find_of_node(store, node, row_id);
    if (!stored || !stored->of_kubelet || !pt_stored_pull_is_final(stored))
        return NULL;
    *taken = (struct pt_row_taken){.has_come = stored->pull.phase == PT_PULL_COMPLETED};
    return stored;
}

// A new pull goes on in a row that has waited, or whose last attempt has failed. NULL if there is
// none.
static struct pt_stored_pull *continue_row(struct pt_pull_store *store, struct pt_node *node,
                                           const char *key, struct pt_stored_pull *stored,
                                           const struct pt_row_taken *taken)
{
    if (!stored)
        return NULL;
    char *own_key = strdup(key);
    if (!own_key || pt_map_put(&node->pulls, own_key, stored) < 0) {
        free(own_key);
        return NULL;
    }
    if (taken->has_come)
        pt_life_fill_in(store, stored, own_key);
    else
        pt_life_restart(store, stored, own_key);
    stored->failure_is_counted = taken->is_counted;
    return stored;
}

// Readers show the row no more: its pull goes on in another one.
static void cancel(struct pt_pull_store *store, struct pt_stored_pull *row)
{
    row->of_kubelet = true;
    row->pull.completed_at = row->reported_at = pt_clock_wall_ns(store->clock);
    pt_stored_pull_set_failure(row, NULL, PT_FAILURE_NONE);
    pt_life_set_phase(store, row, PT_PULL_CANCELLED);
}

// That of an image, if a pod still waits in it.
static void withdraw(struct pt_pull_store *store, struct pt_stored_pull *row)
{
    bool is_failing = row->pull.phase == PT_PULL_FAILED && pt_stored_pull_is_waited_for(row);
    if (row->of_kubelet && (is_failing || !pt_stored_pull_is_final(row)))
        cancel(store, row);
}

// What another server has begun in a row of its own does not go on in the row that stands for its
// image here.
static void follow_taker(struct pt_pull_store *store, struct pt_node *node, const char *row_id,
                         struct pt_row_taken *taken)
{
    struct pt_stored_pull *row = taken->key ? pt_map_get(&node->pulls, taken->key) : NULL;
    if (!row || memcmp(row->id, row_id, PT_PULL_ID_LENGTH) == 0)
        return;
    *taken = (struct pt_row_taken){0};
    withdraw(store, row);
}

// The row of an earlier attempt of the node that another server has given that id; NULL: there is
// none. What stands for an image goes on by the word of Kubernetes.
static struct pt_stored_pull *find_earlier(const struct pt_pull_store *store,
                                           const struct pt_node *node, const char *row_id)
{
    struct pt_stored_pull *row = find_of_node(store, node, row_id);
    return row && !row->legacy && !row->of_kubelet ? row : NULL;
}

// By the clock of their node: whether a report that came late ends a later attempt than the row's.
static bool is_later_end(const struct pt_stored_pull *row, const struct pt_pull *reported)
{
    int64_t row_at = row->life == PT_LIFE_FINAL ? row->pull.completed_at : row->reported_at;
    return reported->phase == PT_PULL_COMPLETED || reported->completed_at > row_at;
}

bool pt_row_has_gone_on(const struct pt_pull_store *store, const struct pt_node *node,
                        const char *row_id, const struct pt_pull *reported)
{
    const struct pt_stored_pull *row = find_earlier(store, node, row_id);
    return row && reported->id &&
           (row->pull.phase == PT_PULL_COMPLETED || !is_later_end(row, reported));
}

// The attempt before has left its row to this one, as its taker knew by Kubernetes. Of the past
// also one that seems to be under way, whose end was missed.
static void go_on_in_earlier(struct pt_pull_store *store, struct pt_node *node, const char *row_id,
                             const struct pt_pull *reported, struct pt_row_taken *taken)
{
    const struct pt_stored_pull *row = find_earlier(store, node, row_id);
    bool is_over = row && (store->is_past || pt_stored_pull_is_final(row));
    if (!is_over || row->pull.phase == PT_PULL_COMPLETED || !reported->id || taken->key)
        return;
    taken->key = row->key;
    if (store->hooks.on_gone)
        store->hooks.on_gone(store->hooks.context, node->name, row->key);
}

int pt_pull_row_begin(struct pt_pull_store *store, struct pt_node *node, const char *key,
                      const struct pt_pull *reported, const char *row_id,
                      struct pt_stored_pull **ret_stored)
{
    const struct pt_store_hooks *hooks = &store->hooks;
    struct pt_row_taken taken = {0};
    bool legacy = !reported->id;
    int r = 0;
    if (hooks->take_over_row && !store->is_past) // what is long over begins nothing
        hooks->take_over_row(hooks->context, node->name, reported, &taken);
    if (row_id)
        follow_taker(store, node, row_id, &taken);
    go_on_in_earlier(store, node, row_id, reported, &taken);
    // A server that starts while it runs may hear of the image first: then this is its row's id.
    struct pt_id_source source = {key, legacy ? reported->started_at : 0, row_id};
    if (taken.image_key && !legacy && !row_id)
        source = (struct pt_id_source){taken.image_key, taken.waits_since, NULL};
    struct pt_stored_pull *row = find_taken(node, &taken);
    if (!row)
        row = find_ended(store, node, row_id, &taken);
    *ret_stored = continue_row(store, node, key, row, &taken);
    if (!*ret_stored)
        r = pt_life_begin(store, node, key, &source, ret_stored);
    if (r == 0)
        (*ret_stored)->legacy = legacy;
    return r;
}

// Keys of a node's pulls. The first character keeps the kinds apart, whatever an agent writes.
struct pt_stored_pull *pt_pull_row_find(const struct pt_node *node, const struct pt_pull *reported,
                                        bool merged, char key[static PT_PULL_ROW_KEY_SIZE])
{
    const char *text = merged ? "" : reported->id ? reported->id : reported->image_ref;
    size_t length = strlen(text);
    assert(length <= PT_LIMIT_REFERENCE_BYTES); // as the decoder has seen to
    key[0] = merged ? 'm' : reported->id ? 'i' : 'r';
    memcpy(key + 1, text, length + 1);
    return pt_map_get(&node->pulls, key);
}

// --- ids of rows ---

static const char none[] = "--------------------------------";

_Static_assert(sizeof(none) == PT_PULL_ID_SIZE, "as long as an id");

const char *pt_row_id_at(const struct pt_replay *replay, const struct pt_report *report,
                         size_t index)
{
    if (!replay || !replay->row_ids ||
        replay->row_ids_length != report->pull_count * PT_PULL_ID_LENGTH)
        return NULL;
    return replay->row_ids + index * PT_PULL_ID_LENGTH;
}

bool pt_row_id_is_none(const char *id)
{
    return memcmp(id, none, PT_PULL_ID_LENGTH) == 0;
}

// Under another id it is new to readers, whole.
static void show_anew(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    pt_change_log_touch(&store->changes, stored);
    stored->created_version = stored->version;
    for (size_t i = 0; i < stored->pull.layer_count; i++)
        stored->versions[i].newest = stored->version;
}

void pt_row_exchange_ids(struct pt_pull_store *store, struct pt_stored_pull *a,
                         struct pt_stored_pull *b)
{
    char id[PT_PULL_ID_SIZE];
    if (a == b)
        return;
    pt_map_remove(&store->pulls, a->id);
    pt_map_remove(&store->pulls, b->id);
    memcpy(id, a->id, sizeof(id));
    memcpy(a->id, b->id, sizeof(id));
    memcpy(b->id, id, sizeof(id));
    int r = pt_map_put(&store->pulls, a->id, a);
    if (r == 0)
        r = pt_map_put(&store->pulls, b->id, b);
    assert(r == 0); // the map has room for as many as there were
    (void)r;
    show_anew(store, a);
    show_anew(store, b);
}

// Readers that know the id learn that nobody pulls under it: a cancelled row has it from now on, as
// far as there is room for one.
static void leave_behind(struct pt_pull_store *store, struct pt_stored_pull *stored, const char *id)
{
    char key[PT_PULL_ID_SIZE + 24];
    const struct pt_id_source source = {key, 0, id};
    struct pt_stored_pull *left;
    if (stored == TAILQ_FIRST(&store->finished) || stored == TAILQ_FIRST(&stored->node->finished))
        return; // it is the next to make room
    // The version makes it another key than that of a row that was left behind under this id
    // before.
    snprintf(key, sizeof(key), "%c%s-%llu", PT_ROW_LEFT_BEHIND, id,
             (unsigned long long)store->changes.newest_version);
    if (pt_life_begin(store, stored->node, key, &source, &left) < 0)
        return;
    left->pull.started_at = stored->pull.started_at;
    if (pt_text_replace(&left->pull.image_ref, stored->pull.image_ref, NULL) < 0)
        pt_life_remove(store, left);
    else
        cancel(store, left);
}

void pt_row_set_id(struct pt_pull_store *store, struct pt_stored_pull *stored, const char *id)
{
    char wanted[PT_PULL_ID_SIZE] = "", before[PT_PULL_ID_SIZE];
    if (memcmp(stored->id, id, PT_PULL_ID_LENGTH) == 0)
        return;
    memcpy(wanted, id, PT_PULL_ID_LENGTH);
    struct pt_stored_pull *other = pt_map_get(&store->pulls, wanted);
    if (other) {
        pt_row_exchange_ids(store, stored, other);
        return;
    }
    memcpy(before, stored->id, sizeof(before));
    pt_map_remove(&store->pulls, before);
    memcpy(stored->id, wanted, sizeof(wanted));
    int r = pt_map_put(&store->pulls, stored->id, stored);
    assert(r == 0); // the map has room for as many as there were
    (void)r;
    leave_behind(store, stored, before);
    show_anew(store, stored);
}

int pt_store_write_row_ids(const struct pt_pull_store *store, const struct pt_report *report,
                           struct pt_buffer *out)
{
    char key[PT_PULL_ROW_KEY_SIZE];
    const struct pt_node *node = pt_map_get(&store->nodes, report->node_name);
    for (size_t i = 0; i < report->pull_count; i++) {
        const struct pt_stored_pull *stored =
            node ? pt_pull_row_find(node, &report->pulls[i], false, key) : NULL;
        bool is_own = stored && strcmp(stored->key, key) == 0;
        (void)pt_buffer_append(out, is_own ? stored->id : none, PT_PULL_ID_LENGTH);
    }
    return out->failure;
}

// --- rows of images that are one story ---

bool pt_row_is_restored(const struct pt_stored_pull *stored)
{
    return stored->of_kubelet && stored->key[0] == RESTORED;
}

bool pt_row_is_of_image(const struct pt_stored_pull *stored, const struct pt_image_row *row)
{
    return stored->of_kubelet && strcmp(stored->key + 1, row->key + 1) == 0;
}

// The kubelet's times are whole seconds: who follows at once has not begun before.
static bool overlap(int64_t started_at, int64_t ended_at, int64_t other_started_at,
                    int64_t other_ended_at)
{
    return started_at + PT_NS_PER_S < other_ended_at && other_started_at + PT_NS_PER_S < ended_at;
}

// Of a row that another server has ended and that this one hears of anew: whether it is that one
// still. A failure goes on for who has come to wait soon behind it; a success is only heard late.
static bool goes_on(const struct pt_pull_store *store, const struct pt_stored_pull *stored,
                    const struct pt_image_row *row)
{
    const struct pt_pull *pull = &stored->pull;
    int64_t age_ns = pt_clock_monotonic_ns(store->clock) - stored->finished_at;
    int64_t since =
        row->waits_since && row->waits_since < row->started_at ? row->waits_since : row->started_at;
    if (pull->phase == PT_PULL_FAILED)
        return since - PT_GOES_ON_NS < pt_clock_wall_ns(store->clock) - age_ns;
    return age_ns < PT_GOES_ON_NS && (pull->started_at == row->started_at ||
                                      row->started_at + PT_NS_PER_S < pull->completed_at);
}

void pt_row_write_restored_key(const struct pt_image_row *row,
                               char key[static PT_PULL_ROW_KEY_SIZE])
{
    snprintf(key, PT_PULL_ROW_KEY_SIZE, "%c%s", RESTORED, row->image_ref);
}

struct pt_stored_pull *pt_row_find_restored(const struct pt_pull_store *store,
                                            const struct pt_image_row *row)
{
    char key[PT_PULL_ROW_KEY_SIZE];
    const struct pt_node *node = pt_map_get(&store->nodes, row->node_name);
    struct pt_stored_pull *stored;
    pt_row_write_restored_key(row, key);
    if (!node || !pt_map_get(&node->pulls, key))
        return NULL;
    TAILQ_FOREACH_REVERSE(stored, &node->finished, pt_stored_pull_list, in_node)
    {
        if (pt_row_is_of_image(stored, row))
            break;
    }
    return stored && pt_row_is_restored(stored) && goes_on(store, stored, row) ? stored : NULL;
}

// What is heard here begins or ends with the same words of the kubelet, or goes on after a failure.
static bool is_of_story(const struct pt_stored_pull *stored, const struct pt_image_row *row,
                        int64_t ended_wall_ns)
{
    const struct pt_pull *pull = &stored->pull;
    bool is_over = pt_stored_pull_is_final(stored) && !pt_stored_pull_is_waited_for(stored);
    int64_t ended_at = is_over ? pull->completed_at : INT64_MAX;
    bool follows = row->phase == PT_PULL_FAILED && pull->started_at >= row->ended_at &&
                   pull->started_at - PT_GOES_ON_NS < ended_wall_ns;
    bool is_alike = pull->started_at == row->started_at || ended_at == row->ended_at;
    if (!pt_row_is_of_image(stored, row))
        return false;
    return overlap(pull->started_at, ended_at, row->started_at, row->ended_at) ||
           (!pt_row_is_restored(stored) && (is_alike || follows));
}

struct pt_stored_pull *pt_row_find_story(const struct pt_pull_store *store,
                                         const struct pt_image_row *row,
                                         const struct pt_stored_pull *known, int64_t age_ns)
{
    const struct pt_node *node = pt_map_get(&store->nodes, row->node_name);
    int64_t ended_wall_ns = pt_clock_wall_ns(store->clock) - age_ns;
    struct pt_stored_pull *stored;
    if (!node)
        return NULL;
    TAILQ_FOREACH(stored, &node->active, in_node)
    {
        if (is_of_story(stored, row, ended_wall_ns))
            return stored;
    }
    TAILQ_FOREACH_REVERSE(stored, &node->finished, pt_stored_pull_list, in_node)
    {
        if (is_of_story(stored, row, ended_wall_ns) && !(known && pt_row_is_restored(stored)))
            return stored;
    }
    return NULL;
}
