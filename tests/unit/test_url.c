// SPDX-License-Identifier: Apache-2.0
#include "base/url.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

static void what_leaves_this_machine_unencrypted(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool is_in_clear;
    } cases[] = {
        {"http://server.example:8080", true},
        {"HTTP://10.0.0.1/path", true},
        {"http://[2001:db8::1]:80", true},
        {"https://server.example", false},
        {"http://localhost", false},
        {"http://LOCALHOST:8080/path", false},
        {"http://127.0.0.1:8080", false},
        {"http://127.8.9.10", false},
        {"http://[::1]:8080", false},
        // Hosts that only begin as this machine does, and users that are no host.
        {"http://localhost.example", true},
        {"http://localhostess", true},
        {"http://127.0.0.1.example:8080", true},
        {"http://127.example", true},
        {"http://localhost:80@server.example", true},
        {"http://127.0.0.1@server.example", true},
        {"not a URL", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_int(cases[i].url, pt_url_is_in_clear(cases[i].url), cases[i].is_in_clear);
}

static void what_others_are_asked_for_below(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool is_base;
    } rows[] = {
        {"http://pulltrace:8080", true},
        {"https://pulltrace.example/path", true},
        {"https://pulltrace.example/path/", true},
        {"https://[::1]:6443", true},
        {"http://10.0.0.1:65535", true},
        {"http://x/path?x", false},
        {"http://x/?", false},
        {"http://x/#", false},
        {"http://x#y", false},
        {"http://user@x", false},
        {"http://user:word@x", false},
        {"http://x:0", false},
        {"http://x:65536", false},
        {"http://x:", true},
        {"http://x y", false},
        {"http://x/a b", false},
        {"http://x\n", false},
        {"http://\x7f", false},
        {"http://", false},
        {"http:///path", false},
        {"http://:80", false},
        {"ftp://x", false},
        {"pulltrace:8080", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_int(rows[i].url, pt_url_is_base(rows[i].url), rows[i].is_base);
}

static void a_path_below_a_base(void **state)
{
    (void)state;
    static char base[4000] = "https://pulltrace.example/", wanted[sizeof(base) + 8];
    memset(base + strlen(base), 'x', 3900);
    snprintf(wanted, sizeof(wanted), "%s/report", base);
    const struct {
        const char *base, *url;
    } rows[] = {
        {"http://pulltrace:8080", "http://pulltrace:8080/report"},
        {"http://pulltrace:8080///", "http://pulltrace:8080/report"},
        {"https://x/path/", "https://x/path/report"},
        {base, wanted},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *url = pt_url_join(rows[i].base, "/report");
        check_text(rows[i].base, url, rows[i].url);
        free(url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_leaves_this_machine_unencrypted),
        cmocka_unit_test(what_others_are_asked_for_below),
        cmocka_unit_test(a_path_below_a_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
