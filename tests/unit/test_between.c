// SPDX-License-Identifier: Apache-2.0
#include "check.h"
#include "server/eta/between.h"

#include <math.h>
#include <string.h>

#define MB 1e6
#define SLOTS 3
#define AT(seconds) ((int64_t)((seconds)*1e9))

// A layer, in seconds of the pull and megabytes; ended: 0 while it is downloaded.
struct row {
    double seen, ended, megabytes;
};

// A pull of twelve layers through a registry that gives each of them 1 MB/s, of which 0.8 s a layer
// went to something else, on a machine that was busy: as it was recorded on a real kubelet.
static const struct row recorded[] = {
    {0.00, 0.76, 0.41},  {0.76, 3.47, 2.41},  {0.99, 6.42, 4.80},  {1.86, 2.30, 1.21},
    {2.30, 3.31, 0.81},  {3.31, 5.86, 2.01},  {3.47, 5.55, 1.61},  {5.55, 9.63, 2.81},
    {5.86, 11.09, 3.60}, {6.42, 12.05, 4.00}, {9.63, 13.75, 3.21}, {11.09, 16.56, 4.40},
};

static const struct {
    const char *name;
    struct row rows[6]; // up to the first without bytes
    double expected, bytes_per_second, wanted;
} cases[] = {
    {"no layer: what is expected", {{0, 0, 0}}, 0.4, MB, 0.4},
    {"the first ones say nothing", {{0.1, 1, 1}, {0.1, 2, 1}, {0.1, 3, 1}}, 0, MB, 0},
    {"one behind them, which counts half",
     {{0.1, 1, 1}, {0.1, 9, 9}, {0.1, 9, 9}, {2, 3, 1}},
     0,
     MB,
     0.5},
    {"one that has not ended yet", {{0.1, 1, 1}, {0.1, 9, 9}, {0.1, 9, 9}, {2, 0, 1}}, 0, MB, 0},
    {"quicker than its bytes can come",
     {{0.1, 1, 1}, {0.1, 9, 9}, {0.1, 9, 9}, {2, 3, 4}},
     0,
     MB,
     0},
    {"a stall is none", {{0.1, 1, 1}, {0.1, 99, 9}, {0.1, 99, 9}, {2, 90, 1}}, 0, MB, 2.5},
    {"two that are seen the other way round",
     {{0.1, 1, 1}, {0.1, 2, 2}, {0.1, 9, 9}, {3.1, 4, 1}, {3, 5, 2}},
     0,
     MB,
     1},
    {"layers that do not show their speed",
     {{0.1, 1, 1}, {0.1, 9, 9}, {0.1, 9, 9}, {2, 3, 1}},
     0.3,
     0,
     0.3},
};

static double between(const struct row *rows, size_t count, double expected, double speed)
{
    struct pt_seen_download downloads[COUNT_OF(recorded)];
    for (size_t i = 0; i < count; i++)
        downloads[i] = (struct pt_seen_download){
            .seen_at = AT(1 + rows[i].seen),
            .ended_at = rows[i].ended > 0 ? AT(1 + rows[i].ended) : 0,
            .seconds = speed > 0 ? rows[i].megabytes * MB / speed : 0,
        };
    return pt_seconds_between(downloads, count, SLOTS, expected);
}

static void what_a_place_waits_between_two_layers(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        size_t count = 0;
        while (count < COUNT_OF(cases[c].rows) && cases[c].rows[count].megabytes > 0)
            count++;
        double found = between(cases[c].rows, count, cases[c].expected, cases[c].bytes_per_second);
        if (fabs(found - cases[c].wanted) < 0.001)
            continue;
        print_message("%s: %.3f s instead of %.3f\n", cases[c].name, found, cases[c].wanted);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void as_was_recorded(void **state)
{
    (void)state;
    struct row quarter[5]; // when 25 % had come, after 3.4 s
    memcpy(quarter, recorded, sizeof(quarter));
    quarter[2].ended = 0;
    double first = between(quarter, COUNT_OF(quarter), 0, MB),
           learned = between(quarter, COUNT_OF(quarter), 0.5, MB);
    double whole = between(recorded, COUNT_OF(recorded), 0, MB);
    assert_true(fabs(first - 0.177) < 0.01);
    assert_true(fabs(learned - 0.344) < 0.01);
    assert_true(fabs(whole - 0.805) < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_place_waits_between_two_layers),
        cmocka_unit_test(as_was_recorded),
    };
    return cmocka_run_group_tests_name("between", tests, NULL, NULL);
}
