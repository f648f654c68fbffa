// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_ends.h"

#include "base/limits.h"
#include "pull/report.h"
#include "server/store/pull_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A pull that has no id of its agent's could not be found again.
static bool is_kept(const struct pt_stored_pull *stored, const struct pt_pull *reported)
{
    return stored && reported->id && pt_stored_pull_is_final(stored);
}

static int write_one(const struct pt_report *report, const struct pt_pull *reported,
                     const struct pt_stored_pull *stored, int64_t now_ms, struct pt_buffer *out)
{
    struct pt_pull pull = *pt_stored_pull_model(stored);
    struct pt_report one = *report;
    pull.id = reported->id;
    one.pulls = &pull;
    one.pull_count = 1;
    (void)pt_buffer_printf(out, "%lld-0\n%s\n", (long long)now_ms, pt_stored_pull_id(stored));
    return pt_report_encode(&one, out);
}

static void write_all(struct pt_share_ends *ends, const struct pt_pull_store *store,
                      const struct pt_report *report, const char *row_ids, int64_t now_ms)
{
    for (size_t i = 0; i < report->pull_count; i++) {
        char *id = ends->ids[ends->count];
        size_t before = ends->texts.length;
        if (!pt_pull_phase_is_final(report->pulls[i].phase))
            continue;
        memcpy(id, row_ids + i * PT_PULL_ID_LENGTH, PT_PULL_ID_LENGTH);
        const struct pt_stored_pull *stored = pt_store_find(store, id);
        if (!is_kept(stored, &report->pulls[i]))
            continue;
        if (write_one(report, &report->pulls[i], stored, now_ms, &ends->texts) < 0) {
            pt_buffer_rewind(&ends->texts, before);
            return;
        }
        ends->list[ends->count++] =
            (struct pt_share_finished){.id = id, .json_length = ends->texts.length - before};
    }
}

int pt_share_ends_write(struct pt_share_ends *ends, const struct pt_pull_store *store,
                        const struct pt_report *report, const char *row_ids, int64_t now_ms)
{
    *ends = (struct pt_share_ends){0};
    pt_buffer_init(&ends->texts, PT_LIMIT_SHARE_ENDS_BYTES);
    ends->list = calloc(report->pull_count + 1, sizeof(*ends->list));
    ends->ids = calloc(report->pull_count + 1, sizeof(*ends->ids));
    if (!ends->list || !ends->ids) {
        pt_share_ends_finish(ends);
        return -ENOMEM;
    }
    write_all(ends, store, report, row_ids, now_ms);
    const char *text = ends->texts.data;
    for (size_t i = 0; i < ends->count; i++) {
        ends->list[i].json = text;
        text += ends->list[i].json_length;
    }
    return 0;
}

void pt_share_ends_finish(struct pt_share_ends *ends)
{
    pt_buffer_finish(&ends->texts);
    free(ends->list);
    free(ends->ids);
    *ends = (struct pt_share_ends){0};
}
