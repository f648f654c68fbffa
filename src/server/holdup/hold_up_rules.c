// SPDX-License-Identifier: Apache-2.0
#include "server/holdup/hold_up_rules.h"

struct rule;

// One kind. The first rule of the table that holds is what holds it up.
struct rule {
    enum pt_hold_up_kind kind;
    bool (*holds)(const struct rule *rule, const struct pt_hold_up_facts *facts);
    double seconds; // from then on
    double share;   // of the others' median: below that
    size_t others;  // of so many at least
};

static bool is_failed(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    (void)rule;
    return facts->phase == PT_PULL_FAILED && facts->is_waited_for;
}

static bool backs_off(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    return is_failed(rule, facts) && facts->next_attempt_at != 0;
}

static bool is_over(const struct pt_hold_up_facts *facts)
{
    return pt_pull_phase_is_final(facts->phase);
}

static bool waits_for_sandbox(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    (void)rule;
    return !facts->is_pull && facts->waits_for_sandbox;
}

static bool waits_for_volume(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    (void)rule;
    return !facts->is_pull && facts->waits_for_volume;
}

static bool lacks_agent(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    (void)rule;
    return !is_over(facts) && !facts->has_agent;
}

static bool is_silent(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    (void)rule;
    return !is_over(facts) && facts->is_node_silent;
}

static bool is_queued(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    (void)rule;
    return facts->phase == PT_PULL_QUEUED;
}

static bool resolves_long(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    return facts->phase == PT_PULL_RESOLVING && facts->seconds > rule->seconds;
}

static bool is_extracting(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    (void)rule;
    return facts->phase == PT_PULL_EXTRACTING;
}

// An agent that sends no phase reports what it downloads.
static bool downloads(const struct pt_hold_up_facts *facts)
{
    return facts->is_pull &&
           (facts->phase == PT_PULL_DOWNLOADING || facts->phase == PT_PULL_UNKNOWN);
}

static bool gets_no_bytes(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    return downloads(facts) && facts->stalled_seconds >= rule->seconds;
}

static bool is_below(const struct rule *rule, double speed, const struct pt_other_speed *others)
{
    return others->count >= rule->others && speed < rule->share * others->median;
}

static bool is_slow(const struct rule *rule, const struct pt_hold_up_facts *facts)
{
    return downloads(facts) && facts->seconds >= rule->seconds &&
           (is_below(rule, facts->bytes_per_second, &facts->of_node) ||
            is_below(rule, facts->bytes_per_second, &facts->of_registry));
}

// clang-format off
static const struct rule rules[] = {
    // kind                    holds              seconds  share  others
    {PT_HOLD_UP_BACKOFF,       backs_off,         0,       0,     0},
    {PT_HOLD_UP_FAILED,        is_failed,         0,       0,     0},
    {PT_HOLD_UP_SANDBOX,       waits_for_sandbox, 0,       0,     0},
    {PT_HOLD_UP_VOLUME,        waits_for_volume,  0,       0,     0},
    {PT_HOLD_UP_AGENT_MISSING, lacks_agent,       0,       0,     0},
    {PT_HOLD_UP_NODE_SILENT,   is_silent,         0,       0,     0},
    {PT_HOLD_UP_QUEUE,         is_queued,         0,       0,     0},
    {PT_HOLD_UP_RESOLVING,     resolves_long,     10,      0,     0},
    {PT_HOLD_UP_NO_BYTES,      gets_no_bytes,     10,      0,     0},
    {PT_HOLD_UP_EXTRACTING,    is_extracting,     0,       0,     0},
    {PT_HOLD_UP_SLOW,          is_slow,           10,      0.25,  2},
};
// clang-format on

enum pt_hold_up_kind pt_hold_up_of(const struct pt_hold_up_facts *facts)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].holds(&rules[i], facts))
            return rules[i].kind;
    }
    return PT_HOLD_UP_NONE;
}
