// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"

#include "agent/deliver.h"
#include "agent/observe/connection.h"
#include "agent/readiness.h"
#include "agent/rhythm.h"
#include "agent/track/pace.h"
#include "agent/track/track.h"
#include "base/clock.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/timer.h"
#include "pull/event.h"
#include "terminal/terminal.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#define STOP_WITHIN_MS 2000
#define MAX_EVENT_BYTES (1024 * 1024)

struct pt_agent {
    struct pt_agent_options options;
    struct pt_http_client *http;
    struct pt_connection *connection;
    struct pt_tracker *tracker;
    struct pt_deliverer *deliverer; // NULL: no server
    struct pt_terminal *terminal;   // NULL: nobody watches
    struct pt_timer *timer;         // the next look
    struct pt_timer *deadline;      // of the end
    struct pt_rhythm rhythm;
    int64_t pace_ms; // from one look to the next
    bool has_news;   // a pull has begun or ended in this observation
    bool was_busy;   // pulls were active at the last look
    bool is_stopping;
};

// --- when to look ---

static int64_t now_ms(const struct pt_agent *agent)
{
    return pt_clock_monotonic_ns(agent->options.clock) / PT_NS_PER_MS;
}

static void schedule(struct pt_agent *agent)
{
    if (!agent->is_stopping)
        pt_timer_start(agent->timer, agent->rhythm.due_ms - now_ms(agent));
}

static void set_pace(struct pt_agent *agent)
{
    agent->pace_ms = agent->options.interval_ms;
    if (agent->deliverer || agent->terminal)
        agent->pace_ms = pt_pace_ms(agent->tracker, agent->options.interval_ms);
    int64_t shortest_ms = agent->deliverer ? pt_deliverer_shortest_ms(agent->deliverer) : 0;
    if (agent->pace_ms < shortest_ms)
        agent->pace_ms = shortest_ms;
}

// Should an answer never come, the calls' own deadlines end the look.
static void on_timer(void *context)
{
    struct pt_agent *agent = context;
    pt_log_flush();
    bool was_up = pt_connection_is_up(agent->connection);
    if (was_up)
        pt_rhythm_begin_look(&agent->rhythm, now_ms(agent));
    pt_connection_look(agent->connection);
    if (!was_up && agent->deliverer)
        pt_deliverer_run(agent->deliverer, false, agent->pace_ms); // heartbeats go on without it
}

// --- how pulls are shown ---

static struct pt_pull_status status_of(const struct pt_agent *agent, const struct pt_pull *pull,
                                       double bytes_per_second)
{
    struct pt_pull_status status = pt_pull_status_make(pull);
    status.id = pull->id;
    status.node_name = agent->options.node_name;
    pt_pull_totals(pull, &status.totals);
    status.bytes_per_second = bytes_per_second;
    return status;
}

static void log_pull(struct pt_agent *agent, enum pt_event_type type, enum pt_log_level level,
                     const struct pt_pull *pull, double bytes_per_second)
{
    if (!pt_log_admits_event(level))
        return;
    struct pt_buffer json;
    pt_buffer_init(&json, MAX_EVENT_BYTES);
    const struct pt_pull_status status = status_of(agent, pull, bytes_per_second);
    int64_t now = pt_clock_wall_ns(agent->options.clock);
    if (pt_pull_event_encode(type, now, &status, false, &json) == 0)
        PT_LOG_WRITE(level, pt_event_type_name(type), pt_log_text("image", pull->image_ref),
                     pt_log_json("event", json.data));
    pt_buffer_finish(&json);
}

// Draws the active pulls, but not what only asks whether the image is there; without memory the
// terminal stays as it is.
static void draw(struct pt_agent *agent)
{
    if (!agent->terminal)
        return;
    size_t count = 0;
    size_t active = pt_tracker_active_count(agent->tracker);
    struct pt_pull_status *statuses = calloc(active + 1, sizeof(*statuses));
    if (!statuses)
        return;
    const struct pt_tracked *tracked = NULL;
    while ((tracked = pt_tracker_next(agent->tracker, tracked))) {
        if (!tracked->finished && tracked->pull.kind != PT_KIND_CHECK)
            statuses[count++] = status_of(agent, &tracked->pull, tracked->rate.bytes_per_second);
    }
    pt_terminal_draw(agent->terminal, statuses, count, pt_clock_wall_ns(agent->options.clock));
    free(statuses);
}

static void log_progress(struct pt_agent *agent)
{
    const struct pt_tracked *tracked = NULL;
    if (!pt_log_enabled(PT_LOG_DEBUG))
        return;
    while ((tracked = pt_tracker_next(agent->tracker, tracked))) {
        if (!tracked->finished)
            log_pull(agent, PT_EVENT_PULL_PROGRESS, PT_LOG_DEBUG, &tracked->pull,
                     tracked->rate.bytes_per_second);
    }
}

static void on_start(struct pt_agent *agent, const struct pt_pull *pull)
{
    log_pull(agent, PT_EVENT_PULL_STARTED, PT_LOG_INFO, pull, 0);
    agent->has_news = true;
    const struct pt_pull_status status = status_of(agent, pull, 0);
    if (agent->terminal && pull->kind != PT_KIND_CHECK)
        pt_terminal_note_start(agent->terminal, &status);
}

static void on_end(struct pt_agent *agent, const struct pt_pull *pull)
{
    if (pull->phase == PT_PULL_COMPLETED)
        log_pull(agent, PT_EVENT_PULL_COMPLETED, PT_LOG_INFO, pull, 0);
    else
        log_pull(agent, PT_EVENT_PULL_FAILED, PT_LOG_WARN, pull, 0);
    agent->has_news = true;
    const struct pt_pull_status status = status_of(agent, pull, 0);
    if (agent->terminal)
        pt_terminal_note_end(agent->terminal, &status);
}

static void on_change(void *context, enum pt_track_change change, const struct pt_pull *pull,
                      const struct pt_layer *layer)
{
    switch (change) {
    case PT_TRACK_STARTED:
        on_start(context, pull);
        break;
    case PT_TRACK_COMPLETED:
    case PT_TRACK_FAILED:
        on_end(context, pull);
        break;
    case PT_TRACK_NAMED:
        ((struct pt_agent *)context)->has_news = true;
        break;
    case PT_TRACK_LAYER_RESTARTED:
        pt_log_info("layer.restarted", pt_log_text("image", pull->image_ref),
                    pt_log_text("layer", layer->digest));
        break;
    }
}

// --- what the observer hands out ---

static void on_runtime(void *context, const char *name, const char *version)
{
    struct pt_agent *agent = context;
    pt_readiness_set_containerd(agent->options.readiness, NULL);
    if (agent->terminal)
        pt_terminal_set_trouble(agent->terminal, NULL);
    if (agent->deliverer)
        pt_deliverer_set_runtime(agent->deliverer, name, version);
    pt_rhythm_begin_look(&agent->rhythm, now_ms(agent));
}

static void on_observation(void *context, const struct pt_observation *observation)
{
    struct pt_agent *agent = context;
    agent->has_news = false;
    pt_tracker_observe(agent->tracker, observation);
    set_pace(agent);
    log_progress(agent);
    draw(agent);
    if (agent->deliverer)
        pt_deliverer_run(agent->deliverer, agent->has_news, agent->pace_ms);
    else
        pt_tracker_forget(agent->tracker, UINT64_MAX);
    // The memory of many pulls is not kept when they are over.
    bool is_busy = pt_tracker_active_count(agent->tracker) > 0;
    if (agent->was_busy && !is_busy)
        malloc_trim(0);
    agent->was_busy = is_busy;
    // A look ends also behind trouble, which has set the time of the next try.
    if (!pt_connection_is_up(agent->connection))
        return;
    pt_rhythm_end_look(&agent->rhythm, now_ms(agent), agent->pace_ms, observation->has_young);
    schedule(agent);
}

static void on_event(void *context, const struct pt_seen_event *event)
{
    struct pt_agent *agent = context;
    pt_tracker_event(agent->tracker, event);
    bool is_busy = pt_tracker_active_count(agent->tracker) > 0;
    bool is_sooner = pt_rhythm_note_event(&agent->rhythm, now_ms(agent), event, is_busy);
    if (is_sooner && pt_connection_is_up(agent->connection))
        schedule(agent);
}

static void on_trouble(void *context, const char *message, bool has_lost_events)
{
    struct pt_agent *agent = context;
    pt_readiness_set_containerd(agent->options.readiness, message);
    if (has_lost_events)
        pt_tracker_disconnected(agent->tracker);
    if (agent->terminal)
        pt_terminal_set_trouble(agent->terminal, message);
    draw(agent);
    pt_rhythm_note_trouble(&agent->rhythm, now_ms(agent));
    schedule(agent);
}

// --- what the header promises ---

static int create_parts(struct pt_agent *agent, struct pt_error *err)
{
    const struct pt_agent_options *options = &agent->options;
    struct event_base *base = pt_loop_base(options->loop);
    int r = pt_http_client_create(base, &agent->http, err);
    if (r == 0) {
        const struct pt_tracker_options tracker = {.on_change = on_change, .context = agent};
        r = pt_tracker_create(&tracker, &agent->tracker, err);
    }
    if (r == 0) {
        const struct pt_connection_options connection = {
            .http = agent->http,
            .clock = options->clock,
            .socket_path = options->containerd_socket,
            .socket_directories = options->containerd_socket_directories,
            .namespaces = options->containerd_namespaces,
            .on_runtime = on_runtime,
            .on_observation = on_observation,
            .on_event = on_event,
            .on_trouble = on_trouble,
            .context = agent,
        };
        r = pt_connection_create(&connection, &agent->connection, err);
    }
    if (r == 0 && options->watch_fd >= 0)
        r = pt_terminal_create(options->watch_fd, &agent->terminal, err);
    if (r == 0 && options->server_url[0]) {
        const struct pt_deliverer_options deliverer = {
            .base = base,
            .http = agent->http,
            .clock = options->clock,
            .tracker = agent->tracker,
            .identity = options->identity,
            .token = options->token,
            .server_url = options->server_url,
            .node_name = options->node_name,
            .ca_file = options->ca_file,
            .readiness = options->readiness,
        };
        r = pt_deliverer_create(&deliverer, &agent->deliverer, err);
    }
    return r;
}

static void on_deadline(void *context)
{
    pt_loop_stop(((struct pt_agent *)context)->options.loop);
}

int pt_agent_create(const struct pt_agent_options *options, struct pt_agent **ret_agent,
                    struct pt_error *err)
{
    struct pt_agent *agent = calloc(1, sizeof(*agent));
    if (!agent)
        return pt_error_set(err, ENOMEM, "out of memory");
    agent->options = *options;
    agent->pace_ms = options->interval_ms;
    struct event_base *base = pt_loop_base(options->loop);
    agent->timer = pt_timer_create(base, options->clock, on_timer, agent);
    agent->deadline = pt_timer_create(base, options->clock, on_deadline, agent);
    int r = agent->timer && agent->deadline ? create_parts(agent, err)
                                            : pt_error_set(err, ENOMEM, "out of memory");
    if (r < 0) {
        pt_agent_destroy(agent);
        return r;
    }
    pt_timer_start(agent->timer, 0);
    *ret_agent = agent;
    return 0;
}

void pt_agent_destroy(struct pt_agent *agent)
{
    if (!agent)
        return;
    pt_deliverer_destroy(agent->deliverer);
    pt_connection_destroy(agent->connection);
    pt_tracker_destroy(agent->tracker);
    pt_terminal_destroy(agent->terminal);
    pt_http_client_destroy(agent->http);
    pt_timer_destroy(agent->timer);
    pt_timer_destroy(agent->deadline);
    free(agent);
}

void pt_agent_stop(struct pt_agent *agent)
{
    agent->is_stopping = true;
    pt_timer_stop(agent->timer);
    pt_timer_start(agent->deadline, STOP_WITHIN_MS);
    struct pt_loop *loop = agent->options.loop;
    if (agent->deliverer)
        pt_deliverer_flush(agent->deliverer, (void (*)(void *))pt_loop_stop, loop);
    else
        pt_loop_stop(loop);
}
