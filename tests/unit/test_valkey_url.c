// SPDX-License-Identifier: Apache-2.0
#include "server/valkey/valkey_url.h"
#include "server/valkey/valkey_words.h"

#include "check.h"

#include <errno.h>

static void what_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *user;
        bool tls;
        int port, database;
    } cases[] = {
        {"valkey://host", "host", "", false, 6379, 0},
        {"redis://host:7000/3", "host", "", false, 7000, 3},
        {"valkeys://reader@host.example:6380", "host.example", "reader", true, 6380, 0},
        {"rediss://10.0.0.1", "10.0.0.1", "", true, 6379, 0},
        {"valkey://[fd00::1]:6379/0", "fd00::1", "", false, 6379, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_valkey_url url;
        struct pt_error err;
        check_int(cases[i].text, pt_valkey_url_parse(cases[i].text, &url, &err), 0);
        check_text(cases[i].text, url.host, cases[i].host);
        check_text(cases[i].text, url.user, cases[i].user);
        check_int(cases[i].text, url.tls, cases[i].tls);
        check_int(cases[i].text, url.port, cases[i].port);
        check_int(cases[i].text, url.database, cases[i].database);
    }
}

static void what_is_not(void **state)
{
    (void)state;
    static const char *const cases[] = {"host:6379",
                                        "http://host",
                                        "valkey://",
                                        "valkey://user:secret@host",
                                        "valkey://host/x",
                                        "valkey://host/-1",
                                        "valkey://host:0",
                                        "valkey://host:70000",
                                        "valkey://host/0?a",
                                        "valkey://host#f",
                                        "unix:///tmp/a.socket",
                                        "valkey://user:se cret@host",
                                        "valkey://user:secret@host:x",
                                        "valkey://user:a#secret@host",
                                        "valkey://user:a/secret@host",
                                        "http://user:secret@host",
                                        "secret"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_valkey_url url;
        struct pt_error err = {0};
        check_int(cases[i], pt_valkey_url_parse(cases[i], &url, &err), -EINVAL);
        assert_true(*err.message);
        check_int(cases[i], strstr(err.message, "cret") != NULL, false);
    }
}

static void errors_say_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *error, *words;
    } cases[] = {
        {"MOVED 3999 127.0.0.1:6381", "a cluster"},
        {"ASK 3999 127.0.0.1:6381", "a cluster"},
        {"TRYAGAIN Multiple keys request during rehashing of slot", "a cluster"},
        {"CROSSSLOT Keys in request don't hash to the same slot", "a cluster"},
        {"NOPERM this user has no permissions to run the 'xread' command", "docs/replicas.md"},
        {"ERR The user executing the script can't run this command or subcommand script: 90f3",
         "docs/replicas.md"},
        {"ERR ACL failure in script: User p has no permissions to run the 'hscan' command",
         "docs/replicas.md"},
        {"CLUSTERDOWN Hash slot not served", "a cluster"},
        {"MASTERDOWN Link with MASTER is down", "primary"},
        {"NOREPLICAS Not enough good replicas to write.", "replicas"},
        {"LOADING Redis is loading the dataset in memory", "reads its data"},
        {"NOAUTH Authentication required.", "PULLTRACE_SHARE_PASSWORD_FILE"},
        {"WRONGPASS invalid username-password pair", "PULLTRACE_SHARE_PASSWORD_FILE"},
        {"OOM command not allowed when used memory > 'maxmemory'.", "PULLTRACE_SHARE_MAX_BYTES"},
        {"READONLY You can't write against a read only replica.", "primary"},
        {"ERR anything else", "it refuses us"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        pt_valkey_words_write(cases[i].error, text, sizeof(text));
        assert_non_null(strstr(text, cases[i].words));
        assert_non_null(strstr(text, cases[i].error)); // its own words stand behind
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_understood),
        cmocka_unit_test(what_is_not),
        cmocka_unit_test(errors_say_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
