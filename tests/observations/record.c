// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/events.h"
#include "agent/observe/round.h"
#include "base/clock.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "containerd/containerd_api.h"
#include "observation_json.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

// Writes what the agent's observer sees of a containerd to standard output until SIGTERM:
// record <socket> <directory of the socket>. Says "recording" on standard error.
// tests/observations/record.py drives it.

#define PACE_MS 500

static struct pt_observer *observer;
static struct pt_containerd_events *events;

static void on_observation(void *context, const struct pt_observation *observation)
{
    (void)context;
    if (observation->lease_count > 0 || observation->image_count > 0)
        observation_write(stdout, observation);
}

static void on_failure(void *context, const char *message)
{
    (void)context;
    fprintf(stderr, "%s\n", message);
}

static void on_event(void *context, const struct pt_seen_event *event)
{
    (void)context;
    event_write(stdout, event);
}

static void on_image(void *context, const char *namespace, const char *name, bool is_repull,
                     int64_t at)
{
    (void)context;
    pt_observer_note_image(observer, namespace, name, is_repull, at);
}

static void on_broken(void *context, const char *message)
{
    (void)context;
    (void)message;
}

static void on_version(void *context, const struct pt_grpc_status *status, const void *message)
{
    (void)context;
    (void)message;
    if (status->code != PT_GRPC_OK)
        return;
    pt_containerd_events_start(events);
    fprintf(stderr, "recording\n");
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pt_error err;
    if (pt_containerd_version(context, on_version, NULL, &err) == 0)
        pt_observer_start(observer);
}

static void on_stop(void *context)
{
    pt_loop_stop(context);
}

int main(int argc, char **argv)
{
    struct pt_error err = {.message = "usage: record <socket> <directory>"};
    struct pt_loop *loop = NULL;
    struct pt_http_client *http = NULL;
    struct pt_containerd *containerd = NULL;
    if (argc != 3 || pt_loop_create(&loop, &err) < 0 ||
        pt_http_client_create(pt_loop_base(loop), &http, &err) < 0 ||
        pt_containerd_create(http, argv[1], argv[2], &containerd, &err) < 0) {
        fprintf(stderr, "record: %s\n", err.message);
        return EXIT_FAILURE;
    }
    const struct pt_observer_options observer_options = {
        .containerd = containerd,
        .clock = pt_clock_system(),
        .namespaces = "*",
        .on_observation = on_observation,
        .on_failure = on_failure,
    };
    const struct pt_containerd_events_options event_options = {
        .containerd = containerd,
        .on_event = on_event,
        .on_image = on_image,
        .on_broken = on_broken,
    };
    if (pt_observer_create(&observer_options, &observer, &err) < 0 ||
        pt_containerd_events_create(&event_options, &events, &err) < 0)
        return EXIT_FAILURE;
    struct event *timer = event_new(pt_loop_base(loop), -1, EV_PERSIST, on_timer, containerd);
    const struct timeval pace = {.tv_usec = PACE_MS * 1000};
    event_add(timer, &pace);
    int r = pt_loop_run(loop, on_stop, loop, &err);
    event_free(timer);
    pt_containerd_destroy(containerd);
    pt_containerd_events_destroy(events);
    pt_observer_destroy(observer);
    pt_http_client_destroy(http);
    pt_loop_destroy(loop);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
