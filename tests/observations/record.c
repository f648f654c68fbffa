// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/connection.h"
#include "base/clock.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/timer.h"
#include "observation_json.h"

#include <stdio.h>
#include <stdlib.h>

// Writes what the agent's observer sees of a containerd to standard output until SIGTERM:
// record <socket> <directory of the socket>. Says "recording" on standard error
// at each look.
// tests/observations/record.py drives it.

#define PACE_MS 500

static void on_observation(void *context, const struct pt_observation *observation)
{
    (void)context;
    fprintf(stderr, "recording\n");
    if (observation->lease_count > 0 || observation->image_count > 0)
        observation_write(stdout, observation);
}

static void on_event(void *context, const struct pt_seen_event *event)
{
    (void)context;
    if (event->kind != PT_SEEN_IMAGE_WRITTEN)
        event_write(stdout, event);
}

static void on_runtime(void *context, const char *name, const char *version)
{
    (void)context, (void)name, (void)version;
}

static void on_trouble(void *context, const char *message, bool has_lost_events)
{
    (void)context, (void)has_lost_events;
    fprintf(stderr, "%s\n", message);
}

static void on_timer(void *connection)
{
    pt_connection_look(connection);
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
    if (argc != 3 || pt_loop_create(&loop, &err) < 0 ||
        pt_http_client_create(pt_loop_base(loop), &http, &err) < 0) {
        fprintf(stderr, "record: %s\n", err.message);
        return EXIT_FAILURE;
    }
    struct pt_connection *connection = NULL;
    const struct pt_connection_options options = {
        .http = http,
        .clock = pt_clock_system(),
        .socket_path = argv[1],
        .socket_directories = argv[2],
        .namespaces = "*",
        .on_runtime = on_runtime,
        .on_observation = on_observation,
        .on_event = on_event,
        .on_trouble = on_trouble,
    };
    if (pt_connection_create(&options, &connection, &err) < 0)
        return EXIT_FAILURE;
    struct pt_timer *timer =
        pt_timer_create(pt_loop_base(loop), pt_clock_system(), on_timer, connection);
    if (!timer)
        return EXIT_FAILURE;
    pt_timer_start_every(timer, PACE_MS);
    int r = pt_loop_run(loop, on_stop, loop, &err);
    pt_timer_destroy(timer);
    pt_connection_destroy(connection);
    pt_http_client_destroy(http);
    pt_loop_destroy(loop);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
