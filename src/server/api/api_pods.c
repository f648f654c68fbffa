// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "pull/image_ref.h"
#include "pull/json_writer.h"
#include "pull/pull_fields.h"
#include "server/api/api.h"
#include "server/api/api_query.h"
#include "server/api/long_answer.h"
#include "server/cluster/kube_feed.h"
#include "server/correlate/correlate.h"
#include "server/holdup/hold_ups.h"
#include "server/http/http_reply.h"
#include "server/store/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_CONTAINERS 60 // each with its pull; a pod is not cut
#define MAX_LIMIT 1000
#define DEFAULT_LIMIT 500
#define SCAN_PODS 2000 // passed over in one part
#define MAX_POD_BYTES (1024 * 1024)

// --- one pod ---

static const char *const kind_names[] = {
    [PT_KUBE_CONTAINER] = "main",
    [PT_KUBE_INIT_CONTAINER] = "init",
    [PT_KUBE_EPHEMERAL_CONTAINER] = "ephemeral",
    [PT_KUBE_IMAGE_VOLUME] = "volume",
    [PT_KUBE_SANDBOX] = "sandbox",
};

static const char *const state_names[] = {
    [PT_POD_CONTAINER_WAITING] = "waiting",
    [PT_POD_CONTAINER_FAILED] = "failed",
    [PT_POD_CONTAINER_READY] = "ready",
    [PT_POD_CONTAINER_STARTED] = "started",
};

static const char *const outcome_names[] = {
    [PT_POD_WAITS] = NULL,
    [PT_POD_HAS_ALL] = "ready",
    [PT_POD_WAS_GONE] = "deleted",
    [PT_POD_HAS_LEFT] = "left",
};

// When all that still lack their images have them; negative as soon as one is not known.
struct readiness {
    double seconds;
    bool is_unknown;
};

static bool lacks_image(const struct pt_pod_container *container)
{
    return container->state <= PT_POD_CONTAINER_FAILED;
}

// `container` is NULL where a pull says more.
static void write_hold_up(const struct pt_hold_up *hold_up,
                          const struct pt_pod_container *container, struct pt_buffer *out)
{
    struct pt_pull_status status = {.hold_up = *hold_up};
    pt_json_open(out, "holdUp", '{');
    pt_fields_write(&pt_hold_up_fields, &status, out);
    if (container && container->repository) {
        char host[PT_LIMIT_REFERENCE_BYTES + 1];
        bool has_port = pt_image_ref_ported(container->image, container->repository) > 0;
        const char *from = has_port ? container->image : container->repository;
        snprintf(host, sizeof(host), "%.*s", (int)strcspn(from, "/"), from);
        pt_json_text(out, "registry", host, PT_LIMIT_REFERENCE_BYTES);
    }
    const char *class_name = container ? pt_failure_class_name(container->error_class) : NULL;
    if (class_name)
        pt_json_text(out, "class", class_name, PT_LIMIT_NAME_BYTES);
    if (container && hold_up->kind == PT_HOLD_UP_BACKOFF)
        pt_json_time(out, "until", container->next_attempt_at);
    pt_json_close(out, '}');
}

// A pod with its node, and what is pulled there first.
struct pod_here {
    const struct pt_api *api;
    const struct pt_pod_view *view;
    const struct pt_node *node; // NULL: not known
    const struct pt_stored_pull *first;
    struct readiness ready;
};

// What holds up a container of which there is no pull.
static struct pt_hold_up own_hold_up(const struct pod_here *here,
                                     const struct pt_pod_container *container)
{
    const struct pt_pod_view *view = here->view;
    bool has_failed = container->state == PT_POD_CONTAINER_FAILED;
    struct pt_hold_up_facts facts = {.phase = has_failed ? PT_PULL_FAILED : PT_PULL_QUEUED,
                                     .is_waited_for = true,
                                     .next_attempt_at = container->next_attempt_at,
                                     .waits_for_volume = view->waits_for_volume,
                                     .waits_for_sandbox = view->waits_for_sandbox};
    pt_hold_ups_add_node(here->api->hold_ups, here->node, &facts);
    struct pt_hold_up hold_up = {.kind = pt_hold_up_of(&facts), .since = container->since};
    if (hold_up.kind == PT_HOLD_UP_QUEUE && here->first)
        hold_up.pull_id = pt_stored_pull_id(here->first);
    return hold_up;
}

static void write_wait(struct pod_here *here, const struct pt_pod_container *container,
                       struct pt_buffer *out)
{
    struct pt_layer_rate rates[PT_LIMIT_LAYERS_PER_PULL];
    const struct pt_stored_pull *stored = here->node && container->pull_key
                                              ? pt_node_find_pull(here->node, container->pull_key)
                                              : NULL;
    struct pt_pull_status status = {.ready_eta_seconds = -1};
    if (stored) {
        status = pt_stored_pull_status(stored, rates);
        pt_json_text(out, "pullId", status.id, PT_LIMIT_NAME_BYTES);
    }
    if (!lacks_image(container) || !here->view->is_waiting)
        return;
    here->ready.is_unknown |= status.ready_eta_seconds < 0;
    if (status.ready_eta_seconds > here->ready.seconds)
        here->ready.seconds = status.ready_eta_seconds;
    if (!stored)
        status.hold_up = own_hold_up(here, container);
    if (status.hold_up.kind != PT_HOLD_UP_NONE)
        write_hold_up(&status.hold_up, stored ? NULL : container, out);
}

static void write_container(struct pod_here *here, const struct pt_pod_container *container,
                            struct pt_buffer *out)
{
    pt_json_open(out, NULL, '{');
    pt_json_text(out, "name", container->name, PT_LIMIT_KUBE_NAME_BYTES);
    pt_json_text(out, "kind", kind_names[container->kind], PT_LIMIT_NAME_BYTES);
    pt_json_text(out, "image", container->image, PT_LIMIT_REFERENCE_BYTES);
    pt_json_text(out, "state", state_names[container->state], PT_LIMIT_NAME_BYTES);
    write_wait(here, container, out);
    pt_json_close(out, '}');
}

static int write_pod(const struct pt_api *api, const struct pt_pod_view *view,
                     struct pt_buffer *out)
{
    const struct pt_node *node = pt_store_find_node(api->store, view->node_name);
    struct pod_here here = {
        .api = api, .view = view, .node = node, .first = pt_hold_ups_first_of(node)};
    pt_json_begin(out);
    pt_json_text(out, "namespace", view->name_space, PT_LIMIT_KUBE_NAME_BYTES);
    pt_json_text(out, "podName", view->name, PT_LIMIT_KUBE_NAME_BYTES);
    pt_json_text(out, "nodeName", view->node_name, PT_LIMIT_NODE_NAME_BYTES);
    pt_json_bool(out, "waiting", view->is_waiting);
    if (view->since > 0)
        pt_json_time(out, "waitingSince", view->since);
    if (outcome_names[view->outcome]) {
        pt_json_text(out, "outcome", outcome_names[view->outcome], PT_LIMIT_NAME_BYTES);
        pt_json_time(out, "endedAt", view->ended_at);
    }
    pt_json_open(out, "containers", '[');
    for (size_t i = 0; i < view->container_count; i++)
        write_container(&here, &view->containers[i], out);
    pt_json_close(out, ']');
    if (view->is_waiting && !here.ready.is_unknown)
        pt_json_number(out, "readyEtaSeconds", here.ready.seconds);
    pt_json_close(out, '}');
    return out->failure;
}

void pt_api_pod(struct pt_api *api, struct pt_request *request, const char *path)
{
    char name_space[PT_LIMIT_KUBE_NAME_BYTES + 1];
    size_t length = strcspn(path, "/");
    const struct pt_correlate *correlate = pt_kube_feed_pods(api->kube);
    const struct correlate_pod *pod = NULL;
    struct pt_pod_view view;
    bool is_known = false;
    if (correlate && path[length] == '/' && length < sizeof(name_space)) {
        snprintf(name_space, sizeof(name_space), "%.*s", (int)length, path);
        pod = pt_correlate_find_pod(correlate, name_space, path + length + 1);
        is_known =
            pod || pt_correlate_view_gone_pod(correlate, name_space, path + length + 1, &view);
    }
    if (!is_known) {
        pt_reply_error(request, PT_PROBLEM_NO_SUCH_POD, 0,
                       "no such pod is known to wait, or to have waited lately");
        return;
    }
    struct pt_buffer out;
    if (pod)
        pt_correlate_view_pod(pod, &view);
    pt_buffer_init(&out, MAX_POD_BYTES);
    pt_api_reply_json(request, write_pod(api, &view, &out), &out);
}

// --- a page of pods ---

// Pods come in the order in which they came to be known, so that a cursor finds its place even when
// its pod is gone: it names the number of the pod that was given out last.
struct page {
    const struct pt_api *api;
    const struct pt_correlate *correlate; // NULL: Kubernetes is not configured
    uint64_t place;                       // number of the last one that was looked at
    bool waiting_only;
    int64_t limit, given;
    bool has_begun;
};

static int write_next(struct page *page, const struct pt_pod_view *view, struct pt_buffer *out)
{
    int r = page->given++ > 0 ? pt_buffer_append_text(out, ",") : 0;
    return r < 0 ? r : write_pod(page->api, view, out);
}

static int write_part(void *context, struct pt_buffer *out)
{
    struct page *page = context;
    const struct correlate_pod *pod = NULL;
    size_t written = 0; // containers
    int looked_at = 0;
    int r = page->has_begun ? 0 : pt_buffer_append_text(out, "{\"pods\":[");
    page->has_begun = true;
    for (; r == 0 && written < PART_CONTAINERS && looked_at < SCAN_PODS; looked_at++) {
        pod = page->correlate && page->given < page->limit
                  ? pt_correlate_next_pod(page->correlate, page->place)
                  : NULL;
        if (!pod)
            break;
        struct pt_pod_view view;
        pt_correlate_view_pod(pod, &view);
        page->place = pt_correlate_pod_number(pod);
        if (page->waiting_only && !view.is_waiting)
            continue;
        r = write_next(page, &view, out);
        written += view.container_count;
    }
    if (r == 0 && pod && written == 0) // a part is never empty
        r = pt_buffer_append_text(out, "\n");
    if (r < 0 || pod)
        return r < 0 ? r : 1;
    if (page->correlate && pt_correlate_next_pod(page->correlate, page->place))
        return pt_buffer_printf(out, "],\"nextCursor\":\"%llu\"}", (unsigned long long)page->place);
    return pt_buffer_append_text(out, "]}");
}

static void release(void *context)
{
    free(context);
}

static int read_page(const struct pt_query *query, struct page *page, struct pt_error *err)
{
    int64_t after;
    int r = pt_query_get_bool(query, "waiting", false, &page->waiting_only, err);
    if (r == 0)
        r = pt_query_get_count(query, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT, &page->limit, err);
    if (r == 0)
        r = pt_query_get_count(query, "cursor", 0, INT64_MAX, 0, &after, err);
    if (r == 0)
        page->place = (uint64_t)after;
    return r;
}

void pt_api_pods(struct pt_api *api, struct pt_request *request)
{
    struct pt_query query;
    struct pt_error err;
    if (!pt_api_read_query(request, &query))
        return;
    struct page *page = calloc(1, sizeof(*page));
    if (!page) {
        pt_reply_error(request, PT_PROBLEM_OUT_OF_MEMORY, 5, "out of memory");
        return;
    }
    page->api = api;
    page->correlate = pt_kube_feed_pods(api->kube);
    if (read_page(&query, page, &err) < 0) {
        pt_reply_error(request, PT_PROBLEM_PARAMETER, 0, "%s", err.message);
        free(page);
        return;
    }
    struct pt_long_answer_source source = {NULL, write_part, release, page};
    pt_long_answer(api->long_answers, api->server, request, &source);
}
