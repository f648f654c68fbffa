// SPDX-License-Identifier: Apache-2.0
#include "base/backoff.h"

#include "base/clock.h"

#include "check.h"

static void doubles_to_twelve_seconds(void **state)
{
    (void)state;
    static const int64_t longest_ms[] = {800, 1600, 3200, 6400, 12000, 12000};
    struct pt_backoff low = {0}, high = {0};
    for (size_t i = 0; i < COUNT_OF(longest_ms); i++) {
        check_int("least", pt_backoff_failed(&low, 1, 0) / PT_NS_PER_MS, longest_ms[i] / 2);
        check_int("most", pt_backoff_failed(&high, 1, UINT32_MAX) / PT_NS_PER_MS, longest_ms[i]);
    }
}

static void begins_anew_after_two_good_minutes(void **state)
{
    (void)state;
    struct pt_backoff backoff = {0};
    int64_t now = PT_NS_PER_S;
    for (int i = 0; i < 5; i++)
        pt_backoff_failed(&backoff, now, UINT32_MAX);
    pt_backoff_good(&backoff, now);
    pt_backoff_good(&backoff, now + 60 * PT_NS_PER_S); // the first counts
    assert_int_equal(pt_backoff_failed(&backoff, now + 119 * PT_NS_PER_S, UINT32_MAX),
                     12000 * PT_NS_PER_MS);
    pt_backoff_good(&backoff, now);
    assert_int_equal(pt_backoff_failed(&backoff, now + 120 * PT_NS_PER_S, UINT32_MAX),
                     800 * PT_NS_PER_MS);
}

// An API server that starts has not read its roles yet: the first refusal says little.
static void a_refusal_is_asked_about_again_soon_and_then_ever_later(void **state)
{
    (void)state;
    static const int64_t delays_s[] = {5, 10, 20, 40, 80, 160, 320, 600, 600};
    struct pt_backoff backoff = {0};
    for (size_t i = 0; i < COUNT_OF(delays_s); i++)
        check_int("delay", pt_backoff_refused(&backoff) / PT_NS_PER_S, delays_s[i]);
    pt_backoff_good(&backoff, 1);
    check_int("after it was granted", pt_backoff_refused(&backoff) / PT_NS_PER_S, 5);
}

static void the_next_wait_is_twice_as_long(void **state)
{
    (void)state;
    static const struct {
        int64_t before, next;
    } cases[] = {{0, 100}, {100, 200}, {800, 1600}, {1600, 2000}, {2000, 2000}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(pt_backoff_next(cases[i].before, 100, 2000), cases[i].next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_to_twelve_seconds),
        cmocka_unit_test(begins_anew_after_two_good_minutes),
        cmocka_unit_test(a_refusal_is_asked_about_again_soon_and_then_ever_later),
        cmocka_unit_test(the_next_wait_is_twice_as_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
