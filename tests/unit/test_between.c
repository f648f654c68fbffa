// SPDX-License-Identifier: Apache-2.0
#include "check.h"
#include "server/eta/between.h"

#include <math.h>

#define MB 1e6
#define SLOTS 3
#define AT(seconds) ((int64_t)((seconds)*1e9))

// A layer, in seconds of the pull and megabytes; ended: 0 while it is downloaded.
struct row {
    double seen, ended, megabytes;
};

// A pull of twelve layers, as it was recorded on a real kubelet. Its registry gives each layer 1
// MB/s at most; the machine was busy, and the layers came at two thirds to four fifths of that.
static const struct {
    struct row row;
    double speed;
} recorded[] = {
    {{0.00, 0.76, 0.41}, 0.75},  {{0.76, 3.47, 2.41}, 0.75},  {{0.99, 6.42, 4.80}, 0.75},
    {{1.86, 2.30, 1.21}, 0.75},  {{2.30, 3.31, 0.81}, 0.75},  {{3.31, 5.86, 2.01}, 0.67},
    {{3.47, 5.55, 1.61}, 0.75},  {{5.55, 9.63, 2.81}, 0.67},  {{5.86, 11.09, 3.60}, 0.67},
    {{6.42, 12.05, 4.00}, 0.77}, {{9.63, 13.75, 3.21}, 0.83}, {{11.09, 16.56, 4.40}, 0.76},
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

static struct pt_seen_download seen(const struct row *row, double speed)
{
    return (struct pt_seen_download){
        .seen_at = AT(1 + row->seen),
        .ended_at = row->ended > 0 ? AT(1 + row->ended) : 0,
        .seconds = speed > 0 ? row->megabytes * MB / speed : 0,
    };
}

static void what_a_place_waits_between_two_layers(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        struct pt_seen_download downloads[COUNT_OF(cases[c].rows)];
        size_t count = 0;
        for (; count < COUNT_OF(downloads) && cases[c].rows[count].megabytes > 0; count++)
            downloads[count] = seen(&cases[c].rows[count], cases[c].bytes_per_second);
        double found = pt_seconds_between(downloads, count, SLOTS, cases[c].expected);
        if (fabs(found - cases[c].wanted) < 0.001)
            continue;
        print_message("%s: %.3f s instead of %.3f\n", cases[c].name, found, cases[c].wanted);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

// With each layer's own speed nothing is left between them; at the most that its registry gives it
// is all that the machine was too slow for.
static void layers_that_are_slow_by_themselves_are_no_wait(void **state)
{
    (void)state;
    struct pt_seen_download own[COUNT_OF(recorded)], most[COUNT_OF(recorded)];
    for (size_t i = 0; i < COUNT_OF(recorded); i++) {
        own[i] = seen(&recorded[i].row, recorded[i].speed * MB);
        most[i] = seen(&recorded[i].row, MB);
    }
    assert_true(pt_seconds_between(own, COUNT_OF(own), SLOTS, 0) < 0.05);
    assert_true(fabs(pt_seconds_between(most, COUNT_OF(most), SLOTS, 0) - 0.805) < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_place_waits_between_two_layers),
        cmocka_unit_test(layers_that_are_slow_by_themselves_are_no_wait),
    };
    return cmocka_run_group_tests_name("between", tests, NULL, NULL);
}
