// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_pending.h"

#include "base/clock.h"

#include "check.h"

struct fixture {
    struct pt_clock clock;
    int64_t now_ns;
    struct pt_share_pendings *all;
};

static int64_t fixture_now(void *context)
{
    const struct fixture *fixture = context;
    return fixture->now_ns;
}

static void on_settled(void *context, struct pt_request *request, bool is_in_log, bool has_end)
{
    (void)context;
    (void)request;
    (void)is_in_log;
    (void)has_end;
    fail_msg("nobody waits");
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.clock = {fixture_now, fixture_now, &fixture}};
    fixture.all = pt_share_pendings_create(&fixture.clock, on_settled, &fixture);
    assert_non_null(fixture.all);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    const struct fixture *fixture = *state;
    pt_share_pendings_destroy(fixture->all);
    return 0;
}

static void add(const struct fixture *fixture, const char *node, uint64_t number)
{
    struct pt_share_pending *pending = pt_share_pendings_add(fixture->all, node, false);
    assert_non_null(pending);
    pending->number = number;
}

static void only_those_of_the_node_are_overtaken(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const nodes[] = {"a", "b", "a", "c", "a"};
    for (uint64_t i = 0; i < COUNT_OF(nodes); i++)
        add(fixture, nodes[i], i + 1);
    pt_share_pending_settle(pt_share_pendings_find(fixture->all, 3), true);
    assert_null(pt_share_pendings_find(fixture->all, 3));
    pt_share_pendings_note_overtaken(fixture->all, "a");
    pt_share_pendings_note_overtaken(fixture->all, "nobody");
    add(fixture, "a", 6); // behind that
    static const struct {
        uint64_t number;
        bool is_overtaken;
    } cases[] = {{1, true}, {2, false}, {4, false}, {5, true}, {6, false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct pt_share_pending *pending =
            pt_share_pendings_find(fixture->all, cases[i].number);
        assert_non_null(pending);
        check_int(pt_share_pending_node_name(pending), pending->is_overtaken,
                  cases[i].is_overtaken);
    }
}

static void none_stays_for_long(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "a", 1);
    fixture->now_ns = 3 * PT_NS_PER_S;
    add(fixture, "a", 2);
    fixture->now_ns = 6 * PT_NS_PER_S;
    pt_share_pendings_settle_old(fixture->all);
    assert_null(pt_share_pendings_find(fixture->all, 1));
    assert_non_null(pt_share_pendings_find(fixture->all, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_those_of_the_node_are_overtaken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(none_stays_for_long, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
