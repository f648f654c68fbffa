// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_give_back.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/timer.h"
#include "server/share/share_ends.h"
#include "server/share/share_entry.h"
#include "server/share/share_writer.h"
#include "server/store/pull_store.h"
#include "server/store/reader.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define PULLS_IN_A_STEP 64 // looked at
#define PAUSE_MS 20
#define RECENT_NS (30 * PT_NS_PER_S)
#define RETRY_MS 500          // while the log cannot be reached, or takes no more
#define AFTER_FAILURE_MS 5000 // when it has refused something

// Of what the store has.
enum part {
    PART_NONE,
    PART_ROWS, // those that only Kubernetes knows
    PART_ALL,
};

struct pt_share_give_back {
    const struct pt_clock *clock;
    struct pt_pull_store *store;
    struct pt_share_writer *writer;
    struct pt_timer *timer;
    enum part under_way;
    enum part missed; // to be given once more
    bool has_begun;   // with all
    int64_t begun_ns;
    struct pt_store_walk walk;
};

static void stop(struct pt_share_give_back *give_back)
{
    if (give_back->under_way)
        pt_store_walk_end(&give_back->walk);
    give_back->under_way = PART_NONE;
}

static void begin(struct pt_share_give_back *give_back, enum part part, int64_t pause_ms)
{
    stop(give_back);
    pt_store_walk_begin(give_back->store, &give_back->walk);
    give_back->under_way = part;
    give_back->missed = PART_NONE;
    pt_timer_start(give_back->timer, pause_ms);
}

static void note_missed(struct pt_share_give_back *give_back, enum part part, int64_t pause_ms)
{
    give_back->missed = part > give_back->missed ? part : give_back->missed;
    if (!give_back->under_way)
        begin(give_back, give_back->missed, pause_ms);
}

static int give(struct pt_share_give_back *give_back, const struct pt_stored_pull *stored)
{
    struct pt_share_ends ends;
    struct pt_share_entry kept;
    uint64_t number;
    int64_t now_ms = pt_share_writer_now_ms(give_back->writer);
    int64_t age_ns = pt_clock_monotonic_ns(give_back->clock) - pt_stored_pull_ended_ns(stored);
    int64_t ended_ms = now_ms - age_ns / PT_NS_PER_MS;
    if (now_ms <= 0)
        return -ENOTCONN; // without Valkey's time nothing has an age
    int r = pt_share_ends_write_stored(&ends, stored, ended_ms);
    if (r < 0 || ends.count == 0 ||
        pt_share_kept_read(ends.list[0].json, ends.list[0].json_length, &kept) < 0) {
        pt_share_ends_finish(&ends);
        return r == -ENOMEM ? r : 0;
    }
    const struct pt_share_take take = {
        .node_name = "",
        .agent_run = "",
        .sequence = ended_ms,
        .received_ms = now_ms,
        .row_ids = ends.list[0].id,
        .report = kept.report,
        .report_length = kept.report_length,
        .finished = ends.list,
        .finished_count = 1,
    };
    r = pt_share_writer_take(give_back->writer, &take, &number);
    pt_share_ends_finish(&ends);
    return r;
}

static bool is_wanted(const struct pt_share_give_back *give_back,
                      const struct pt_stored_pull *stored)
{
    bool is_pull = give_back->under_way == PART_ALL && pt_stored_pull_agent_id(stored) &&
                   pt_stored_pull_has_ended(stored);
    return is_pull || pt_stored_pull_is_ended_row(stored);
}

static void on_timer(void *context)
{
    struct pt_share_give_back *give_back = context;
    for (int i = 0; i < PULLS_IN_A_STEP; i++) {
        const struct pt_stored_pull *stored = give_back->walk.next;
        if (!stored) {
            stop(give_back);
            if (give_back->missed)
                begin(give_back, give_back->missed, RETRY_MS);
            return;
        }
        if (is_wanted(give_back, stored) && give(give_back, stored) < 0) {
            pt_timer_start(give_back->timer, RETRY_MS); // with the same one
            return;
        }
        (void)pt_store_walk_next(&give_back->walk);
    }
    pt_timer_start(give_back->timer, PAUSE_MS);
}

struct pt_share_give_back *pt_share_give_back_create(struct pt_loop *loop,
                                                     const struct pt_clock *clock,
                                                     struct pt_pull_store *store,
                                                     struct pt_share_writer *writer)
{
    struct pt_share_give_back *give_back = calloc(1, sizeof(*give_back));
    if (!give_back)
        return NULL;
    give_back->clock = clock;
    give_back->store = store;
    give_back->writer = writer;
    give_back->timer = pt_timer_create(pt_loop_base(loop), clock, on_timer, give_back);
    if (!give_back->timer) {
        free(give_back);
        return NULL;
    }
    return give_back;
}

void pt_share_give_back_destroy(struct pt_share_give_back *give_back)
{
    if (!give_back)
        return;
    stop(give_back);
    pt_timer_destroy(give_back->timer);
    free(give_back);
}

bool pt_share_give_back_is_recent(const struct pt_share_give_back *give_back)
{
    int64_t age_ns = pt_clock_monotonic_ns(give_back->clock) - give_back->begun_ns;
    return give_back->under_way == PART_ALL || (give_back->has_begun && age_ns < RECENT_NS);
}

void pt_share_give_back_begin(struct pt_share_give_back *give_back)
{
    give_back->has_begun = true;
    give_back->begun_ns = pt_clock_monotonic_ns(give_back->clock);
    begin(give_back, PART_ALL, PAUSE_MS);
}

void pt_share_give_back_row(struct pt_share_give_back *give_back,
                            const struct pt_stored_pull *stored)
{
    if (give(give_back, stored) < 0)
        note_missed(give_back, PART_ROWS, RETRY_MS);
}

void pt_share_give_back_note_failure(struct pt_share_give_back *give_back)
{
    bool is_recent = pt_share_give_back_is_recent(give_back);
    note_missed(give_back, is_recent ? PART_ALL : PART_ROWS, AFTER_FAILURE_MS);
}
