// SPDX-License-Identifier: Apache-2.0
#include "server/api/allowed_host.h"

#include "check.h"

static void a_host_is_allowed_by_name_or_as_an_address(void **state)
{
    (void)state;
    static const struct {
        const char *names, *host;
        bool wanted;
    } cases[] = {
        {"", "attacker.example", true},
        {"", NULL, true},
        {"pulls.example", "pulls.example", true},
        {"pulls.example", "PULLS.example:8080", true},
        {"a.example, pulls.example", "pulls.example", true},
        {"a.example pulls.example", "pulls.example", true},
        {"pulls.example", "attacker.example", false},
        {"pulls.example", "pulls.example.attacker.example", false},
        {"pulls.example", "xpulls.example", false},
        {"pulls.example", "", false},
        {"pulls.example", NULL, false},
        {"pulls.example", "localhost:8080", true},
        {"pulls.example", "localhost.attacker.example", false},
        {"pulls.example", "10.1.2.3:8080", true},
        {"pulls.example", "10.1.2.3.attacker.example", false},
        {"pulls.example", "10.1.2", false},
        {"pulls.example", "[2001:db8::1]:8080", true},
        {"pulls.example", "[::1", false},
        {"pulls.example", "[attacker.example]", false},
        {" , ", "attacker.example", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_int(cases[i].host ? cases[i].host : "no host",
                  pt_host_is_allowed(cases[i].names, cases[i].host), cases[i].wanted);
}

static void a_foreign_page_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *fetch_site, *origin, *host;
        bool wanted;
    } cases[] = {
        {NULL, NULL, "x", false},
        {"none", NULL, "x", false},
        {"same-origin", "http://x:8080", "x:8080", false},
        {NULL, "https://X", "x", false},
        {"cross-site", NULL, "x", true},
        {"same-site", NULL, "x", true},
        {NULL, "http://attacker.example", "x", true},
        {NULL, "http://x:81", "x", true},
        {NULL, "null", "x", true},
        {NULL, "http://x", NULL, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_int(cases[i].origin ? cases[i].origin : "no origin",
                  pt_origin_is_foreign(cases[i].fetch_site, cases[i].origin, cases[i].host),
                  cases[i].wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_allowed_by_name_or_as_an_address),
        cmocka_unit_test(a_foreign_page_is_known),
    };
    return cmocka_run_group_tests_name("allowed_host", tests, NULL, NULL);
}
