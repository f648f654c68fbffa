// SPDX-License-Identifier: Apache-2.0
#include "agent/deliver.h"

#include "agent/readiness.h"
#include "agent/report_post.h"
#include "agent/report_pulls.h"
#include "agent/track/track.h"
#include "base/backoff.h"
#include "base/buffer.h"
#include "base/http_client.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/rhythm.h"
#include "base/secret_file.h"
#include "base/text.h"
#include "base/timer.h"
#include "base/url.h"
#include "pull/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

struct pt_deliverer {
    struct pt_deliverer_options options;
    char *url;
    char *runtime_name; // NULL: none has answered yet
    char *runtime_version;
    struct pt_timer *timer;
    struct pt_http_request *request; // in flight, else NULL
    struct pt_buffer body;
    struct pt_buffer answer;
    struct pt_report_pulls pulls;
    char run[PT_LIMIT_RUN_BYTES + 1];
    int64_t sequence;   // of the last report
    int64_t started_ms; // of the last report, monotonic; 0: none yet
    int64_t not_before_ms;
    int64_t retry_ms; // 0: the last report was taken
    int64_t retry_after_ms;
    int64_t asked_ms;      // by the answer at hand: the heartbeat's interval; 0: nothing
    int64_t heartbeat_ms;  // between two reports while nothing is active
    int64_t pace_ms;       // between two reports while pulls are active
    int64_t calm_until_ms; // no faster ones than usual before
    bool has_news;
    int64_t announced_ms;   // what the report says of the interval
    bool sends_shared;      // token, since the server has refused the other one
    char last_failure[160]; // as logged, "" while all is well
    void (*on_flushed)(void *context);
    void *flush_context;
    bool flush_again; // once more after the report in flight
};

static int64_t now_ms(const struct pt_deliverer *deliverer)
{
    return pt_clock_monotonic_ns(deliverer->options.clock) / PT_NS_PER_MS;
}

// It reports faster than the server takes reports that announce nothing.
static bool is_fast(const struct pt_deliverer *deliverer)
{
    return deliverer->pace_ms < PT_REPORT_NEWS_MS;
}

static int write_report(struct pt_deliverer *deliverer)
{
    const struct pt_report head = {
        .node_name = deliverer->options.node_name,
        .timestamp = pt_clock_wall_ns(deliverer->options.clock),
        .agent_version = PT_VERSION,
        .run = deliverer->run,
        .sequence = ++deliverer->sequence,
        .runtime_name = deliverer->runtime_name,
        .runtime_version = deliverer->runtime_version,
        .interval_ms = deliverer->announced_ms,
    };
    pt_buffer_clear(&deliverer->body);
    int r = pt_report_begin(&head, &deliverer->body);
    if (r == 0)
        r = pt_report_pulls_add(&deliverer->pulls, &deliverer->body);
    return r < 0 ? r : pt_report_end(&deliverer->body);
}

// --- the token ---

static bool is_set(struct pt_secret *token)
{
    return token && pt_secret_get(token)[0];
}

// Reads its file again if that has changed. "": there is none.
static const char *current_token(const struct pt_deliverer *deliverer)
{
    const struct pt_deliverer_options *options = &deliverer->options;
    struct pt_secret *token =
        options->identity && !deliverer->sends_shared ? options->identity : options->token;
    return token ? pt_secret_get(token) : "";
}

// The server may not have the rights to look at the ServiceAccount's token, or have got them since.
static void offer_other_token(struct pt_deliverer *deliverer, bool is_news)
{
    if (!deliverer->options.identity || !is_set(deliverer->options.token))
        return;
    deliverer->sends_shared = !deliverer->sends_shared;
    if (is_news)
        pt_log_info("server.token_refused",
                    pt_log_text("next", deliverer->sends_shared ? "shared" : "kubernetes"));
}

// --- its answer ---

static void schedule(struct pt_deliverer *deliverer, int64_t delay_ms)
{
    pt_timer_start(deliverer->timer, delay_ms < 1 ? 1 : delay_ms);
}

// In ms, the longest at most; 0 for what is no number of seconds.
static int64_t read_seconds(const char *value, int64_t longest_ms)
{
    long seconds = strtol(value, NULL, 10);
    if (seconds <= 0)
        return 0;
    return seconds < longest_ms / 1000 ? seconds * 1000 : longest_ms;
}

static void on_header(void *context, const char *name, const char *value)
{
    struct pt_deliverer *deliverer = context;
    if (strcasecmp(name, "retry-after") == 0)
        deliverer->retry_after_ms = read_seconds(value, PT_REPORT_LONGEST_RETRY_AFTER_MS);
    else if (strcasecmp(name, PT_REPORT_HEARTBEAT_HEADER) == 0)
        deliverer->asked_ms = read_seconds(value, PT_REPORT_LONGEST_HEARTBEAT_MS);
}

static int on_data(void *context, const char *data, size_t length)
{
    struct pt_deliverer *deliverer = context;
    pt_buffer_append(&deliverer->answer, data, length); // what does not fit is not logged
    return 0;
}

static void note_success(struct pt_deliverer *deliverer)
{
    if (deliverer->last_failure[0])
        pt_log_info("server.reachable", pt_log_text("url", deliverer->url));
    pt_readiness_set_server(deliverer->options.readiness, NULL);
    deliverer->last_failure[0] = '\0';
    deliverer->retry_ms = 0;
    deliverer->not_before_ms = 0;
    deliverer->heartbeat_ms =
        deliverer->asked_ms > PT_REPORT_HEARTBEAT_MS ? deliverer->asked_ms : PT_REPORT_HEARTBEAT_MS;
    deliverer->has_news |= pt_report_pulls_note_taken(&deliverer->pulls);
}

// Each kind of failure is logged once, not each attempt.
static void note_failure(struct pt_deliverer *deliverer, const struct pt_http_result *result)
{
    char failure[sizeof(deliverer->last_failure)];
    if (result->error)
        snprintf(failure, sizeof(failure), "%s", result->message);
    else
        snprintf(failure, sizeof(failure), "HTTP status %d", result->status);
    bool is_news = strcmp(failure, deliverer->last_failure) != 0;
    if (is_news)
        pt_log_warn("server.unreachable", pt_log_text("url", deliverer->url),
                    pt_log_text("error", failure), pt_log_text("answer", deliverer->answer.data));
    memcpy(deliverer->last_failure, failure, sizeof(failure));
    // One that has too much to do for the moment is reached.
    pt_readiness_set_server(deliverer->options.readiness, result->status == 429 ? NULL : failure);
    if (result->status == 429)
        deliverer->calm_until_ms = now_ms(deliverer) + PT_REPORT_CALM_MS;
    if (result->status == 401)
        offer_other_token(deliverer, is_news);
    if (result->status == 400 || result->status == 413)
        pt_report_pulls_note_refused(&deliverer->pulls);
    deliverer->retry_ms =
        pt_backoff_next(deliverer->retry_ms, PT_REPORT_FIRST_RETRY_MS, PT_REPORT_LAST_RETRY_MS);
    int64_t wait_ms = deliverer->retry_after_ms ? deliverer->retry_after_ms : deliverer->retry_ms;
    deliverer->not_before_ms = now_ms(deliverer) + wait_ms;
    deliverer->has_news = true;
}

static void run(struct pt_deliverer *deliverer, bool is_news);

static void on_done(void *context, const struct pt_http_result *result)
{
    struct pt_deliverer *deliverer = context;
    deliverer->request = NULL;
    if (is_fast(deliverer) && now_ms(deliverer) - deliverer->started_ms > PT_REPORT_SLOW_ANSWER_MS)
        deliverer->calm_until_ms = now_ms(deliverer) + PT_REPORT_CALM_MS;
    if (result->error == 0 && result->status >= 200 && result->status < 300)
        note_success(deliverer);
    else
        note_failure(deliverer, result);
    pt_buffer_finish(&deliverer->answer);
    if (deliverer->on_flushed && !deliverer->flush_again) {
        void (*on_flushed)(void *context) = deliverer->on_flushed;
        deliverer->on_flushed = NULL;
        on_flushed(deliverer->flush_context);
        return;
    }
    // The report that was in flight when the flush was asked for may lack the newest pulls.
    bool is_news = deliverer->flush_again;
    deliverer->flush_again = false;
    run(deliverer, is_news);
}

// --- sending ---

static int send_body(struct pt_deliverer *deliverer, struct pt_error *err)
{
    deliverer->retry_after_ms = deliverer->asked_ms = 0;
    pt_buffer_clear(&deliverer->answer);
    const struct pt_report_post post = {
        .http = deliverer->options.http,
        .url = deliverer->url,
        .ca_file = deliverer->options.ca_file,
        .token = current_token(deliverer),
        .content_type = "application/json",
        .body = deliverer->body.data,
        .body_length = deliverer->body.length,
        .max_answer_bytes = PT_LIMIT_REPORT_ANSWER_BYTES,
        .on_header = on_header,
        .on_data = on_data,
        .on_done = on_done,
        .context = deliverer,
    };
    return pt_report_post_start(&post, &deliverer->request, err);
}

static void report(struct pt_deliverer *deliverer)
{
    struct pt_error err = {0};
    deliverer->started_ms = now_ms(deliverer);
    deliverer->announced_ms = deliverer->pace_ms;
    if (deliverer->has_news && is_fast(deliverer) &&
        deliverer->announced_ms > 2 * PT_REPORT_SHORTEST_DISTANCE_MS)
        deliverer->announced_ms = 2 * PT_REPORT_SHORTEST_DISTANCE_MS;
    deliverer->has_news = false;
    int r = write_report(deliverer);
    if (r < 0)
        pt_error_set(&err, -r, "the report cannot be written: %s", strerror(-r));
    else
        r = send_body(deliverer, &err);
    // libcurl has a copy.
    pt_buffer_finish(&deliverer->body);
    if (r < 0) {
        const struct pt_http_result result = {.error = r, .message = err.message};
        note_failure(deliverer, &result);
    }
}

// How long to wait until the next report is due, from now.
static int64_t delay_ms(const struct pt_deliverer *deliverer)
{
    const struct pt_tracker *tracker = deliverer->options.tracker;
    if (deliverer->started_ms == 0)
        return 0;
    int64_t gap_ms = deliverer->heartbeat_ms;
    bool is_busy = pt_tracker_active_count(tracker) || pt_tracker_finished_count(tracker);
    // A little early is still in time.
    if (is_busy && deliverer->pace_ms < deliverer->heartbeat_ms)
        gap_ms = deliverer->pace_ms - deliverer->pace_ms / 10;
    int64_t news_ms = is_fast(deliverer) ? PT_REPORT_SOON_MS : PT_REPORT_NEWS_MS;
    if (deliverer->has_news && gap_ms > news_ms)
        gap_ms = news_ms;
    if (gap_ms < pt_deliverer_shortest_ms(deliverer))
        gap_ms = pt_deliverer_shortest_ms(deliverer);
    int64_t due_ms = deliverer->started_ms + gap_ms;
    if (due_ms < deliverer->not_before_ms)
        due_ms = deliverer->not_before_ms;
    return due_ms - now_ms(deliverer);
}

// The observations set the pace, so that each report holds a new one; the timer only stands in for
// an observation that does not come.
static int64_t stand_in_ms(const struct pt_deliverer *deliverer)
{
    int64_t half_ms = deliverer->pace_ms / 2;
    if (deliverer->has_news)
        return 0;
    return half_ms < PT_REPORT_STAND_IN_MS ? half_ms : PT_REPORT_STAND_IN_MS;
}

static void run(struct pt_deliverer *deliverer, bool is_news)
{
    deliverer->has_news |= is_news;
    if (deliverer->request)
        return; // its answer comes back here
    int64_t wait_ms = delay_ms(deliverer);
    if (wait_ms <= 0)
        report(deliverer);
    if (!deliverer->request)
        schedule(deliverer, (wait_ms > 0 ? wait_ms : delay_ms(deliverer)) + stand_in_ms(deliverer));
}

static void on_timer(void *context)
{
    run(context, false);
}

// --- what the header promises ---

static void warn_of_clear_token(const struct pt_deliverer_options *options)
{
    if ((options->identity || is_set(options->token)) && pt_url_is_in_clear(options->server_url))
        pt_log_warn("server.token_in_clear", pt_log_text("url", options->server_url),
                    pt_log_text("advice", "the agent token travels unencrypted to another host; "
                                          "use an https:// URL"));
}

// Names this process, as no other of the node is named.
static int name_run(struct pt_deliverer *deliverer, struct pt_error *err)
{
    uint64_t number;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return pt_error_set(err, errno, "no randomness: %s", strerror(errno));
    snprintf(deliverer->run, sizeof(deliverer->run), "%016" PRIx64, number);
    return 0;
}

int pt_deliverer_create(const struct pt_deliverer_options *options,
                        struct pt_deliverer **ret_deliverer, struct pt_error *err)
{
    struct pt_deliverer *deliverer = calloc(1, sizeof(*deliverer));
    if (!deliverer)
        return pt_error_set(err, ENOMEM, "out of memory");
    deliverer->options = *options;
    deliverer->heartbeat_ms = PT_REPORT_HEARTBEAT_MS;
    pt_buffer_init(&deliverer->body, PT_LIMIT_REPORT_BYTES);
    pt_buffer_init(&deliverer->answer, 512);
    deliverer->timer = pt_timer_create(options->base, options->clock, on_timer, deliverer);
    deliverer->url = pt_url_join(options->server_url, PT_REPORT_PATH);
    if (!deliverer->timer || !deliverer->url) {
        pt_deliverer_destroy(deliverer);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    pt_report_pulls_init(&deliverer->pulls, options->tracker, deliverer->url);
    int r = name_run(deliverer, err);
    if (r < 0) {
        pt_deliverer_destroy(deliverer);
        return r;
    }
    warn_of_clear_token(options);
    *ret_deliverer = deliverer;
    return 0;
}

void pt_deliverer_destroy(struct pt_deliverer *deliverer)
{
    if (!deliverer)
        return;
    if (deliverer->request)
        pt_http_request_cancel(deliverer->request);
    pt_timer_destroy(deliverer->timer);
    pt_buffer_finish(&deliverer->body);
    pt_buffer_finish(&deliverer->answer);
    free(deliverer->url);
    free(deliverer->runtime_name);
    free(deliverer->runtime_version);
    free(deliverer);
}

void pt_deliverer_set_runtime(struct pt_deliverer *deliverer, const char *name, const char *version)
{
    if (pt_text_replace((const char **)&deliverer->runtime_name, name, NULL) < 0 ||
        pt_text_replace((const char **)&deliverer->runtime_version, version, NULL) < 0)
        return; // out of memory: what was known before is reported
}

void pt_deliverer_run(struct pt_deliverer *deliverer, bool is_news, int64_t pace_ms)
{
    deliverer->pace_ms = pace_ms;
    run(deliverer, is_news);
}

int64_t pt_deliverer_shortest_ms(const struct pt_deliverer *deliverer)
{
    return now_ms(deliverer) < deliverer->calm_until_ms ? PT_REPORT_NEWS_MS : 0;
}

void pt_deliverer_flush(struct pt_deliverer *deliverer, void (*on_flushed)(void *context),
                        void *context)
{
    if (pt_tracker_finished_count(deliverer->options.tracker) == 0 || deliverer->retry_ms) {
        on_flushed(context);
        return;
    }
    deliverer->on_flushed = on_flushed;
    deliverer->flush_context = context;
    deliverer->flush_again = deliverer->request != NULL;
    run(deliverer, true);
}
