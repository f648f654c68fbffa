// SPDX-License-Identifier: Apache-2.0
#include "connection_fixture.h"

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
    };
    return cmocka_run_group_tests_name("http_connection", tests, NULL, NULL);
}
