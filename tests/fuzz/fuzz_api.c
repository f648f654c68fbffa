// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/loop.h"
#include "base/secret_file.h"
#include "fuzz_clock.h"
#include "server/api/api.h"
#include "server/api/long_answer.h"
#include "server/holdup/hold_ups.h"
#include "server/http/http_reply.h"
#include "server/ingest/report_queue.h"
#include "server/stream/event_feed.h"
#include "source.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

// A client of the whole server that sends anything: bytes that are no request, paths, queries with
// cursors and filters, Last-Event-ID, headers of proxies and browsers, reports, in any pieces. Each
// answer is HTTP, holds no control character in its head, and when the client is gone all memory is
// given back.

#define START (INT64_C(1790000000) * PT_NS_PER_S)

// In place of a server that listens.
bool __wrap_pt_http_server_is_draining(const struct pt_http_server *server);
struct pt_connection_figures __wrap_pt_http_server_figures(const struct pt_http_server *server);
uint64_t __wrap_pt_http_server_refused_bodies(const struct pt_http_server *server);

bool __wrap_pt_http_server_is_draining(const struct pt_http_server *server)
{
    (void)server;
    return false;
}

struct pt_connection_figures __wrap_pt_http_server_figures(const struct pt_http_server *server)
{
    (void)server;
    return (struct pt_connection_figures){0};
}

uint64_t __wrap_pt_http_server_refused_bodies(const struct pt_http_server *server)
{
    (void)server;
    return 0;
}

static struct world {
    struct pt_api api;
    struct pt_loop *loop;
    struct pt_hold_ups *hold_ups;
    struct pt_metrics metrics;
    struct pt_connections connections;
    struct pt_memory_share store_memory, connection_memory, stream_memory, answer_memory;
    int client; // its end of the connection, -1: none
} world;

static void on_event(void *context, enum pt_event_type type, const struct pt_stored_pull *stored)
{
    (void)context, (void)type, (void)stored;
}

static void on_change(void *context)
{
    (void)context;
    if (world.api.feed)
        pt_event_feed_wake(world.api.feed);
}

static void on_request(void *context, struct pt_request *request, int refusal)
{
    if (refusal)
        pt_reply_refusal(request, refusal);
    else
        pt_api_handle(context, request);
}

// --- the server, which stays from input to input; its store does not ---

static void begin_server(void)
{
    const struct pt_connection_handler handler = {on_request, pt_api_wants_body, &world.api};
    int r = pt_loop_create(&world.loop, NULL);
    assert(r == 0);
    world.api = (struct pt_api){.base = pt_loop_base(world.loop),
                                .clock = &fuzz_clock,
                                .metrics = &world.metrics,
                                .loop = world.loop,
                                .started_wall_ns = START,
                                .lists = {.memory = &world.answer_memory},
                                .allowed_hosts = "a.example",
                                .cluster_name = "c"};
    r = pt_secret_create("secret", NULL, &world.api.agent_token.secret, NULL);
    assert(r == 0);
    r = pt_connections_init(&world.connections, world.loop, &fuzz_clock, &handler, 8, NULL);
    assert(r == 0);
    pt_connections_set_memory(&world.connections, &world.connection_memory, &world.answer_memory);
    r = pt_long_answers_create(world.loop, &fuzz_clock, &world.api.long_answers, NULL);
    assert(r == 0);
}

static void begin_store(void)
{
    static const char report[] =
        "{\"nodeName\":\"n1\",\"timestamp\":\"2026-09-21T14:13:20Z\",\"pulls\":[{\"id\":\"a\","
        "\"imageRef\":\"a.io/"
        "b:1\",\"totalKnown\":true,\"phase\":\"downloading\",\"layers\":[{\"digest\":"
        "\"sha256:a\",\"totalBytes\":9,\"downloadedBytes\":3,\"totalKnown\":true}]},{\"id\":\"b\","
        "\"imageRef\":\"c.io/d:2\",\"phase\":\"failed\",\"error\":\"<b>\"}]}";
    const struct pt_store_settings settings = {50, 10, 600 * PT_NS_PER_S, 60 * PT_NS_PER_S,
                                               &world.store_memory};
    const struct pt_store_output output = {.on_event = on_event, .on_change = on_change};
    struct pt_report decoded;
    struct pt_error err;
    fuzz_now_ns = START;
    pt_memory_share_init(&world.store_memory, "store", 1 << 20, NULL);
    world.api.store = pt_store_create(&settings, &fuzz_clock, &output);
    world.hold_ups = pt_hold_ups_create(world.api.store, &fuzz_clock);
    world.api.hold_ups = world.hold_ups;
    world.api.reports = pt_report_queue_create(world.loop, &fuzz_clock, world.api.store,
                                               pt_api_report_done, &world.api);
    int r = pt_event_feed_create(world.loop, &fuzz_clock, world.api.store, 4, &world.stream_memory,
                                 &world.api.feed, NULL);
    assert(r == 0 && world.api.store && world.hold_ups && world.api.reports);
    r = pt_report_decode(report, strlen(report), &decoded, NULL);
    assert(r == 0 && decoded.pull_count == 2);
    r = pt_store_apply(world.api.store, &decoded, &err);
    assert(r == 0);
    pt_report_finish(&decoded);
    (void)pt_hold_ups_turn(world.hold_ups);
}

static void turn(void)
{
    for (int i = 0; i < 3; i++)
        event_base_loop(world.api.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void end_store(void)
{
    if (world.client >= 0)
        close(world.client);
    turn();
    pt_event_feed_destroy(world.api.feed);
    pt_report_queue_destroy(world.api.reports);
    world.api.feed = NULL;
    pt_connections_cut_idlest(&world.connections);
    turn();
    assert(world.connections.figures.open == 0);
    pt_hold_ups_destroy(world.hold_ups);
    pt_store_destroy(world.api.store);
    assert(world.connection_memory.used_bytes == 0 && world.answer_memory.used_bytes == 0);
    assert(world.stream_memory.used_bytes == 0 && world.api.lists.bytes == 0);
}

// --- its client ---

static void connect_client(void)
{
    int pair[2];
    const struct sockaddr address = {.sa_family = AF_UNIX};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        abort();
    pt_connections_add(&world.connections, pair[1], &address, NULL);
    world.client = pair[0];
}

static void check_head(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    if (strncmp(text, "HTTP/1.1 ", 9) != 0 || !end)
        return; // a piece of what came before
    for (const char *at = text; at < end; at++)
        assert((unsigned char)*at >= ' ' || *at == '\r' || *at == '\n');
}

static void hear(void)
{
    static char text[65536];
    ssize_t n = recv(world.client, text, sizeof(text) - 1, MSG_DONTWAIT);
    if (n <= 0)
        return;
    text[n] = '\0';
    check_head(text);
}

static void say(const char *text, size_t length)
{
    if (world.client < 0)
        connect_client();
    if (send(world.client, text, length, MSG_NOSIGNAL) < 0) { // it was cut
        close(world.client);
        world.client = -1;
        return;
    }
    turn();
    hear();
}

static void say_request(struct source *source)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE"};
    static const char *const paths[] = {"/",
                                        "/healthz",
                                        "/api/v1/pulls",
                                        "/api/v1/events",
                                        "/api/v1/nodes",
                                        "/api/v1/pods",
                                        "/api/v1/summary",
                                        "/api/v1/registries",
                                        "/api/v1/report",
                                        "/api/v1/pulls/",
                                        "/api/v1/pods/",
                                        "/assets/../x"};
    static const char *const queries[] = {"?cursor=",
                                          "?sort=-imageRef&limit=1&cursor=",
                                          "?node=",
                                          "?lastEventId=",
                                          "?types=layer,pull&hello=1&image=",
                                          "?limit=1&after=",
                                          "/",
                                          "?"};
    static const char *const headers[] = {"Last-Event-ID: ",
                                          "X-Forwarded-For: ",
                                          "Forwarded: ",
                                          "Origin: http://",
                                          "Authorization: ",
                                          "Sec-Fetch-Site: ",
                                          "If-None-Match: ",
                                          "Accept-Encoding: ",
                                          "Content-Length: ",
                                          "Transfer-Encoding: ",
                                          "X: "};
    char text[2048];
    const char *method = ANY(source, methods), *path = ANY(source, paths);
    const char *query = ANY(source, queries), *header = ANY(source, headers);
    char *value = take_text(source, 1), *more = take_text(source, 1);
    int length =
        snprintf(text, sizeof(text), "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n\r\n", method, path,
                 query, value, value[0] == '!' ? "b.example" : "a.example", header, more);
    say(text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
    free(value);
    free(more);
}

static void say_report(struct source *source)
{
    char text[2048];
    char *body = take_text(source, 4);
    int length = snprintf(text, sizeof(text),
                          "POST /api/v1/report HTTP/1.1\r\nHost: a.example\r\nContent-Type: "
                          "application/json\r\nAuthorization: Bearer secret\r\nContent-Length: "
                          "%zu\r\n\r\n%s",
                          strlen(body), body);
    say(text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
    free(body);
}

static void happen(struct source *source)
{
    size_t length;
    const uint8_t *bytes;
    switch (take_below(source, 6)) {
    case 0:
    case 1:
    case 2:
        say_request(source);
        break;
    case 3:
        say_report(source);
        break;
    case 4:
        bytes = take_bytes(source, 2, &length);
        say((const char *)bytes, length);
        break;
    default:
        fuzz_now_ns += take(source) * PT_NS_PER_S;
        pt_connections_cut_slow(&world.connections);
        (void)pt_store_sweep(world.api.store);
        (void)pt_hold_ups_turn(world.hold_ups);
        turn();
        if (world.client >= 0)
            hear();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    if (!world.loop) {
        pt_log_set_descriptor(-1);
        pt_memory_share_init(&world.connection_memory, "connections", 1 << 20, NULL);
        pt_memory_share_init(&world.stream_memory, "streams", 1 << 20, NULL);
        pt_memory_share_init(&world.answer_memory, "answers", 1 << 20, NULL);
        begin_server();
    }
    world.client = -1;
    begin_store();
    for (int i = 0; source.size > 0 && i < 50; i++)
        happen(&source);
    end_store();
    return 0;
}
