// SPDX-License-Identifier: Apache-2.0
#include "server/api/api.h"

#include "base/metric_text.h"
#include "server/api/allowed_host.h"
#include "server/api/api_query.h"
#include "server/api/http_metrics.h"
#include "server/cluster/kube_feed.h"
#include "server/holdup/hold_ups.h"
#include "server/http/assets.h"
#include "server/http/http_reply.h"
#include "server/identity/identity.h"
#include "server/share/share.h"
#include "server/stream/event_feed.h"

#include <stdio.h>
#include <string.h>

static void reply_text(struct pt_request *request, const char *text)
{
    pt_request_add_reply_header(request, "Cache-Control", "no-store");
    pt_reply(request, 200, "text/plain; charset=utf-8", text, strlen(text));
}

static void on_health(struct pt_api *api, struct pt_request *request)
{
    (void)api;
    reply_text(request, "ok");
}

// Pulls are shown without Kubernetes too, so that readiness does not wait for it.
static void on_ready(struct pt_api *api, struct pt_request *request)
{
    const char *missing = pt_kube_feed_missing(api->kube);
    char words[256] = "ok";
    if (!missing && api->agent_token.identity)
        missing = pt_agent_token_stands_in(&api->agent_token)
                      ? "agents are known by the shared token only, as the server may not look at "
                        "those of Kubernetes"
                      : pt_identity_missing(api->agent_token.identity);
    if (!missing && api->share)
        missing = pt_share_missing(api->share);
    if (missing)
        (void)snprintf(words, sizeof(words), "ok, but %s", missing);
    if (pt_http_server_is_draining(api->server))
        pt_reply_error(request, PT_PROBLEM_SHUTTING_DOWN, 1, "shutting down");
    else if (api->share && !pt_share_is_ready(api->share))
        pt_reply_error(request, PT_PROBLEM_NOT_READY, 1,
                       "what the other servers know has not been read yet%s",
                       pt_share_missing(api->share)
                           ? ": their log cannot be reached, or refuses this server, whose own "
                             "log says why (share.unreachable)"
                           : "");
    else
        reply_text(request, words);
}

static const char report_path[] = "/api/v1/report";

#define READS (PT_HTTP_GET | PT_HTTP_HEAD)

#define FILTERS "node,namespace,pod,image,status,layers"

static const struct {
    const char *path;
    unsigned methods;
    const char *parameters; // that there are, comma-separated; NULL: any is passed over
    void (*handle)(struct pt_api *api, struct pt_request *request);
} routes[] = {
    {report_path, PT_HTTP_POST, NULL, pt_api_report},
    {"/api/v1/pulls", READS, FILTERS ",limit,cursor,sort", pt_api_pulls},
    {"/api/v1/events", READS, FILTERS ",types,hello,lastEventId", pt_api_events},
    {"/api/v1/summary", READS, "", pt_api_summary},
    {"/api/v1/nodes", READS, "node", pt_api_nodes},
    {"/api/v1/registries", READS, "", pt_api_registries},
    {"/api/v1/pods", READS, "waiting,limit,cursor", pt_api_pods},
    {"/healthz", READS, NULL, on_health},
    {"/readyz", READS, NULL, on_ready},
};

static const char api_prefix[] = "/api/v1/";
static const char pulls_prefix[] = "/api/v1/pulls/";
static const char pods_prefix[] = "/api/v1/pods/";

static bool reads(struct pt_request *request)
{
    return request->method & READS;
}

// One pull or one pod; false: the path is neither's, and nothing has been answered.
static bool handle_one(struct pt_api *api, struct pt_request *request)
{
    const char *path = request->path;
    bool is_pull = strncmp(path, pulls_prefix, strlen(pulls_prefix)) == 0;
    if (!is_pull && strncmp(path, pods_prefix, strlen(pods_prefix)) != 0)
        return false;
    if (!pt_api_admits_query(request, ""))
        return true;
    if (is_pull)
        pt_api_pull(api, request, path + strlen(pulls_prefix));
    else
        pt_api_pod(api, request, path + strlen(pods_prefix));
    return true;
}

// A file of the page, or a document of the API, which takes parameters as the rest of it does.
static bool handle_file(struct pt_request *request)
{
    const char *path = request->path;
    if (strncmp(path, api_prefix, strlen(api_prefix)) == 0 && pt_assets_have(path) &&
        !pt_api_admits_query(request, ""))
        return true;
    return pt_assets_serve(request, path);
}

// What has no address of its own in the table: one pull or pod, a file, or nothing.
static void handle_other(struct pt_api *api, struct pt_request *request)
{
    if (!reads(request))
        pt_reply_method_not_allowed(request, "GET, HEAD");
    else if (request->body_left_out)
        pt_reply_error(request, PT_PROBLEM_BODY_NOT_TAKEN, 0, "no body is taken at this address");
    else if (!handle_one(api, request) && !handle_file(request))
        pt_reply_error(request, PT_PROBLEM_NOT_FOUND, 0, "there is nothing at this address");
}

static bool is_probe(const struct pt_request *request)
{
    return strcmp(request->path, "/healthz") == 0 || strcmp(request->path, "/readyz") == 0;
}

static bool is_asked_by_its_name(const struct pt_api *api, const struct pt_request *request)
{
    return !*api->allowed_hosts ||
           pt_host_is_allowed(api->allowed_hosts, pt_request_header(request, "Host"));
}

// Refuses what is not to be looked at any further; true: it is answered.
static bool turn_away(struct pt_api *api, struct pt_request *request, bool may_be_extra)
{
    if (!is_asked_by_its_name(api, request))
        pt_reply_error(request, PT_PROBLEM_HOST, 0,
                       "this server does not go by that name (PULLTRACE_ALLOWED_HOSTS)");
    else if (request->is_extra && !may_be_extra)
        pt_reply_error(request, PT_PROBLEM_CONNECTION_LIMIT, 5,
                       "the server has its maximum of connections");
    else
        return false;
    return true;
}

bool pt_api_wants_report(void *context, struct pt_request *request)
{
    struct pt_api *api = context;
    if (request->method != PT_HTTP_POST || strcmp(request->path, report_path) != 0 ||
        request->is_extra)
        return false;
    request->is_admitted = pt_api_admits_report(api, request, &api->refusal);
    request->is_refused = !request->is_admitted;
    return request->is_admitted;
}

bool pt_api_wants_body(void *context, struct pt_request *request)
{
    struct pt_api *api = context;
    return !api->agent_server && is_asked_by_its_name(api, request) &&
           pt_api_wants_report(context, request);
}

bool pt_api_wants_no_body(void *context, struct pt_request *request)
{
    (void)context;
    (void)request;
    return false;
}

static void handle_route(struct pt_api *api, struct pt_request *request, size_t route)
{
    bool is_report = routes[route].path == report_path;
    if (!(routes[route].methods & request->method))
        pt_reply_method_not_allowed(request, is_report ? "POST" : "GET, HEAD");
    else if (request->body_left_out && !is_report)
        pt_reply_error(request, PT_PROBLEM_BODY_NOT_TAKEN, 0, "no body is taken at this address");
    else if (api->agent_server && is_report)
        pt_api_refuse_report(api, request);
    else if (!routes[route].parameters || pt_api_admits_query(request, routes[route].parameters))
        routes[route].handle(api, request);
}

void pt_api_reply_json(struct pt_request *request, int written, struct pt_buffer *out)
{
    pt_request_add_reply_header(request, "Cache-Control", "no-store");
    if (written < 0)
        pt_reply_error(request, PT_PROBLEM_OUT_OF_MEMORY, 5, "out of memory");
    else
        pt_reply(request, 200, "application/json", out->data, out->length);
    pt_buffer_finish(out);
}

void pt_api_handle(void *context, struct pt_request *request)
{
    struct pt_api *api = context;
    if (turn_away(api, request, is_probe(request)))
        return;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, request->path) == 0) {
            handle_route(api, request, i);
            return;
        }
    }
    handle_other(api, request);
}

void pt_api_handle_agents(void *context, struct pt_request *request)
{
    struct pt_api *api = context;
    if (request->is_extra)
        pt_reply_error(request, PT_PROBLEM_CONNECTION_LIMIT, 5,
                       "the server has its maximum of connections");
    else if (strcmp(request->path, report_path) != 0)
        pt_reply_error(request, PT_PROBLEM_NOT_FOUND, 0,
                       "only reports are taken here, by POST to %s", report_path);
    else if (request->method != PT_HTTP_POST)
        pt_reply_method_not_allowed(request, "POST");
    else
        pt_api_report(api, request);
}

static int write_kube_metrics(const struct pt_api *api, struct pt_buffer *out)
{
    pt_kube_feed_write_metrics(api->kube, out);
    pt_identity_write_metrics(api->agent_token.identity, out);
    if (api->share)
        pt_share_write_metrics(api->share, out);
    return out->failure;
}

static int write_stalled(const struct pt_hold_ups *hold_ups, struct pt_buffer *out)
{
    struct pt_registry_status registry;
    size_t stalled = 0;
    for (size_t i = 0; pt_hold_ups_registry(hold_ups, i, &registry); i++)
        stalled += registry.stalled;
    pt_metric_number(out, "pulltrace_pulls_stalled", "gauge",
                     "Pulls under way that get no bytes, or resolve for long.", stalled);
    return out->failure;
}

void pt_api_handle_metrics(void *context, struct pt_request *request)
{
    struct pt_api *api = context;
    if (turn_away(api, request, true))
        return;
    if (strcmp(request->path, "/metrics") != 0) {
        pt_reply_error(request, PT_PROBLEM_NOT_FOUND, 0, "only /metrics is served here");
        return;
    }
    if (!reads(request)) {
        pt_reply_method_not_allowed(request, "GET, HEAD");
        return;
    }
    struct pt_buffer out;
    pt_buffer_init(&out, PT_METRICS_MAX_BYTES);
    if (pt_metrics_write(api->metrics, api->store, pt_event_feed_stream(api->feed),
                         api->started_wall_ns, &out) < 0 ||
        write_kube_metrics(api, &out) < 0 || write_stalled(api->hold_ups, &out) < 0 ||
        pt_http_metrics_write(api->server, api->agent_server, api->loop, &out) < 0)
        pt_reply_error(request, PT_PROBLEM_OUT_OF_MEMORY, 5, "out of memory");
    else
        pt_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.length);
    pt_buffer_finish(&out);
}
