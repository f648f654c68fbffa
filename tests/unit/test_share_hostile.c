// SPDX-License-Identifier: Apache-2.0

// What others may have written under the keys that servers share: it is read, or passed over, or
// begun anew, and neither stops a server nor a node for good.

#include "share_log_fixture.h"

#define LARGE "20000000" // bytes: more than an answer may have

static void begin(struct fixture *fixture)
{
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "node", 1, "before", "pull 1");
    RUN_UNTIL(fixture, fixture->taken == 1 && fixture->seen_count == 1);
}

static void begin_reading_anew(struct fixture *fixture)
{
    pt_share_reader_destroy(fixture->reader);
    fixture->seen_count = fixture->finished_count = 0;
    fixture->invalid = 0;
    fixture->state = PT_SHARE_AWAY;
    open_reader(fixture);
}

static bool has_seen(const struct fixture *fixture, const char *report)
{
    for (size_t i = 0; i < fixture->seen_count; i++)
        if (strcmp(fixture->seen[i], report) == 0)
            return true;
    return false;
}

// Each is there when the next report of the node comes.
static void whatever_stands_there_a_report_is_appended_and_read(void **state)
{
    static const struct {
        const char *name, *line;
    } cases[] = {
        {"no number of the agent's", "HSET {test}:seen node nonsense"},
        {"numbers without end", "HSET {test}:seen node \"agent-run 18446744073709551615 1 \""},
        {"and from the future",
         "HSET {test}:seen node \"agent-run 18446744073709551615 99999999999999999 \""},
        {"its run as that before", "HSET {test}:seen node \"another 1 1 agent-run\""},
        {"no offset", "SET {test}:offset nonsense"},
        {"the last offset", "SET {test}:offset 9223372036854775807"},
        {"an offset that no double counts", "SET {test}:offset 9007199254740993"},
        {"an offset below zero", "SET {test}:offset -1000000"},
        {"no place in the sweep", "SET {test}:sweep nonsense"},
        {"a place without end", "SET {test}:sweep 99999999999999999999999"},
        {"no report of a node", "HSET {test}:latest other nonsense"},
        {"one of the far future", "HSET {test}:latest other \"9000000000000-0\\n\\n{}\""},
        {"an entry of nothing", "XADD {test}:log * a b"},
        {"one without an end",
         "XADD {test}:log * v 1 o 9223372036854775807 s 9223372036854775807 t x n 1 i x r x"},
        {"a log that was emptied", "XTRIM {test}:log MAXLEN 0"},
        {"a log that is gone", "DEL {test}:log"},
        {"a log of the next century", "XADD {test}:log 9000000000000-0 a b"},
        {"a log of which no time is", "XADD {test}:log 18446744073709551614-1 a b"},
        {"a log that takes no more",
         "XADD {test}:log 18446744073709551615-18446744073709551615 a b"},
    };
    struct fixture *fixture = *state;
    begin(fixture);
    int closings = fixture->closings;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char line[256], report[32];
        snprintf(line, sizeof(line), "%s\r\n", cases[i].line);
        snprintf(report, sizeof(report), "report %zu", i);
        command(fixture, line);
        size_t taken = fixture->taken;
        take(fixture, "node", (int64_t)(16 * (i + 1)), report, NULL);
        RUN_UNTIL(fixture, fixture->taken == taken + 1);
        check_int(cases[i].name, fixture->outcomes[taken], PT_SHARE_APPENDED);
        RUN_UNTIL(fixture, has_seen(fixture, report) && fixture->state == PT_SHARE_READY);
        check_int(cases[i].name, fixture->closings, closings);
    }
}

static void what_is_too_large_for_an_answer_stops_no_reader(void **state)
{
    static const char *const lines[] = {
        "HSET', KEYS[1]..':latest', 'other', text)",
        "HSET', KEYS[1]..':finished', 'x', text) redis.call('ZADD', KEYS[1]..':order', 9e11, 'x')",
        "XADD', KEYS[1]..':log', '*', 'v', '1', 'r', text)",
        // Of which each has a place, and all together have none.
        ("HSET', KEYS[1]..':latest', '1', '') for i = 2, 24 do "
         "redis.call('HSET', KEYS[1]..':latest', i, string.sub(text, 1, 1000000)) end"),
    };
    struct fixture *fixture = *state;
    begin(fixture);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        char line[512], report[32];
        snprintf(line, sizeof(line),
                 "EVAL \"local text = string.rep('x', " LARGE
                 ") redis.call('%s return 1\" 1 {test}\r\n",
                 lines[i]);
        snprintf(report, sizeof(report), "report %zu", i);
        command(fixture, line);
        begin_reading_anew(fixture);
        take(fixture, "node", (int64_t)i + 2, report, NULL);
        RUN_UNTIL(fixture, has_seen(fixture, report) && fixture->state == PT_SHARE_READY);
        check_int(lines[i], (int64_t)fixture->finished_count, 1);
    }
}

// Who runs meets it where it has read to, and goes on behind it.
static void who_cannot_read_on_reads_anew(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    command(fixture, "EVAL \"return redis.call('XADD', KEYS[1], '*', 'v', '1', 'r', "
                     "string.rep('x', " LARGE "))\" 1 {test}:log\r\n");
    take(fixture, "node", 2, "after", NULL);
    RUN_UNTIL(fixture, has_seen(fixture, "after") && fixture->state == PT_SHARE_READY);
}

static void ends_of_the_far_future_push_no_others_out(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    command(fixture, "ZADD {test}:order inf a inf b 9e15 c 9e15 d\r\n");
    take(fixture, "node", 2, "after", "pull 2");
    RUN_UNTIL(fixture, fixture->taken == 2);
    begin_reading_anew(fixture);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
    assert_int_equal(fixture->finished_count, 2);
    assert_int_equal(fixture->invalid, 0);
}

static void no_more_is_loaded_than_a_server_keeps(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    command(fixture, "EVAL \"for i = 1, 1000 do local id = string.format('%032x', i) "
                     "redis.call('HSET', KEYS[1], id, '1-0\\\\n01\\\\nx') "
                     "redis.call('ZADD', KEYS[2], i, id) end return 1\" 2 {test}:finished "
                     "{test}:order\r\n");
    begin_reading_anew(fixture);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
    assert_int_equal(fixture->finished_count, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_stands_there_a_report_is_appended_and_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_large_for_an_answer_stops_no_reader, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_cannot_read_on_reads_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ends_of_the_far_future_push_no_others_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_more_is_loaded_than_a_server_keeps, set_up, tear_down),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
