// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_API_H
#define PT_SERVER_API_API_H

#include "base/clock.h"
#include "base/warn_pace.h"
#include "server/api/agent_token.h"
#include "server/api/metrics.h"
#include "server/api/pull_list.h"
#include "server/http/http_request.h"
#include "server/http/http_server.h"
#include "server/store/pull_store.h"
#include "server/stream/event_stream.h"

#include <stdbool.h>

struct event_base;
struct pt_event_feed;
struct pt_hold_ups;
struct pt_kube_feed;
struct pt_long_answers;
struct pt_loop;
struct pt_report_queue;
struct pt_share;

// Why a report is refused by its head.
struct pt_refusal {
    enum pt_rejection reason;
    struct pt_admission token; // of PT_REJECTED_TOKEN and PT_REJECTED_TOKEN_UNCHECKED
};

// What the handlers of all addresses work on.
struct pt_api {
    struct event_base *base;
    const struct pt_clock *clock;
    struct pt_pull_store *store;
    struct pt_metrics *metrics;
    struct pt_event_feed *feed;
    struct pt_agent_token agent_token;
    const struct pt_kube_feed *kube; // NULL: not configured
    struct pt_hold_ups *hold_ups;
    struct pt_http_server *server;
    struct pt_http_server *agent_server; // NULL: reports come to the public address
    struct pt_http_server *metrics_server;
    const struct pt_loop *loop;
    int64_t started_wall_ns;
    int64_t started_ns; // monotonic
    struct pt_warn_pace left_out_pace, limit_pace, node_pace;
    struct pt_long_answers *long_answers;
    struct pt_report_queue *reports;
    struct pt_share *share; // NULL: this server is alone
    struct pt_pull_lists lists;
    struct pt_refusal refusal; // of the request that is being refused
    const char *allowed_hosts; // comma-separated, empty: any
    const char *cluster_name;  // empty: not set
};

// Finds the handler for a request to the public address, which takes no report if agents have
// their own.
void pt_api_handle(void *context, struct pt_request *request);

// Only a report has a body, and only when its head is in order.
bool pt_api_wants_body(void *context, struct pt_request *request);

// The same two for the agents' own address, where a report is all that is taken.
void pt_api_handle_agents(void *context, struct pt_request *request);
bool pt_api_wants_report(void *context, struct pt_request *request);

// Answers /metrics, and nothing else.
void pt_api_handle_metrics(void *context, struct pt_request *request);

bool pt_api_wants_no_body(void *context, struct pt_request *request);

// Whether the head of a report says all that it must, which is noted in the request; false:
// *ret_refusal is why not.
bool pt_api_admits_report(struct pt_api *api, struct pt_request *request,
                          struct pt_refusal *ret_refusal);

// Answers with a JSON document that is in the buffer whole, or 503 if `written` says that it is
// not; finishes the buffer.
void pt_api_reply_json(struct pt_request *request, int written, struct pt_buffer *out);

// One handler for each address; docs/api.md says what each answers.
void pt_api_report(struct pt_api *api, struct pt_request *request);

// Refuses one that came to another address than the agents' own.
void pt_api_refuse_report(struct pt_api *api, struct pt_request *request);

// Answers a report that has taken several turns; pt_report_done_fn of report_queue.h.
void pt_api_report_done(void *context, struct pt_request *request, const struct pt_report *report,
                        int result, const struct pt_error *err);

// Answers a report that has been through the log; on_taken of share.h.
void pt_api_report_shared(void *context, struct pt_request *request, bool is_in_log, bool has_end);

void pt_api_pulls(struct pt_api *api, struct pt_request *request);
void pt_api_pull(struct pt_api *api, struct pt_request *request, const char *id);
void pt_api_events(struct pt_api *api, struct pt_request *request);
void pt_api_summary(struct pt_api *api, struct pt_request *request);
void pt_api_nodes(struct pt_api *api, struct pt_request *request);
void pt_api_registries(struct pt_api *api, struct pt_request *request);
void pt_api_pods(struct pt_api *api, struct pt_request *request);
void pt_api_pod(struct pt_api *api, struct pt_request *request, const char *path);

#endif
