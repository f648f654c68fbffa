// SPDX-License-Identifier: Apache-2.0
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

static void *scarce_malloc(size_t size)
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

static int64_t fake_now_ns(void *context)
{
    return ((struct fixture *)context)->now_ns;
}

static void on_stream_closed(void *context)
{
    struct fixture *fixture = context;
    fixture->closed_streams++;
    fixture->stream = NULL;
}

static void on_stream_drained(void *context)
{
    (void)context;
}

static void begin_stream(struct fixture *fixture, struct pt_request *request)
{
    const struct pt_http_stream_events events = {fixture->is_endless, on_stream_drained,
                                                 on_stream_closed};
    fixture->stream = request;
    pt_http_stream_begin(request, "text/plain", &events, fixture);
}

static void take(const struct fixture *fixture, struct pt_request *request)
{
    request->heartbeat_s = fixture->heartbeat_s;
    pt_reply_taken(request);
}

static void on_request(void *context, struct pt_request *request, int refusal)
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

static bool wants_body(void *context, struct pt_request *request)
{
    (void)request;
    return ((struct fixture *)context)->wants_bodies;
}

static void start(struct fixture *fixture, size_t max_count)
{
    const struct pt_connection_handler handler = {on_request, wants_body, fixture};
    assert_int_equal(pt_connections_init(&fixture->connections, fixture->loop, &fixture->clock,
                                         &handler, max_count, NULL),
                     0);
}

// Both parts of the memory have their maximum from now on.
static void bound_memory(struct fixture *fixture, int64_t max_bytes, int64_t max_answer_bytes)
{
    pt_memory_share_init(&fixture->memory, "connections", max_bytes, NULL);
    pt_memory_share_init(&fixture->answers, "answers", max_answer_bytes, NULL);
    pt_connections_set_memory(&fixture->connections, &fixture->memory, &fixture->answers);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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
static int connect_from(struct fixture *fixture, uint32_t host)
{
    int pair[2];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(0x0a000000 + host)};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    pt_connections_add(&fixture->connections, pair[1], (struct sockaddr *)&address, NULL);
    assert_true(fixture->client_count < MAX_CLIENTS);
    return fixture->clients[fixture->client_count++] = pair[0];
}

static void turn(struct fixture *fixture)
{
    event_base_loop(pt_loop_base(fixture->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void turns(struct fixture *fixture, int count)
{
    while (count-- > 0)
        turn(fixture);
}

static void say(int client, const char *text)
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
static bool has_ended(int client)
{
    char text[4096];
    ssize_t n;
    while ((n = recv(client, text, sizeof(text), MSG_DONTWAIT)) > 0) {
    }
    return n == 0 || errno == ECONNRESET;
}

static void check_status(const char *row, int client, const char *status)
{
    const char *heard = hear(client);
    if (!heard || strncmp(heard, "HTTP/1.1 ", 9) != 0 || strncmp(heard + 9, status, 3) != 0)
        fail_msg("%s: got \"%.40s\", wanted status %s", row, heard ? heard : "the end", status);
}

static void pass(struct fixture *fixture, int64_t ms)
{
    fixture->now_ns += ms * PT_NS_PER_MS;
    pt_connections_cut_slow(&fixture->connections);
}

// --- requests ---

static void requests_of_a_connection_are_answered_one_a_turn(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int client = connect_from(fixture, 1);
    say(client, GET GET GET GET);
    for (int i = 1; i <= 4; i++) {
        turn(fixture);
        check_int("answered", fixture->answered, i);
    }
    turns(fixture, 3);
    check_int("all", fixture->answered, 4);
    check_int("nothing is kept", (int64_t)fixture->connections.ahead_bytes, 0);
    say(client, GET);
    turns(fixture, 2);
    check_int("and one more", fixture->answered, 5);
}

static void a_request_in_two_halves_behind_another_is_whole(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int client = connect_from(fixture, 1);
    say(client, GET POST "Content-Length: 4\r\n\r\nab");
    turns(fixture, 4);
    check_int("the first", fixture->answered, 1);
    say(client, "cd" GET);
    turns(fixture, 4);
    check_int("all", fixture->answered, 3);
}

// A socket announces what comes once, the end behind the last bytes too.
static void who_ends_behind_a_request_has_all_answers(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *name, *text;
        int answers;
    } rows[] = {
        {"one", GET, 1},
        {"a report", "POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 1},
        {"a large answer", "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", 1},
        {"pipelined ones", GET GET GET, 3},
    };
    start(fixture, 10);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int client = connect_from(fixture, 1);
        fixture->answered = 0;
        say(client, rows[i].text);
        assert_int_equal(shutdown(client, SHUT_WR), 0);
        turns(fixture, 8);
        check_int(rows[i].name, fixture->answered, rows[i].answers);
        check_status(rows[i].name, client, "200");
        if (!has_ended(client))
            fail_msg("%s: the connection stays", rows[i].name);
        check_int(rows[i].name, (int64_t)fixture->connections.figures.open, 0);
    }
}

static void more_than_is_read_at_once_is_read_on(void **state)
{
    struct fixture *fixture = *state;
    static char body[3 * PT_CONNECTION_BLOCK_BYTES / 2 + 1];
    memset(body, 'x', sizeof(body) - 1);
    start(fixture, 10);
    int client = connect_from(fixture, 1);
    char head[128];
    snprintf(head, sizeof(head), POST "Content-Length: %zu\r\n\r\n", sizeof(body) - 1);
    say(client, head);
    say(client, body);
    turns(fixture, 4);
    check_int("answered", fixture->answered, 1);
}

static void what_comes_while_nothing_is_read_is_read_afterwards(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int client = connect_from(fixture, 1);
    say(client, GET GET);
    turn(fixture);
    check_int("the first", fixture->answered, 1);
    say(client, GET);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    turns(fixture, 8);
    check_int("all", fixture->answered, 3);
    check_int("open", (int64_t)fixture->connections.figures.open, 0);
}

static void read_a_byte(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    char byte;
    *(int *)context += recv(fd, &byte, 1, MSG_DONTWAIT) == 1;
}

// As TLS does, which takes a head from the socket and leaves the body there.
static void who_gets_a_closed_ones_number_is_asked_until_all_is_read(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int pair[2], count = 0;
    say(connect_from(fixture, 1), GET);
    turns(fixture, 2);
    struct pt_connections *connections = &fixture->connections;
    int number = TAILQ_FIRST(&connections->by_state[PT_CONNECTION_IDLE])->transport.fd;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    say(pair[0], "ab");
    pt_connections_close_idle(connections);
    assert_int_equal(dup2(pair[1], number), number);
    struct event *event =
        event_new(pt_loop_base(fixture->loop), number, EV_READ | EV_PERSIST, read_a_byte, &count);
    assert_int_equal(event_add(event, NULL), 0);
    turns(fixture, 4);
    check_int("read", count, 2);
    event_free(event);
    close(number);
    close(pair[0]);
    close(pair[1]);
}

static void what_is_pipelined_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int client = connect_from(fixture, 1);
    fixture->connections.ahead_bytes = PT_LIMIT_AHEAD_BYTES;
    say(client, GET GET);
    turns(fixture, 3);
    fixture->connections.ahead_bytes -= PT_LIMIT_AHEAD_BYTES;
    check_int("answered", fixture->answered, 1);
    check_int("open", (int64_t)fixture->connections.figures.open, 0);
}

static void who_reads_a_head_for_longest_makes_room(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int oldest = connect_from(fixture, 1);
    say(oldest, "GET / HTTP/1.1\r\nX: y");
    turn(fixture);
    fixture->connections.budget.head_bytes += PT_LIMIT_HEADS_BYTES - 10;
    int newest = connect_from(fixture, 2);
    say(newest, "GET / HTTP/1.1\r\nX: 01234567");
    turn(fixture);
    fixture->connections.budget.head_bytes -= PT_LIMIT_HEADS_BYTES - 10;
    assert_null(hear(oldest));
    check_text("the newest", hear(newest), "");
    check_int("bytes", (int64_t)fixture->connections.budget.head_bytes, 10);
}

static void a_share_of_the_memory_bounds_heads_and_bodies(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    bound_memory(fixture, 30000, 0);
    int first = connect_from(fixture, 1);
    say(first, POST "Content-Length: 40000\r\n\r\n");
    turns(fixture, 2);
    assert_non_null(strstr(hear(first), " 503 "));
    check_int("refused", (int64_t)fixture->memory.refused, 1);
    int oldest = connect_from(fixture, 2);
    say(oldest, "GET / HTTP/1.1\r\nX: y");
    turn(fixture);
    assert_true(fixture->memory.used_bytes > 0);
    int newest = connect_from(fixture, 3);
    pt_memory_share_add(&fixture->memory, 30000 - fixture->memory.used_bytes); // others fill it
    int64_t filled_bytes = fixture->memory.used_bytes;
    say(newest, "GET / HTTP/1.1\r\nX: 0123");
    turn(fixture);
    assert_true(fixture->memory.used_bytes <= filled_bytes);
    assert_null(hear(oldest));
    close(newest);
}

// Every row: what a client says, and whether its connection takes more of the memory for that.
static void all_that_a_connection_holds_counts_and_is_given_back(void **state)
{
    static const struct {
        const char *name, *said;
        bool takes_more;
    } rows[] = {
        {"nothing", "", false},
        {"half a head", "GET / HTTP/1.1\r\nX: y", true},
        {"half a body", POST "Content-Length: 9\r\n\r\nabcd", true},
        {"requests behind a stream", "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n" GET GET, true},
        {"a whole request", GET, false},
    };
    struct fixture *fixture = *state;
    start(fixture, 10);
    bound_memory(fixture, 1000000, 1000000);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int client = connect_from(fixture, 1);
        int64_t before = fixture->memory.used_bytes;
        assert_true(before > (int64_t)sizeof(void *));
        say(client, rows[i].said);
        turns(fixture, 3);
        check_int(rows[i].name, fixture->memory.used_bytes > before, rows[i].takes_more);
        pt_connections_cut_idlest(&fixture->connections);
        pass(fixture, 200000); // too slow in any state
        if (fixture->stream)
            pt_http_stream_abort(fixture->stream);
        check_int(rows[i].name, fixture->memory.used_bytes, 0);
    }
}

static void connections_that_do_nothing_leave_room_for_what_is_read(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 1000);
    bound_memory(fixture, 40000, 0);
    int first = connect_from(fixture, 1);
    for (uint32_t i = 2; i < MAX_CLIENTS; i++)
        connect_from(fixture, i);
    assert_true(fixture->memory.used_bytes < 40000 * 4 / 5);
    assert_true(fixture->connections.figures.cut > 0);
    assert_null(hear(first)); // it has been idle for longest
    int last = fixture->clients[fixture->client_count - 1];
    say(last, GET);
    turns(fixture, 2);
    check_status("who came last", last, "200");
}

// Who floods the server with connections that say nothing keeps nobody out that has asked before,
// nor does who asks once with each of many.
static void of_new_and_idle_ones_the_more_numerous_make_room(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 6);
    int asked = connect_from(fixture, 1);
    say(asked, GET);
    turns(fixture, 2);
    check_status("the first", asked, "200");
    for (uint32_t i = 2; i < 30; i++)
        connect_from(fixture, i);
    check_text("who has asked is spared", hear(asked), "");
    int last = fixture->clients[fixture->client_count - 1];
    check_text("the last of the others", hear(last), "");
    for (size_t i = 25; i < 29; i++)
        say(fixture->clients[i], GET);
    turns(fixture, 5);
    int fresh = connect_from(fixture, 30);
    check_text("who is new is spared", hear(fresh), "");
    assert_null(hear(asked)); // of five idle ones the longest is gone
}

static void what_is_not_taken_counts_and_who_stalls_makes_room(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    bound_memory(fixture, 0, 700000);
    int stalled = connect_from(fixture, 1);
    say(stalled, "GET /huge HTTP/1.1\r\nHost: x\r\n\r\n");
    turns(fixture, 2);
    assert_in_range(fixture->answers.used_bytes, 1, HUGE_BYTES);
    pt_memory_share_add(&fixture->answers, 300000); // of others
    int second = connect_from(fixture, 2);
    say(second, "GET /huge HTTP/1.1\r\nHost: x\r\n\r\n");
    turns(fixture, 2);
    check_status("as long as everybody takes something", second, "503");
    check_int("refused", (int64_t)fixture->answers.refused, 1);
    say(second, "GET /asset HTTP/1.1\r\nHost: x\r\n\r\n");
    int64_t before = fixture->answers.used_bytes;
    turns(fixture, 2);
    check_int("what all share", fixture->answers.used_bytes, before);
    fixture->now_ns += 4 * PT_NS_PER_S;
    int third = connect_from(fixture, 3);
    say(third, "GET /huge HTTP/1.1\r\nHost: x\r\n\r\n");
    turns(fixture, 2);
    check_status("when one stalls", third, "200");
    assert_true(has_ended(stalled));
    pt_memory_share_add(&fixture->answers, -300000);
}

static void a_body_that_is_not_wanted_is_refused_before_it_comes(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    fixture->wants_bodies = false;
    int client = connect_from(fixture, 1);
    say(client, POST "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n");
    turns(fixture, 2);
    check_int("answered", fixture->answered, 1);
    assert_true(fixture->body_left_out);
    const char *answer = hear(client);
    assert_non_null(strstr(answer, "Connection: close"));
    assert_null(strstr(answer, "100 Continue"));
    int early = connect_from(fixture, 2);
    say(early, POST "Content-Length: 1000000\r\n\r\nabc");
    turns(fixture, 2);
    check_int("the body's first bytes are there", fixture->answered, 2);
    check_text("but not kept", fixture->body, "");
    check_int("bytes", (int64_t)fixture->connections.budget.body_bytes, 0);
    pass(fixture, 4000); // lingering is over
    check_int("open", (int64_t)fixture->connections.figures.open, 0);
}

static void a_body_that_is_wanted_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int client = connect_from(fixture, 1);
    say(client, POST "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    turns(fixture, 2);
    check_text("go on", hear(client), "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, "abcd");
    turns(fixture, 2);
    check_text("body", fixture->body, "abcd");
    check_status("answer", client, "200");
}

static void the_date_is_that_of_the_clock(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int client = connect_from(fixture, 1);
    static const char *const requests[] = {
        GET, "POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"};
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        say(client, requests[i]);
        turns(fixture, 2);
        const char *heard = hear(client);
        assert_non_null(heard);
        if (!strstr(heard, "\r\nDate: Thu, 01 Jan 1970 00:16:40 GMT\r\n"))
            fail_msg("%s: got %s", requests[i], heard);
    }
}

static void a_report_that_was_taken_may_be_answered_with_a_heartbeat(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *request;
        int heartbeat_s;
        const char *header; // NULL: none
    } rows[] = {
        {"POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 0, NULL},
        {"POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 11, "11"},
        {"POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 30, "30"},
        {"POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 0, NULL},
        {"POST /taken HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", 30, "30"},
        {"POST /taken HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", 0, NULL},
    };
    start(fixture, 50);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int client = connect_from(fixture, 1);
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "\r\nPulltrace-Heartbeat: %s\r\n", rows[i].header);
        fixture->heartbeat_s = rows[i].heartbeat_s;
        say(client, rows[i].request);
        turns(fixture, 2);
        const char *heard = hear(client);
        assert_non_null(heard);
        if (!strstr(heard, rows[i].header ? wanted : "\r\n\r\n{}") ||
            (!rows[i].header && strstr(heard, "Heartbeat")))
            fail_msg("row %zu: got %s", i, heard);
    }
}

static void no_control_stands_as_it_is_in_an_error(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int client = connect_from(fixture, 1);
    say(client, "GET /error HTTP/1.1\r\nHost: x\r\n\r\n");
    turns(fixture, 2);
    const char *heard = hear(client);
    assert_non_null(strstr(heard, "\r\nContent-Type: application/problem+json\r\n"));
    assert_non_null(strstr(heard, "{\"error\":\"bad \\\"\\u009b31m\\\"\","
                                  "\"code\":\"malformed_request\",\"status\":400,"
                                  "\"title\":\"Bad Request\","
                                  "\"detail\":\"bad \\\"\\u009b31m\\\"\"}"));
}

// Half an answer must not be taken for a whole one, nor the next answer for its rest.
static void an_answer_without_memory_ends_its_connection(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 64);
    int cut = 0;
    for (fixture->allocations = 0; fixture->allocations < 10; fixture->allocations++) {
        int client = connect_from(fixture, 1);
        say(client, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
        turns(fixture, 2);
        const char *heard = hear(client);
        cut += !heard;
        assert_true(!heard || strlen(heard) > 200);
    }
    assert_true(cut >= 2);
    assert_true(cut < 10);
}

// --- time ---

static void who_is_slow_is_cut(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    static const struct {
        const char *name, *text;
        int64_t ms;
    } cases[] = {
        {"idle", "", 90000},
        {"idle after a request", GET, 90000},
        {"half a head", "GET / HTTP/1.1\r\nHost", 20000},
        {"half a body", POST "Content-Length: 4\r\n\r\nab", 20000},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int client = connect_from(fixture, 1);
        say(client, cases[i].text);
        turns(fixture, 2);
        (void)hear(client);
        pass(fixture, cases[i].ms);
        check_text(cases[i].name, hear(client), "");
        pass(fixture, 1);
        if (hear(client))
            fail_msg("%s: was not cut", cases[i].name);
    }
}

static void a_byte_now_and_then_does_not_stretch_a_request(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    int client = connect_from(fixture, 1);
    say(client, "GET / HTTP/1.1\r\nX: ");
    turn(fixture);
    for (int i = 0; i < 20; i++) {
        check_text("still there", hear(client), "");
        say(client, "y");
        turn(fixture);
        pass(fixture, 1001);
    }
    assert_null(hear(client));
}

// A stream sends more than the socket takes, and the client takes a little each second.
static void trickle(struct fixture *fixture, bool is_endless, int seconds)
{
    static char block[1024 * 1024];
    fixture->is_endless = is_endless;
    int client = connect_from(fixture, 1);
    say(client, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    turns(fixture, 2);
    assert_non_null(fixture->stream);
    pt_http_stream_send(fixture->stream, block, sizeof(block));
    turns(fixture, 2);
    for (int i = 0; i < seconds && fixture->closed_streams == 0; i++) {
        char taken[4096];
        (void)!read(client, taken, sizeof(taken));
        turn(fixture);
        pass(fixture, 1000);
    }
}

static void an_answer_that_ends_must_be_taken_at_a_rate(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    trickle(fixture, false, 120);
    check_int("cut", fixture->closed_streams, 1);
}

static void a_stream_may_be_slow_as_long_as_it_takes_something(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    trickle(fixture, true, 120);
    check_int("not cut", fixture->closed_streams, 0);
}

// --- many ---

static void at_the_maximum_the_longest_idle_makes_room(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 4);
    int clients[5];
    for (uint32_t i = 0; i < 5; i++) {
        fixture->now_ns += PT_NS_PER_S;
        clients[i] = connect_from(fixture, i);
        if (i == 0)
            say(clients[0], "GET / HT"); // it is busy
        turn(fixture);
    }
    check_text("busy", hear(clients[0]), "");
    assert_null(hear(clients[1]));
    check_text("idle for less long", hear(clients[2]), "");
    check_text("new", hear(clients[4]), "");
    check_int("cut", (int64_t)fixture->connections.figures.cut, 1);
    check_int("open", (int64_t)fixture->connections.figures.open, 4);
}

static void when_all_are_busy_only_probes_are_taken_and_not_for_long(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 2);
    for (uint32_t i = 0; i < 2; i++)
        say(connect_from(fixture, i), "GET / HT");
    turn(fixture);
    int probe = connect_from(fixture, 3);
    say(probe, GET);
    turns(fixture, 2);
    assert_true(fixture->is_extra);
    assert_non_null(strstr(hear(probe), "Connection: close"));
    int idle = connect_from(fixture, 4);
    pass(fixture, 2999);
    check_text("not yet", hear(idle), "");
    pass(fixture, 1);
    assert_null(hear(idle));
    for (uint32_t i = 0; i < PT_CONNECTIONS_FOR_PROBES; i++)
        connect_from(fixture, 10 + i);
    assert_null(hear(connect_from(fixture, 99)));
    check_int("refused", (int64_t)fixture->connections.figures.refused, 1);
}

// It has its answer; whether it reads it is no reason to keep others out.
static void who_lingers_makes_room(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 2);
    for (uint32_t i = 0; i < 2; i++)
        say(connect_from(fixture, i), "no request\r\n\r\n");
    turns(fixture, 2);
    check_int("linger", (int64_t)fixture->connections.state_counts[PT_CONNECTION_LINGERING], 2);
    int next = connect_from(fixture, 3);
    say(next, GET);
    turns(fixture, 2);
    assert_non_null(strstr(hear(next), "200 OK"));
    assert_false(fixture->is_extra);
    check_int("cut", (int64_t)fixture->connections.figures.cut, 1);
    check_int("refused", (int64_t)fixture->connections.figures.refused, 0);
}

static void an_address_has_half_of_the_connections(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 5);
    for (int i = 0; i < 3; i++)
        check_text("its share", hear(connect_from(fixture, 1)), "");
    assert_null(hear(connect_from(fixture, 1)));
    check_text("another address", hear(connect_from(fixture, 2)), "");
    check_int("refused", (int64_t)fixture->connections.figures.refused, 1);
}

static void an_address_has_a_share_of_each_kind_of_answer(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    fixture->is_endless = true;
    say(connect_from(fixture, 1), "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    turns(fixture, 2);
    assert_non_null(fixture->stream);
    assert_true(pt_http_stream_has_room(fixture->stream, true, 3));
    assert_false(pt_http_stream_has_room(fixture->stream, true, 2));
    assert_true(pt_http_stream_has_room(fixture->stream, false, 1));
    struct pt_peer *peer = pt_map_get(&fixture->connections.peers.by_name, "10.0.0.1");
    check_int("streams", (int64_t)peer->streams, 1);
    connect_from(fixture, 1); // so that the peer stays
    pt_http_stream_end(fixture->stream, true);
    check_int("streams at the end", (int64_t)peer->streams, 0);
}

static void addresses_are_distinct_as_their_owners_are(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, 10);
    static const struct {
        const char *name;
        uint8_t address[16];
    } cases[] = {
        {"2001:db8:0:1::", {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 1}},
        {"2001:db8:0:1::", {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 2}},
        {"2001:db8:0:2::", {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 2, 1}},
        {"10.0.0.7", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 7}},
    };
    struct pt_peers peers;
    struct pt_peer *found[COUNT_OF(cases)];
    pt_peers_init(&peers);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sockaddr_in6 address = {.sin6_family = AF_INET6};
        memcpy(&address.sin6_addr, cases[i].address, 16);
        found[i] = pt_peers_add(&peers, (struct sockaddr *)&address);
        check_text("name", found[i]->name, cases[i].name);
    }
    assert_ptr_equal(found[0], found[1]);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        pt_peers_remove(&peers, found[i]);
    check_int("left", (int64_t)peers.by_name.count, 0);
    pt_peers_finish(&peers);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    event_set_mem_functions(scarce_malloc, realloc, free);
    const struct CMUnitTest tests[] = {
        TEST(requests_of_a_connection_are_answered_one_a_turn),
        TEST(a_request_in_two_halves_behind_another_is_whole),
        TEST(who_ends_behind_a_request_has_all_answers),
        TEST(more_than_is_read_at_once_is_read_on),
        TEST(what_comes_while_nothing_is_read_is_read_afterwards),
        TEST(who_gets_a_closed_ones_number_is_asked_until_all_is_read),
        TEST(what_is_pipelined_is_bounded),
        TEST(who_reads_a_head_for_longest_makes_room),
        TEST(a_share_of_the_memory_bounds_heads_and_bodies),
        TEST(all_that_a_connection_holds_counts_and_is_given_back),
        TEST(connections_that_do_nothing_leave_room_for_what_is_read),
        TEST(of_new_and_idle_ones_the_more_numerous_make_room),
        TEST(what_is_not_taken_counts_and_who_stalls_makes_room),
        TEST(a_body_that_is_not_wanted_is_refused_before_it_comes),
        TEST(a_body_that_is_wanted_is_asked_for),
        TEST(the_date_is_that_of_the_clock),
        TEST(a_report_that_was_taken_may_be_answered_with_a_heartbeat),
        TEST(no_control_stands_as_it_is_in_an_error),
        TEST(an_answer_without_memory_ends_its_connection),
        TEST(who_is_slow_is_cut),
        TEST(a_byte_now_and_then_does_not_stretch_a_request),
        TEST(an_answer_that_ends_must_be_taken_at_a_rate),
        TEST(a_stream_may_be_slow_as_long_as_it_takes_something),
        TEST(at_the_maximum_the_longest_idle_makes_room),
        TEST(when_all_are_busy_only_probes_are_taken_and_not_for_long),
        TEST(who_lingers_makes_room),
        TEST(an_address_has_half_of_the_connections),
        TEST(an_address_has_a_share_of_each_kind_of_answer),
        TEST(addresses_are_distinct_as_their_owners_are),
    };
    return cmocka_run_group_tests_name("http_connection", tests, NULL, NULL);
}
