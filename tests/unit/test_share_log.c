// SPDX-License-Identifier: Apache-2.0
#include "share_log_fixture.h"

static void what_is_appended_comes_in_order(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "report %d", i);
        take(fixture, "node", i + 1, name, NULL);
    }
    RUN_UNTIL(fixture, fixture->seen_count == 100 && fixture->taken == 100);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "report %d", i);
        assert_string_equal(fixture->seen[i], name);
        assert_int_equal(fixture->outcomes[i], PT_SHARE_APPENDED);
    }
}

static void an_older_report_of_an_agent_is_not_appended(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "node", 5, "five", NULL);
    take(fixture, "node", 4, "four", NULL);
    take(fixture, "node", 5, "five again", NULL);
    take(fixture, "node", 6, "six", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 2 && fixture->taken == 4);
    assert_string_equal(fixture->seen[1], "six");
    assert_int_equal(fixture->outcomes[1], PT_SHARE_OLD);
    assert_int_equal(fixture->outcomes[2], PT_SHARE_OLD);
}

static void a_report_of_the_agent_before_is_not_appended(void **state)
{
    static const struct {
        const char *run;
        int64_t sequence;
        enum pt_share_outcome outcome;
    } cases[] = {
        {"a", 5, PT_SHARE_APPENDED}, {"b", 1, PT_SHARE_APPENDED}, {"a", 6, PT_SHARE_LATE},
        {"b", 2, PT_SHARE_APPENDED}, {"a", 7, PT_SHARE_LATE},     {"c", 1, PT_SHARE_APPENDED},
        {"b", 3, PT_SHARE_LATE},     {"c", 2, PT_SHARE_APPENDED},
    };
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture->agent_run = cases[i].run;
        take(fixture, "node", cases[i].sequence, "report", NULL);
        RUN_UNTIL(fixture, fixture->taken == i + 1);
        check_int(cases[i].run, fixture->outcomes[i], cases[i].outcome);
    }
}

static void an_entry_waits_for_the_one_before(void **state)
{
    struct fixture *fixture = *state;
    fixture->holds = true;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "node", 1, "one", NULL);
    take(fixture, "node", 2, "two", NULL);
    RUN_UNTIL(fixture, fixture->taken == 2 && fixture->seen_count == 1);
    pt_share_reader_go_on(fixture->reader);
    RUN_UNTIL(fixture, fixture->seen_count == 2);
}

static void a_log_that_is_lost_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "node", 1, "one", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 1);
    stop_valkey(fixture);
    RUN_UNTIL(fixture, !fixture->can_write && fixture->state == PT_SHARE_AWAY);
    assert_true(pt_share_writer_now_ms(fixture->writer) > 0); // what is still read has an age
    start_valkey(fixture);
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    assert_int_equal(fixture->lost, 1);
    assert_int_equal(fixture->loss, PT_SHARE_LOSS_END);
    take(fixture, "node", 2, "two", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 2);
}

// Beside the log, as another server has it.
static void keep(const struct fixture *fixture, const char *name, int64_t ended_ms)
{
    char text[64], line[256], id[PT_PULL_ID_SIZE];
    int length = snprintf(text, sizeof(text), "%lld-0\n0123\n%s", (long long)ended_ms, name);
    write_id(name, id);
    snprintf(line, sizeof(line),
             "*4\r\n$4\r\nHSET\r\n$15\r\n{test}:finished\r\n$32\r\n%s\r\n$%d\r\n%s\r\n", id, length,
             text);
    command(fixture, line);
    snprintf(line, sizeof(line), "ZADD {test}:order %lld %s\r\n", (long long)ended_ms, id);
    command(fixture, line);
}

// Whoever has only been slow knows that the log has let them go. Behind a connection that broke it
// may have lost them.
static void entries_that_are_gone_are_noticed(void **state)
{
    static const struct {
        const char *name;
        bool breaks;
    } cases[] = {{"slow", false}, {"away", true}};
    static char large[200000];
    struct fixture *fixture = *state;
    int64_t sequence = 0;
    memset(large, 'x', sizeof(large) - 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
        fixture->holds = true;
        size_t before = fixture->seen_count;
        take(fixture, "a", (int64_t)i + 1, "one", NULL);
        RUN_UNTIL(fixture, fixture->seen_count == before + 1);
        // While that one is being applied, more is appended than the log holds.
        size_t taken = fixture->taken;
        for (size_t k = 1; k <= 20; k++) {
            take(fixture, "b", ++sequence, large, NULL);
            RUN_UNTIL(fixture, fixture->taken == taken + k);
        }
        if (cases[i].breaks)
            command(fixture, "CLIENT KILL TYPE normal SKIPME yes\r\n");
        RUN_UNTIL(fixture, !cases[i].breaks || fixture->state == PT_SHARE_AWAY);
        int64_t now_ms = pt_share_writer_now_ms(fixture->writer);
        keep(fixture, "had", now_ms - 3600000);
        keep(fixture, "new", now_ms);
        fixture->had = "had";
        fixture->finished_count = 0;
        fixture->holds = false;
        int loadings = fixture->loadings;
        pt_share_reader_go_on(fixture->reader);
        RUN_UNTIL(fixture, fixture->loadings > loadings && fixture->state == PT_SHARE_READY);
        check_int(cases[i].name, (int64_t)fixture->finished_count, 1); // what it lacks
        assert_string_equal(fixture->finished[0], "new");
        check_int(cases[i].name, fixture->lost, cases[i].breaks);
        assert_int_equal(fixture->loss, PT_SHARE_LOSS_GAP);
        check_int(cases[i].name, (int64_t)(fixture->seen_count - before - 1), 2); // of both nodes
    }
}

// Nor does the question for the time, which finds no room either.
static void what_waits_to_be_sent_breaks_no_connection(void **state)
{
    static char large[1000000];
    struct fixture *fixture = *state;
    uint64_t number;
    size_t count = 0;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    int closings = fixture->closings;
    kill(fixture->valkey, SIGSTOP);
    struct pt_share_take what = {
        .node_name = "",
        .agent_run = "",
        .row_ids = "",
        .report = large,
        .report_length = sizeof(large),
    };
    for (; what.report_length >= 100000; what.report_length /= 10)
        while (pt_share_writer_take(fixture->writer, &what, &number) == 0)
            count++;
    what.report_length = 100000;
    while (pt_share_writer_take(fixture->writer, &what, &number) < 0) { // the last one just fits
        assert_true(what.report_length > 0);
        what.report_length--;
    }
    count++;
    int64_t end_ns = pt_clock_monotonic_ns(pt_clock_system()) + 1200 * PT_NS_PER_MS;
    RUN_UNTIL(fixture, pt_clock_monotonic_ns(pt_clock_system()) > end_ns);
    kill(fixture->valkey, SIGCONT);
    RUN_UNTIL(fixture, fixture->taken == count);
    assert_int_equal(fixture->closings, closings);
}

static void a_valkey_that_takes_nothing_is_away(void **state)
{
    static const struct {
        const char *begin, *end;
    } cases[] = {
        {"CONFIG SET maxmemory 1\r\n", "CONFIG SET maxmemory 0\r\n"},
        {"REPLICAOF 127.0.0.1 1\r\n", "REPLICAOF NO ONE\r\n"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
        command(fixture, cases[i].begin);
        if (fixture->can_write)
            take(fixture, "node", (int64_t)i + 1, "one", NULL);
        RUN_UNTIL(fixture, !fixture->can_write);
        int openings = fixture->openings, closings = fixture->closings;
        RUN_UNTIL(fixture, fixture->closings == closings + 3); // it is tried again
        check_int(cases[i].begin, fixture->openings, openings);
        command(fixture, cases[i].end);
        RUN_UNTIL(fixture, fixture->can_write);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARE_TEST(what_is_appended_comes_in_order),
        SHARE_TEST(an_older_report_of_an_agent_is_not_appended),
        SHARE_TEST(a_report_of_the_agent_before_is_not_appended),
        SHARE_TEST(an_entry_waits_for_the_one_before),
        SHARE_TEST(a_log_that_is_lost_is_noticed),
        SHARE_TEST(entries_that_are_gone_are_noticed),
        SHARE_TEST(what_waits_to_be_sent_breaks_no_connection),
        SHARE_TEST(a_valkey_that_takes_nothing_is_away),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
