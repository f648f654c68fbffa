// SPDX-License-Identifier: Apache-2.0
#include "agent/check.h"

#include "agent/check_lines.h"
#include "agent/check_server.h"
#include "agent/confine.h"
#include "base/clock.h"
#include "base/http_client.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/name_list.h"
#include "base/text.h"
#include "base/timer.h"
#include "containerd/containerd_api.h"
#include "containerd/search.h"
#include "containerd/snapshotters.h"
#include "containerd/socket_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// First the places, then each right that the agent needs at the best of them, then the server. The
// questions of a step are put at once; each answer is a line, and the last one begins the next
// step.

#define EVENTS_STAND_MS 300 // a stream that has not broken by then stands
#define NO_DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// Each shows by one call whether it is there.
enum {
    RIGHT_LEASES,
    RIGHT_INGESTS,
    RIGHT_CONTENT,
    RIGHT_IMAGES,
    RIGHT_SNAPSHOTS,
    RIGHT_COUNT,
};

static const char *const right_names[RIGHT_COUNT] = {
    "leases", "content on its way", "content", "image records", "snapshots",
};

struct check {
    const struct pt_check_options *options;
    struct pt_http_client *http;
    struct pt_search *search;
    struct pt_containerd *containerd; // at the best place
    struct pt_timer *timer;
    char *namespaces[PT_LIMIT_CONTAINERD_NAMESPACES]; // to watch, that are there
    size_t namespace_count;
    size_t asked;  // namespaces before this one
    unsigned open; // questions of this step
    struct pt_check_lines lines;
    struct pt_check_server server;
    bool have_events_ended;
    bool is_done;
    struct right {
        struct check *check;
        const char *what;
    } rights[RIGHT_COUNT];
};

// --- the server ---

static void end_check(void *context)
{
    struct check *check = context;
    check->is_done = true;
    pt_loop_stop(check->options->loop);
}

static void ask_server(struct check *check)
{
    check->server = (struct pt_check_server){
        .options = check->options,
        .http = check->http,
        .lines = &check->lines,
        .on_done = end_check,
        .context = check,
    };
    pt_check_server_ask(&check->server);
}

// --- the rights ---

static void ask_rights(struct check *check);

static void end_right(struct check *check)
{
    if (--check->open > 0)
        return;
    if (++check->asked < check->namespace_count)
        ask_rights(check);
    else
        ask_server(check);
}

// That there is no such thing is an answer as good as any.
static void judge_right(struct check *check, const char *what, const struct pt_grpc_status *status)
{
    bool is_well = status->code == PT_GRPC_OK || status->code == PT_GRPC_NOT_FOUND;
    if (is_well)
        pt_check_well(&check->lines, what, "may be read");
    else
        pt_check_fault(
            &check->lines, what, status->message,
            "A proxy in front of containerd, or a plugin that is disabled there, refuses "
            "this.");
}

static void on_right(void *context, const struct pt_grpc_status *status, const void *message)
{
    (void)message;
    const struct right *right = context;
    judge_right(right->check, right->what, status);
    end_right(right->check);
}

static void on_event(void *context, const Ctrd__Envelope *envelope)
{
    (void)context, (void)envelope;
}

static void on_events_ended(void *context, const struct pt_grpc_status *status)
{
    struct check *check = context;
    if (check->have_events_ended)
        return;
    check->have_events_ended = true;
    judge_right(check, "events", status);
    end_right(check);
}

static void on_events_stand(void *context)
{
    static const struct pt_grpc_status well = {PT_GRPC_OK, false, ""};
    on_events_ended(context, &well);
}

static int ask_right(struct check *check, size_t index, struct pt_error *err)
{
    struct pt_containerd *containerd = check->containerd;
    const char *namespace = check->namespaces[check->asked];
    struct right *right = &check->rights[index];
    switch (index) {
    case RIGHT_LEASES:
        return pt_containerd_list_leases(containerd, namespace, NULL, on_right, right, err);
    case RIGHT_INGESTS:
        return pt_containerd_list_ingests(containerd, namespace, on_right, right, err);
    case RIGHT_CONTENT:
        return pt_containerd_content_info(containerd, namespace, NO_DIGEST, on_right, right, err);
    case RIGHT_IMAGES:
        return pt_containerd_list_images(containerd, namespace, NO_DIGEST, on_right, right, err);
    default:
        return pt_containerd_stat_snapshot(containerd, namespace, PT_DEFAULT_SNAPSHOTTER, NO_DIGEST,
                                           on_right, right, err);
    }
}

// Those of all namespaces come in one stream.
static void ask_events(struct check *check)
{
    struct pt_error err;
    check->open++;
    if (pt_containerd_subscribe(check->containerd, on_event, on_events_ended, check, &err) < 0) {
        pt_check_fault(&check->lines, "events", err.message, "Try again.");
        end_right(check);
    } else {
        pt_timer_start(check->timer, EVENTS_STAND_MS);
    }
}

static void ask_rights(struct check *check)
{
    struct pt_error err;
    fputs("\nwhat the agent reads there, in namespace ", check->options->out);
    pt_text_print(check->namespaces[check->asked], check->options->out);
    fputc('\n', check->options->out);
    check->open = RIGHT_COUNT + 1; // until all are asked
    for (size_t i = 0; i < RIGHT_COUNT; i++) {
        check->rights[i] = (struct right){check, right_names[i]};
        if (ask_right(check, i, &err) < 0) {
            pt_check_fault(&check->lines, right_names[i], err.message, "Try again.");
            end_right(check);
        }
    }
    if (check->asked == 0)
        ask_events(check);
    end_right(check);
}

// --- which namespaces ---

static bool has_namespace(const Ctrd__ListNamespacesResponse *list, const char *name, size_t length)
{
    for (size_t i = 0; i < list->n_namespaces; i++) {
        const char *own = list->namespaces[i]->name;
        if (strncmp(own, name, length) == 0 && own[length] == '\0')
            return true;
    }
    return false;
}

static void add_namespace(struct check *check, const char *name, size_t length)
{
    if (check->namespace_count == PT_LIMIT_CONTAINERD_NAMESPACES)
        return;
    check->namespaces[check->namespace_count] = strndup(name, length);
    check->namespace_count += check->namespaces[check->namespace_count] != NULL;
}

static void take_namespace(struct check *check, const Ctrd__ListNamespacesResponse *list,
                           const char *name, size_t length)
{
    char text[PT_LIMIT_NAME_BYTES + 32];
    if (has_namespace(list, name, length)) {
        add_namespace(check, name, length);
        return;
    }
    snprintf(text, sizeof(text), "namespace %.*s", (int)length, name);
    pt_check_line(
        &check->lines, "note", text,
        "containerd has none of this name, or not yet; see PULLTRACE_CONTAINERD_NAMESPACES");
}

// Of all of them (*) k8s.io if it or none is there, else the first that is.
static void take_any_namespace(struct check *check, const Ctrd__ListNamespacesResponse *list)
{
    bool is_usual = list->n_namespaces == 0 || has_namespace(list, "k8s.io", 6);
    const char *name = is_usual ? "k8s.io" : list->namespaces[0]->name;
    add_namespace(check, name, strlen(name));
}

static void on_namespaces(void *context, const struct pt_grpc_status *status, const void *message)
{
    struct check *check = context;
    const Ctrd__ListNamespacesResponse *list = message;
    const char *wanted = check->options->containerd_namespaces;
    if (!list) {
        pt_check_fault(&check->lines, "namespaces", status->message, "Try again.");
        ask_server(check);
        return;
    }
    bool is_any = strcmp(wanted, "*") == 0;
    if (is_any)
        take_any_namespace(check, list);
    const char *name;
    size_t length;
    while (!is_any && (name = pt_name_list_next(&wanted, &length)))
        take_namespace(check, list, name, length);
    if (check->namespace_count > 0)
        ask_rights(check);
    else
        ask_server(check);
}

// The standing stream of events needs a connection that has answered.
static void on_version(void *context, const struct pt_grpc_status *status, const void *message)
{
    struct check *check = context;
    struct pt_error err;
    if (!message) {
        pt_check_fault(&check->lines, "containerd", status->message, "Try again.");
        ask_server(check);
    } else if (pt_containerd_list_namespaces(check->containerd, on_namespaces, check, &err) < 0) {
        pt_check_fault(&check->lines, "namespaces", err.message, "Try again.");
        ask_server(check);
    }
}

// --- the places ---

static const char *advice_for(const struct pt_finding *finding)
{
    if (finding->state == PT_FINDING_MISSING)
        return "Is containerd running? In a pod its socket's directory has to be mounted.";
    if (finding->state == PT_FINDING_FOREIGN)
        return "The kubelet uses another containerd, or has pulled nothing yet; see "
               "PULLTRACE_CONTAINERD_NAMESPACES.";
    if (finding->state == PT_FINDING_REFUSED)
        return "It must be root's and lie under PULLTRACE_CONTAINERD_SOCKET_DIRS.";
    switch (pt_socket_check_connect(finding->path)) {
    case -EACCES:
    case -EPERM:
        return "The agent must run as root. Where SELinux is on, its pod needs the type spc_t.";
    case -ECONNREFUSED:
        return "Nobody listens. If containerd runs, it was restarted since the socket was mounted: "
               "mount the socket's directory, not the file.";
    default:
        return "What listens there is no containerd, is too busy to answer, or is not root's.";
    }
}

// Where this container has no files of the node's at all.
static bool is_pointless(const struct pt_finding *finding)
{
    return finding->state == PT_FINDING_MISSING && strncmp(finding->path, "/host/", 6) == 0 &&
           access("/host", F_OK) < 0;
}

static void print_finding(struct check *check, const struct pt_finding *finding,
                          const struct pt_finding *best)
{
    if (is_pointless(finding))
        return;
    char what[PT_LIMIT_NAME_BYTES], found[768];
    snprintf(what, sizeof(what), "%s%s%s%s", finding->path, finding->whose[0] ? " (" : "",
             finding->whose, finding->whose[0] ? ")" : "");
    if (finding->version[0])
        snprintf(found, sizeof(found), "containerd %s, namespaces: %s%s%s", finding->version,
                 finding->namespaces[0] ? finding->namespaces : "none",
                 finding->message[0] ? "; " : "", finding->message);
    else
        snprintf(found, sizeof(found), "%s", finding->message);
    bool is_named = !finding->whose[0];
    if (finding == best)
        pt_check_well(&check->lines, what, found);
    else if (finding->state == PT_FINDING_FOUND)
        pt_check_line(&check->lines, "-", what,
                      "is another one with the namespace; set "
                      "PULLTRACE_CONTAINERD_SOCKET if it is the right one");
    else if (finding->state == PT_FINDING_MISSING && !is_named)
        pt_check_line(&check->lines, "-", what, "nothing is there");
    else if (best)
        pt_check_line(&check->lines, "-", what, found);
    else
        pt_check_fault(&check->lines, what, found, advice_for(finding));
}

static void on_findings(void *context, const struct pt_finding *findings, size_t found)
{
    struct check *check = context;
    const struct pt_check_options *options = check->options;
    const struct pt_finding *best = pt_search_best(findings, found);
    struct pt_error err;
    unsigned missing = 0;
    fputs("containerd (PULLTRACE_CONTAINERD_SOCKET)\n", options->out);
    for (size_t i = 0; i < found; i++) {
        print_finding(check, &findings[i], best);
        missing += findings[i].state == PT_FINDING_MISSING;
    }
    if (found > 1 && missing == found)
        pt_check_fault(&check->lines, "containerd", "no socket is at any of these places",
                       advice_for(&findings[0]));
    if (!best) {
        ask_server(check);
        return;
    }
    int r = pt_containerd_create(check->http, best->path, options->containerd_socket_directories,
                                 &check->containerd, &err);
    if (r == 0)
        r = pt_containerd_version(check->containerd, on_version, check, &err);
    if (r < 0) {
        pt_check_fault(&check->lines, best->path, err.message, "Try again.");
        ask_server(check);
    }
}

// --- what the header promises ---

static void on_start(void *context)
{
    pt_search_start(((struct check *)context)->search);
}

static void on_stop(void *context)
{
    pt_loop_stop(((struct check *)context)->options->loop);
}

static int create_parts(struct check *check, struct pt_timer **ret_start, struct pt_error *err)
{
    const struct pt_check_options *options = check->options;
    struct event_base *base = pt_loop_base(options->loop);
    int r = pt_http_client_create(base, &check->http, err);
    if (r < 0)
        return r;
    const struct pt_search_options search = {
        .http = check->http,
        .socket_path = options->containerd_socket,
        .directories = options->containerd_socket_directories,
        .namespaces = options->containerd_namespaces,
        .on_done = on_findings,
        .context = check,
    };
    r = pt_search_create(&search, &check->search, err);
    if (r < 0)
        return r;
    check->timer = pt_timer_create(base, pt_clock_system(), on_events_stand, check);
    *ret_start = pt_timer_create(base, pt_clock_system(), on_start, check);
    return check->timer && *ret_start ? 0 : pt_error_set(err, ENOMEM, "out of memory");
}

int pt_check_run(const struct pt_check_options *options, bool *ret_well, struct pt_error *err)
{
    struct check check = {.options = options, .lines = {.out = options->out}};
    struct pt_timer *start = NULL;
    int r = create_parts(&check, &start, err);
    if (r == 0)
        r = pt_confine(err);
    if (r == 0) {
        pt_timer_start(start, 0);
        r = pt_loop_run(options->loop, on_stop, &check, err);
    }
    if (r == 0 && !check.is_done)
        r = pt_error_set(err, EINTR, "ended by a signal");
    if (r == 0) {
        *ret_well = check.lines.faults == 0;
        fprintf(options->out, "\n%s\n",
                *ret_well ? "All that the agent needs is there." : "Something is missing.");
    }
    fflush(options->out);
    for (size_t i = 0; i < check.namespace_count; i++)
        free(check.namespaces[i]);
    pt_containerd_destroy(check.containerd);
    pt_search_destroy(check.search);
    pt_http_client_destroy(check.http);
    pt_timer_destroy(check.timer);
    pt_timer_destroy(start);
    return r;
}
