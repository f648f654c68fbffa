// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_CONNECTION_FIXTURE_H
#define PT_TESTS_CONNECTION_FIXTURE_H

// Connections of a server whose handler is the test's, their clients, and a clock that stands.

#include "server/http/http_connection_state.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/loop.h"
#include "server/http/http_reply.h"
#include "server/http/http_stream.h"

#include "check.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define HUGE_BYTES 400000 // more than a socket takes at once
#define POST "POST /a HTTP/1.1\r\nHost: x\r\n"

static int allocations_left = -1; // of libevent's; -1: all succeed

static inline void *scarce_malloc(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left -= allocations_left > 0;
    return malloc(size);
}

struct fixture {
    struct pt_loop *loop;
    struct pt_clock clock;
    int64_t now_ns;
    struct pt_connections connections;
    struct pt_memory_share memory, answers;
    int clients[MAX_CLIENTS];
    size_t client_count;
    int answered;
    int refusal; // the last one
    bool body_left_out, is_extra;
    char body[64];
    bool wants_bodies;
    int heartbeat_s;           // that the answer to a report asks for
    int allocations;           // for an answer; -1: as many as it takes
    struct pt_request *stream; // begun for a request to /stream
    bool is_endless;
    int closed_streams;
};

static inline int64_t fake_now_ns(void *context)
{
    return ((struct fixture *)context)->now_ns;
}

static inline void on_stream_closed(void *context)
{
    struct fixture *fixture = context;
    fixture->closed_streams++;
    fixture->stream = NULL;
}

static inline void on_stream_drained(void *context)
{
    (void)context;
}

static inline void begin_stream(struct fixture *fixture, struct pt_request *request)
{
    const struct pt_http_stream_events events = {fixture->is_endless, on_stream_drained,
                                                 on_stream_closed};
    fixture->stream = request;
    pt_http_stream_begin(request, "text/plain", &events, fixture);
}

static inline void take(const struct fixture *fixture, struct pt_request *request)
{
    request->heartbeat_s = fixture->heartbeat_s;
    pt_reply_taken(request);
}

static inline void on_request(void *context, struct pt_request *request, int refusal)
{
    struct fixture *fixture = context;
    fixture->answered++;
    fixture->refusal = refusal;
    fixture->body_left_out = request->body_left_out;
    fixture->is_extra = request->is_extra;
    snprintf(fixture->body, sizeof(fixture->body), "%.*s", (int)request->body_length,
             request->body);
    static char large[20000], huge[HUGE_BYTES];
    allocations_left = fixture->allocations;
    if (refusal)
        pt_reply_refusal(request, refusal);
    else if (strcmp(request->path, "/large") == 0)
        pt_reply(request, 200, "text/plain", large, sizeof(large));
    else if (strcmp(request->path, "/taken") == 0)
        take(fixture, request);
    else if (strcmp(request->path, "/error") == 0)
        pt_reply_error(request, PT_PROBLEM_MALFORMED, 0,
                       "bad \"\xc2\x9b"
                       "31m\"");
    else if (strcmp(request->path, "/huge") == 0)
        pt_reply(request, 200, "text/plain", huge, sizeof(huge));
    else if (strcmp(request->path, "/asset") == 0)
        pt_reply_static(request, "text/plain", huge, sizeof(huge));
    else if (strcmp(request->path, "/stream") == 0)
        begin_stream(fixture, request);
    else
        pt_reply(request, 200, "text/plain", "hello", 5);
    allocations_left = -1;
}

static inline bool wants_body(void *context, struct pt_request *request)
{
    (void)request;
    return ((struct fixture *)context)->wants_bodies;
}

static inline void start(struct fixture *fixture, size_t max_count)
{
    const struct pt_connection_handler handler = {on_request, wants_body, fixture};
    assert_int_equal(pt_connections_init(&fixture->connections, fixture->loop, &fixture->clock,
                                         &handler, max_count, NULL),
                     0);
}

// Both parts of the memory have their maximum from now on.
static inline void bound_memory(struct fixture *fixture, int64_t max_bytes,
                                int64_t max_answer_bytes)
{
    pt_memory_share_init(&fixture->memory, "connections", max_bytes, NULL);
    pt_memory_share_init(&fixture->answers, "answers", max_answer_bytes, NULL);
    pt_connections_set_memory(&fixture->connections, &fixture->memory, &fixture->answers);
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->now_ns = 1000 * PT_NS_PER_S;
    fixture->clock = (struct pt_clock){fake_now_ns, fake_now_ns, fixture};
    fixture->wants_bodies = true;
    fixture->allocations = -1;
    assert_int_equal(pt_loop_create(&fixture->loop, NULL), 0);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pt_connections_finish(&fixture->connections);
    for (size_t i = 0; i < fixture->client_count; i++)
        close(fixture->clients[i]);
    pt_loop_destroy(fixture->loop);
    free(fixture);
    return 0;
}

// A client of the address 10.0.0.`host`; returns its own end of the connection.
static inline int connect_from(struct fixture *fixture, uint32_t host)
{
    int pair[2];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(0x0a000000 + host)};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    pt_connections_add(&fixture->connections, pair[1], (struct sockaddr *)&address, NULL);
    assert_true(fixture->client_count < MAX_CLIENTS);
    return fixture->clients[fixture->client_count++] = pair[0];
}

static inline void turn(struct fixture *fixture)
{
    event_base_loop(pt_loop_base(fixture->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static inline void turns(struct fixture *fixture, int count)
{
    while (count-- > 0)
        turn(fixture);
}

static inline void say(int client, const char *text)
{
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

// What the client has received, up to the size; "" if nothing, NULL if the connection is closed.
static const char *hear(int client)
{
    static char text[65536];
    ssize_t n = recv(client, text, sizeof(text) - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return n == 0 || (n < 0 && errno == ECONNRESET) ? NULL : text;
}

// Takes all that there is, and says whether the connection is closed.
static inline bool has_ended(int client)
{
    char text[4096];
    ssize_t n;
    while ((n = recv(client, text, sizeof(text), MSG_DONTWAIT)) > 0) {
    }
    return n == 0 || errno == ECONNRESET;
}

static inline void check_status(const char *row, int client, const char *status)
{
    const char *heard = hear(client);
    if (!heard || strncmp(heard, "HTTP/1.1 ", 9) != 0 || strncmp(heard + 9, status, 3) != 0)
        fail_msg("%s: got \"%.40s\", wanted status %s", row, heard ? heard : "the end", status);
}

static inline void pass(struct fixture *fixture, int64_t ms)
{
    fixture->now_ns += ms * PT_NS_PER_MS;
    pt_connections_cut_slow(&fixture->connections);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
