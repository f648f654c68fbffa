// SPDX-License-Identifier: Apache-2.0

#include "base/text.h"
#include "pull/join.h"
#include "server/store/pull_life.h"
#include "server/store/pull_memory.h"
#include "server/store/pull_row.h"
#include "server/store/pull_store_internal.h"
#include "server/store/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FAILURES_AT_ONCE 100 // a day of the kubelet's attempts is 290

static struct pt_stored_pull *find_row(struct pt_pull_store *store, const char *node_name,
                                       const char *key)
{
    struct pt_node *node = pt_map_get(&store->nodes, node_name);
    struct pt_stored_pull *stored = node ? pt_map_get(&node->pulls, key) : NULL;
    // A pull may have taken the row over under a key of its own.
    return stored && strcmp(stored->key, key) == 0 ? stored : NULL;
}

// Out of memory leaves the row with what it had.
static void set_join(struct pt_pull_store *store, struct pt_stored_pull *stored,
                     const struct pt_join *join, bool is_final)
{
    struct pt_join kept = *join;
    kept.attempts += stored->row_attempts;
    // Who had waited for what is over is still of interest.
    if (is_final && join->waiting_count == 0 && stored->join) {
        kept.waiting = stored->join->waiting;
        kept.waiting_count = stored->join->waiting_count;
    }
    if (kept.queued_seconds < 0 && stored->join)
        kept.queued_seconds = stored->join->queued_seconds;
    struct pt_join *copy = pt_join_copy(&kept);
    if (!copy)
        return;
    free(stored->join);
    stored->join = copy;
    pt_life_count_failing(store, stored);
    pt_pull_memory_count(store, stored);
}

static void set_failure(struct pt_stored_pull *stored, const struct pt_join *join)
{
    if (stored->life == PT_LIFE_GIVEN_UP || !join->error)
        return;
    pt_stored_pull_set_failure(stored, join->error, join->error_class);
}

// Only a row that has failed has words for it, and only one that has ended has a time of its end.
static void set_end(struct pt_stored_pull *stored, const struct pt_image_row *row)
{
    bool is_final = pt_pull_phase_is_final(row->phase);
    int64_t ended_at = row->ended_at ? row->ended_at : stored->reported_at;
    stored->pull.completed_at = is_final ? ended_at : 0;
    if (row->phase == PT_PULL_FAILED)
        set_failure(stored, &row->join);
    else
        pt_stored_pull_set_failure(stored, NULL, PT_FAILURE_NONE);
}

// Each further attempt that has failed is an event, the last ones if they are many.
static void report_failures(struct pt_pull_store *store, struct pt_stored_pull *stored,
                            int64_t count)
{
    if (count <= 0)
        return;
    if (count > MAX_FAILURES_AT_ONCE) {
        stored->failures_reported += count - MAX_FAILURES_AT_ONCE;
        count = MAX_FAILURES_AT_ONCE;
    }
    stored->pull.completed_at = pt_clock_wall_ns(store->clock);
    stored->reported_at = stored->pull.completed_at;
    stored->final_version = stored->version;
    for (; count > 0; count--) {
        stored->failures_reported++;
        pt_life_report_end(store, stored);
    }
}

static void apply_join(struct pt_pull_store *store, struct pt_stored_pull *stored,
                       const struct pt_join *join)
{
    set_join(store, stored, join, pt_pull_phase_is_final(stored->pull.phase));
    (void)pt_stored_pull_take_port(stored); // out of memory: the next report does it
    pt_change_log_touch(&store->changes, stored);
    // One whose end its agent has just reported counts that attempt itself.
    if (stored->pull.phase != PT_PULL_FAILED || !pt_stored_pull_is_final(stored))
        return;
    set_failure(stored, join);
    report_failures(store, stored, join->attempts - stored->failures_reported);
}

void pt_store_apply_join(struct pt_pull_store *store, const char *node_name, const char *key,
                         const struct pt_join *join)
{
    struct pt_stored_pull *stored = find_row(store, node_name, key);
    if (stored)
        apply_join(store, stored, join);
    pt_store_notify(store);
}

void pt_store_restore_join(struct pt_pull_store *store, const char *id, const struct pt_join *join)
{
    struct pt_stored_pull *stored = pt_store_find(store, id);
    if (!stored || !pt_stored_pull_is_final(stored) ||
        (stored->join && stored->join->waiting_count > 0))
        return;
    struct pt_join restored = stored->join ? *stored->join : *join;
    restored.waiting = join->waiting;
    restored.waiting_count = join->waiting_count;
    if (restored.queued_seconds < 0)
        restored.queued_seconds = join->queued_seconds;
    set_join(store, stored, &restored, true);
    pt_change_log_touch(&store->changes, stored);
    pt_store_notify(store);
}

// What makes the id of the row another one than that of an earlier row for the image. A server that
// has started anew, and does not know when the row began, finds the same: since when its pods wait.
static int64_t salt_of(const struct pt_pull_store *store, const struct pt_node *node,
                       const struct pt_image_row *row)
{
    char id[PT_PULL_ID_SIZE];
    int r = pt_pull_id_make(node->name, row->key, row->waits_since, id);
    return r == 0 && !pt_map_get(&store->pulls, id) ? row->waits_since : row->started_at;
}

// The row is empty, under the id of its source.
static int begin_row(struct pt_pull_store *store, struct pt_node *node,
                     const struct pt_image_row *row, const struct pt_id_source *source,
                     struct pt_stored_pull **ret_stored)
{
    struct pt_stored_pull *stored;
    const struct pt_pull reported = {.image_ref = row->image_ref, .repository = row->repository};
    int r = pt_pull_memory_make_room(store, node, NULL, &reported);
    if (r < 0)
        return r;
    r = pt_life_begin(store, node, source->key, source, &stored);
    if (r < 0)
        return r;
    stored->of_kubelet = true;
    stored->pull.kind = PT_KIND_PULL;
    stored->pull.started_at = stored->row_started = row->started_at;
    stored->pull.image_ref_exact = true;
    if (pt_text_replace(&stored->pull.image_ref, row->image_ref, NULL) < 0 ||
        pt_text_replace(&stored->pull.repository, row->repository, NULL) < 0 ||
        !pt_stored_pull_take_port(stored)) {
        pt_life_remove(store, stored);
        return -ENOMEM;
    }
    *ret_stored = stored;
    return 0;
}

static struct pt_stored_pull *add_row(struct pt_pull_store *store, const struct pt_image_row *row)
{
    struct pt_stored_pull *stored;
    struct pt_node *node = pt_store_get_node(store, row->node_name);
    if (!node)
        return NULL;
    const struct pt_id_source source = {row->key, salt_of(store, node, row), NULL};
    return begin_row(store, node, row, &source, &stored) < 0 ? NULL : stored;
}

static int set_key(struct pt_stored_pull *row, const char *new_key)
{
    struct pt_map *pulls = &row->node->pulls;
    char *key = strdup(new_key);
    if (!key || pt_map_put(pulls, key, row) < 0) {
        free(key);
        return -ENOMEM;
    }
    if (pt_map_get(pulls, row->key) == row)
        pt_map_remove(pulls, row->key);
    free(row->key);
    row->key = key;
    return 0;
}

// A row that another server has ended goes on by what this one hears.
static int take_up(struct pt_stored_pull *stored, const struct pt_image_row *row)
{
    bool is_later = row->started_at >= stored->pull.completed_at;
    int r = set_key(stored, row->key);
    if (r < 0)
        return r;
    stored->row_started = row->started_at;
    stored->row_attempts = is_later && stored->join ? stored->join->attempts : 0;
    return 0;
}

// --- as Kubernetes says ---

// The row that it is said of; *ret_is_from_log: as another server has ended it. NULL: there is
// none.
static struct pt_stored_pull *find_said(struct pt_pull_store *store, const struct pt_image_row *row,
                                        bool *ret_is_from_log)
{
    struct pt_stored_pull *stored = find_row(store, row->node_name, row->key);
    // A finished row stays what it was; only one that has failed, or was cancelled, may go on.
    bool goes_on =
        stored && (!pt_stored_pull_is_final(stored) || (stored->row_started == row->started_at &&
                                                        stored->pull.phase != PT_PULL_COMPLETED));
    *ret_is_from_log = false;
    if (goes_on)
        return stored;
    stored = pt_row_find_restored(store, row);
    *ret_is_from_log = stored;
    return stored;
}

// How often it failed before this server came to know of it is no news.
static int64_t new_failures(const struct pt_stored_pull *stored, const struct pt_image_row *row,
                            bool is_from_log)
{
    int64_t unknown = row->join.attempts + stored->row_attempts - stored->failures_reported;
    return is_from_log && unknown < row->new_failures ? unknown : row->new_failures;
}

// It has failed already, and now nobody waits any more: that is when it has ended, and no event.
static void end_for_good(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    uint64_t shown = stored->final_version;
    stored->failure_is_counted = true;
    pt_life_set_phase(store, stored, PT_PULL_FAILED);
    stored->final_version = shown;
}

static void note_ended_row(const struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    if (pt_stored_pull_is_ended_row(stored) && store->output.on_row_ended)
        store->output.on_row_ended(store->output.context, stored);
}

static void take_over(struct pt_pull_store *store, struct pt_stored_pull *stored,
                      const struct pt_image_row *row, int64_t failures, bool is_new)
{
    bool is_final = pt_pull_phase_is_final(row->phase);
    bool was_failed = stored->pull.phase == PT_PULL_FAILED;
    bool was_waited_for = stored->join && stored->join->is_waited_for;
    bool is_over = was_failed && was_waited_for && !row->join.is_waited_for;
    set_join(store, stored, &row->join, is_final);
    stored->reported_at = pt_clock_wall_ns(store->clock);
    // What was taken for the next attempt was another image's.
    stored->failure_is_counted = !is_new && failures <= 0;
    set_end(stored, row);
    if (is_new || stored->pull.phase != row->phase)
        pt_life_set_phase(store, stored, row->phase);
    else if (is_over)
        end_for_good(store, stored);
    else
        pt_change_log_touch(&store->changes, stored);
    if (is_new && !is_final)
        store->output.on_event(store->output.context, PT_EVENT_PULL_STARTED, stored);
    if (row->phase == PT_PULL_FAILED)
        report_failures(store, stored, failures - !was_failed);
    note_ended_row(store, stored);
}

static void apply_row(struct pt_pull_store *store, const struct pt_image_row *row)
{
    bool is_from_log;
    struct pt_stored_pull *stored = find_said(store, row, &is_from_log);
    bool is_new = !stored;
    if (is_new && pt_pull_phase_is_final(row->phase) && row->phase != PT_PULL_FAILED)
        return;
    if (is_from_log &&
        (stored->pull.phase == PT_PULL_COMPLETED || take_up(stored, row) < 0)) // heard late
        return;
    if (is_new)
        stored = add_row(store, row);
    if (stored)
        take_over(store, stored, row, new_failures(stored, row, is_from_log), is_new);
}

void pt_store_apply_row(struct pt_pull_store *store, const struct pt_image_row *row)
{
    apply_row(store, row);
    pt_store_notify(store);
}

void pt_store_exchange_rows(struct pt_pull_store *store, const struct pt_row_exchange *exchange)
{
    struct pt_stored_pull *pull = find_row(store, exchange->node_name, exchange->pull_key);
    struct pt_stored_pull *row = find_row(store, exchange->node_name, exchange->row_key);
    if (!pull || !row || !row->of_kubelet)
        return;
    if (set_key(row, exchange->new_row_key) < 0)
        return;
    if (pt_text_replace(&row->pull.image_ref, exchange->image_ref, NULL) < 0 ||
        pt_text_replace(&row->pull.repository, exchange->repository, NULL) < 0 ||
        !pt_stored_pull_take_port(row))
        return; // it keeps the name that it had
    pt_row_exchange_ids(store, pull, row);
    pt_pull_memory_count(store, row);
    pt_store_notify(store);
}

// --- as another server has known ---

// It is no end that anybody has to count.
static void end_as_past(struct pt_pull_store *store, struct pt_stored_pull *stored,
                        enum pt_pull_phase phase, int64_t age_ns)
{
    store->is_past = true;
    store->past_age_ns = age_ns;
    stored->failure_is_counted = true;
    stored->counted_final = stored->version;
    pt_life_set_phase(store, stored, phase);
    stored->failure_is_counted = false;
    stored->counted_final = 0;
    stored->final_version = stored->version;
    store->is_past = false;
    store->past_age_ns = 0;
}

static void fill_in(struct pt_pull_store *store, struct pt_stored_pull *stored,
                    const struct pt_image_row *row, int64_t age_ns)
{
    bool is_failed = row->phase == PT_PULL_FAILED;
    stored->pull.started_at = stored->row_started = row->started_at;
    stored->pull.completed_at = row->ended_at;
    stored->reported_at = pt_clock_wall_ns(store->clock) - age_ns;
    stored->failures_reported = row->join.attempts;
    stored->is_kept = true;
    set_join(store, stored, &row->join, true);
    pt_stored_pull_set_failure(stored, is_failed ? row->join.error : NULL,
                               is_failed ? row->join.error_class : PT_FAILURE_NONE);
    end_as_past(store, stored, row->phase, age_ns);
}

static int add_restored(struct pt_pull_store *store, const char *id, const struct pt_image_row *row,
                        int64_t age_ns)
{
    char key[PT_PULL_ROW_KEY_SIZE];
    struct pt_stored_pull *stored;
    struct pt_node *node = pt_store_get_node(store, row->node_name);
    const struct pt_id_source source = {key, 0, id};
    pt_row_write_restored_key(row, key);
    int r = node ? begin_row(store, node, row, &source, &stored) : -ENOSPC;
    if (r == 0)
        fill_in(store, stored, row, age_ns);
    return r;
}

// That id's story has another one here since then.
static bool is_left_behind(const struct pt_stored_pull *known)
{
    return known->of_kubelet && known->key[0] == PT_ROW_LEFT_BEHIND;
}

// Another server has heard how it ended: a success, or a failure of what was cancelled here.
static bool is_known_better(const struct pt_stored_pull *stored, const struct pt_image_row *row)
{
    return stored->pull.phase == PT_PULL_CANCELLED ||
           (row->phase == PT_PULL_COMPLETED && stored->pull.phase == PT_PULL_FAILED &&
            pt_stored_pull_is_ended_row(stored));
}

// `known`: what has the id, so far; NULL: nothing.
static void take_id(struct pt_pull_store *store, struct pt_stored_pull *stored, const char *id,
                    struct pt_stored_pull *known, const struct pt_image_row *row, int64_t age_ns)
{
    struct pt_pull *pull = &stored->pull;
    if (known && !is_left_behind(known))
        pt_life_remove(store, known);
    if (stored->is_kept && strcmp(stored->id, id) < 0)
        return; // the others take that one
    if (pull->started_at >= row->ended_at && row->phase == PT_PULL_FAILED)
        stored->row_attempts = row->join.attempts;
    if (row->started_at < pull->started_at)
        pull->started_at = row->started_at;
    pt_row_set_id(store, stored, id);
    stored->is_kept = true;
    if (is_known_better(stored, row))
        fill_in(store, stored, row, age_ns);
}

// By what this server hears itself, or its agent has gone on in it.
static bool stays(const struct pt_stored_pull *known, const struct pt_image_row *row)
{
    bool is_same = pt_row_is_of_image(known, row) && strcmp(known->node->name, row->node_name) == 0;
    return !is_same || (!pt_row_is_restored(known) && !is_known_better(known, row));
}

int pt_store_restore_row(struct pt_pull_store *store, const char *id,
                         const struct pt_image_row *row, int64_t age_ns)
{
    struct pt_stored_pull *known = pt_store_find(store, id);
    bool is_left = known && is_left_behind(known);
    int r = 0;
    if (known && !is_left && stays(known, row)) {
        known->is_kept |= known->of_kubelet;
        return 0;
    }
    struct pt_stored_pull *other = pt_row_find_story(store, row, is_left ? NULL : known, age_ns);
    if (other && other != known) {
        take_id(store, other, id, known, row, age_ns);
    } else if (known && !is_left) {
        fill_in(store, known, row, age_ns);
    } else {
        if (is_left)
            pt_life_remove(store, known);
        r = add_restored(store, id, row, age_ns);
    }
    pt_store_notify(store);
    return r;
}
