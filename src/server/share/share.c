// SPDX-License-Identifier: Apache-2.0

// A report that comes to this server is applied at once, and appended with the ids that its rows
// have then. Its agent is answered when the entry has come back through the log: from then on every
// other server has it, or will. What others have appended is applied as it comes.

#include "server/share/share.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metric_text.h"
#include "base/rhythm.h"
#include "base/secret_file.h"
#include "base/timer.h"
#include "base/warn_pace.h"
#include "pull/report.h"
#include "server/share/share_apply.h"
#include "server/share/share_ends.h"
#include "server/share/share_give_back.h"
#include "server/share/share_health.h"
#include "server/share/share_pending.h"
#include "server/share/share_writer.h"
#include "server/store/pull_store.h"
#include "server/store/reader.h"
#include "server/valkey/valkey_link.h"
#include "server/valkey/valkey_url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SILENCE_MS 5000
#define LOOK_MS 500

struct pt_share {
    struct pt_loop *loop;
    const struct pt_clock *clock;
    struct pt_pull_store *store;
    struct pt_share_output output;
    struct pt_share_settings settings;
    char run[PT_LIMIT_NAME_BYTES + 1];
    struct pt_valkey_url url;
    struct pt_secret *password;
    struct pt_http_client *client;
    struct pt_valkey_link_options link;
    struct pt_share_writer *writer;
    struct pt_share_reader *reader; // NULL: Valkey has not said the time yet
    struct pt_share_apply *apply;
    struct pt_timer *look;
    struct pt_share_pendings *pendings;
    struct pt_share_health health;
    bool is_own, is_of_log; // of the entry being applied
    struct pt_warn_pace invalid_pace, failed_pace, eviction_pace, ends_pace, dropped_pace;
    uint64_t entries_taken, entries_applied, entries_skipped, entries_failed, bytes_taken;
    uint64_t entries_loaded, ends_without_layers, ends_dropped;
    int64_t heard_all_ns; // when agents have reported since it was in step again
    struct pt_share_give_back *give_back;
    struct pt_share_claims *claims;
};

// --- what waits for the log ---

static void on_taken(void *context, uint64_t number, enum pt_share_outcome outcome)
{
    struct pt_share *share = context;
    if (outcome == PT_SHARE_APPENDED)
        return; // it comes back through the log, or has
    struct pt_share_pending *pending = pt_share_pendings_find(share->pendings, number);
    // What is older than what the log has of its agent is in that, ends too.
    if (pending)
        pt_share_pending_settle(pending, outcome == PT_SHARE_OLD);
    else if (outcome != PT_SHARE_OLD)
        pt_share_give_back_note_failure(share->give_back);
}

// --- states ---

static void begin_reading(struct pt_share *share);

static void on_writer_change(void *context, const char *why)
{
    struct pt_share *share = context;
    begin_reading(share);
    pt_share_health_note_appending(&share->health, why);
}

static void on_eviction(void *context, const char *policy)
{
    struct pt_share *share = context;
    if (!pt_warn_pace_admits(&share->eviction_pace, pt_clock_monotonic_ns(share->clock)))
        return;
    pt_log_warn("share.evicts",
                pt_log_text("text", "what is shared may be lost when its memory is full: set "
                                    "maxmemory-policy to noeviction"),
                pt_log_text("policy", policy));
}

static void on_dropped(void *context, uint64_t count)
{
    struct pt_share *share = context;
    share->ends_dropped += count;
    if (pt_warn_pace_admits(&share->dropped_pace, pt_clock_monotonic_ns(share->clock)))
        pt_log_warn("share.ends_dropped",
                    pt_log_text("text", "finished pulls leave Valkey before their time: more than "
                                        "PULLTRACE_SHARE_MAX_BYTES"),
                    pt_log_int("count", (int64_t)share->ends_dropped));
}

static void on_reader_state(void *context, enum pt_share_state state, const char *why)
{
    struct pt_share *share = context;
    share->heard_all_ns =
        pt_clock_monotonic_ns(share->clock) + PT_REPORT_AGENTS_KNOWN_MS * PT_NS_PER_MS;
    pt_store_hold_still(share->store, true);
    pt_share_health_note_state(&share->health, state, why);
    if (state == PT_SHARE_READY)
        pt_log_info("share.ready", pt_log_int("entries", (int64_t)(share->entries_loaded +
                                                                   share->entries_applied)));
    else if (state != PT_SHARE_AWAY && why)
        pt_log_warn("share.behind", pt_log_text("error", why));
}

// Other servers may not have read it before it was lost.
static void on_lost(void *context, enum pt_share_loss loss)
{
    struct pt_share *share = context;
    if (loss == PT_SHARE_LOSS_GAP && pt_share_give_back_is_recent(share->give_back))
        return; // who reads slowly sees one gap after the other, and has lost nothing of its own
    pt_share_give_back_begin(share->give_back);
    pt_log_warn(
        "share.lost",
        pt_log_text("text", "entries of the log are missing: what has ended is given back"));
}

static void note_skipped(struct pt_share *share, const char *what)
{
    share->entries_skipped++;
    if (pt_warn_pace_admits(&share->invalid_pace, pt_clock_monotonic_ns(share->clock)))
        pt_log_warn("share.entry_skipped", pt_log_text("error", what));
}

static void on_invalid(void *context, const char *what)
{
    note_skipped(context, what);
}

// --- entries ---

static void note_failed(struct pt_share *share, const char *node_name, const struct pt_error *err)
{
    share->entries_failed++;
    if (pt_warn_pace_admits(&share->failed_pace, pt_clock_monotonic_ns(share->clock)))
        pt_log_warn("share.entry_failed", pt_log_text("node", node_name),
                    pt_log_text("error", err->message));
}

static void on_applied(void *context, const struct pt_report *report, int result,
                       const struct pt_error *err)
{
    struct pt_share *share = context;
    if (!report)
        note_skipped(share, err->message);
    else if (!share->is_own)
        pt_share_pendings_note_overtaken(share->pendings, report->node_name);
    share->entries_applied += report && !share->is_own && share->is_of_log;
    share->entries_loaded += report && !share->is_of_log;
    if (report && result < 0)
        note_failed(share, report->node_name, err);
    pt_share_reader_go_on(share->reader);
}

static bool is_own(const struct pt_share *share, const struct pt_share_entry *entry)
{
    return entry->taker && entry->taker_length == strlen(share->run) &&
           memcmp(entry->taker, share->run, entry->taker_length) == 0;
}

// An entry of ours has been applied before it was appended. Only where one of another server came
// in between, its rows get their ids in the log's order.
static void on_entry(void *context, const struct pt_share_entry *entry)
{
    struct pt_share *share = context;
    uint64_t at_ms = entry->is_past ? entry->ended_ms : entry->id.ms;
    int64_t age_ms = pt_share_writer_now_ms(share->writer) - (int64_t)at_ms;
    share->is_own = is_own(share, entry);
    share->is_of_log = entry->taker;
    if (!share->health.can_read && pt_share_reader_state(share->reader) != PT_SHARE_AWAY)
        pt_share_health_note_reading(&share->health, true, NULL);
    struct pt_share_pending *pending =
        share->is_own ? pt_share_pendings_find(share->pendings, entry->number) : NULL;
    bool is_known = share->is_own && pending && !pending->is_overtaken;
    if (is_known)
        pt_store_date_report(share->store, pt_share_pending_node_name(pending),
                             (int64_t)entry->id.ms * PT_NS_PER_MS);
    if (pending)
        pt_share_pending_settle(pending, true);
    if (is_known)
        pt_share_reader_go_on(share->reader);
    else
        pt_share_apply_begin(share->apply, entry, age_ms > 0 ? age_ms : 0);
}

static int64_t valkey_now_ms(void *context)
{
    const struct pt_share *share = context;
    return pt_share_writer_now_ms(share->writer);
}

static bool has_end(void *context, const char *id)
{
    const struct pt_share *share = context;
    return pt_store_knows_end(share->store, id);
}

static void begin_reading(struct pt_share *share)
{
    const struct pt_share_reader_options options = {
        .link = &share->link,
        .prefix = share->settings.prefix,
        .now_ms = valkey_now_ms,
        .max_finished = share->settings.max_finished,
        .has_end = has_end,
        .on_entry = on_entry,
        .on_state = on_reader_state,
        .on_lost = on_lost,
        .on_invalid = on_invalid,
        .context = share,
    };
    if (share->reader || pt_share_writer_now_ms(share->writer) == 0)
        return; // without Valkey's time nothing has an age
    share->reader = pt_share_reader_create(share->loop, share->clock, &options);
    if (!share->reader)
        pt_log_error("share.unreachable", pt_log_text("error", "out of memory"));
}

static void on_look(void *context)
{
    struct pt_share *share = context;
    pt_share_pendings_settle_old(share->pendings);
    begin_reading(share);
    pt_share_health_look(&share->health);
    bool is_in_step = share->reader && pt_share_reader_state(share->reader) == PT_SHARE_READY &&
                      pt_clock_monotonic_ns(share->clock) >= share->heard_all_ns;
    pt_store_hold_still(share->store, !is_in_step);
}

// --- taking ---

bool pt_share_has_end(const struct pt_report *report)
{
    for (size_t i = 0; i < report->pull_count; i++) {
        if (pt_pull_phase_is_final(report->pulls[i].phase))
            return true;
    }
    return false;
}

static void note_without_layers(struct pt_share *share, const char *node_name, size_t count)
{
    share->ends_without_layers += count;
    if (count > 0 && pt_warn_pace_admits(&share->ends_pace, pt_clock_monotonic_ns(share->clock)))
        pt_log_warn("share.end_shortened", pt_log_text("node", node_name),
                    pt_log_int("max_bytes", PT_LIMIT_SHARE_END_BYTES));
}

// Hands the report to the writer. -errno: it is not appended.
static int append(struct pt_share *share, const struct pt_report *report, bool has_end,
                  const char *json, size_t length, uint64_t *ret_number)
{
    struct pt_buffer row_ids;
    struct pt_share_ends ends = {0};
    int64_t now_ms = pt_share_writer_now_ms(share->writer);
    pt_buffer_init(&row_ids, PT_LIMIT_PULLS_PER_REPORT * PT_PULL_ID_LENGTH);
    int r = pt_store_write_row_ids(share->store, report, &row_ids);
    if (r == 0 && has_end)
        r = pt_share_ends_write(&ends, share->store, report, row_ids.data, now_ms);
    note_without_layers(share, report->node_name, ends.without_layers);
    if (r == 0) {
        const struct pt_share_take take = {
            .node_name = report->node_name,
            .agent_run = report->run ? report->run : "",
            .sequence = report->run ? report->sequence : report->timestamp / PT_NS_PER_MS,
            .received_ms = now_ms,
            .row_ids = row_ids.data ? row_ids.data : "",
            .report = json,
            .report_length = length,
            .finished = ends.list,
            .finished_count = ends.count,
        };
        r = pt_share_writer_take(share->writer, &take, ret_number);
    }
    pt_share_ends_finish(&ends);
    pt_buffer_finish(&row_ids);
    return r;
}

bool pt_share_take(struct pt_share *share, struct pt_request *request,
                   const struct pt_report *report, const char *json, size_t length)
{
    if (!share->health.can_append)
        return false;
    bool has_end = pt_share_has_end(report);
    struct pt_share_pending *pending =
        pt_share_pendings_add(share->pendings, report->node_name, has_end);
    if (!pending)
        return false;
    if (append(share, report, has_end, json, length, &pending->number) < 0) {
        pt_share_pending_remove(pending);
        return false;
    }
    share->entries_taken++;
    share->bytes_taken += length;
    if (request)
        pt_share_pending_hold(pending, request);
    return true;
}

void pt_share_keep_row(struct pt_share *share, const struct pt_stored_pull *stored)
{
    pt_share_give_back_row(share->give_back, stored);
}

void pt_share_claim(struct pt_share *share, const struct pt_share_claim *claim)
{
    pt_share_claims_make(share->claims, pt_share_writer_link(share->writer), claim);
}

// --- the rest of what the header promises ---

bool pt_share_is_ready(const struct pt_share *share)
{
    return pt_share_health_is_ready(&share->health);
}

const char *pt_share_missing(const struct pt_share *share)
{
    return pt_share_health_is_up(&share->health)
               ? NULL
               : "the log that several servers share cannot be reached: what comes "
                 "to the others is not shown here";
}

void pt_share_write_metrics(const struct pt_share *share, struct pt_buffer *out)
{
    pt_metric_number(out, "pulltrace_share_up", "gauge",
                     "Whether the log that several servers share can be reached.",
                     pt_share_health_is_up(&share->health));
    pt_metric_real(out, "pulltrace_share_lag_seconds", "gauge",
                   "How long ago this server was at the log's end; 0: it is there.",
                   share->reader ? (double)pt_share_reader_lag_ms(share->reader) / 1e3 : 0);
    pt_metric_number(out, "pulltrace_share_entries_taken_total", "counter",
                     "Reports that this server has appended to the log.", share->entries_taken);
    pt_metric_number(out, "pulltrace_share_entries_applied_total", "counter",
                     "Entries of other servers that were applied.", share->entries_applied);
    pt_metric_number(out, "pulltrace_share_entries_skipped_total", "counter",
                     "Entries that could not be read.", share->entries_skipped);
    pt_metric_number(out, "pulltrace_share_entries_failed_total", "counter",
                     "Entries for which there was no room or memory.", share->entries_failed);
    pt_metric_number(out, "pulltrace_share_ends_without_layers_total", "counter",
                     "Pulls that have ended and are kept without their layers, since they were "
                     "too large with them.",
                     share->ends_without_layers);
    pt_metric_number(out, "pulltrace_share_ends_dropped_total", "counter",
                     "Finished pulls that left Valkey before their time, since all together were "
                     "too large.",
                     share->ends_dropped);
    pt_metric_number(out, "pulltrace_share_bytes_taken_total", "counter",
                     "Bytes of the reports that this server has appended.", share->bytes_taken);
    pt_metric_number(out, "pulltrace_share_disconnections_total", "counter",
                     "How often the log could not be reached any more.",
                     share->health.disconnections);
    pt_share_claims_write_metrics(share->claims, out);
}

static int open_client(struct pt_share *share, struct pt_error *err)
{
    int r = pt_valkey_url_parse(share->settings.url, &share->url, err);
    if (r < 0)
        return pt_error_prefix(err, "PULLTRACE_SHARE_URL");
    r = pt_secret_create("", share->settings.password_file, &share->password, err);
    if (r < 0)
        return pt_error_prefix(err, "PULLTRACE_SHARE_PASSWORD_FILE");
    r = pt_http_client_create(pt_loop_base(share->loop), &share->client, err);
    share->link = (struct pt_valkey_link_options){
        .client = share->client,
        .loop = share->loop,
        .url = &share->url,
        .ca_file = share->settings.ca_file,
        .password = share->password,
        .max_silence_ms = MAX_SILENCE_MS,
    };
    return r;
}

static int open_all(struct pt_share *share, struct pt_error *err)
{
    struct event_base *base = pt_loop_base(share->loop);
    int r = open_client(share, err);
    if (r < 0)
        return r;
    const struct pt_share_writer_options options = {
        .link = &share->link,
        .prefix = share->settings.prefix,
        .run = share->run,
        .max_bytes = share->settings.max_bytes,
        .max_finished = share->settings.max_finished,
        .finished_ttl_ms = share->settings.finished_ttl_ns / PT_NS_PER_MS,
        .on_taken = on_taken,
        .on_dropped = on_dropped,
        .on_eviction = on_eviction,
        .on_change = on_writer_change,
        .context = share,
    };
    share->writer = pt_share_writer_create(base, share->clock, &options);
    share->apply =
        pt_share_apply_create(share->loop, share->clock, share->store, on_applied, share);
    share->look = pt_timer_create(base, share->clock, on_look, share);
    if (share->writer)
        share->give_back =
            pt_share_give_back_create(share->loop, share->clock, share->store, share->writer);
    share->claims =
        pt_share_claims_create(share->settings.prefix, share->output.on_won, share->output.context);
    share->pendings =
        pt_share_pendings_create(share->clock, share->output.on_taken, share->output.context);
    if (!share->give_back || !share->claims || !share->pendings || !share->apply || !share->look)
        return pt_error_set(err, ENOMEM, "out of memory");
    pt_timer_start_every(share->look, LOOK_MS);
    return 0;
}

int pt_share_create(struct pt_loop *loop, const struct pt_clock *clock, struct pt_pull_store *store,
                    const struct pt_share_settings *settings, const char *run,
                    const struct pt_share_output *output, struct pt_share **ret_share,
                    struct pt_error *err)
{
    struct pt_share *share = calloc(1, sizeof(*share));
    if (!share)
        return pt_error_set(err, ENOMEM, "out of memory");
    share->loop = loop;
    share->clock = clock;
    share->store = store;
    share->settings = *settings;
    pt_share_health_init(&share->health, clock, settings->url);
    share->output = *output;
    snprintf(share->run, sizeof(share->run), "%s", run);
    int r = open_all(share, err);
    if (r < 0) {
        pt_share_destroy(share);
        return r;
    }
    *ret_share = share;
    return 0;
}

void pt_share_destroy(struct pt_share *share)
{
    if (!share)
        return;
    pt_share_pendings_destroy(share->pendings);
    pt_share_apply_destroy(share->apply);
    pt_share_reader_destroy(share->reader);
    pt_share_give_back_destroy(share->give_back);
    pt_share_writer_destroy(share->writer);
    pt_share_claims_destroy(share->claims);
    pt_http_client_destroy(share->client);
    pt_secret_destroy(share->password);
    pt_timer_destroy(share->look);
    free(share);
}
