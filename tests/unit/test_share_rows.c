// SPDX-License-Identifier: Apache-2.0

// Rows that only Kubernetes knows: each server gives their ends, and one of them stands.

#include "share_log_fixture.h"

#define S INT64_C(1000) // ms

static void begin(struct fixture *fixture)
{
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
}

static void begin_reading_anew(struct fixture *fixture)
{
    pt_share_reader_destroy(fixture->reader);
    fixture->finished_count = 0;
    fixture->state = PT_SHARE_AWAY;
    open_reader(fixture);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
}

// As a server gives a row that has ended. The report says which one it is.
static enum pt_share_outcome give(struct fixture *fixture, const char *waited, int64_t ended_ms,
                                  const char *report)
{
    char kept[256], id[PT_PULL_ID_SIZE];
    uint64_t number;
    write_id("row", id);
    int length = snprintf(kept, sizeof(kept), "%lld-0%s%s\n%s\n%s", (long long)ended_ms,
                          *waited ? " " : "", waited, id, report);
    const struct pt_share_finished row = {id, kept, (size_t)length};
    const struct pt_share_take take = {
        .node_name = "",
        .agent_run = "",
        .sequence = ended_ms,
        .received_ms = pt_share_writer_now_ms(fixture->writer),
        .row_ids = id,
        .report = report,
        .report_length = strlen(report),
        .finished = &row,
        .finished_count = 1,
    };
    size_t taken = fixture->taken;
    assert_int_equal(pt_share_writer_take(fixture->writer, &take, &number), 0);
    RUN_UNTIL(fixture, fixture->taken == taken + 1);
    return fixture->outcomes[taken];
}

#define FAILED(attempts) "{\"rank\":" #attempts ",\"row\":{}}"
#define COMPLETED "{\"rank\":4294967296,\"row\":{}}"
#define OF_AGENT "{\"imageRefExact\":true}"

static void of_several_ends_the_one_that_weighs_most_stands(void **state)
{
    static const struct {
        const char *name, *waited;
        int64_t later_ms;
        bool is_taken;
    } steps[] = {
        {"failed", FAILED(2), 0, true},
        {"of a 2nd server", FAILED(2), 3 * S, false},
        {"of one that knows of less", FAILED(1), 3 * S, false},
        {"it went on", FAILED(3), 2 * S, true},
        {"in a row of its own it went on", FAILED(1), 30 * S, true},
        {"success", COMPLETED, 20 * S, true},
        {"of a second server", COMPLETED, 100 * S, false},
        {"of one that was stopped", FAILED(9), 100 * S, false},
        {"its agent's word", OF_AGENT, 10 * S, true},
        {"of a third server", "", 100 * S, false},
        {"by Kubernetes alone", COMPLETED, 100 * S, false},
    };
    struct fixture *fixture = *state;
    begin(fixture);
    int64_t began_ms = pt_share_writer_now_ms(fixture->writer) - 40 * S; // they stay for a minute
    size_t taken = 0;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        char report[32];
        snprintf(report, sizeof(report), "report %zu", i);
        enum pt_share_outcome outcome =
            give(fixture, steps[i].waited, began_ms + steps[i].later_ms, report);
        check_int(steps[i].name, outcome, steps[i].is_taken ? PT_SHARE_APPENDED : PT_SHARE_OLD);
        taken += steps[i].is_taken;
        RUN_UNTIL(fixture, fixture->finished_count == taken);
        if (steps[i].is_taken)
            check_text(steps[i].name, fixture->finished[taken - 1], report);
        if (steps[i].is_taken) // by who runs, as by who starts
            check_text(steps[i].name, fixture->waited, steps[i].waited);
    }
    begin_reading_anew(fixture);
    check_int("kept", (int64_t)fixture->finished_count, 1);
    check_text("kept", fixture->finished[0], "report 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARE_TEST(of_several_ends_the_one_that_weighs_most_stands),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
