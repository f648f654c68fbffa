// SPDX-License-Identifier: Apache-2.0

// Several servers without memory: what Valkey answers, what waits for it, and what comes through
// it.

#include "server/share/share_apply.h"
#include "server/share/share_claims.h"
#include "server/share/share_ends.h"
#include "server/share/share_pending.h"
#include "server/valkey/resp.h"

#include "share_applied.h"
#include "share_log_fixture.h"
#include "store_fixture.h"

#include "scarce_memory.h"

static int read_answers(void)
{
    static const char text[] = "*2\r\n$3\r\n1-1\r\n*12\r\n+v\r\n+1\r\n+t\r\n+run\r\n+n\r\n+7\r\n"
                               "+i\r\n+\r\n+r\r\n$6\r\nreport\r\n+e\r\n+\r\n:5\r\n";
    struct pt_resp_reader reader;
    struct pt_resp_value *answer;
    struct pt_share_entry entry;
    int count = 0, r = 0;
    pt_resp_reader_init(&reader, 1 << 20, 64);
    for (size_t i = 0; r >= 0 && i < strlen(text); i++) {
        r = pt_resp_reader_feed(&reader, text + i, 1);
        while (r >= 0 && (r = pt_resp_reader_next(&reader, &answer)) > 0) {
            assert_true(count++ > 0 || pt_share_entry_read(answer, &entry) == 0);
            free(answer);
        }
    }
    pt_resp_reader_finish(&reader);
    assert_true(r < 0 || count == 2);
    return r;
}

static void on_settled(void *context, struct pt_request *request, bool is_in_log, bool has_end)
{
    (void)context, (void)request, (void)is_in_log, (void)has_end;
}

static int wait_for_the_log(void)
{
    struct pt_share_pendings *all = pt_share_pendings_create(pt_clock_system(), on_settled, NULL);
    int added = 0;
    if (!all)
        return -ENOMEM;
    for (uint64_t i = 0; i < 3; i++) {
        struct pt_share_pending *one = pt_share_pendings_add(all, i < 2 ? "node" : "other", true);
        if (one)
            one->number = ++added;
    }
    pt_share_pendings_note_overtaken(all, "node");
    for (int i = 1; i <= added; i++)
        assert_non_null(pt_share_pendings_find(all, (uint64_t)i));
    if (added > 0)
        pt_share_pending_settle(pt_share_pendings_find(all, 1), true);
    pt_share_pendings_destroy(all);
    return added == 3 ? 0 : -ENOMEM;
}

static void on_won(void *context, const struct pt_share_claim *claim)
{
    assert_string_equal(claim->json, "{}");
    ++*(int *)context;
}

// Who cannot claim it counts it.
static int claim_an_outcome(void)
{
    const struct scarce_memory scarce = scarce_memory;
    const struct pt_share_claim claim = {.id = "0123", .type = PT_EVENT_PULL_FAILED, .json = "{}"};
    struct pt_valkey_link_options options = {.max_silence_ms = 5000, .max_pending_bytes = 1024};
    struct pt_loop *loop;
    struct pt_error err;
    int won = 0;
    memory_is_back();
    assert_int_equal(pt_loop_create(&loop, &err), 0);
    struct pt_valkey_link *link =
        pt_valkey_link_create(pt_loop_base(loop), pt_clock_system(), &options);
    scarce_memory = scarce;
    struct pt_share_claims *claims = pt_share_claims_create("test", on_won, &won);
    if (claims) {
        pt_share_claims_make(claims, link, &claim);
        assert_int_equal(won, 1);
    }
    memory_is_back();
    pt_share_claims_destroy(claims);
    pt_valkey_link_destroy(link);
    pt_loop_destroy(loop);
    return claims ? 0 : -ENOMEM;
}

#define IDS                                                                                        \
    "0123456789abcdef0123456789abcdef"                                                             \
    "fedcba9876543210fedcba9876543210"

// As it came from another server.
static int apply_entry(struct pt_share_apply *apply, struct applied *applied, struct pt_loop *loop,
                       const char *layers)
{
    char report[1024];
    int length =
        snprintf(report, sizeof(report),
                 "{\"nodeName\":\"n1\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"pulls\":["
                 "{\"id\":\"a\",\"imageRef\":\"app:1\",\"startedAt\":\"2026-01-01T00:00:00Z\","
                 "\"totalKnown\":true,\"layers\":[%s]},"
                 "{\"id\":\"b\",\"imageRef\":\"app:2\",\"startedAt\":\"2026-01-01T00:00:00Z\","
                 "\"totalKnown\":true,\"phase\":\"completed\",\"layers\":[]}]}",
                 layers);
    const struct pt_share_entry entry = {
        .id = {1790000000000, 1},
        .row_ids = IDS,
        .row_ids_length = strlen(IDS),
        .report = report,
        .report_length = (size_t)length,
    };
    *applied = (struct applied){0};
    pt_share_apply_begin(apply, &entry, 0);
    for (int i = 0; i < 100 && applied->calls == 0; i++)
        event_base_loop(pt_loop_base(loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(applied->calls, 1);
    return applied->result;
}

#define LAYER                                                                                      \
    "{\"digest\":\"sha256:a\",\"totalBytes\":100,\"downloadedBytes\":10,\"totalKnown\":true}"

// What could not be applied for want of memory comes with the next entry of the node.
static int apply_what_another_has_taken(void)
{
    const struct scarce_memory scarce = scarce_memory;
    struct scene scene;
    struct applied applied;
    struct pt_loop *loop;
    struct pt_error err;
    memory_is_back();
    scene_begin(&scene);
    assert_int_equal(pt_loop_create(&loop, &err), 0);
    scarce_memory = scarce;
    struct pt_share_apply *apply =
        pt_share_apply_create(loop, &scene.clock, scene.store, on_applied, &applied);
    int r = apply ? apply_entry(apply, &applied, loop, LAYER) : -ENOMEM;
    memory_is_back();
    if (apply) {
        check_int("with memory", apply_entry(apply, &applied, loop, LAYER), 0);
        check_int("pulls", (int64_t)pt_store_figures(scene.store).pulls, 2);
        const struct pt_stored_pull *stored =
            pt_store_find(scene.store, "0123456789abcdef0123456789abcdef");
        assert_non_null(stored);
        check_int("layers", (int64_t)stored->pull.layer_count, 1);
        assert_non_null(pt_store_find(scene.store, "fedcba9876543210fedcba9876543210"));
    }
    pt_share_apply_destroy(apply);
    scene_end(&scene);
    pt_loop_destroy(loop);
    return r;
}

#define ROW                                                                                        \
    "{\"rank\":1,\"row\":{\"imageRef\":\"a.io/b:1\",\"phase\":\"failed\",\"error\":\"x\","         \
    "\"completedAt\":\"2026-01-01T00:00:00Z\"},\"attempts\":1,"                                    \
    "\"pods\":[{\"namespace\":\"a\",\"podName\":\"b\",\"container\":\"c\"}]}"

// A row that no agent has reported: without memory it is missing, and that is counted.
static int restore_a_row(void)
{
    static const char report[] = "{\"nodeName\":\"n1\",\"timestamp\":\"2026-01-01T00:00:00Z\"}";
    const struct scarce_memory scarce = scarce_memory;
    struct scene scene;
    struct applied applied = {0};
    struct pt_loop *loop;
    struct pt_error err;
    const struct pt_share_entry entry = {.id = {1790000000000, 1},
                                         .is_past = true,
                                         .row_ids = IDS,
                                         .row_ids_length = PT_PULL_ID_LENGTH,
                                         .report = report,
                                         .report_length = strlen(report),
                                         .waited = ROW,
                                         .waited_length = strlen(ROW)};
    memory_is_back();
    scene_begin(&scene);
    scene_deliver(&scene); // the node is there
    assert_int_equal(pt_loop_create(&loop, &err), 0);
    struct pt_share_apply *apply =
        pt_share_apply_create(loop, &scene.clock, scene.store, on_applied, &applied);
    assert_non_null(apply);
    scarce_memory = scarce;
    pt_share_apply_begin(apply, &entry, 0);
    memory_is_back();
    int r = applied.result;
    check_int("calls", applied.calls, 1);
    pt_share_apply_begin(apply, &entry, 0);
    check_int("with memory", applied.result, 0);
    check_int("rows", (int64_t)pt_store_figures(scene.store).failed, 1);
    const struct pt_stored_pull *stored =
        pt_store_find(scene.store, "0123456789abcdef0123456789abcdef");
    assert_non_null(stored);
    check_int("pods", (int64_t)stored->join->waiting_count, 1);
    pt_share_apply_destroy(apply);
    scene_end(&scene);
    pt_loop_destroy(loop);
    return r;
}

static int keep_an_end(void)
{
    const struct scarce_memory scarce = scarce_memory;
    struct scene scene;
    struct pt_share_ends ends;
    struct pt_buffer row_ids;
    memory_is_back();
    scene_begin(&scene);
    scene.pull.phase = PT_PULL_COMPLETED;
    scene_deliver(&scene);
    const struct pt_report report = {.node_name = "n1", .pulls = &scene.pull, .pull_count = 1};
    scarce_memory = scarce;
    pt_buffer_init(&row_ids, 4096);
    int r = pt_store_write_row_ids(scene.store, &report, &row_ids);
    if (r == 0)
        r = pt_share_ends_write(&ends, scene.store, &report, row_ids.data, 1);
    if (r == 0) {
        // Without room for the text the end is not kept: its report has it.
        r = ends.count == 1 ? 0 : -ENOMEM;
        pt_share_ends_finish(&ends);
    }
    memory_is_back();
    pt_buffer_finish(&row_ids);
    scene_end(&scene);
    return r;
}

static void every_failure_is_an_error_or_mended(void **state)
{
    (void)state;
    static const struct scarce_row rows[] = {
        SCARCE_ROW(read_answers, false),    SCARCE_ROW(wait_for_the_log, false),
        SCARCE_ROW(claim_an_outcome, true), SCARCE_ROW(apply_what_another_has_taken, true),
        SCARCE_ROW(keep_an_end, true),      SCARCE_ROW(restore_a_row, true),
    };
    scarce_sweep(rows, COUNT_OF(rows));
}

// Each allocation of writer, reader and connection fails once while a report goes through a real
// Valkey: a connection may break by that, and what is sent again comes through.
static void a_report_comes_through_whatever_failed(void **state)
{
    struct fixture *fixture = *state;
    bool has_failed = true;
    pt_log_set_descriptor(-1);
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    for (int step = 0; has_failed; step++) {
        assert_in_range(step, 0, 200);
        scarce_memory = (struct scarce_memory){.is_scarce = true, .left = step, .is_once = true};
        size_t seen = fixture->seen_count;
        (void)try_to_take(fixture, "node", 2 * step + 1, "report", "pull");
        for (int i = 0; i < 20; i++)
            event_base_loop(pt_loop_base(fixture->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
        has_failed = scarce_memory.has_failed;
        memory_is_back();
        RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
        take(fixture, "node", 2 * step + 2, "again", NULL);
        RUN_UNTIL(fixture, fixture->seen_count > seen &&
                               strcmp(fixture->seen[fixture->seen_count - 1], "again") == 0);
        fixture->seen_count = fixture->finished_count = fixture->taken = 0;
    }
    pt_log_set_descriptor(STDOUT_FILENO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_is_an_error_or_mended),
        cmocka_unit_test_setup_teardown(a_report_comes_through_whatever_failed, set_up, tear_down),
    };
    signal(SIGPIPE, SIG_IGN);
    event_set_mem_functions(__wrap_malloc, __wrap_realloc, free); // as scarce
    return cmocka_run_group_tests_name("allocation_share", tests, NULL, NULL);
}
