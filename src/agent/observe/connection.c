// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/connection.h"

#include "agent/observe/events.h"
#include "agent/observe/round.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "base/warn_pace.h"
#include "containerd/containerd_api.h"
#include "containerd/search.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Without a setting the socket is searched for among the usual places. What was found once is kept
// while it comes and goes: on a node that has two, the other one would be taken when the right one
// is restarted. Only when it has not come back for a while is it searched for again.

#define RUNTIME_NAME "containerd"
#define SEARCH_AGAIN_NS (60 * PT_NS_PER_S)

// Events come as fast as containerd sends them, thousands in a turn of the loop, and each may be of
// any layer that is followed: between two looks they get so much of the processor's time. What is
// left out the next look finds, since it then asks for everything.
#define EVENTS_SHARE_NS (50 * PT_NS_PER_MS)

struct pt_connection {
    struct pt_connection_options options;
    struct pt_search *search; // NULL: the setting names the socket
    const char *socket_path;  // in use
    bool is_found;            // that is containerd's, by the setting or a search
    int64_t up_at;            // when it was found, or answered last before it broke; monotonic
    struct pt_containerd *containerd;
    struct pt_containerd_events *events;
    struct pt_round *round;
    enum state {
        STATE_DOWN,
        STATE_SEARCHING,
        STATE_ASKING, // for its version, to learn whether it is there
        STATE_UP,
    } state;
    int64_t events_cpu_ns; // what events have taken since the last look began
    struct pt_warn_pace left_out_pace;
    char last_trouble[256]; // as logged, "" while containerd answers
};

// Each kind of trouble is logged once, not at each attempt.
static void note_trouble(struct pt_connection *connection, const char *message,
                         bool has_lost_events)
{
    if (connection->state == STATE_UP) {
        connection->state = STATE_DOWN;
        connection->up_at = pt_clock_monotonic_ns(connection->options.clock);
    }
    if (pt_text_remember(connection->last_trouble, sizeof(connection->last_trouble), message))
        pt_log_warn(RUNTIME_NAME ".unreachable",
                    pt_log_text("socket", connection->is_found ? connection->socket_path : ""),
                    pt_log_text("error", message));
    connection->options.on_trouble(connection->options.context, message, has_lost_events);
}

// --- what comes from containerd ---

static void on_observation(void *context, const struct pt_observation *observation)
{
    struct pt_connection *connection = context;
    connection->options.on_observation(connection->options.context, observation);
}

static void on_failure(void *context, const char *message)
{
    note_trouble(context, message, false);
}

static bool has_time_for_event(struct pt_connection *connection)
{
    if (connection->events_cpu_ns < EVENTS_SHARE_NS)
        return true;
    pt_round_begin_anew(connection->round);
    if (pt_warn_pace_admits(&connection->left_out_pace,
                            pt_clock_monotonic_ns(connection->options.clock)))
        pt_log_warn(RUNTIME_NAME ".events_left_out",
                    pt_log_text("text", "they come faster than they can be looked at"));
    return false;
}

// `image` is the record that the event is about, or NULL.
static void take_event(struct pt_connection *connection, struct pt_seen_event *event,
                       const struct pt_seen_image *image)
{
    if (!has_time_for_event(connection))
        return;
    int64_t began_ns = pt_loop_cpu_ns();
    if (image)
        pt_round_note_image(connection->round, image);
    else
        pt_round_note_event(connection->round, event);
    connection->options.on_event(connection->options.context, event);
    connection->events_cpu_ns += pt_loop_cpu_ns() - began_ns;
}

static void on_event(void *context, const struct pt_seen_event *event)
{
    struct pt_seen_event seen = *event;
    take_event(context, &seen, NULL);
}

static void on_image(void *context, const struct pt_seen_image *image)
{
    struct pt_seen_event seen = {.kind = PT_SEEN_IMAGE_WRITTEN,
                                 .namespace = image->namespace,
                                 .subject = image->name,
                                 .at = image->written_at};
    take_event(context, &seen, image);
}

static void on_broken(void *context, const char *message)
{
    note_trouble(context, message, true);
}

static void on_version(void *context, const struct pt_grpc_status *status, const void *message)
{
    struct pt_connection *connection = context;
    const Ctrd__VersionResponse *response = message;
    struct pt_error err;
    bool is_there = status->code == PT_GRPC_OK;
    if (!is_there || pt_containerd_events_start(connection->events, &err) < 0) {
        connection->state = STATE_DOWN;
        note_trouble(connection, is_there ? err.message : status->message, false);
        return;
    }
    connection->state = STATE_UP;
    connection->last_trouble[0] = '\0';
    pt_log_info(RUNTIME_NAME ".connected", pt_log_text("socket", connection->socket_path),
                pt_log_text("version", response->version));
    connection->options.on_runtime(connection->options.context, RUNTIME_NAME, response->version);
    // Until now events may have been missed.
    pt_round_begin_anew(connection->round);
    pt_round_start(connection->round);
}

static void ask_version(struct pt_connection *connection)
{
    struct pt_error err;
    connection->state = STATE_ASKING;
    if (pt_containerd_version(connection->containerd, on_version, connection, &err) < 0) {
        connection->state = STATE_DOWN;
        note_trouble(connection, err.message, false);
    }
}

// --- which containerd ---

static int create_parts(struct pt_connection *connection, struct pt_error *err)
{
    const struct pt_connection_options *options = &connection->options;
    int r = pt_containerd_create(options->http, connection->socket_path,
                                 options->socket_directories, &connection->containerd, err);
    if (r < 0)
        return r;
    const struct pt_round_options round = {
        .containerd = connection->containerd,
        .clock = options->clock,
        .namespaces = options->namespaces,
        .on_observation = on_observation,
        .on_failure = on_failure,
        .context = connection,
    };
    r = pt_round_create(&round, &connection->round, err);
    if (r < 0)
        return r;
    const struct pt_containerd_events_options events = {
        .containerd = connection->containerd,
        .on_event = on_event,
        .on_image = on_image,
        .on_broken = on_broken,
        .context = connection,
    };
    return pt_containerd_events_create(&events, &connection->events, err);
}

static void destroy_parts(struct pt_connection *connection)
{
    pt_containerd_destroy(connection->containerd); // no answer and no event comes any more
    pt_containerd_events_destroy(connection->events);
    pt_round_destroy(connection->round);
    connection->containerd = NULL;
    connection->events = NULL;
    connection->round = NULL;
}

// Nothing that was seen of one containerd is true of another.
static int use_place(struct pt_connection *connection, const char *path, struct pt_error *err)
{
    destroy_parts(connection);
    connection->socket_path = path;
    return create_parts(connection, err);
}

static void log_others(const struct pt_finding *findings, size_t count,
                       const struct pt_finding *best)
{
    for (size_t i = 0; i < count; i++) {
        const struct pt_finding *finding = &findings[i];
        if (finding == best || finding->state == PT_FINDING_MISSING)
            continue;
        pt_log_info(RUNTIME_NAME ".left_out", pt_log_text("socket", finding->path),
                    pt_log_text("reason", finding->state == PT_FINDING_FOUND
                                              ? "another place comes first"
                                              : finding->message));
    }
}

// What keeps the places from being the right one, of those where anything is.
static void note_nothing_found(struct pt_connection *connection, const struct pt_finding *findings,
                               size_t count)
{
    char text[sizeof(connection->last_trouble)] = "";
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(text);
        if (findings[i].state != PT_FINDING_MISSING)
            snprintf(text + used, sizeof(text) - used, "%s%s: %s", used ? "; " : "",
                     findings[i].path, findings[i].message);
    }
    note_trouble(connection, text[0] ? text : "no socket is at any of the usual places", false);
}

static void on_findings(void *context, const struct pt_finding *findings, size_t count)
{
    struct pt_connection *connection = context;
    const struct pt_finding *best = pt_search_best(findings, count);
    struct pt_error err;
    connection->state = STATE_DOWN;
    if (!best) {
        note_nothing_found(connection, findings, count);
        return;
    }
    log_others(findings, count, best);
    connection->is_found = use_place(connection, best->path, &err) == 0;
    connection->up_at = pt_clock_monotonic_ns(connection->options.clock);
    if (connection->is_found)
        ask_version(connection);
    else
        note_trouble(connection, err.message, false);
}

static void find_and_ask(struct pt_connection *connection)
{
    int64_t now = pt_clock_monotonic_ns(connection->options.clock);
    if (connection->search && now - connection->up_at > SEARCH_AGAIN_NS)
        connection->is_found = false;
    if (connection->is_found) {
        ask_version(connection);
        return;
    }
    connection->state = STATE_SEARCHING;
    pt_search_start(connection->search);
}

static int create_search(struct pt_connection *connection, struct pt_error *err)
{
    const struct pt_search_options search = {
        .http = connection->options.http,
        .socket_path = "",
        .directories = connection->options.socket_directories,
        .namespaces = connection->options.namespaces,
        .on_done = on_findings,
        .context = connection,
    };
    return pt_search_create(&search, &connection->search, err);
}

// --- what the header promises ---

int pt_connection_create(const struct pt_connection_options *options,
                         struct pt_connection **ret_connection, struct pt_error *err)
{
    struct pt_connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return pt_error_set(err, ENOMEM, "out of memory");
    connection->options = *options;
    connection->is_found = options->socket_path[0] != '\0';
    int r = connection->is_found ? 0 : create_search(connection, err);
    if (r == 0)
        r = use_place(connection, connection->is_found ? options->socket_path : pt_places[0].path,
                      err);
    if (r < 0) {
        pt_connection_destroy(connection);
        return r;
    }
    *ret_connection = connection;
    return 0;
}

void pt_connection_destroy(struct pt_connection *connection)
{
    if (!connection)
        return;
    pt_search_destroy(connection->search);
    destroy_parts(connection);
    free(connection);
}

bool pt_connection_is_up(const struct pt_connection *connection)
{
    return connection->state == STATE_UP;
}

void pt_connection_look(struct pt_connection *connection)
{
    connection->events_cpu_ns = 0;
    switch (connection->state) {
    case STATE_DOWN:
        find_and_ask(connection);
        break;
    case STATE_SEARCHING:
    case STATE_ASKING:
        break;
    case STATE_UP:
        pt_round_start(connection->round);
        break;
    }
}
