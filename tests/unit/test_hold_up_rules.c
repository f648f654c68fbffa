// SPDX-License-Identifier: Apache-2.0
#include "server/holdup/hold_up_rules.h"
#include "server/holdup/speeds.h"

#include "check.h"

#include <stdlib.h>

// The table of kinds: what holds, from when on, and what comes first.

static const struct pt_hold_up_facts calm = {
    .is_pull = true,
    .phase = PT_PULL_DOWNLOADING,
    .has_agent = true,
    .is_waited_for = true,
    .seconds = 60,
    .bytes_per_second = 1000,
};

static void check_kind(const char *name, const struct pt_hold_up_facts *facts,
                       enum pt_hold_up_kind wanted)
{
    check_text(name, pt_hold_up_words.words[pt_hold_up_of(facts)], pt_hold_up_words.words[wanted]);
}

static void each_kind_holds_from_its_threshold_on(void **state)
{
    (void)state;
    struct pt_hold_up_facts facts = calm;
    check_kind("all is well", &facts, PT_HOLD_UP_NONE);
    facts.stalled_seconds = 9.9;
    check_kind("9.9 s without a byte", &facts, PT_HOLD_UP_NONE);
    facts.stalled_seconds = 10;
    check_kind("10 s without a byte", &facts, PT_HOLD_UP_NO_BYTES);
    facts.phase = PT_PULL_UNKNOWN;
    check_kind("of an agent without phases", &facts, PT_HOLD_UP_NO_BYTES);
    facts = calm;
    facts.phase = PT_PULL_RESOLVING;
    facts.seconds = 10;
    check_kind("resolving for 10 s", &facts, PT_HOLD_UP_NONE);
    facts.seconds = 10.1;
    check_kind("for longer", &facts, PT_HOLD_UP_RESOLVING);
    facts.phase = PT_PULL_EXTRACTING;
    check_kind("extracting", &facts, PT_HOLD_UP_EXTRACTING);
    facts.phase = PT_PULL_QUEUED;
    check_kind("queued", &facts, PT_HOLD_UP_QUEUE);
    facts.is_node_silent = true;
    check_kind("on a silent node", &facts, PT_HOLD_UP_NODE_SILENT);
    facts.is_node_silent = facts.has_agent = false;
    check_kind("without an agent", &facts, PT_HOLD_UP_AGENT_MISSING);
}

static void slow_is_below_a_quarter_of_two_others(void **state)
{
    static const struct {
        const char *name;
        double seconds, speed;
        struct pt_other_speed of_node, of_registry;
        enum pt_hold_up_kind wanted;
    } cases[] = {
        {"slower than the node's", 60, 249, {1000, 2}, {0, 0}, PT_HOLD_UP_SLOW},
        {"slower than the registry's", 60, 249, {0, 0}, {1000, 2}, PT_HOLD_UP_SLOW},
        {"a quarter", 60, 250, {1000, 2}, {1000, 9}, PT_HOLD_UP_NONE},
        {"one other is no measure", 60, 1, {1000, 1}, {1000, 1}, PT_HOLD_UP_NONE},
        {"it has just begun", 9, 1, {1000, 5}, {1000, 5}, PT_HOLD_UP_NONE},
        {"nobody downloads anything", 60, 0, {0, 5}, {0, 5}, PT_HOLD_UP_NONE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_hold_up_facts facts = calm;
        facts.seconds = cases[i].seconds;
        facts.bytes_per_second = cases[i].speed;
        facts.of_node = cases[i].of_node;
        facts.of_registry = cases[i].of_registry;
        check_kind(cases[i].name, &facts, cases[i].wanted);
    }
}

static void a_failure_counts_while_it_is_waited_for(void **state)
{
    (void)state;
    struct pt_hold_up_facts facts = calm;
    facts.phase = PT_PULL_FAILED;
    facts.is_node_silent = true; // the kubelet has said why
    check_kind("failed", &facts, PT_HOLD_UP_FAILED);
    facts.next_attempt_at = 1;
    check_kind("tried again", &facts, PT_HOLD_UP_BACKOFF);
    facts.is_waited_for = false;
    check_kind("waited for no more", &facts, PT_HOLD_UP_NONE);
    facts.phase = PT_PULL_COMPLETED;
    facts.has_agent = false;
    check_kind("completed", &facts, PT_HOLD_UP_NONE);
}

static void a_container_waits_for_its_pod_first(void **state)
{
    (void)state;
    struct pt_hold_up_facts facts = {
        .phase = PT_PULL_QUEUED, .has_agent = false, .waits_for_volume = true};
    check_kind("volume", &facts, PT_HOLD_UP_VOLUME);
    facts.waits_for_sandbox = true;
    check_kind("sandbox", &facts, PT_HOLD_UP_SANDBOX);
    facts.is_pull = true;
    check_kind("a pull waits for neither", &facts, PT_HOLD_UP_AGENT_MISSING);
}

static void check_near(const char *name, double found, double wanted)
{
    if (found < 0.9 * wanted || found > 1.1 * wanted)
        fail_msg("%s: %g is not within a tenth of %g", name, found, wanted);
}

static void the_median_leaves_out_its_own(void **state)
{
    (void)state;
    struct pt_speeds speeds = {0};
    check_int("of none", (int64_t)pt_speeds_of_others(&speeds, 5).count, 0);
    pt_speeds_add(&speeds, 5);
    check_int("of itself", (int64_t)pt_speeds_of_others(&speeds, 5).count, 0);
    pt_speeds_add(&speeds, 1e6);
    pt_speeds_add(&speeds, 2e6);
    pt_speeds_add(&speeds, 1e9);
    check_int("others", (int64_t)pt_speeds_of_others(&speeds, 5).count, 3);
    check_near("median", pt_speeds_of_others(&speeds, 5).median, 2e6);
    check_near("of the fastest", pt_speeds_of_others(&speeds, 1e9).median, 1e6);
    check_int("of a stranger", (int64_t)pt_speeds_of_others(&speeds, 70).count, 4);
}

static void no_speed_is_too_high_or_too_low(void **state)
{
    static const double cases[] = {0, 1, 3, 4e9, 9e11, 1e18};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_speeds speeds = {0};
        pt_speeds_add(&speeds, cases[i]);
        check_int("count", (int64_t)pt_speeds_of_others(&speeds, -1).count, cases[i] < 1 ? 0 : 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_holds_from_its_threshold_on),
        cmocka_unit_test(slow_is_below_a_quarter_of_two_others),
        cmocka_unit_test(a_failure_counts_while_it_is_waited_for),
        cmocka_unit_test(a_container_waits_for_its_pod_first),
        cmocka_unit_test(the_median_leaves_out_its_own),
        cmocka_unit_test(no_speed_is_too_high_or_too_low),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
