// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/rhythm.h"
#include "pull/json_writer.h"
#include "server/api/api.h"
#include "server/api/api_query.h"
#include "server/api/long_answer.h"
#include "server/cluster/cluster_nodes.h"
#include "server/cluster/kube_feed.h"
#include "server/holdup/hold_ups.h"
#include "server/http/http_reply.h"
#include "server/share/share.h"

#include <stdlib.h>

#define MAX_SUMMARY_BYTES 4096
#define MAX_REGISTRIES_BYTES (256 * 1024)
#define MAX_NODE_BYTES (64 * 1024)
#define PART_NODES 200
#define PART_BYTES (64 * 1024)
#define AGENTS_KNOWN_NS (PT_REPORT_AGENTS_KNOWN_MS * PT_NS_PER_MS)

// --- /api/v1/summary ---

static void write_count(struct pt_buffer *out, const char *key, size_t count)
{
    pt_json_integer(out, key, (int64_t)count);
}

// Unknown, which is negative, is left out.
static void write_seconds(struct pt_buffer *out, const char *key, double seconds)
{
    if (seconds >= 0)
        pt_json_number(out, key, seconds);
}

static void write_text(struct pt_buffer *out, const char *key, const char *text)
{
    if (text)
        pt_json_text(out, key, text, PT_LIMIT_NAME_BYTES);
}

static int write_summary(const struct pt_api *api, struct pt_buffer *out)
{
    struct pt_store_figures figures = pt_store_figures(api->store);
    pt_json_begin(out);
    write_count(out, "activePulls", figures.under_way);
    write_count(out, "queuedPulls", figures.queued);
    write_count(out, "failedPulls", figures.failed);
    write_count(out, "completedPulls", figures.completed);
    write_count(out, "checks", figures.checks);
    pt_json_integer(out, "bytesPerSec", (int64_t)pt_store_speed(api->store));
    write_count(out, "nodesReporting", figures.nodes_reporting);
    write_count(out, "nodesSilent", figures.nodes_silent);
    write_count(out, "waitingPods", pt_kube_feed_waiting_pods(api->kube));
    write_seconds(out, "pullSecondsP50", pt_store_pull_seconds(api->store, 0.5));
    write_seconds(out, "pullSecondsP95", pt_store_pull_seconds(api->store, 0.95));
    write_seconds(out, "historySeconds", (double)figures.history_ns / 1e9);
    write_text(out, "serverVersion", PT_VERSION);
    if (*api->cluster_name)
        write_text(out, "cluster", api->cluster_name);
    if (api->share && pt_share_missing(api->share))
        write_text(out, "apart", pt_share_missing(api->share));
    write_text(out, "missing", pt_kube_feed_missing(api->kube));
    write_text(out, "agentsKnownBy", pt_agent_token_known_by(&api->agent_token));
    pt_json_time(out, "startedAt", api->started_wall_ns);
    pt_json_time(out, "now", pt_clock_wall_ns(api->clock));
    pt_json_close(out, '}');
    return out->failure;
}

void pt_api_summary(struct pt_api *api, struct pt_request *request)
{
    struct pt_buffer out;
    pt_buffer_init(&out, MAX_SUMMARY_BYTES);
    pt_api_reply_json(request, write_summary(api, &out), &out);
}

// --- /api/v1/registries ---

enum past { PAST_SPEED, PAST_STALLED, PAST_FAILED };

static int64_t figure_of(const struct pt_registry_step *step, enum past past)
{
    return past == PAST_SPEED     ? (int64_t)step->bytes_per_second
           : past == PAST_STALLED ? step->stalled
                                  : step->failed;
}

// One figure of each step, the oldest first.
static void write_past(struct pt_buffer *out, const struct pt_registry_history *history,
                       size_t index, enum past past, const char *name)
{
    pt_json_open(out, name, '[');
    for (size_t ago = pt_registry_history_steps(history); ago-- > 0;) {
        struct pt_registry_step step = pt_registry_history_step(history, index, ago);
        pt_json_integer(out, NULL, figure_of(&step, past));
    }
    pt_json_close(out, ']');
}

static void write_registry(struct pt_buffer *out, const struct pt_registry_history *history,
                           size_t index, const struct pt_registry_status *registry)
{
    pt_json_open(out, NULL, '{');
    write_text(out, "registry", registry->name);
    write_count(out, "activePulls", registry->active);
    write_count(out, "stalledPulls", registry->stalled);
    pt_json_integer(out, "bytesPerSec", (int64_t)registry->bytes_per_second);
    pt_json_integer(out, "medianBytesPerSec", (int64_t)registry->median_bytes_per_second);
    pt_json_open(out, "failed", '{');
    for (size_t i = 0; i < PT_FAILURE_CLASS_COUNT; i++) {
        const char *name = pt_failure_class_name((enum pt_failure_class)i);
        if (name && registry->failed[i] > 0)
            write_count(out, name, registry->failed[i]);
    }
    pt_json_close(out, '}');
    pt_json_open(out, "history", '{');
    write_past(out, history, index, PAST_SPEED, "bytesPerSec");
    write_past(out, history, index, PAST_STALLED, "stalledPulls");
    write_past(out, history, index, PAST_FAILED, "failed");
    pt_json_close(out, '}');
    pt_json_close(out, '}');
}

static int write_registries(const struct pt_api *api, struct pt_buffer *out)
{
    const struct pt_registry_history *history = pt_hold_ups_history(api->hold_ups);
    struct pt_registry_status registry;
    pt_json_begin(out);
    pt_json_integer(out, "stepSeconds", PT_REGISTRY_STEP_NS / PT_NS_PER_S);
    pt_json_integer(out, "leftOut", (int64_t)pt_registry_history_left_out(history));
    pt_json_open(out, "registries", '[');
    for (size_t i = 0; pt_hold_ups_registry(api->hold_ups, i, &registry); i++)
        write_registry(out, history, i, &registry);
    pt_json_close(out, ']');
    pt_json_close(out, '}');
    return out->failure;
}

void pt_api_registries(struct pt_api *api, struct pt_request *request)
{
    struct pt_buffer out;
    pt_buffer_init(&out, MAX_REGISTRIES_BYTES);
    pt_api_reply_json(request, write_registries(api, &out), &out);
}

// --- /api/v1/nodes ---

// The nodes of an answer: those of the store as they came, then those that the cluster alone knows.
// They are looked at part by part, as the client takes them. Of the store's the last one that was
// written is pinned, and no other.
struct node_list {
    const struct pt_pull_store *store;
    struct pt_cluster_nodes *cluster; // NULL: nothing is known of it
    const struct pt_hold_ups *hold_ups;
    bool are_agents_known; // who reports at all has done so
    struct pt_node *last;  // NULL: none yet
    bool is_store_done;
    struct pt_cluster_walk walk;
    bool has_begun; // to be written
};

static struct node_list list_of(const struct pt_api *api)
{
    return (struct node_list){
        .store = api->store,
        .cluster = pt_kube_feed_nodes(api->kube),
        .hold_ups = api->hold_ups,
        .are_agents_known = pt_clock_monotonic_ns(api->clock) - api->started_ns >= AGENTS_KNOWN_NS,
    };
}

// Why no bytes are known of what the node pulls.
static void write_reason(const struct node_list *list, struct pt_buffer *out)
{
    if (list->are_agents_known)
        write_text(out, "reason", "no agent reports from this node");
}

static void write_runtime(const struct pt_cluster_node *node, struct pt_buffer *out)
{
    write_text(out, "runtimeName", node ? node->runtime_name : NULL);
    write_text(out, "runtimeVersion", node ? node->runtime_version : NULL);
}

// One figure of each of `count` steps, the newest first in `steps`; nothing where all are zero.
static void write_node_figures(const struct pt_registry_step *steps, size_t count, enum past figure,
                               const char *name, struct pt_buffer *out)
{
    bool is_all_zero = true;
    for (size_t ago = 0; ago < count && is_all_zero; ago++)
        is_all_zero = figure_of(&steps[ago], figure) == 0;
    if (is_all_zero)
        return;
    pt_json_open(out, name, '[');
    for (size_t ago = count; ago-- > 0;)
        pt_json_integer(out, NULL, figure_of(&steps[ago], figure));
    pt_json_close(out, ']');
}

static void write_node_past(const struct node_list *list, const struct pt_node *node,
                            struct pt_buffer *out)
{
    struct pt_registry_step steps[PT_REGISTRY_STEPS];
    size_t count = pt_registry_history_steps(pt_hold_ups_history(list->hold_ups));
    for (size_t ago = 0; ago < count; ago++)
        steps[ago] = pt_hold_ups_node_step(list->hold_ups, node, ago);
    pt_json_open(out, "history", '{');
    write_node_figures(steps, count, PAST_SPEED, "bytesPerSec", out);
    write_node_figures(steps, count, PAST_STALLED, "stalledPulls", out);
    write_node_figures(steps, count, PAST_FAILED, "failed", out);
    pt_json_close(out, '}');
}

// A node that only the cluster knows.
static int encode_name(const struct node_list *list, const char *name, struct pt_buffer *out)
{
    pt_json_begin(out);
    write_text(out, "nodeName", name);
    write_runtime(pt_cluster_nodes_find(list->cluster, name), out);
    pt_json_bool(out, "silent", list->are_agents_known);
    write_reason(list, out);
    write_count(out, "activePulls", 0);
    pt_json_integer(out, "bytesPerSec", 0);
    pt_json_close(out, '}');
    return out->failure;
}

static int encode_node(const struct node_list *list, const struct pt_node *node,
                       struct pt_buffer *out)
{
    struct pt_node_status status = pt_node_status(node);
    pt_json_begin(out);
    write_text(out, "nodeName", status.name);
    write_text(out, "agentVersion", status.agent_version);
    if (status.runtime_name) {
        write_text(out, "runtimeName", status.runtime_name);
        write_text(out, "runtimeVersion", status.runtime_version);
    } else {
        write_runtime(pt_cluster_nodes_find(list->cluster, status.name), out);
    }
    if (status.reported_at > 0)
        pt_json_time(out, "lastReportAt", status.reported_at);
    else
        write_reason(list, out);
    bool may_report = status.reported_at == 0 && !list->are_agents_known;
    pt_json_bool(out, "silent", status.is_silent && !may_report);
    write_count(out, "activePulls", status.active_pulls);
    pt_json_integer(out, "bytesPerSec", (int64_t)status.bytes_per_second);
    if (pt_node_has_past(node))
        write_node_past(list, node, out);
    pt_json_close(out, '}');
    return out->failure;
}

static int write_head(struct pt_buffer *out)
{
    return pt_buffer_printf(out, "{\"stepSeconds\":%d,\"nodes\":[",
                            (int)(PT_REGISTRY_STEP_NS / PT_NS_PER_S));
}

static int begin_entry(struct node_list *list, struct pt_buffer *out)
{
    int r = list->has_begun ? pt_buffer_append_text(out, ",") : write_head(out);
    list->has_begun = true;
    return r;
}

static int write_node(struct node_list *list, const struct pt_node *node, struct pt_buffer *out)
{
    int r = begin_entry(list, out);
    return r < 0 ? r : encode_node(list, node, out);
}

static void go_on_from(struct node_list *list, struct pt_node *node)
{
    if (node)
        pt_node_pin(node);
    if (list->last)
        pt_node_unpin(list->last);
    list->last = node;
}

static int write_next_of_store(struct node_list *list, struct pt_buffer *out)
{
    struct pt_node *node = pt_store_node_after(list->store, list->last);
    list->is_store_done = !node;
    if (!node)
        return 0;
    go_on_from(list, node);
    return write_node(list, node, out);
}

// One that the cluster knows, unless it was among those of the store.
static int write_of_cluster(struct node_list *list, const struct pt_cluster_node *known,
                            struct pt_buffer *out)
{
    const struct pt_node *node = pt_store_find_node(list->store, known->name);
    if (node)
        return pt_node_came_after(node, list->last) ? write_node(list, node, out) : 0;
    int r = begin_entry(list, out);
    return r < 0 ? r : encode_name(list, known->name, out);
}

static int write_end(struct node_list *list, struct pt_buffer *out)
{
    int r = list->has_begun ? 0 : write_head(out);
    return r < 0 ? r : pt_buffer_append_text(out, "]}");
}

static int write_part(void *context, struct pt_buffer *out)
{
    struct node_list *list = context;
    const struct pt_cluster_node *known = NULL;
    int r = 0;
    for (int i = 0; r == 0 && i < PART_NODES && out->length < PART_BYTES; i++) {
        if (!list->is_store_done)
            r = write_next_of_store(list, out);
        else if ((known = pt_cluster_walk_next(&list->walk)))
            r = write_of_cluster(list, known, out);
        else
            return write_end(list, out);
    }
    return r < 0 ? r : 1;
}

static void release(void *context)
{
    struct node_list *list = context;
    go_on_from(list, NULL);
    pt_cluster_walk_end(&list->walk);
    free(list);
}

static void answer_all(struct pt_api *api, struct pt_request *request)
{
    struct node_list *list = calloc(1, sizeof(*list));
    if (!list) {
        pt_reply_error(request, PT_PROBLEM_OUT_OF_MEMORY, 5, "out of memory");
        return;
    }
    *list = list_of(api);
    pt_cluster_walk_begin(list->cluster, &list->walk);
    struct pt_long_answer_source source = {NULL, write_part, release, list};
    pt_long_answer(api->long_answers, api->server, request, &source);
}

static void answer_one(struct pt_api *api, struct pt_request *request, const char *name)
{
    struct node_list list = list_of(api);
    const struct pt_node *node = pt_store_find_node(api->store, name);
    const struct pt_cluster_node *known = pt_cluster_nodes_find(list.cluster, name);
    struct pt_buffer out;
    pt_buffer_init(&out, MAX_NODE_BYTES);
    int r = node ? write_node(&list, node, &out) : known ? write_of_cluster(&list, known, &out) : 0;
    pt_api_reply_json(request, r < 0 ? r : write_end(&list, &out), &out);
}

void pt_api_nodes(struct pt_api *api, struct pt_request *request)
{
    struct pt_query query;
    if (!pt_api_read_query(request, &query))
        return;
    const char *name = pt_query_get(&query, "node");
    if (name)
        answer_one(api, request, name);
    else
        answer_all(api, request);
}
