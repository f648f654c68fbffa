// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_ends.h"

#include "base/limits.h"
#include "pull/join.h"
#include "pull/report.h"
#include "server/share/share_waited.h"
#include "server/store/pull_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A pull that has no id of its agent's could not be found again.
static bool is_kept(const struct pt_stored_pull *stored, const struct pt_pull *reported)
{
    return stored && reported->id && pt_stored_pull_is_final(stored);
}

// `join` says who had waited. -EMSGSIZE: it is larger than may be kept, or there is no room.
static int write_text(const struct pt_report *one, const struct pt_stored_pull *stored,
                      const struct pt_join *join, int64_t now_ms, struct pt_buffer *out)
{
    bool is_row = pt_stored_pull_is_of_kubelet(stored);
    size_t before = out->length;
    (void)pt_buffer_printf(out, "%lld-0", (long long)now_ms);
    if (is_row || join->waiting_count > 0) {
        (void)pt_buffer_printf(out, " ");
        pt_share_waited_write(join, is_row ? pt_stored_pull_model(stored) : NULL, out);
    }
    (void)pt_buffer_printf(out, "\n%s\n", pt_stored_pull_id(stored));
    int r = pt_report_encode(one, out);
    if (r == 0 && out->length - before > PT_LIMIT_SHARE_END_BYTES)
        r = -EMSGSIZE;
    if (r < 0)
        pt_buffer_rewind(out, before);
    return r;
}

// Without its layers if it is too large with them, and without its pods if it still is: whoever
// loads what is kept, reads many at once. A row that no agent has reported has none of its pulls in
// its report (share_waited.h has it).
static int write_one(struct pt_share_ends *ends, const struct pt_report *report,
                     const char *agent_id, const struct pt_stored_pull *stored, int64_t now_ms)
{
    const struct pt_join *known = pt_stored_pull_join(stored);
    struct pt_join join = known ? *known : (struct pt_join){.queued_seconds = -1};
    struct pt_pull pull = *pt_stored_pull_model(stored);
    struct pt_report one = *report;
    pull.id = agent_id;
    one.pulls = &pull;
    one.pull_count = agent_id ? 1 : 0;
    int r = write_text(&one, stored, &join, now_ms, &ends->texts);
    if (r != -EMSGSIZE)
        return r;
    pull.layers = NULL;
    pull.layer_count = 0;
    pull.total_known = false;
    r = write_text(&one, stored, &join, now_ms, &ends->texts);
    join.waiting_count = 0;
    if (r == -EMSGSIZE)
        r = write_text(&one, stored, &join, now_ms, &ends->texts);
    ends->without_layers += r == 0;
    return r;
}

// Adds it to the list, whose texts are pointed to when all have been written.
static int add(struct pt_share_ends *ends, const struct pt_report *report, const char *agent_id,
               const struct pt_stored_pull *stored, int64_t now_ms)
{
    char *id = ends->ids[ends->count];
    size_t before = ends->texts.length;
    int r = write_one(ends, report, agent_id, stored, now_ms);
    if (r < 0)
        return r;
    memcpy(id, pt_stored_pull_id(stored), PT_PULL_ID_SIZE);
    ends->list[ends->count++] =
        (struct pt_share_finished){.id = id, .json_length = ends->texts.length - before};
    return 0;
}

static void write_all(struct pt_share_ends *ends, const struct pt_pull_store *store,
                      const struct pt_report *report, const char *row_ids, int64_t now_ms)
{
    for (size_t i = 0; i < report->pull_count; i++) {
        char id[PT_PULL_ID_SIZE] = "";
        if (!pt_pull_phase_is_final(report->pulls[i].phase))
            continue;
        memcpy(id, row_ids + i * PT_PULL_ID_LENGTH, PT_PULL_ID_LENGTH);
        const struct pt_stored_pull *stored = pt_store_find(store, id);
        if (is_kept(stored, &report->pulls[i]) &&
            add(ends, report, report->pulls[i].id, stored, now_ms) < 0)
            return;
    }
}

// For so many pulls.
static int begin(struct pt_share_ends *ends, size_t count)
{
    *ends = (struct pt_share_ends){0};
    pt_buffer_init(&ends->texts, PT_LIMIT_SHARE_ENDS_BYTES);
    ends->list = calloc(count + 1, sizeof(*ends->list));
    ends->ids = calloc(count + 1, sizeof(*ends->ids));
    if (ends->list && ends->ids)
        return 0;
    pt_share_ends_finish(ends);
    return -ENOMEM;
}

static void point_to_texts(struct pt_share_ends *ends)
{
    const char *text = ends->texts.data;
    for (size_t i = 0; i < ends->count; i++) {
        ends->list[i].json = text;
        text += ends->list[i].json_length;
    }
}

int pt_share_ends_write(struct pt_share_ends *ends, const struct pt_pull_store *store,
                        const struct pt_report *report, const char *row_ids, int64_t now_ms)
{
    int r = begin(ends, report->pull_count);
    if (r < 0)
        return r;
    write_all(ends, store, report, row_ids, now_ms);
    point_to_texts(ends);
    return 0;
}

int pt_share_ends_write_stored(struct pt_share_ends *ends, const struct pt_stored_pull *stored,
                               int64_t ended_ms)
{
    const char *agent_id = pt_stored_pull_agent_id(stored);
    const struct pt_report report = {
        .node_name = pt_stored_pull_node_name(stored),
        .timestamp = pt_stored_pull_reported_at(stored),
    };
    int r = begin(ends, 1);
    if (r < 0 || (!agent_id && !pt_stored_pull_is_ended_row(stored)))
        return r;
    r = add(ends, &report, agent_id, stored, ended_ms);
    point_to_texts(ends);
    return r;
}

void pt_share_ends_finish(struct pt_share_ends *ends)
{
    pt_buffer_finish(&ends->texts);
    free(ends->list);
    free(ends->ids);
    *ends = (struct pt_share_ends){0};
}
