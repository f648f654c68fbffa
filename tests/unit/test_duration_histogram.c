// SPDX-License-Identifier: Apache-2.0
#include "base/duration_histogram.h"

#include "check.h"

static void quantiles_are_near(void **state)
{
    (void)state;
    struct pt_duration_histogram histogram = {0};
    check_real("empty", pt_duration_histogram_quantile(&histogram, 0.5), -1);
    for (int i = 1; i <= 100; i++)
        pt_duration_histogram_add(&histogram, i);
    double median = pt_duration_histogram_quantile(&histogram, 0.5);
    double high = pt_duration_histogram_quantile(&histogram, 0.95);
    assert_true(median > 47.5 && median < 52.5);
    assert_true(high > 90 && high < 100);
    for (int i = 1; i <= 99; i++)
        pt_duration_histogram_remove(&histogram, i);
    double last = pt_duration_histogram_quantile(&histogram, 0.5);
    assert_true(last > 95 && last < 105);
    pt_duration_histogram_add(&histogram, 0);
    pt_duration_histogram_add(&histogram, 1e9);
    check_int("any duration has its place", (int64_t)histogram.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
