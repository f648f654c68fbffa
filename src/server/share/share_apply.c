// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_apply.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/timer.h"
#include "pull/join.h"
#include "pull/report.h"
#include "server/share/share_waited.h"
#include "server/store/pull_store.h"
#include "server/store/reader.h"

#include <assert.h>
#include <errno.h>
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
    struct pt_share_entry entry; // being applied
};

static void end(struct pt_share_apply *apply, int result, const struct pt_error *err)
{
    struct pt_report report = apply->report;
    apply->stage = STAGE_NOTHING;
    apply->application = NULL;
    apply->report = (struct pt_report){0};
    apply->on_applied(apply->context, report.node_name ? &report : NULL, result, err);
    pt_report_finish(&report);
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

// Its pods wait no more, so that this server does not hear of them.
static void restore_waited(const struct pt_share_apply *apply)
{
    const struct pt_share_entry *entry = &apply->entry;
    char id[PT_PULL_ID_SIZE] = "";
    if (!entry->is_past || !entry->waited || entry->row_ids_length != PT_PULL_ID_LENGTH)
        return;
    struct pt_join *waited = pt_share_waited_read(entry->waited, entry->waited_length);
    memcpy(id, entry->row_ids, PT_PULL_ID_LENGTH);
    if (waited)
        pt_store_restore_join(apply->store, id, waited);
    free(waited);
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
    work(apply);
}
