// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/log.h"
#include "fuzz_clock.h"
#include "kube/event_watch.h"
#include "kube/pod_watch.h"

#include "../unit/fake_watch.h"
#include "source.h"

#include <stdio.h>

// An API server that answers lists and watches with anything: pieces of JSON, objects that are
// whole, statuses, tokens of pages, headers. The watch is always either asking or about to, and
// every pod that waits ends once.

#define MAX_STEPS 400
#define MAX_PODS 32

static struct world {
    char pods[MAX_PODS][PT_LIMIT_KUBE_NAME_BYTES + 1]; // that wait; "": free
    bool has_more;                                     // than are noted
} world;

// --- who follows ---

static uint32_t no_chance(void)
{
    return 0x9e3779b9;
}

static char *find_pod(const char *uid)
{
    for (size_t i = 0; i < MAX_PODS; i++) {
        if (strcmp(world.pods[i], uid) == 0)
            return world.pods[i];
    }
    return NULL;
}

static void on_waiting(void *context, const struct pt_kube_pod *pod)
{
    (void)context;
    assert(pod->waiting_count > 0 && pod->waiting_count <= PT_LIMIT_CONTAINERS_PER_POD);
    assert(*pod->uid && strlen(pod->uid) <= PT_LIMIT_KUBE_NAME_BYTES);
    if (find_pod(pod->uid))
        return;
    char *place = find_pod("");
    world.has_more |= !place;
    if (place)
        strcpy(place, pod->uid);
}

static void on_end(void *context, const char *uid, enum pt_pod_end end)
{
    (void)context;
    char *place = find_pod(uid);
    assert(end <= PT_POD_LOST && (place || world.has_more));
    if (place)
        *place = '\0';
}

static void on_event(void *context, const struct pt_kube_event *event)
{
    (void)context;
    assert(event->uid && event->pod && event->node && event->count >= 1 &&
           event->count <= PT_LIMIT_EVENT_COUNT && event->message.word != PT_KUBELET_OTHER);
}

// --- what the API server says ---

static void write_object(struct source *source, char *text, size_t size)
{
    static const char *const reasons[] = {"ErrImagePull", "ImagePullBackOff", "ContainerCreating",
                                          "Pulling",      "Pulled",           "Failed"};
    static const char backs_off[] = "Back-off pulling image \\\"a:1\\\"";
    static const char failed[] = "Failed to pull image \\\"a:1\\\": rpc error: no such host";
    static const char pulled[] = "Successfully pulled image \\\"a:1\\\" in 1.5s "
                                 "(2s including waiting). Image size: 7 bytes.";
    static const char present[] = "Container image \\\"a:1\\\" already present on machine";
    static const char *const messages[] = {backs_off, failed, pulled, present, ""};
    unsigned which = take(source);
    const char *reason = ANY(source, reasons), *message = ANY(source, messages);
    snprintf(
        text, size,
        "{\"metadata\":{\"uid\":\"u%u\",\"namespace\":\"n\",\"name\":\"p\",\"resourceVersion\":"
        "\"%u\"%s},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\",\"image\":"
        "\"a:1\"}]},\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"c\","
        "\"state\":{\"%s\":{\"reason\":\"%s\",\"message\":\"%s\"}}}]},\"reason\":\"%s\","
        "\"message\":\"%s\",\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p\",\"namespace\":"
        "\"n\",\"uid\":\"u\",\"fieldPath\":\"spec.containers{c}\"},\"count\":%u,"
        "\"lastTimestamp\":\"2026-11-29T12:00:00Z\",\"source\":{\"component\":\"kubelet\","
        "\"host\":\"n1\"}}",
        which % 8, which, which & 64 ? ",\"deletionTimestamp\":\"2026-11-29T12:00:00Z\"" : "",
        which & 8 ? "running" : "waiting", reason, message, reason, message, which);
}

static void send(const char *text)
{
    const struct pt_http_result bad = {.error = -EBADMSG, .message = "bad message"};
    if (fake_watch.is_in_flight && send_data(text) < 0)
        end_answer(&bad);
}

static void send_whole(struct source *source)
{
    static const char *const types[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
    char object[2048], text[6144];
    unsigned how = take(source);
    write_object(source, object, sizeof(object));
    if (how & 1)
        snprintf(text, sizeof(text), "{\"type\":\"%s\",\"object\":%s}", ANY(source, types), object);
    else
        snprintf(
            text, sizeof(text),
            "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"%s\"}"
            ",\"items\":[%s,%s]}",
            how & 2 ? "tok&en=%2F" : "", object, object);
    send(text);
}

static void send_status(struct source *source)
{
    char text[256];
    unsigned code = 400 + take(source) % 120;
    snprintf(text, sizeof(text),
             "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"no\","
             "\"code\":%u}",
             code);
    send(text);
}

static void send_header(struct source *source)
{
    char *value = take_text(source, 1);
    if (fake_watch.is_in_flight)
        fake_watch.request.on_header(fake_watch.request.context, "retry-after", value);
    free(value);
}

static void end_request(struct source *source)
{
    static const int statuses[] = {200, 200, 200, 401, 403, 404, 410, 429, 500, 504};
    unsigned how = take(source);
    const struct pt_http_result result = {.error = how & 1 ? -ECONNRESET : 0,
                                          .status = ANY(source, statuses),
                                          .message = how & 1 ? "reset" : ""};
    if (fake_watch.is_in_flight)
        end_answer(&result);
}

static void happen(struct source *source)
{
    char *text;
    switch (take_below(source, 8)) {
    case 0:
        send_header(source);
        break;
    case 1:
    case 2:
        text = take_text(source, 1);
        send(text);
        free(text);
        break;
    case 3:
    case 4:
        send_whole(source);
        break;
    case 5:
        send_status(source);
        break;
    case 6:
        end_request(source);
        break;
    default:
        fuzz_now_ns += take(source) * PT_NS_PER_S;
        if (fake_watch.is_timer_set)
            fire_timer();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    const struct pt_kube_client client = {.clock = &fuzz_clock, .random = no_chance};
    const struct pt_pod_watch_handler pod_handler = {.on_waiting = on_waiting, .on_end = on_end};
    const struct pt_event_watch_handler event_handler = {.on_event = on_event};
    struct pt_pod_watch *pods = NULL;
    struct pt_event_watch *events = NULL;
    pt_log_set_descriptor(-1);
    world = (struct world){0};
    fuzz_now_ns = 1000 * PT_NS_PER_S;
    fake_watch = (struct fake_watch){0};
    unsigned how = take(&source);
    int r = how & 1
                ? pt_pod_watch_create(&client, how & 2 ? "n s" : NULL, &pod_handler, &pods, NULL)
                : pt_event_watch_create(&client, NULL, &event_handler, &events, NULL);
    assert(r == 0);
    for (int i = 0; source.size > 0 && i < MAX_STEPS; i++) {
        happen(&source);
        assert(fake_watch.is_in_flight != fake_watch.is_timer_set);
    }
    pt_pod_watch_destroy(pods);
    pt_event_watch_destroy(events);
    assert(!fake_watch.is_in_flight && !fake_watch.is_timer_set);
    return 0;
}
