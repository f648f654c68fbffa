// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"

#include "agent/deliver.h"
#include "agent/observe/events.h"
#include "agent/observe/round.h"
#include "agent/track/pace.h"
#include "agent/track/track.h"
#include "base/clock.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/loop.h"
#include "containerd/containerd_api.h"
#include "pull/event.h"
#include "terminal/terminal.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 1000
#define MIN_GAP_MS 50     // between two looks, whatever wakes us
#define BUSY_GAP_MS 250   // the same for what can wait while something is being pulled
#define EAGER_MS 150      // pace after an image record was written: its lease is about to go
#define EAGER_FOR_MS 1000 // how long that pace is kept
#define YOUNG_MS 30       // pace while a lease may yet show as a pull, or fail as one
#define STOP_WITHIN_MS 2000
#define MAX_EVENT_BYTES (1024 * 1024)

struct pt_agent {
    struct pt_agent_options options;
    const struct pt_clock *clock;
    struct pt_http_client *http;
    struct pt_containerd *containerd;
    struct pt_observer *observer;
    struct pt_tracker *tracker;
    struct pt_containerd_events *events;
    struct pt_deliverer *deliverer; // NULL: no server
    struct pt_terminal *terminal;   // NULL: nobody watches
    struct event *timer;            // the next look
    struct event *deadline;         // of the end
    bool is_connected;              // containerd has answered
    bool is_asking_version;
    bool has_news;
    bool has_young; // a lease may be about to show that it is a pull, or about to fail as one
    bool was_busy;  // pulls were active at the last look
    bool is_stopping;
    int64_t looked_ms; // when the last look began
    int64_t next_ms;   // when the next one is due
    int64_t pace_ms;   // from one to the next
    int64_t eager_until_ms;
    char last_failure[256]; // as logged, "" while containerd answers
};

static int64_t now_ms(const struct pt_agent *agent)
{
    return pt_clock_monotonic_ns(agent->clock) / PT_NS_PER_MS;
}

// --- when to look ---

static void schedule(struct pt_agent *agent, int64_t at_ms)
{
    if (agent->is_stopping)
        return;
    int64_t delay_ms = at_ms - now_ms(agent);
    if (delay_ms < 0)
        delay_ms = 0;
    agent->next_ms = at_ms;
    struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};
    event_add(agent->timer, &delay);
}

// Something happened: look soon, but not as often as things happen.
static void wake(struct pt_agent *agent, int64_t gap_ms)
{
    if (!agent->is_connected)
        return;
    int64_t at_ms = agent->looked_ms + gap_ms;
    if (at_ms < agent->next_ms)
        schedule(agent, at_ms);
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

static void schedule_next(struct pt_agent *agent)
{
    int64_t pace_ms = agent->pace_ms;
    if (now_ms(agent) < agent->eager_until_ms && EAGER_MS < pace_ms)
        pace_ms = EAGER_MS;
    if (agent->has_young)
        pace_ms = YOUNG_MS;
    schedule(agent, agent->looked_ms + pace_ms);
}

// --- containerd comes and goes ---

static void note_failure(struct pt_agent *agent, const char *message)
{
    agent->is_connected = false;
    if (strcmp(agent->last_failure, message) != 0)
        pt_log_warn("containerd.unreachable",
                    pt_log_text("socket", agent->options.containerd_socket),
                    pt_log_text("error", message));
    strncpy(agent->last_failure, message, sizeof(agent->last_failure) - 1);
    if (agent->terminal) {
        pt_terminal_set_trouble(agent->terminal, message);
        pt_terminal_draw(agent->terminal, agent->tracker, pt_clock_wall_ns(agent->clock));
    }
    schedule(agent, now_ms(agent) + RETRY_MS);
}

static void look(struct pt_agent *agent)
{
    agent->looked_ms = now_ms(agent);
    // Should an answer never come, the calls' own deadlines end the round.
    pt_observer_start(agent->observer);
}

static void on_version(void *context, const struct pt_grpc_status *status, const void *message)
{
    struct pt_agent *agent = context;
    const Ctrd__VersionResponse *response = message;
    agent->is_asking_version = false;
    if (status->code != PT_GRPC_OK) {
        note_failure(agent, status->message);
        return;
    }
    agent->is_connected = true;
    agent->last_failure[0] = '\0';
    pt_log_info("containerd.connected", pt_log_text("socket", agent->options.containerd_socket),
                pt_log_text("version", response->version));
    if (agent->terminal)
        pt_terminal_set_trouble(agent->terminal, NULL);
    if (agent->deliverer)
        pt_deliverer_set_runtime(agent->deliverer, response->version);
    pt_containerd_events_start(agent->events);
    look(agent);
}

static void ask_version(struct pt_agent *agent)
{
    struct pt_error err;
    if (agent->is_asking_version)
        return;
    agent->is_asking_version = true;
    if (pt_containerd_version(agent->containerd, on_version, agent, &err) < 0) {
        agent->is_asking_version = false;
        note_failure(agent, err.message);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pt_agent *agent = context;
    pt_log_flush();
    if (agent->is_connected) {
        look(agent); // its observation is reported
        return;
    }
    ask_version(agent);
    if (agent->deliverer)
        pt_deliverer_run(agent->deliverer, false, agent->pace_ms); // heartbeats go on without it
}

// --- what the rounds bring ---

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
    int64_t now = pt_clock_wall_ns(agent->clock);
    if (pt_pull_event_encode(type, now, &status, false, &json) == 0)
        PT_LOG_WRITE(level, pt_event_type_name(type), pt_log_text("image", pull->image_ref),
                     pt_log_json("event", json.data));
    pt_buffer_finish(&json);
}

static void on_change(void *context, enum pt_track_change change, const struct pt_pull *pull,
                      const struct pt_layer *layer)
{
    struct pt_agent *agent = context;
    switch (change) {
    case PT_TRACK_STARTED:
        log_pull(agent, PT_EVENT_PULL_STARTED, PT_LOG_INFO, pull, 0);
        break;
    case PT_TRACK_COMPLETED:
        log_pull(agent, PT_EVENT_PULL_COMPLETED, PT_LOG_INFO, pull, 0);
        break;
    case PT_TRACK_FAILED:
        log_pull(agent, PT_EVENT_PULL_FAILED, PT_LOG_WARN, pull, 0);
        break;
    case PT_TRACK_LAYER_RESTARTED:
        pt_log_info("layer.restarted", pt_log_text("image", pull->image_ref),
                    pt_log_text("layer", layer->digest));
        return;
    }
    agent->has_news = true;
    if (agent->terminal)
        pt_terminal_tell(agent->terminal, change, pull);
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

static void on_observation(void *context, const struct pt_observation *observation)
{
    struct pt_agent *agent = context;
    agent->has_news = false;
    agent->has_young = observation->has_young;
    pt_tracker_observe(agent->tracker, observation);
    set_pace(agent);
    log_progress(agent);
    if (agent->terminal)
        pt_terminal_draw(agent->terminal, agent->tracker, observation->taken_at);
    if (agent->deliverer)
        pt_deliverer_run(agent->deliverer, agent->has_news, agent->pace_ms);
    else
        pt_tracker_forget(agent->tracker, UINT64_MAX);
    // The memory of many pulls is not kept when they are over.
    bool is_busy = pt_tracker_active_count(agent->tracker) > 0;
    if (agent->was_busy && !is_busy)
        malloc_trim(0);
    agent->was_busy = is_busy;
    schedule_next(agent);
}

static void on_failure(void *context, const char *message)
{
    note_failure(context, message);
}

static void on_event(void *context, const struct pt_seen_event *event)
{
    struct pt_agent *agent = context;
    pt_tracker_event(agent->tracker, event);
    // What happens to a layer that is known is told with the next look. Content that is not may be
    // the manifest of a pull that fails at once.
    if (pt_observer_note_event(agent->observer, event))
        return;
    bool may_wait =
        event->kind != PT_SEEN_CONTENT_CREATED && pt_tracker_active_count(agent->tracker) > 0;
    wake(agent, may_wait ? BUSY_GAP_MS : MIN_GAP_MS);
}

static void on_image(void *context, const char *namespace, const char *name, bool is_repull,
                     int64_t at)
{
    struct pt_agent *agent = context;
    pt_observer_note_image(agent->observer, namespace, name, is_repull, at);
    agent->eager_until_ms = now_ms(agent) + EAGER_FOR_MS;
    wake(agent, MIN_GAP_MS);
}

static void on_broken(void *context, const char *message)
{
    struct pt_agent *agent = context;
    pt_tracker_disconnected(agent->tracker);
    note_failure(agent, message);
}

// --- what the header promises ---

static int create_parts(struct pt_agent *agent, struct pt_error *err)
{
    const struct pt_agent_options *options = &agent->options;
    struct event_base *base = pt_loop_base(options->loop);
    int r = pt_http_client_create(base, &agent->http, err);
    if (r == 0)
        r = pt_containerd_create(agent->http, options->containerd_socket,
                                 options->containerd_socket_directories, &agent->containerd, err);
    if (r == 0) {
        const struct pt_tracker_options tracker = {.on_change = on_change, .context = agent};
        r = pt_tracker_create(&tracker, &agent->tracker, err);
    }
    if (r == 0) {
        const struct pt_observer_options observer = {
            .containerd = agent->containerd,
            .clock = agent->clock,
            .namespaces = options->containerd_namespaces,
            .on_observation = on_observation,
            .on_failure = on_failure,
            .context = agent,
        };
        r = pt_observer_create(&observer, &agent->observer, err);
    }
    if (r == 0) {
        const struct pt_containerd_events_options events = {
            .containerd = agent->containerd,
            .on_event = on_event,
            .on_image = on_image,
            .on_broken = on_broken,
            .context = agent,
        };
        r = pt_containerd_events_create(&events, &agent->events, err);
    }
    if (r == 0 && options->watch_fd >= 0)
        r = pt_terminal_create(options->watch_fd, &agent->terminal, err);
    if (r == 0 && options->server_url[0]) {
        const struct pt_deliverer_options deliverer = {
            .base = base,
            .http = agent->http,
            .clock = agent->clock,
            .tracker = agent->tracker,
            .token = options->token,
            .server_url = options->server_url,
            .node_name = options->node_name,
            .ca_file = options->ca_file,
        };
        r = pt_deliverer_create(&deliverer, &agent->deliverer, err);
    }
    return r;
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
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
    agent->clock = pt_clock_system();
    agent->timer = evtimer_new(pt_loop_base(options->loop), on_timer, agent);
    agent->deadline = evtimer_new(pt_loop_base(options->loop), on_deadline, agent);
    int r = agent->timer && agent->deadline ? create_parts(agent, err)
                                            : pt_error_set(err, ENOMEM, "out of memory");
    if (r < 0) {
        pt_agent_destroy(agent);
        return r;
    }
    schedule(agent, now_ms(agent));
    *ret_agent = agent;
    return 0;
}

void pt_agent_destroy(struct pt_agent *agent)
{
    if (!agent)
        return;
    pt_deliverer_destroy(agent->deliverer);
    pt_containerd_destroy(agent->containerd);
    pt_containerd_events_destroy(agent->events);
    pt_observer_destroy(agent->observer);
    pt_tracker_destroy(agent->tracker);
    pt_terminal_destroy(agent->terminal);
    pt_http_client_destroy(agent->http);
    if (agent->timer)
        event_free(agent->timer);
    if (agent->deadline)
        event_free(agent->deadline);
    free(agent);
}

void pt_agent_stop(struct pt_agent *agent)
{
    struct timeval limit = {STOP_WITHIN_MS / 1000, STOP_WITHIN_MS % 1000 * 1000};
    agent->is_stopping = true;
    event_del(agent->timer);
    event_add(agent->deadline, &limit);
    struct pt_loop *loop = agent->options.loop;
    if (agent->deliverer)
        pt_deliverer_flush(agent->deliverer, (void (*)(void *))pt_loop_stop, loop);
    else
        pt_loop_stop(loop);
}
