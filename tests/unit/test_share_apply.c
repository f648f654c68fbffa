// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_apply.h"

#include "base/loop.h"

#include "share_applied.h"
#include "store_fixture.h"

#include <event2/event.h>

#define ID "0123456789abcdef0123456789abcdef"
#define NO_PULLS "{\"nodeName\":\"n1\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"pulls\":[]}"
#define PULL                                                                                       \
    "{\"nodeName\":\"n1\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"pulls\":["                      \
    "{\"id\":\"a\",\"imageRef\":\"a.io/c:1\",\"totalKnown\":true,\"phase\":\"completed\","         \
    "\"layers\":[]}]}"
#define ROW                                                                                        \
    "{\"rank\":1,\"row\":{\"imageRef\":\"a.io/b:1\",\"phase\":\"failed\",\"error\":\"x\","         \
    "\"completedAt\":\"2026-01-01T00:00:00Z\"},\"attempts\":2}"
#define PODS "{\"pods\":[{\"namespace\":\"a\",\"podName\":\"b\",\"container\":\"c\"}]}"

// What stands beside the log, or in it, of what has ended.
static void what_has_ended_is_a_row_or_a_pull_or_is_skipped(void **state)
{
    static const struct {
        const char *name, *ids, *report, *waited;
        bool is_applied;
        int64_t rows; // in the store
        int64_t pods; // of the row
    } cases[] = {
        {"a row of Kubernetes", ID, NO_PULLS, ROW, true, 1, 0},
        {"an agent's pull", ID, PULL, NULL, true, 1, 0},
        {"and who had waited", ID, PULL, PODS, true, 1, 1},
        {"and what cannot be read", ID, PULL, "{", true, 1, 0},
        {"neither", ID, NO_PULLS, PODS, false, 0, 0},
        {"nothing", ID, NO_PULLS, NULL, false, 0, 0},
        {"a row that is none", ID, NO_PULLS, "{\"row\":7}", false, 0, 0},
        {"and an agent's pull", ID, PULL, "{\"row\":7}", false, 0, 0},
        {"no id", "--------------------------------", NO_PULLS, ROW, false, 0, 0},
        {"half an id", "0123456789abcdef", NO_PULLS, ROW, false, 0, 0},
        {"two ids", ID ID, NO_PULLS, ROW, false, 0, 0},
        {"no node", ID, "{\"timestamp\":\"2026-01-01T00:00:00Z\"}", ROW, false, 0, 0},
    };
    struct scene *scene = *state;
    struct pt_loop *loop;
    struct pt_error err;
    assert_int_equal(pt_loop_create(&loop, &err), 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct applied applied = {0};
        scene_restart(scene);
        struct pt_share_apply *apply =
            pt_share_apply_create(loop, &scene->clock, scene->store, on_applied, &applied);
        const char *waited = cases[i].waited;
        const struct pt_share_entry entry = {.id = {1790000000000, 1},
                                             .is_past = true,
                                             .ended_ms = 1790000000000,
                                             .row_ids = cases[i].ids,
                                             .row_ids_length = strlen(cases[i].ids),
                                             .report = cases[i].report,
                                             .report_length = strlen(cases[i].report),
                                             .waited = waited,
                                             .waited_length = waited ? strlen(waited) : 0};
        pt_share_apply_begin(apply, &entry, 5000);
        for (int turns = 0; turns < 100 && applied.calls == 0; turns++)
            event_base_loop(pt_loop_base(loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
        check_int(cases[i].name, applied.calls, 1);
        check_int(cases[i].name, applied.was_report, cases[i].is_applied);
        check_int(cases[i].name, applied.result == 0, cases[i].is_applied);
        check_int(cases[i].name, (int64_t)scene->store->pulls.count, cases[i].rows);
        const struct pt_stored_pull *stored = pt_store_find(scene->store, ID);
        check_int(cases[i].name, stored != NULL, cases[i].rows > 0);
        if (stored && stored->join)
            check_int(cases[i].name, (int64_t)stored->join->waiting_count, cases[i].pods);
        if (stored)
            check_int(cases[i].name, scene->now_ns - stored->finished_at, 5 * PT_NS_PER_S);
        pt_share_apply_destroy(apply);
    }
    pt_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(what_has_ended_is_a_row_or_a_pull_or_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
