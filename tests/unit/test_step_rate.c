// SPDX-License-Identifier: Apache-2.0
#include "base/step_rate.h"

#include "base/clock.h"

#include "check.h"

#define MIB (1024 * 1024)

static int64_t at(double seconds)
{
    return PT_NS_PER_S + (int64_t)(seconds * (double)PT_NS_PER_S);
}

// A mebibyte each second from 1 s on, looked at four times a second.
static struct pt_step_rate make_steps(double until_s)
{
    struct pt_step_rate rate = {0};
    for (double now = 0.25; now <= until_s; now += 0.25)
        pt_step_rate_add(&rate, at(now), (int64_t)now * MIB);
    return rate;
}

static void speed_is_from_step_to_step(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double until_s, now_s;
        double speed; // mebibytes per second, 0: unknown
    } rows[] = {
        {"before the first step", 0.75, 0.75, 0},
        {"one step alone", 1.75, 1.75, 0},
        {"two, but close", 2.25, 2.25, 1},
        {"between two steps", 5.75, 5.75, 1.0},
        {"long", 100.5, 100.5, 1},
        {"the next is due", 100.5, 101, 1},
        {"the next is overdue", 100.5, 110, 8.0 / 17},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pt_step_rate rate = make_steps(rows[i].until_s);
        struct pt_step_span span = pt_step_rate_span(&rate, at(rows[i].now_s));
        double speed = span.seconds > 0 ? span.bytes / MIB / span.seconds : 0;
        check_real(rows[i].name, speed, rows[i].speed);
    }
}

static void what_goes_back_begins_anew(void **state)
{
    (void)state;
    struct pt_step_rate rate = make_steps(20);
    pt_step_rate_add(&rate, at(21), MIB);
    check_real("nothing known", pt_step_rate_span(&rate, at(21)).seconds, 0);
    pt_step_rate_add(&rate, at(23), 2 * MIB);
    check_real("seconds", pt_step_rate_span(&rate, at(23)).seconds, 2);
    pt_step_rate_add(&rate, at(22), 3 * MIB); // the clock was set back
    check_real("nothing known again", pt_step_rate_span(&rate, at(22)).seconds, 0);
}

static void between_steps_bytes_go_on_for_one_more(void **state)
{
    (void)state;
    static const struct {
        double now_s, bytes; // in mebibytes
    } rows[] = {{20, 20}, {20.5, 20.5}, {21, 21}, {30, 21}, {19, 20}};
    struct pt_step_rate rate = make_steps(20), none = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_real("bytes", pt_step_rate_bytes(&rate, at(rows[i].now_s), MIB) / MIB, rows[i].bytes);
    check_real("of none", pt_step_rate_bytes(&none, at(5), MIB), 0);
    check_real("unseen", pt_step_rate_unseen(5 * MIB), MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speed_is_from_step_to_step),
        cmocka_unit_test(what_goes_back_begins_anew),
        cmocka_unit_test(between_steps_bytes_go_on_for_one_more),
    };
    return cmocka_run_group_tests_name("step_rate", tests, NULL, NULL);
}
