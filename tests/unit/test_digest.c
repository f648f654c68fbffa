// SPDX-License-Identifier: Apache-2.0
#include "pull/digest.h"

#include "check.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define X8(c) c c c c c c c c
#define B "sha512:" X8(X8("ab"))

static void digests(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_digest;
    } cases[] = {
        {A, true},
        {"sha512:00000000000000000000000000000000", true},
        {"sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false},
        {"sha256:", false},
        {":00000000000000000000000000000000", false},
        {A "0/..", false},
        {"", false},
        {"nginx:latest", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_int(cases[i].text, pt_is_digest(cases[i].text), cases[i].is_digest);
}

static void references(void **state)
{
    (void)state;
    check_text("layer", pt_ref_digest("layer-" A), A);
    check_text("unknown", pt_ref_digest("unknown-" A), A);
    check_text("named", pt_ref_digest("layer-base@" A), A);
    check_text("named with dashes", pt_ref_digest("layer-my-base-1.0@2@" A), A);
    check_text("a name and no digest", pt_ref_digest("layer-my@base"), NULL);
    check_text("sha512", pt_ref_digest("layer-base@" B), B);
    check_text("bare", pt_ref_digest(A), A);
    check_text("import", pt_ref_digest("import-blob-5"), NULL);
    check_text("empty", pt_ref_digest(""), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digests), cmocka_unit_test(references)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
