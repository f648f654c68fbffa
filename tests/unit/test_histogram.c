// SPDX-License-Identifier: Apache-2.0
#include "base/histogram.h"

#include "check.h"

static void each_duration_is_in_the_first_bucket_that_holds_it(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double seconds;
        int bucket; // -1: in none
    } rows[] = {
        {"not known", -1, -1},          {"none", 0, 0},
        {"at a bound", 1, 0},           {"above it", 1.001, 1},
        {"ten minutes", 600, 7},        {"half an hour", 1800, 8},
        {"at the last bound", 3600, 9}, {"longer than any bound", 3601, 10},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pt_histogram histogram = {0};
        pt_histogram_add(&histogram, rows[i].seconds);
        for (int bucket = 0; bucket <= PT_HISTOGRAM_BOUNDS; bucket++)
            check_int(rows[i].name, (int64_t)histogram.counts[bucket], bucket == rows[i].bucket);
        check_real(rows[i].name, histogram.sum, rows[i].bucket < 0 ? 0 : rows[i].seconds);
    }
}

static void one_takes_in_another(void **state)
{
    (void)state;
    struct pt_histogram all = {0}, more = {0};
    pt_histogram_add(&all, 2);
    pt_histogram_add(&more, 3);
    pt_histogram_add(&more, 5000);
    pt_histogram_merge(&all, &more);
    check_int("at most 5 s", (int64_t)all.counts[1], 2);
    check_int("more than any bound", (int64_t)all.counts[PT_HISTOGRAM_BOUNDS], 1);
    check_real("sum", all.sum, 5005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_duration_is_in_the_first_bucket_that_holds_it),
        cmocka_unit_test(one_takes_in_another),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
