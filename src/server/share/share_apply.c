// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_apply.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/timer.h"
#include "pull/join.h"
#include "pull/report.h"
#include "server/share/share_waited.h"
#include "server/store/pull_store.h"
#include "server/store/reader.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_ITEMS 1024 // pulls and layers in one step
#define AGAIN_MS 1      // while another report of the node is being applied

enum stage {
    STAGE_NOTHING,
    STAGE_READING,
    STAGE_BEGINNING,
    STAGE_APPLYING,
};

struct pt_share_apply {
    struct pt_loop *loop;
    const struct pt_clock *clock;
    struct pt_pull_store *store;
    pt_share_applied_fn *on_applied;
    void *context;
    struct pt_timer *timer;
    enum stage stage;
    struct pt_report report;
    struct pt_replay replay;
    struct pt_application *application;
    struct pt_share_entry entry;   // being applied
    struct pt_share_waited waited; // of it
};

static void end(struct pt_share_apply *apply, int result, const struct pt_error *err)
{
    struct pt_report report = apply->report;
    apply->stage = STAGE_NOTHING;
    apply->application = NULL;
    apply->report = (struct pt_report){0};
    pt_share_waited_finish(&apply->waited);
    apply->on_applied(apply->context, report.node_name ? &report : NULL, result, err);
    pt_report_finish(&report);
}

// It is as if it had been no report.
static void skip(struct pt_share_apply *apply, const char *why)
{
    struct pt_error err;
    pt_report_finish(&apply->report);
    int r = pt_error_set(&err, EINVAL, "%s", why);
    end(apply, r, &err);
}

static void begin_to_apply(struct pt_share_apply *apply)
{
    struct pt_error err;
    apply->application = pt_store_replay_begin(apply->store, &apply->report, &apply->replay, &err);
    if (apply->application)
        apply->stage = STAGE_APPLYING;
    else if (err.code == EAGAIN)
        pt_timer_start(apply->timer, AGAIN_MS);
    else
        end(apply, -err.code, &err);
}

// -EBADMSG: what is past is of one row, which cannot be read; -ENOMEM. What else cannot be read is
// not known then.
static int read_waited(struct pt_share_apply *apply)
{
    const struct pt_share_entry *entry = &apply->entry;
    if (!entry->is_past || !entry->waited || entry->row_ids_length != PT_PULL_ID_LENGTH)
        return 0;
    int r = pt_share_waited_read(entry->waited, entry->waited_length, &apply->waited);
    bool is_id = memchr(entry->row_ids, '-', PT_PULL_ID_LENGTH) == NULL;
    if (r == 0 && apply->waited.is_row && !is_id)
        return -EBADMSG;
    return r == -EINVAL ? 0 : r;
}

static void write_id(const struct pt_share_apply *apply, char id[static PT_PULL_ID_SIZE])
{
    memcpy(id, apply->entry.row_ids, PT_PULL_ID_LENGTH);
    id[PT_PULL_ID_LENGTH] = '\0';
}

// Its pods wait no more, so that this server does not hear of them.
static void restore_waited(const struct pt_share_apply *apply)
{
    char id[PT_PULL_ID_SIZE];
    if (apply->waited.join.waiting_count == 0)
        return;
    write_id(apply, id);
    pt_store_restore_join(apply->store, id, &apply->waited.join);
}

// Nor does it hear of a row that no agent has reported.
static void restore_row(struct pt_share_apply *apply)
{
    const struct pt_pull *pull = &apply->waited.row;
    char id[PT_PULL_ID_SIZE], key[PT_LIMIT_REFERENCE_BYTES + 2];
    struct pt_error err = {0};
    const struct pt_image_row row = {
        .node_name = apply->report.node_name,
        .key = key,
        .image_ref = pull->image_ref,
        .repository = pull->repository,
        .phase = pull->phase,
        .started_at = pull->started_at,
        .ended_at = pull->completed_at,
        .join = apply->waited.join,
    };
    write_id(apply, id);
    snprintf(key, sizeof(key), "k%s", pull->image_ref);
    int r = pt_store_restore_row(apply->store, id, &row, apply->replay.age_ns);
    if (r < 0)
        pt_error_set(&err, -r, "there is no room for the row: %s", strerror(-r));
    end(apply, r, &err);
}

static void finish(struct pt_share_apply *apply)
{
    struct pt_error err = {0};
    int r = pt_store_apply_end(apply->application, &err);
    restore_waited(apply);
    end(apply, r, &err);
}

static void step(struct pt_share_apply *apply)
{
    switch (apply->stage) {
    case STAGE_NOTHING:
        break;
    case STAGE_READING:
        if (!pt_report_decode_more(&apply->report, READ_ITEMS))
            apply->stage = STAGE_BEGINNING;
        break;
    case STAGE_BEGINNING:
        if (apply->entry.is_past && apply->report.pull_count == 0)
            skip(apply, "what has ended is no pull");
        else
            begin_to_apply(apply);
        break;
    case STAGE_APPLYING:
        if (!pt_store_apply_step(apply->application))
            finish(apply);
        break;
    }
}

static void work(struct pt_share_apply *apply)
{
    while (apply->stage != STAGE_NOTHING && !pt_timer_is_started(apply->timer)) {
        step(apply);
        if (apply->stage != STAGE_NOTHING && pt_loop_turn_is_over(apply->loop) &&
            !pt_timer_is_started(apply->timer)) {
            pt_timer_start(apply->timer, 0);
            pt_loop_skip_rest(apply->loop);
        }
    }
}

static void on_timer(void *context)
{
    work(context);
}

struct pt_share_apply *pt_share_apply_create(struct pt_loop *loop, const struct pt_clock *clock,
                                             struct pt_pull_store *store,
                                             pt_share_applied_fn *on_applied, void *context)
{
    struct pt_share_apply *apply = calloc(1, sizeof(*apply));
    if (!apply)
        return NULL;
    apply->loop = loop;
    apply->clock = clock;
    apply->store = store;
    apply->on_applied = on_applied;
    apply->context = context;
    apply->timer = pt_timer_create(pt_loop_base(loop), clock, on_timer, apply);
    if (!apply->timer) {
        free(apply);
        return NULL;
    }
    return apply;
}

void pt_share_apply_destroy(struct pt_share_apply *apply)
{
    struct pt_error err;
    if (!apply)
        return;
    if (apply->application)
        (void)!pt_store_apply_end(apply->application, &err);
    pt_report_finish(&apply->report);
    pt_share_waited_finish(&apply->waited);
    pt_timer_destroy(apply->timer);
    free(apply);
}

void pt_share_apply_begin(struct pt_share_apply *apply, const struct pt_share_entry *entry,
                          int64_t age_ms)
{
    struct pt_error err;
    assert(apply->stage == STAGE_NOTHING);
    apply->entry = *entry;
    int r = pt_report_decode_head(entry->report, entry->report_length, &apply->report, &err);
    int r_waited = r == 0 ? read_waited(apply) : 0;
    if (r_waited == -EBADMSG) {
        skip(apply, "a row that has ended cannot be read");
        return;
    }
    if (r_waited < 0)
        r = pt_error_set(&err, -r_waited, "out of memory");
    if (r < 0) {
        end(apply, r, &err);
        return;
    }
    apply->replay = (struct pt_replay){
        .row_ids = entry->row_ids,
        .row_ids_length = entry->row_ids_length,
        .received_ns = pt_clock_monotonic_ns(apply->clock) - age_ms * PT_NS_PER_MS,
        .received_wall_ns = (int64_t)entry->id.ms * PT_NS_PER_MS,
        .age_ns = age_ms * PT_NS_PER_MS,
        .is_past = entry->is_past,
    };
    apply->stage = STAGE_READING;
    if (apply->waited.is_row)
        restore_row(apply);
    else
        work(apply);
}
