// SPDX-License-Identifier: Apache-2.0

// How one pull of a report changes the store. It is found by its key on the node, or gets a row: a
// new one, or one that waited for it, which the hook take_over_row names. Then the row takes over
// what the agent says (pt_stored_pull_update), gets a version if a reader sees a difference, and
// ends if its phase is final. Reports are numbered, and may come in another order: a late report
// may end a pull but does not turn one back. Agents of two kinds report. Our own names a pull by an
// id until the server has taken its end; a pull that it leaves out for a minute is given up. A
// legacy agent sends names only, leaves out what has completed, and content without a name becomes
// one merged pull. What was given up goes on as soon as it moves.

#include "server/store/apply_pull.h"

#include "base/saturate.h"
#include "server/store/pull_life.h"
#include "server/store/pull_memory.h"
#include "server/store/pull_row.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define LOST_AFTER_NS (60 * PT_NS_PER_S) // time to name a pull in one of several reports

// Bytes that no other pull of the node has counted.
static void count_bytes(struct pt_pull_store *store, struct pt_stored_pull *stored, int64_t bytes)
{
    // What comes from a registry that is not known for sure waits for its name.
    const char *repository = stored->pull.repository;
    bool is_known = pt_stored_pull_is_name_sure(stored) ||
                    !pt_registries_may_have_port(&store->registries, repository);
    struct pt_registry *registry = pt_registries_find(
        &store->registries, is_known ? repository : NULL, stored->node->reported_ns);
    pt_add_saturated(&stored->node->received_bytes, bytes);
    stored->registry = registry;
    if (store->is_replaying) // its taker counts it
        return;
    pt_add_saturated(&stored->of_no_registry, bytes);
    if (!registry)
        return;
    registry->bytes += (uint64_t)stored->of_no_registry;
    stored->of_no_registry = 0;
}

// The row of a pull that the node has under this key; *stored becomes NULL when there is nothing to
// take over. A late report does not turn back what a newer one has brought.
static int go_on_with(struct pt_pull_store *store, struct pt_node *node, const char *key,
                      const struct pt_pull *reported, bool late, struct pt_stored_pull **stored)
{
    struct pt_stored_pull *found = *stored;
    *stored = NULL;
    if (strcmp(found->key, key) != 0)
        return 0; // an attempt whose row another one has taken over
    found->last_report = node->report_number;
    bool given_up = found->life == PT_LIFE_GIVEN_UP;
    if (found->life == PT_LIFE_FINAL)
        return 0; // reported again until the agent knows that it has arrived
    if (late && !pt_pull_phase_is_final(reported->phase))
        return 0;
    if (given_up && found->stale_reason == PT_STALE_STUCK &&
        !pt_stored_pull_would_move(found, reported))
        return 0;
    int r = given_up ? pt_life_revive(store, found) : 0;
    if (r == 0)
        *stored = found;
    return r;
}

static int begin_new(struct pt_application *application, const char *key,
                     const struct pt_pull *reported, const char *row_id,
                     struct pt_stored_pull **ret_stored)
{
    struct pt_pull_store *store = application->store;
    struct pt_node *node = application->node;
    int r = pt_pull_memory_make_some_room(store, node, NULL, reported, &application->removed);
    if (r == 0)
        r = pt_pull_row_begin(store, node, key, reported, row_id, ret_stored);
    if (r == 0)
        (*ret_stored)->last_report = node->report_number;
    return r;
}

// The pull is older than this server: what it had fetched before was counted by the one before. How
// old it is says its own node's clock.
static bool is_older(const struct pt_application *application, const struct pt_pull *reported)
{
    const struct pt_pull_store *store = application->store;
    int64_t uptime_ns = pt_clock_monotonic_ns(store->clock) - store->began_ns;
    return reported->started_at &&
           application->report->timestamp - reported->started_at > uptime_ns;
}

// Of the bytes that are new to this server, those that none before has counted.
static int64_t uncounted(const struct pt_application *application, const struct pt_pull *reported,
                         bool is_first, int64_t bytes)
{
    if (!is_first || !is_older(application, reported))
        return bytes;
    // Of several servers another one was there.
    int64_t unreported = application->replay ? 0 : reported->bytes_unreported;
    return bytes < unreported ? bytes : unreported;
}

// Whether the pull gets no row yet. Who knows of Kubernetes hears of it also where another server
// has decided.
static bool is_held_back(const struct pt_application *application, const char *key,
                         const struct pt_pull *reported, const char *row_id)
{
    const struct pt_store_hooks *hooks = &application->store->hooks;
    const struct pt_replay *replay = application->replay;
    bool is_held = hooks->hold_back && !(replay && replay->is_past) &&
                   hooks->hold_back(hooks->context, application->node->name, key, reported,
                                    is_older(application, reported));
    if (row_id)
        return pt_row_id_is_none(row_id);
    return is_held || pt_node_waits_for_another(application->node, reported);
}

// Whether it has ended meanwhile, since the newer report does not name it: that end is reported by
// itself. A legacy agent reports none. An end may be that of an attempt before the one that its row
// is at.
static bool is_overtaken(const struct pt_application *application, const struct pt_pull *reported,
                         const char *row_id)
{
    if (!application->is_late || !reported->id)
        return false;
    return !pt_pull_phase_is_final(reported->phase) ||
           pt_row_has_gone_on(application->store, application->node, row_id, reported);
}

// Whether no reader has seen the row: not of one that came again, or was taken over.
static bool is_unseen(const struct pt_pull_store *store, const struct pt_stored_pull *stored)
{
    return stored->created_version == store->changes.newest_version;
}

// What is older and held back has no row that counts its bytes: its agent says once what is new,
// and the row that begins later hears only of what came since. A late report's are said again by
// then.
static void count_held_back(const struct pt_application *application,
                            const struct pt_pull *reported)
{
    struct pt_stored_pull unshown = {.node = application->node, .pull = *reported};
    if (application->is_late || !is_older(application, reported))
        return;
    int64_t bytes = uncounted(application, reported, true, reported->bytes_fetched);
    if (bytes > 0)
        count_bytes(application->store, &unshown, bytes);
}

static int take_over(struct pt_application *application, struct pt_stored_pull *stored,
                     bool is_first, const struct pt_pull *reported)
{
    struct pt_pull_store *store = application->store;
    struct pt_pull_change change;
    bool is_new = is_first && is_unseen(store, stored);
    uint64_t version = is_new ? stored->version : store->changes.newest_version + 1;
    int r = pt_stored_pull_update(stored, reported, application->report->timestamp, version,
                                  &application->counted, &change);
    pt_pull_memory_count(store, stored);
    if (r < 0)
        return r;
    count_bytes(store, stored, uncounted(application, reported, is_first, change.node_bytes));
    if (change.moved)
        pt_life_keep_alive(store, stored, stored->node->reported_ns);
    if (change.visible && !is_new)
        pt_change_log_touch(&store->changes, stored);
    if (is_new || change.named)
        pt_life_report_named(store, stored);
    if (is_new)
        store->output.on_event(store->output.context, PT_EVENT_PULL_STARTED, stored);
    if (pt_pull_phase_is_final(stored->pull.phase))
        pt_life_end(store, stored);
    return 0;
}

int pt_apply_pull(struct pt_application *application, const struct pt_pull *reported, bool merged)
{
    struct pt_pull_store *store = application->store;
    struct pt_node *node = application->node;
    char key[PT_PULL_ROW_KEY_SIZE];
    struct pt_stored_pull *stored = pt_pull_row_find(node, reported, merged, key);
    const char *row_id =
        merged ? NULL : pt_row_id_at(application->replay, application->report, application->next);
    if (!stored && is_overtaken(application, reported, row_id))
        return 0;
    if (!stored && is_held_back(application, key, reported, row_id)) {
        count_held_back(application, reported);
        return 0;
    }
    struct pt_pull shown = *reported;
    if (pt_node_has_waited_for_another(node, reported))
        shown.kind = PT_KIND_CHECK;
    if (!stored) {
        int r = begin_new(application, key, &shown, row_id, &stored);
        if (r < 0)
            return r;
        assert(stored);
        r = take_over(application, stored, true, &shown);
        // Nobody has seen it yet: the next report begins it again, whole.
        if (r < 0 && !stored->earlier_key && is_unseen(store, stored))
            pt_life_remove(store, stored);
        return r;
    }
    if (row_id && !pt_row_id_is_none(row_id) && strcmp(stored->key, key) == 0)
        pt_row_set_id(store, stored, row_id);
    int r = go_on_with(store, node, key, reported, application->is_late, &stored);
    if (r < 0 || !stored)
        return r;
    r = pt_pull_memory_make_some_room(store, node, stored, reported, &application->removed);
    if (r == -EINPROGRESS || (r < 0 && !pt_pull_phase_is_final(reported->phase)))
        return r;
    if (r < 0) // its end is shown even where there is no room for its layers
        shown.layer_count = 0;
    return take_over(application, stored, false, &shown);
}

// What a legacy agent's report no longer names has completed, unless the report held something that
// had to be left out: that may have been it. Our own agent names a pull until its end was taken:
// one that it has lost ended while it was not running, nobody knows how.
void pt_apply_absence(struct pt_application *application, struct pt_stored_pull *stored)
{
    struct pt_pull_store *store = application->store;
    const struct pt_node *node = application->node;
    const struct pt_report *report = application->report;
    bool is_whole = report->left_out.invalid + report->left_out.too_large == 0;
    if (stored->last_report == node->report_number)
        return;
    if (!stored->legacy) {
        if (stored->life == PT_LIFE_ACTIVE && !stored->of_kubelet &&
            node->reported_ns - stored->alive_at >= LOST_AFTER_NS)
            pt_life_give_up(store, stored);
        return;
    }
    if (!is_whole)
        return;
    pt_change_log_touch(&store->changes, stored);
    int64_t received_before = stored->received_bytes;
    pt_stored_pull_complete(stored, report->timestamp, stored->version);
    count_bytes(store, stored, stored->received_bytes - received_before);
    pt_life_end(store, stored);
}
