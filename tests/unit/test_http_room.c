// SPDX-License-Identifier: Apache-2.0
#include "connection_fixture.h"

// Who makes room for whom when memory or connections are at their maximum.

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_reads_a_head_for_longest_makes_room),
        TEST(a_share_of_the_memory_bounds_heads_and_bodies),
        TEST(all_that_a_connection_holds_counts_and_is_given_back),
        TEST(connections_that_do_nothing_leave_room_for_what_is_read),
        TEST(of_new_and_idle_ones_the_more_numerous_make_room),
        TEST(what_is_not_taken_counts_and_who_stalls_makes_room),
        TEST(at_the_maximum_the_longest_idle_makes_room),
        TEST(when_all_are_busy_only_probes_are_taken_and_not_for_long),
        TEST(who_lingers_makes_room),
        TEST(an_address_has_half_of_the_connections),
        TEST(an_address_has_a_share_of_each_kind_of_answer),
        TEST(addresses_are_distinct_as_their_owners_are),
    };
    return cmocka_run_group_tests_name("http_room", tests, NULL, NULL);
}
