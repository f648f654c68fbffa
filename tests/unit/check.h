// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_CHECK_H
#define PT_TESTS_CHECK_H

// What every unit test includes: cmocka with the headers that it wants before it, and checks for
// rows of a table, whose failures name the row and print both values.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static inline void check_int(const char *row, int64_t got, int64_t wanted)
{
    if (got != wanted)
        fail_msg("%s: got %lld, wanted %lld", row, (long long)got, (long long)wanted);
}

static inline void check_text(const char *row, const char *got, const char *wanted)
{
    if (!got != !wanted || (got && wanted && strcmp(got, wanted) != 0))
        fail_msg("%s: got %s, wanted %s", row, got ? got : "nothing", wanted ? wanted : "nothing");
}

// A fraction of a thousandth is close enough.
static inline void check_real(const char *row, double got, double wanted)
{
    double distance = got > wanted ? got - wanted : wanted - got;
    double size = wanted > 0 ? wanted : -wanted;
    if (distance > (size + 1) / 1000)
        fail_msg("%s: got %g, wanted %g", row, got, wanted);
}

#endif
