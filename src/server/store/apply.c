// SPDX-License-Identifier: Apache-2.0

// A report changes the store in steps of some pulls each: the pulls of the report, the merged one,
// and then those that the report leaves out. A report with few pulls is applied at once, by the
// same steps; of a large one the steps are spread over turns of the loop. Meanwhile its node is
// pinned and takes no other report, and what the report has not come to yet counts as named.

#include "base/limits.h"
#include "pull/legacy_report.h"
#include "server/store/apply_pull.h"
#include "server/store/pull_memory.h"

#include <errno.h>
#include <stdlib.h>

#define STEP_ITEMS 16 // pulls and layers

// What went wrong so far and what goes wrong now: lack of memory is the worst.
static int worse(int before, int now)
{
    return now < 0 && before != -ENOMEM ? now : before;
}

// --- the steps ---

static void note(struct pt_application *application, int result)
{
    application->failure = worse(application->failure, result);
}

static void step_pulls(struct pt_application *application)
{
    const struct pt_report *report = application->report;
    for (size_t items = 0; items < STEP_ITEMS && application->next < report->pull_count;) {
        const struct pt_pull *reported = &report->pulls[application->next];
        int r = pt_legacy_is_merged(reported) ? 0 : pt_apply_pull(application, reported, false);
        if (r == -EINPROGRESS)
            return;
        note(application, r);
        application->next++;
        application->removed = 0;
        items += 1 + reported->layer_count;
    }
    if (application->next == report->pull_count)
        application->stage = PT_APPLY_MERGED;
}

static int apply_merged(struct pt_application *application)
{
    struct pt_pull merged;
    int r = pt_legacy_merge(application->report, &merged);
    if (r < 0)
        return r;
    while (merged.image_ref && (r = pt_apply_pull(application, &merged, true)) == -EINPROGRESS)
        continue;
    free(merged.layers);
    return r;
}

static void step_absent(struct pt_application *application)
{
    for (int items = 0; items < STEP_ITEMS; items++) {
        struct pt_stored_pull *stored = pt_node_walk_next(&application->active);
        if (stored) {
            pt_apply_absence(application, stored);
            continue;
        }
        pt_node_walk_end(&application->active);
        application->stage = PT_APPLY_DONE;
        return;
    }
}

static bool step(struct pt_application *application)
{
    switch (application->stage) {
    case PT_APPLY_PULLS:
        step_pulls(application);
        break;
    case PT_APPLY_MERGED:
        note(application, apply_merged(application));
        application->stage = application->is_late ? PT_APPLY_DONE : PT_APPLY_ABSENT;
        if (!application->is_late)
            pt_node_walk_begin(application->store, TAILQ_FIRST(&application->node->active),
                               &application->active);
        break;
    case PT_APPLY_ABSENT:
        step_absent(application);
        break;
    case PT_APPLY_DONE:
        break;
    }
    return application->stage != PT_APPLY_DONE;
}

static void begin_on(struct pt_pull_store *store, struct pt_node *node,
                     const struct pt_report *report, const struct pt_replay *replay,
                     struct pt_application *application)
{
    bool is_past = replay && replay->is_past;
    *application = (struct pt_application){
        .store = store,
        .node = node,
        .report = report,
        .replay = replay,
        .received_before = node->received_bytes,
        .reported_before = node->newest_timestamp,
        .is_late = is_past || pt_node_is_late(store, node, report, replay),
    };
    pt_map_init(&application->counted);
    if (is_past)
        pt_node_note_old_end(store, node, report);
    else
        application->failure = pt_store_note_report(store, node, report, replay);
    if (!application->is_late)
        pt_node_note_newest(store, node, report);
    node->is_applying = true;
    node->pins++;
}

static int begin(struct pt_pull_store *store, const struct pt_report *report,
                 struct pt_application *application, struct pt_error *err)
{
    struct pt_node *node = pt_store_admit(store, report, err);
    if (!node)
        return -err->code;
    begin_on(store, node, report, NULL, application);
    return 0;
}

static int explain(const struct pt_pull_store *store, int r, struct pt_error *err)
{
    if (r == -EDQUOT)
        return pt_error_set(err, EDQUOT, "the server holds its maximum of %zu pulls",
                            store->settings.max_pulls);
    if (r == -E2BIG)
        return pt_error_set(err, E2BIG, "the server holds its maximum of %d pulls of this node",
                            PT_LIMIT_PULLS_PER_NODE);
    if (r == -ENOBUFS)
        return pt_error_set(err, ENOBUFS, "the server's memory for pulls is full: %lld bytes",
                            (long long)store->memory->max_bytes);
    if (r == -EFBIG)
        return pt_error_set(err, EFBIG,
                            "this node's share of the memory for pulls is full: "
                            "%lld bytes",
                            (long long)pt_pull_memory_of_node(store));
    return r < 0 ? pt_error_set(err, -r, "out of memory") : 0;
}

static int end(struct pt_application *application, struct pt_error *err)
{
    struct pt_pull_store *store = application->store;
    struct pt_node *node = application->node;
    if (application->stage == PT_APPLY_ABSENT)
        pt_node_walk_end(&application->active);
    pt_map_finish(&application->counted);
    node->pins--;
    node->is_applying = false;
    if (!application->replay)
        store->received_bytes += (uint64_t)(node->received_bytes - application->received_before);
    pt_node_note_received(node, application->reported_before, application->received_before,
                          application->report->timestamp);
    pt_node_count_speed(store, node);
    pt_store_notify(store);
    return explain(store, application->failure, err);
}

// --- what the header promises ---

int pt_store_apply(struct pt_pull_store *store, const struct pt_report *report,
                   struct pt_error *err)
{
    struct pt_application application;
    int r = begin(store, report, &application, err);
    if (r < 0)
        return r;
    store->is_applying = true;
    while (step(&application))
        continue;
    store->is_applying = false;
    return end(&application, err);
}

struct pt_application *pt_store_apply_begin(struct pt_pull_store *store,
                                            const struct pt_report *report, struct pt_error *err)
{
    struct pt_application *application = malloc(sizeof(*application));
    if (!application)
        pt_error_set(err, ENOMEM, "out of memory");
    else if (begin(store, report, application, err) < 0) {
        free(application);
        application = NULL;
    }
    return application;
}

struct pt_application *pt_store_replay_begin(struct pt_pull_store *store,
                                             const struct pt_report *report,
                                             const struct pt_replay *replay, struct pt_error *err)
{
    struct pt_node *node = pt_map_get(&store->nodes, report->node_name);
    if (node && node->is_applying) {
        pt_error_set(err, EAGAIN, "a report of this node is still being applied");
        return NULL;
    }
    if (!node)
        node = replay->is_past ? pt_store_get_node(store, report->node_name)
                               : pt_store_add_node(store, report->node_name, err);
    if (!node && replay->is_past)
        pt_error_set(err, ENOSPC, "there is no room for the node");
    struct pt_application *application = node ? malloc(sizeof(*application)) : NULL;
    if (node && !application)
        pt_error_set(err, ENOMEM, "out of memory");
    if (application)
        begin_on(store, node, report, replay, application);
    return application;
}

bool pt_store_apply_step(struct pt_application *application)
{
    struct pt_pull_store *store = application->store;
    const struct pt_replay *replay = application->replay;
    store->is_applying = true;
    store->is_replaying = replay;
    store->is_past = replay && replay->is_past;
    store->past_age_ns = store->is_past ? replay->age_ns : 0;
    bool more = step(application);
    store->is_applying = store->is_replaying = store->is_past = false;
    store->past_age_ns = 0;
    pt_store_notify(store);
    return more;
}

int pt_store_apply_end(struct pt_application *application, struct pt_error *err)
{
    int r = end(application, err);
    free(application);
    return r;
}
