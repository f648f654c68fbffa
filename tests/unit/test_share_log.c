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

static void who_starts_gets_the_latest_and_the_finished(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "a", 1, "a1", "pull 1");
    take(fixture, "a", 2, "a2", "pull 2");
    take(fixture, "b", 1, "b1", "pull 3");
    take(fixture, "b", 2, "b2", "pull 4"); // one more than may stay
    RUN_UNTIL(fixture, fixture->seen_count == 4);
    pt_share_reader_destroy(fixture->reader);
    fixture->seen_count = 0;
    fixture->state = PT_SHARE_AWAY;
    open_reader(fixture);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
    assert_int_equal(fixture->seen_count, 2);
    assert_int_equal(fixture->finished_count, 3);
    take(fixture, "a", 3, "a3", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 3);
    assert_string_equal(fixture->seen[2], "a3");
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
    char text[64], line[256];
    int length = snprintf(text, sizeof(text), "%lld-0\n0123\n%s", (long long)ended_ms, name);
    snprintf(line, sizeof(line),
             "*4\r\n$4\r\nHSET\r\n$15\r\n{test}:finished\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n",
             strlen(name), name, length, text);
    command(fixture, line);
    snprintf(line, sizeof(line), "ZADD {test}:order %lld %s\r\n", (long long)ended_ms, name);
    command(fixture, line);
}

static void entries_that_are_gone_are_noticed(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    fixture->holds = true;
    take(fixture, "a", 1, "one", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 1);
    // While that one is being applied, more is appended than the log holds.
    static char large[200000];
    memset(large, 'x', sizeof(large) - 1);
    for (int i = 0; i < 20; i++) {
        take(fixture, "b", i + 1, large, NULL);
        RUN_UNTIL(fixture, fixture->taken == (size_t)i + 2);
    }
    fixture->holds = false;
    size_t before = fixture->seen_count;
    int64_t now_ms = pt_share_writer_now_ms(fixture->writer);
    keep(fixture, "old", now_ms - 3600000);
    keep(fixture, "older", now_ms - 7200000);
    keep(fixture, "new", now_ms);
    pt_share_reader_go_on(fixture->reader);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_LOADING);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
    assert_int_equal(fixture->lost, 1);
    assert_int_equal(fixture->loss, PT_SHARE_LOSS_GAP);
    assert_int_equal(fixture->seen_count - before, 2); // the latest of both nodes
    assert_int_equal(fixture->finished_count, 1);      // what had ended before, it had read
    assert_string_equal(fixture->finished[0], "new");
}

// While one of the finished pulls, or of the latest reports, is being applied.
static void a_load_that_breaks_is_begun_anew(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "node %d", i);
        take(fixture, name, 1, name, i < 3 ? name : NULL);
    }
    RUN_UNTIL(fixture, fixture->seen_count == 10);
    for (size_t latest = 0; latest < 2; latest++) {
        pt_share_reader_destroy(fixture->reader);
        fixture->seen_count = fixture->finished_count = 0;
        fixture->state = PT_SHARE_AWAY;
        fixture->holds = true;
        open_reader(fixture);
        for (size_t i = 0; latest && i < 3; i++) {
            RUN_UNTIL(fixture, fixture->finished_count == i + 1);
            pt_share_reader_go_on(fixture->reader);
        }
        RUN_UNTIL(fixture, fixture->finished_count > 0 && fixture->seen_count == latest);
        command(fixture, "CLIENT KILL TYPE normal SKIPME yes\r\n");
        RUN_UNTIL(fixture, fixture->state == PT_SHARE_AWAY);
        fixture->seen_count = fixture->finished_count = 0;
        fixture->holds = false;
        pt_share_reader_go_on(fixture->reader);
        RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
        assert_int_equal(fixture->finished_count, 3);
        assert_int_equal(fixture->seen_count, 10);
    }
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
        cmocka_unit_test_setup_teardown(what_is_appended_comes_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_report_of_an_agent_is_not_appended, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_report_of_the_agent_before_is_not_appended, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_starts_gets_the_latest_and_the_finished, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_entry_waits_for_the_one_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_that_is_lost_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_that_are_gone_are_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_load_that_breaks_is_begun_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_valkey_that_takes_nothing_is_away, set_up, tear_down),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
