// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/limits.h"
#include "pull/rate.h"

#include "check.h"

#define START (INT64_C(1795230245) * PT_NS_PER_S)

static int64_t at(double seconds)
{
    return START + (int64_t)(seconds * (double)PT_NS_PER_S);
}

static void steady_download(void **state)
{
    (void)state;
    struct pt_rate rate = {0};
    pt_rate_add(&rate, at(0), 0);
    check_real("one sample", rate.bytes_per_second, 0);
    for (int second = 1; second <= 30; second++) {
        pt_rate_add(&rate, at(second), second * 1000);
        check_real("each second", rate.bytes_per_second, 1000);
    }
}

// A report that was sent later than usual carries the time at which it was taken.
static void uneven_reports_do_not_bend_it(void **state)
{
    (void)state;
    static const double times[] = {0, 0.9, 2.3, 2.9, 4.4, 5.0, 6.01, 7.7};
    struct pt_rate rate = {0};
    for (size_t i = 0; i < COUNT_OF(times); i++)
        pt_rate_add(&rate, at(times[i]), (int64_t)(times[i] * 5000));
    check_real("uneven", rate.bytes_per_second, 5000);
}

static void late_and_doubled_samples_are_dropped(void **state)
{
    (void)state;
    struct pt_rate rate = {0};
    pt_rate_add(&rate, at(0), 0);
    pt_rate_add(&rate, at(1), 1000);
    pt_rate_add(&rate, at(2), 2000);
    pt_rate_add(&rate, at(2), 9000);
    pt_rate_add(&rate, at(1.5), 100);
    check_real("still", rate.bytes_per_second, 1000);
    pt_rate_add(&rate, at(3), 3000);
    check_real("goes on", rate.bytes_per_second, 1000);
}

// An agent may say what it likes.
static void no_speed_is_beyond_belief(void **state)
{
    (void)state;
    struct pt_rate rate = {0};
    pt_rate_add(&rate, START, 0);
    pt_rate_add(&rate, START + 1, INT64_MAX);
    check_real("a nanosecond later", rate.bytes_per_second, 0);
    pt_rate_add(&rate, at(0.001), INT64_MAX);
    check_real("a millisecond later", rate.bytes_per_second, PT_LIMIT_BYTES_PER_SECOND);
}

static void a_pause_shows_within_the_window(void **state)
{
    (void)state;
    struct pt_rate rate = {0};
    for (int second = 0; second <= 5; second++)
        pt_rate_add(&rate, at(second), second * 1000);
    for (int second = 6; second <= 10; second++)
        pt_rate_add(&rate, at(second), 5000);
    check_real("paused", rate.bytes_per_second, 0);
}

// containerd writes in steps of a mebibyte; four reports a second see them come one by one.
static void frequent_samples_are_measured_over_the_same_window(void **state)
{
    (void)state;
    struct pt_rate rate = {0};
    for (int quarter = 0; quarter <= 80; quarter++) {
        int64_t bytes = quarter / 5 * 1000; // a step each 1.25 s: 800 a second
        pt_rate_add(&rate, at(quarter / 4.0), bytes);
        if (quarter > 20 && (rate.bytes_per_second < 550 || rate.bytes_per_second > 1050))
            fail_msg("after %d quarters: %g", quarter, rate.bytes_per_second);
    }
}

static void long_intervals_use_the_last_two(void **state)
{
    (void)state;
    struct pt_rate rate = {0};
    pt_rate_add(&rate, at(0), 0);
    pt_rate_add(&rate, at(10), 10000);
    pt_rate_add(&rate, at(20), 40000);
    check_real("10 s interval", rate.bytes_per_second, 3000);
}

static void starts_anew_when_bytes_or_clock_go_back(void **state)
{
    (void)state;
    struct pt_rate rate = {0};
    pt_rate_add(&rate, at(0), 0);
    pt_rate_add(&rate, at(1), 5000);
    pt_rate_add(&rate, at(2), 1000);
    check_real("bytes went back", rate.bytes_per_second, 0);
    pt_rate_add(&rate, at(3), 3000);
    check_real("measured anew", rate.bytes_per_second, 2000);
    pt_rate_add(&rate, at(-3600), 4000);
    check_real("clock went back", rate.bytes_per_second, 0);
    pt_rate_add(&rate, at(-3599), 4500);
    check_real("measured anew", rate.bytes_per_second, 500);
}

// Of what had come before nobody knows when, nor of what was about to come.
static void in_the_middle_of_a_download(void **state)
{
    (void)state;
    struct pt_rate rate = {0};
    pt_rate_add_since(&rate, at(-60), at(0), 50000);
    pt_rate_add_since(&rate, at(-60), at(0.1), 51000);
    check_real("the first step", rate.bytes_per_second, 0);
    pt_rate_add_since(&rate, at(-60), at(1), 51000);
    pt_rate_add_since(&rate, at(-60), at(1.1), 52000);
    check_real("from step to step", rate.bytes_per_second, 1000);
    rate = (struct pt_rate){0};
    pt_rate_add_since(&rate, at(-1), at(0), 1000);
    pt_rate_add_since(&rate, at(-1), at(1), 2000);
    check_real("one that has just begun", rate.bytes_per_second, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_download),
        cmocka_unit_test(in_the_middle_of_a_download),
        cmocka_unit_test(uneven_reports_do_not_bend_it),
        cmocka_unit_test(late_and_doubled_samples_are_dropped),
        cmocka_unit_test(no_speed_is_beyond_belief),
        cmocka_unit_test(a_pause_shows_within_the_window),
        cmocka_unit_test(frequent_samples_are_measured_over_the_same_window),
        cmocka_unit_test(long_intervals_use_the_last_two),
        cmocka_unit_test(starts_anew_when_bytes_or_clock_go_back),
    };
    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
