// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/log.h"
#include "base/rhythm.h"
#include "pull/report.h"
#include "server/api/allowed_host.h"
#include "server/api/api.h"
#include "server/http/http_connection.h"
#include "server/http/http_reply.h"
#include "server/ingest/report_queue.h"
#include "server/share/share.h"
#include "server/stream/event_feed.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

_Static_assert(PT_REQUEST_ADMISSION_SIZE == PT_TOKEN_KEY_SIZE, "the key has room in a request");

// A report of no more than this is taken at once.
#define SMALL_BYTES (64 * 1024)
#define SMALL_PULLS 64

// `application/json`, maybe with parameters such as a charset; and not compressed.
static bool is_json(const struct pt_request *request)
{
    const char *type = pt_request_header(request, "Content-Type");
    const char *coding = pt_request_header(request, "Content-Encoding");
    static const char json[] = "application/json";
    size_t length = strlen(json);
    return type && strncasecmp(type, json, length) == 0 &&
           (!type[length] || strchr("; \t", type[length])) &&
           (!coding || strcasecmp(coding, "identity") == 0);
}

// What is answered to a report that is refused.
static const struct {
    enum pt_problem problem;
    int retry_after_s;
} answers[PT_REJECTION_COUNT] = {
    [PT_REJECTED_ADDRESS] = {PT_PROBLEM_REPORT_ADDRESS, 0},
    [PT_REJECTED_TOKEN] = {PT_PROBLEM_REPORT_TOKEN, 0},
    [PT_REJECTED_TOKEN_UNCHECKED] = {PT_PROBLEM_REPORT_TOKEN_UNCHECKED, 0}, // says it itself
    [PT_REJECTED_NODE] = {PT_PROBLEM_REPORT_NODE, 0},
    [PT_REJECTED_ORIGIN] = {PT_PROBLEM_REPORT_ORIGIN, 0},
    [PT_REJECTED_CONTENT_TYPE] = {PT_PROBLEM_REPORT_TYPE, 0},
    [PT_REJECTED_INVALID] = {PT_PROBLEM_REPORT_INVALID, 0},
    [PT_REJECTED_TOO_LARGE] = {PT_PROBLEM_REPORT_TOO_LARGE, 0},
    [PT_REJECTED_TOO_SOON] = {PT_PROBLEM_REPORT_TOO_SOON, 1},
    [PT_REJECTED_NODE_LIMIT] = {PT_PROBLEM_NODE_LIMIT, 30},
    [PT_REJECTED_PULL_LIMIT] = {PT_PROBLEM_PULL_LIMIT, 5},
    [PT_REJECTED_NODE_PULL_LIMIT] = {PT_PROBLEM_NODE_PULL_LIMIT, 5},
    [PT_REJECTED_STORE_MEMORY] = {PT_PROBLEM_STORE_MEMORY, 5},
    [PT_REJECTED_NODE_MEMORY] = {PT_PROBLEM_NODE_MEMORY, 5},
    [PT_REJECTED_MEMORY] = {PT_PROBLEM_OUT_OF_MEMORY, 5},
    [PT_REJECTED_NOT_SHARED] = {PT_PROBLEM_NOT_SHARED, 1},
};

static void reject(struct pt_api *api, struct pt_request *request, enum pt_rejection reason,
                   const char *message)
{
    api->metrics->rejected[reason]++;
    pt_reply_error(request, answers[reason].problem, answers[reason].retry_after_s, "%s", message);
}

void pt_api_refuse_report(struct pt_api *api, struct pt_request *request)
{
    reject(api, request, PT_REJECTED_ADDRESS,
           "reports are taken at the agents' address (PULLTRACE_AGENT_ADDR)");
}

// By what the store and the decoder say.
static enum pt_rejection rejection_of(int code)
{
    switch (code) {
    case EPERM:
        return PT_REJECTED_NODE;
    case EMSGSIZE:
        return PT_REJECTED_TOO_LARGE;
    case EAGAIN:
        return PT_REJECTED_TOO_SOON;
    case ENOSPC:
        return PT_REJECTED_NODE_LIMIT;
    case EDQUOT:
        return PT_REJECTED_PULL_LIMIT;
    case E2BIG:
        return PT_REJECTED_NODE_PULL_LIMIT;
    case ENOBUFS:
        return PT_REJECTED_STORE_MEMORY;
    case EFBIG:
        return PT_REJECTED_NODE_MEMORY;
    case ENOMEM:
        return PT_REJECTED_MEMORY;
    default:
        return PT_REJECTED_INVALID;
    }
}

// Counts the pulls that were left out; the first one's fault is logged, once a minute at most.
static void note_left_out(struct pt_api *api, const struct pt_report *report)
{
    const struct pt_left_out *left_out = &report->left_out;
    if (left_out->invalid + left_out->too_large == 0)
        return;
    api->metrics->pulls_invalid += left_out->invalid;
    api->metrics->pulls_too_large += left_out->too_large;
    if (!pt_warn_pace_admits(&api->left_out_pace, pt_clock_monotonic_ns(api->clock)))
        return;
    pt_log_warn("report.pull_left_out", pt_log_text("node", report->node_name),
                pt_log_text("error", left_out->why.message));
}

// A limit of nodes or pulls is reached; that of the memory is logged where it is counted.
static void note_limit(struct pt_api *api, const char *node_name, const struct pt_error *err)
{
    bool is_limit = err->code == ENOSPC || err->code == EDQUOT || err->code == E2BIG;
    if (is_limit && pt_warn_pace_admits(&api->limit_pace, pt_clock_monotonic_ns(api->clock)))
        pt_log_warn("report.limit", pt_log_text("node", node_name),
                    pt_log_text("error", err->message));
}

bool pt_api_admits_report(struct pt_api *api, struct pt_request *request,
                          struct pt_refusal *ret_refusal)
{
    struct pt_admission *token = &ret_refusal->token;
    pt_agent_token_judge(&api->agent_token, pt_clock_monotonic_ns(api->clock),
                         pt_request_header(request, "Authorization"),
                         pt_connection_peer(request->connection)->name, token);
    if (token->answer != PT_TOKEN_ADMITTED)
        ret_refusal->reason =
            token->answer == PT_TOKEN_WRONG ? PT_REJECTED_TOKEN : PT_REJECTED_TOKEN_UNCHECKED;
    else if (pt_origin_is_foreign(pt_request_header(request, "Sec-Fetch-Site"),
                                  pt_request_header(request, "Origin"),
                                  pt_request_header(request, "Host")))
        ret_refusal->reason = PT_REJECTED_ORIGIN;
    else if (!is_json(request))
        ret_refusal->reason = PT_REJECTED_CONTENT_TYPE;
    else {
        memcpy(request->admission, token->key, sizeof(request->admission));
        return true;
    }
    return false;
}

static void reject_unchecked(struct pt_api *api, struct pt_request *request, int retry_after_s,
                             const char *words)
{
    api->metrics->rejected[PT_REJECTED_TOKEN_UNCHECKED]++;
    pt_reply_error(request, PT_PROBLEM_REPORT_TOKEN_UNCHECKED, retry_after_s, "%s", words);
}

static void reject_head(struct pt_api *api, struct pt_request *request,
                        const struct pt_refusal *refusal)
{
    enum pt_rejection reason = refusal->reason;
    if (reason == PT_REJECTED_ORIGIN) {
        reject(api, request, reason, "a page of another origin cannot report");
    } else if (reason == PT_REJECTED_TOKEN) {
        pt_request_add_reply_header(request, "WWW-Authenticate", "Bearer");
        reject(api, request, reason, refusal->token.words);
    } else if (reason == PT_REJECTED_TOKEN_UNCHECKED) {
        reject_unchecked(api, request, refusal->token.retry_after_s, refusal->token.words);
    } else {
        reject(api, request, reason, "the body must be plain application/json");
    }
}

// The heartbeat that is asked for; 0: the usual one, which agents keep by themselves.
static int heartbeat_s(const struct pt_api *api)
{
    int64_t ms = pt_store_heartbeat_ms(api->store);
    return ms == PT_REPORT_HEARTBEAT_MS ? 0 : (int)(ms / 1000);
}

static void note_wrong_node(struct pt_api *api, const struct pt_error *err)
{
    if (err->code == EPERM &&
        pt_warn_pace_admits(&api->node_pace, pt_clock_monotonic_ns(api->clock)))
        pt_log_warn("report.other_node", pt_log_text("error", err->message));
}

static void answer_taken(struct pt_api *api, struct pt_request *request, bool has_ended)
{
    request->heartbeat_s = heartbeat_s(api);
    pt_event_feed_answer(api->feed, request, has_ended);
}

// The store has applied what it had room for.
static bool is_partly_applied(int code)
{
    return code == EDQUOT || code == E2BIG || code == ENOBUFS || code == EFBIG;
}

// `request` is NULL when its client has gone.
static void reply(struct pt_api *api, struct pt_request *request, const struct pt_report *report,
                  int result, bool has_ended, const struct pt_error *err)
{
    if (report && result < 0) {
        note_limit(api, report->node_name, err);
        note_wrong_node(api, err);
    }
    api->metrics->reports += result == 0;
    bool is_applied = report && (result == 0 || is_partly_applied(err->code));
    // What is refused for a part is answered at once; the rest goes to the others.
    if (api->share && request && is_applied) {
        bool is_shared = pt_share_take(api->share, result == 0 ? request : NULL, report,
                                       request->body, request->body_length);
        if (result == 0 && !is_shared)
            pt_api_report_shared(api, request, false, pt_share_has_end(report));
        if (result == 0)
            return;
    }
    if (!request)
        return;
    if (result < 0) {
        reject(api, request, rejection_of(err->code), err->message);
        return;
    }
    answer_taken(api, request, has_ended);
}

void pt_api_report_shared(void *context, struct pt_request *request, bool is_in_log, bool has_end)
{
    struct pt_api *api = context;
    if (is_in_log || !has_end)
        answer_taken(api, request, has_end);
    else
        reject(api, request, PT_REJECTED_NOT_SHARED,
               "the log that several servers share cannot be reached: send the end again");
}

void pt_api_report_done(void *context, struct pt_request *request, const struct pt_report *report,
                        int result, const struct pt_error *err)
{
    struct pt_api *api = context;
    if (report && (result == 0 || err->code != EPERM))
        note_left_out(api, report);
    reply(api, request, report, result, true, err); // in some turn, most likely
}

// Leaves a report to the next turns of the loop.
static void put_off(struct pt_api *api, struct pt_request *request, const char *node_name)
{
    if (pt_report_queue_add(api->reports, request, node_name) < 0)
        reject(api, request, PT_REJECTED_MEMORY, "out of memory");
}

static void take(struct pt_api *api, struct pt_request *request, const struct pt_report *report,
                 const char *node_name)
{
    struct pt_error err;
    uint64_t ends = api->metrics->ends;
    int r = pt_report_check_node(report, node_name, &err);
    if (r == 0) {
        note_left_out(api, report);
        r = pt_store_apply(api->store, report, &err);
    }
    reply(api, request, report, r, api->metrics->ends > ends, &err);
}

static void read_and_take(struct pt_api *api, struct pt_request *request, const char *node_name)
{
    struct pt_error err;
    struct pt_report report;
    int r = pt_report_decode(request->body, request->body_length, &report, &err);
    if (r < 0) {
        reply(api, request, NULL, r, false, &err);
        return;
    }
    if (report.pull_count > SMALL_PULLS)
        put_off(api, request, node_name); // it is read again, which is quick
    else
        take(api, request, &report, node_name);
    pt_report_finish(&report);
}

void pt_api_report(struct pt_api *api, struct pt_request *request)
{
    const char *node_name = NULL;
    if (request->is_refused ||
        (!request->is_admitted && !pt_api_admits_report(api, request, &api->refusal))) {
        reject_head(api, request, &api->refusal);
        return;
    }
    if (*request->admission) {
        node_name = pt_agent_token_node(&api->agent_token, request->admission);
        if (!node_name) {
            reject_unchecked(api, request, 1,
                             "the agent's token is not known any more: send the report again");
            return;
        }
    }
    if (request->body_length > SMALL_BYTES)
        put_off(api, request, node_name);
    else
        read_and_take(api, request, node_name);
}
