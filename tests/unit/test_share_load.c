// SPDX-License-Identifier: Apache-2.0

// What a reader reads before it reads the log, and when it has caught up.

#include "share_log_fixture.h"

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

// From where it was held.
static void go_on_until_ready(struct fixture *fixture)
{
    fixture->holds = false;
    fixture->state = PT_SHARE_AWAY;
    pt_share_reader_go_on(fixture->reader);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
}

// It is not among those that are read first, nor behind the place where the log is read from.
static void a_pull_that_ends_while_the_finished_are_read_is_read_too(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "a", 1, "a1", "pull 1");
    take(fixture, "a", 2, "a2", "pull 2");
    RUN_UNTIL(fixture, fixture->seen_count == 2);
    pt_share_reader_destroy(fixture->reader);
    fixture->seen_count = 0;
    fixture->holds = true;
    open_reader(fixture);
    RUN_UNTIL(fixture, fixture->finished_count == 1);
    take(fixture, "b", 1, "b1", "pull 3");
    RUN_UNTIL(fixture, fixture->taken == 3);
    go_on_until_ready(fixture);
    assert_int_equal(fixture->finished_count, 3);
    assert_string_equal(fixture->finished[2], "pull 3");
    assert_int_equal(fixture->seen_count, 2); // latest reports, and nothing twice
}

// One that has failed goes on in its row, and ends once more: the first walk has read it as it was.
static void a_pull_that_ends_once_more_while_the_finished_are_read_is_read_again(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "a", 1, "a1", "pull 1");
    RUN_UNTIL(fixture, fixture->seen_count == 1);
    take(fixture, "a", 2, "a2", "pull 2");
    RUN_UNTIL(fixture, fixture->seen_count == 2);
    pt_share_reader_destroy(fixture->reader);
    fixture->holds = true;
    open_reader(fixture);
    RUN_UNTIL(fixture, fixture->finished_count == 1);
    fixture->kept = "completed";
    take(fixture, "a", 3, "a3", "pull 1");
    RUN_UNTIL(fixture, fixture->taken == 3);
    go_on_until_ready(fixture);
    assert_int_equal(fixture->finished_count, 3);
    assert_string_equal(fixture->finished[0], "pull 1");
    assert_string_equal(fixture->finished[1], "pull 2");
    assert_string_equal(fixture->finished[2], "completed");
}

static void what_is_no_id_is_passed_over(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "a", 1, "a1", "pull 1");
    RUN_UNTIL(fixture, fixture->seen_count == 1);
    command(fixture, "ZADD {test}:order 1 strange\r\n");
    pt_share_reader_destroy(fixture->reader);
    fixture->state = PT_SHARE_AWAY;
    open_reader(fixture);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
    assert_int_equal(fixture->finished_count, 1);
    assert_true(fixture->invalid > 0);
}

// It has gone since the ids were read, or is larger than any that a server has written.
static void only_what_cannot_be_read_is_invalid(void **state)
{
    static const struct {
        const char *name, *line;
        int invalid;
    } cases[] = {
        {"gone", "ZADD {test}:order 1 00000000000000000000000000000001\r\n", 0},
        {"too large",
         "EVAL \"return redis.call('HSET', KEYS[1], '00000000000000000000000000000001', "
         "string.rep('x', 200000))\" 1 {test}:finished\r\n",
         1},
    };
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "a", 1, "a1", "pull 1");
    RUN_UNTIL(fixture, fixture->seen_count == 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        command(fixture, cases[i].line);
        pt_share_reader_destroy(fixture->reader);
        fixture->state = PT_SHARE_AWAY;
        fixture->finished_count = 0;
        open_reader(fixture);
        RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
        check_int(cases[i].name, (int64_t)fixture->finished_count, 1);
        check_int(cases[i].name, fixture->invalid, cases[i].invalid);
    }
}

// By the time of what it reads, not by whether more comes all the time.
static void who_reads_what_is_old_is_behind(void **state)
{
    static const struct {
        const char *name;
        int64_t age_ms;
        size_t count; // more than are read at once, and that grows
        bool is_behind;
    } cases[] = {
        {"a moment", 0, 40, false}, {"too long", 60000, 100, true}, {"seconds", 4000, 300, false}};
    struct fixture *fixture = *state;
    int64_t sequence = 0;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture->holds = true;
        fixture->has_been_behind = false;
        size_t before = fixture->seen_count;
        for (size_t k = 0; k < cases[i].count; k++)
            take(fixture, "node", ++sequence, "x", NULL);
        RUN_UNTIL(fixture, fixture->taken == (size_t)sequence && fixture->seen_count > before);
        fixture->clock_ahead_ms = cases[i].age_ms;
        fixture->holds = false;
        pt_share_reader_go_on(fixture->reader);
        RUN_UNTIL(fixture, fixture->seen_count == before + cases[i].count);
        RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY); // at its end, however old that is
        check_int(cases[i].name, fixture->has_been_behind, cases[i].is_behind);
    }
}

// Of which one answer has as many as there may be.
static void many_small_entries_break_no_connection(void **state)
{
    static const size_t count = 3000;
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    fixture->holds = true;
    for (size_t i = 0; i < count; i++)
        take(fixture, "node", (int64_t)i + 1, "x", NULL);
    RUN_UNTIL(fixture, fixture->taken == count && fixture->seen_count > 0);
    fixture->holds = false;
    pt_share_reader_go_on(fixture->reader);
    RUN_UNTIL(fixture, fixture->seen_count == count);
    assert_int_equal(fixture->breaks, 0);
}

// The log lets go what it was to read next: nothing of its own was there.
static void who_starts_slowly_has_lost_nothing(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "node", 1, "one", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 1);
    pt_share_reader_destroy(fixture->reader);
    fixture->seen_count = 0;
    fixture->state = PT_SHARE_AWAY;
    fixture->holds = true;
    open_reader(fixture);
    RUN_UNTIL(fixture, fixture->seen_count == 1);
    take(fixture, "node", 2, "two", NULL);
    take(fixture, "node", 3, "three", NULL);
    RUN_UNTIL(fixture, fixture->taken == 3);
    command(fixture, "XTRIM {test}:log MAXLEN 1\r\n");
    fixture->holds = false;
    pt_share_reader_go_on(fixture->reader);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
    assert_string_equal(fixture->seen[fixture->seen_count - 1], "three");
    assert_int_equal(fixture->lost, 0);
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

// All together have 1 MiB; the oldest go, and who is written anew counts once.
static void finished_pulls_that_are_too_large_together_go_early(void **state)
{
    static char large[500000];
    struct fixture *fixture = *state;
    static const struct {
        const char *name;
        uint64_t dropped;
    } cases[] = {{"1", 0}, {"2", 0}, {"2", 0}, {"2", 0}, {"3", 1}, {"4", 2}};
    uint64_t number;
    memset(large, 'x', sizeof(large));
    memcpy(large, "1-0\n0123\n", 9);
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char id[PT_PULL_ID_SIZE];
        write_id(cases[i].name, id);
        const struct pt_share_finished pull = {id, large, sizeof(large)};
        const struct pt_share_take what = {
            .node_name = "node",
            .agent_run = "run",
            .sequence = (int64_t)i + 1,
            .received_ms = pt_share_writer_now_ms(fixture->writer),
            .row_ids = "",
            .report = "x",
            .report_length = 1,
            .finished = &pull,
            .finished_count = 1,
        };
        assert_int_equal(pt_share_writer_take(fixture->writer, &what, &number), 0);
        RUN_UNTIL(fixture, fixture->taken == i + 1);
        check_int(cases[i].name, (int64_t)fixture->dropped, (int64_t)cases[i].dropped);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARE_TEST(who_starts_gets_the_latest_and_the_finished),
        SHARE_TEST(a_pull_that_ends_while_the_finished_are_read_is_read_too),
        SHARE_TEST(a_pull_that_ends_once_more_while_the_finished_are_read_is_read_again),
        SHARE_TEST(what_is_no_id_is_passed_over),
        SHARE_TEST(only_what_cannot_be_read_is_invalid),
        SHARE_TEST(who_reads_what_is_old_is_behind),
        SHARE_TEST(finished_pulls_that_are_too_large_together_go_early),
        SHARE_TEST(a_load_that_breaks_is_begun_anew),
        SHARE_TEST(many_small_entries_break_no_connection),
        SHARE_TEST(who_starts_slowly_has_lost_nothing),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
