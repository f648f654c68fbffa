// SPDX-License-Identifier: Apache-2.0
#include "agent/report_pulls.h"

#include "agent/track/track.h"
#include "base/buffer.h"
#include "base/log.h"
#include "pull/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void pt_report_pulls_init(struct pt_report_pulls *pulls, struct pt_tracker *tracker,
                          const char *url)
{
    *pulls =
        (struct pt_report_pulls){.tracker = tracker, .url = url, .most = PT_LIMIT_PULLS_PER_REPORT};
}

// Takes a pull out of all reports to come. One that has ended is forgotten with the next report
// that is taken.
static void refuse(struct pt_report_pulls *pulls, const char *id, const char *why)
{
    pt_log_warn("report.pull_dropped", pt_log_text("url", pulls->url), pt_log_text("id", id),
                pt_log_text("error", why));
    pt_tracker_refuse(pulls->tracker, id);
}

// Adds a pull to the report. -EMSGSIZE: it has to wait for the next one.
static int add_pull(struct pt_report_pulls *pulls, const struct pt_tracked *tracked,
                    struct pt_buffer *out)
{
    if (pulls->count >= pulls->most)
        return -EMSGSIZE;
    int r = tracked->is_refused ? 0 : pt_report_add(&tracked->pull, out);
    if (r == -EMSGSIZE && pulls->count == 0) {
        refuse(pulls, tracked->pull.id, "alone it is larger than a report may be");
        r = 0;
    } else if (r == 0 && !tracked->is_refused) {
        pulls->count++;
        pt_tracker_report_holds(pulls->tracker, tracked);
        snprintf(pulls->id, sizeof(pulls->id), "%s", tracked->pull.id);
    }
    if (r == 0 && tracked->finished)
        pulls->finished = tracked->finished;
    return r;
}

int pt_report_pulls_add(struct pt_report_pulls *pulls, struct pt_buffer *out)
{
    const struct pt_tracker *tracker = pulls->tracker;
    size_t active_count = pt_tracker_active_count(tracker);
    size_t first = active_count ? pulls->next_active % active_count : 0;
    size_t active_sent = 0;
    int r = 0;
    pulls->count = 0;
    pulls->finished = 0;
    pt_tracker_report_begins(pulls->tracker);
    for (unsigned turn = 0; r == 0 && turn < 2; turn++) {
        size_t index = 0;
        const struct pt_tracked *tracked = NULL;
        while (r == 0 && (tracked = pt_tracker_next(tracker, tracked))) {
            bool is_active = tracked->finished == 0;
            size_t place = is_active ? index++ : 0;
            if (turn == 0 && is_active && place < first)
                continue;
            if (turn == 1 && (!is_active || place >= first))
                continue;
            r = add_pull(pulls, tracked, out);
            active_sent += r == 0 && is_active;
        }
    }
    pulls->first_active = first;
    pulls->next_active = active_sent == active_count ? 0 : first + active_sent;
    return r == -EMSGSIZE ? 0 : r;
}

bool pt_report_pulls_note_taken(struct pt_report_pulls *pulls)
{
    bool is_dropped = pulls->most == 0;
    if (is_dropped)
        refuse(pulls, pulls->suspect, "the server takes reports without it only");
    pulls->most = pulls->most ? 2 * pulls->most : 1;
    if (pulls->most > PT_LIMIT_PULLS_PER_REPORT)
        pulls->most = PT_LIMIT_PULLS_PER_REPORT;
    pulls->suspect[0] = '\0';
    pt_tracker_report_is_taken(pulls->tracker);
    if (pulls->finished)
        pt_tracker_forget(pulls->tracker, pulls->finished);
    return is_dropped;
}

void pt_report_pulls_note_refused(struct pt_report_pulls *pulls)
{
    bool is_again = strcmp(pulls->suspect, pulls->id) == 0;
    pulls->next_active = pulls->first_active;
    if (pulls->count > 1) {
        pulls->most = pulls->count / 2;
    } else if (pulls->count == 1) {
        pulls->most = is_again ? 0 : 1;
        memcpy(pulls->suspect, pulls->id, sizeof(pulls->suspect));
    } else {
        pulls->most = PT_LIMIT_PULLS_PER_REPORT;
        pulls->suspect[0] = '\0';
    }
}
