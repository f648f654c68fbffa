// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/settings.h"

#include "check.h"

#include <stdlib.h>

#define NAME_WORDS "a name such as prod-eu-1: at most 128 letters, digits, and . _ - : / @ between"
#define URL_WORDS "a URL such as http://pulltrace:8080, without user, query and fragment"
#define KUBE_WORDS "names of Kubernetes namespaces with commas between them, such as team-a,team-b"
#define OBJECT_WORDS "the name of an object of Kubernetes, such as pulltrace-tls"
#define FOLDER_WORDS "absolute paths with commas between them, such as /run/containerd"
#define X43 "1234567890123456789012345678901234567890123"
#define TOO_LONG X43 X43 X43

static const char *text;
static const char *word;
static const char *url;
static const char *file;
static const char *kube_namespaces;
static const char *containerd_namespaces;
static const char *hosts;
static const char *object;
static const char *folders;
static int64_t duration;
static int64_t count;
static int64_t bytes;
static struct pt_address address;
static enum pt_log_level level;
static enum pt_identity_kind identity;

static const struct pt_setting settings[] = {
    {"PT_T_TEXT", PT_SETTING_TEXT, &text, "hello", "a text", 0, 0},
    {"PT_T_NAME", PT_SETTING_NAME, &word, "", "a name", 0, 0},
    {"PT_T_URL", PT_SETTING_URL, &url, "", "a URL", 0, 0},
    {"PT_T_FILE", PT_SETTING_FILE, &file, "", "a file", 0, 0},
    {"PT_T_DURATION", PT_SETTING_DURATION, &duration, "1s", "a time", 100 * PT_NS_PER_MS,
     3600 * PT_NS_PER_S},
    {"PT_T_COUNT", PT_SETTING_COUNT, &count, "10", "a number", 1, 100},
    {"PT_T_BYTES", PT_SETTING_BYTES, &bytes, "", "a size", 1024, 4096},
    {"PT_T_ADDRESS", PT_SETTING_ADDRESS, &address, ":8080", "an address", 0, 0},
    {"PT_T_KUBE", PT_SETTING_KUBE_NAMESPACES, &kube_namespaces, "", "namespaces", 0, 3},
    {"PT_T_KUBE_TOO", PT_SETTING_OTHER_NAME, NULL, "", "another name of PT_T_KUBE", 0, 0},
    {"PT_T_CONTAINERD", PT_SETTING_CONTAINERD_NAMESPACES, &containerd_namespaces, "k8s.io",
     "namespaces", 0, 2},
    {"PT_T_HOSTS", PT_SETTING_HOSTS, &hosts, "", "hosts", 0, 0},
    {"PT_T_OBJECT", PT_SETTING_KUBE_NAME, &object, "", "a Secret", 0, 0},
    {"PT_T_FOLDERS", PT_SETTING_FOLDERS, &folders, "", "folders", 0, 0},
    {"PT_T_LEVEL", PT_SETTING_LOG_LEVEL, &level, "info", "a level", 0, 0},
    {"PT_T_IDENTITY", PT_SETTING_IDENTITY, &identity, "token", "token or kubernetes", 0, 0},
};

// One variable of the environment in each case, or two.
static const char *set_name, *other_set_name;
static const char *set_value, *other_set_value;

static char *fake_getenv(const char *name)
{
    if (other_set_name && strcmp(name, other_set_name) == 0)
        return (char *)other_set_value;
    return set_name && strcmp(name, set_name) == 0 ? (char *)set_value : NULL;
}

static int load(const char *name, const char *value, struct pt_error *err)
{
    set_name = name;
    set_value = value;
    other_set_name = NULL;
    return pt_settings_load(settings, COUNT_OF(settings), fake_getenv, err);
}

static void defaults_when_unset_or_empty(void **state)
{
    (void)state;
    struct pt_error err;
    assert_int_equal(load(NULL, NULL, &err), 0);
    assert_string_equal(text, "hello");
    assert_string_equal(url, "");
    assert_string_equal(file, "");
    assert_int_equal(duration, PT_NS_PER_S);
    assert_int_equal(count, 10);
    assert_int_equal(bytes, 0);
    assert_string_equal(address.host, "");
    assert_int_equal(address.port, 8080);
    assert_int_equal(level, PT_LOG_INFO);
    assert_int_equal(load("PT_T_COUNT", "", &err), 0);
    assert_int_equal(count, 10);
}

static void reads_what_is_set(void **state)
{
    (void)state;
    struct pt_error err;
    assert_int_equal(load("PT_T_DURATION", "1m30s", &err), 0);
    assert_int_equal(duration, 90 * PT_NS_PER_S);
    assert_int_equal(load("PT_T_ADDRESS", "[::1]:9", &err), 0);
    assert_string_equal(address.host, "::1");
    assert_int_equal(address.port, 9);
    assert_int_equal(load("PT_T_LEVEL", "debug", &err), 0);
    assert_int_equal(level, PT_LOG_DEBUG);
    assert_int_equal(load("PT_T_URL", "https://pulltrace.monitoring:8080", &err), 0);
    assert_string_equal(url, "https://pulltrace.monitoring:8080");
    assert_int_equal(load("PT_T_NAME", "arn:aws:eks:eu-1:12:cluster/prod_eu.1", &err), 0);
    assert_string_equal(word, "arn:aws:eks:eu-1:12:cluster/prod_eu.1");
    assert_int_equal(load("PT_T_FILE", "/dev/null", &err), 0);
    assert_string_equal(file, "/dev/null");
}

static void lists_of_names(void **state)
{
    (void)state;
    struct pt_error err;
    assert_int_equal(load("PT_T_KUBE", "team-a, team-b", &err), 0);
    assert_string_equal(kube_namespaces, "team-a, team-b");
    assert_int_equal(load("PT_T_CONTAINERD", "*", &err), 0);
    assert_string_equal(containerd_namespaces, "*");
    assert_int_equal(load("PT_T_CONTAINERD", "k8s.io,Moby_2", &err), 0);
    assert_string_equal(containerd_namespaces, "k8s.io,Moby_2");
    assert_int_equal(load("PT_T_HOSTS", "pulls.example.org,pulls", &err), 0);
    assert_string_equal(hosts, "pulls.example.org,pulls");
    assert_int_equal(load("PT_T_OBJECT", "tls.pulltrace-1", &err), 0);
    assert_string_equal(object, "tls.pulltrace-1");
    assert_int_equal(load("PT_T_FOLDERS", "/run/containerd,/run/k0s", &err), 0);
    assert_string_equal(folders, "/run/containerd,/run/k0s");
}

static void what_agents_are_known_by(void **state)
{
    (void)state;
    struct pt_error err;
    assert_int_equal(load("PT_T_IDENTITY", "kubernetes", &err), 0);
    assert_int_equal(identity, PT_IDENTITY_BY_KUBERNETES);
    assert_int_equal(load("PT_T_IDENTITY", "", &err), 0);
    assert_int_equal(identity, PT_IDENTITY_BY_TOKEN);
    assert_int_equal(load("PT_T_IDENTITY", "Kubernetes", &err), -EINVAL);
    check_text("words", err.message, "PT_T_IDENTITY=Kubernetes: expected token or kubernetes");
}

static void a_setting_with_two_names(void **state)
{
    (void)state;
    static const struct {
        const char *row, *value, *other_value;
        const char *wanted; // NULL: refused
    } rows[] = {
        {"neither", NULL, NULL, ""},
        {"the name", "a", NULL, "a"},
        {"the other name", NULL, "b", "b"},
        {"the name is empty", "", "b", "b"},
        {"both the same", "a,b", "a,b", "a,b"},
        {"both, and not the same", "a", "b", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pt_error err = {0};
        set_name = "PT_T_KUBE";
        set_value = rows[i].value;
        other_set_name = "PT_T_KUBE_TOO";
        other_set_value = rows[i].other_value;
        int r = pt_settings_load(settings, COUNT_OF(settings), fake_getenv, &err);
        check_int(rows[i].row, r, rows[i].wanted ? 0 : -EINVAL);
        if (rows[i].wanted)
            check_text(rows[i].row, kube_namespaces, rows[i].wanted);
        else
            check_text(rows[i].row, err.message,
                       "PT_T_KUBE=a and PT_T_KUBE_TOO=b are one setting by two names: set only "
                       "PT_T_KUBE");
    }
}

static void refuses_with_words(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        const char *message;
    } cases[] = {
        {"PT_T_NAME", "prod\"eu", "PT_T_NAME=prod\"eu: expected " NAME_WORDS},
        {"PT_T_NAME", "prod eu", "PT_T_NAME=prod eu: expected " NAME_WORDS},
        {"PT_T_NAME", "-prod", "PT_T_NAME=-prod: expected " NAME_WORDS},
        {"PT_T_NAME", "prod/", "PT_T_NAME=prod/: expected " NAME_WORDS},
        {"PT_T_NAME", TOO_LONG, "PT_T_NAME=" TOO_LONG ": expected " NAME_WORDS},
        {"PT_T_DURATION", "30",
         "PT_T_DURATION=30: expected a duration such as 500ms, 30s, 1m30s or 2h"},
        {"PT_T_DURATION", "1ms", "PT_T_DURATION=1ms: must be between 100ms and 1h"},
        {"PT_T_COUNT", "101", "PT_T_COUNT=101: must be between 1 and 100"},
        {"PT_T_COUNT", "-1", "PT_T_COUNT=-1: expected a whole number"},
        {"PT_T_COUNT", "1e3", "PT_T_COUNT=1e3: expected a whole number"},
        {"PT_T_COUNT", "99999999999999999999",
         "PT_T_COUNT=99999999999999999999: expected a whole number"},
        {"PT_T_BYTES", "1000", "PT_T_BYTES=1000: must be between 1Ki and 4Ki"},
        {"PT_T_BYTES", "much", "PT_T_BYTES=much: expected bytes such as 268435456, 256Mi or 1G"},
        {"PT_T_LEVEL", "loud", "PT_T_LEVEL=loud: expected debug, info, warn or error"},
        {"PT_T_URL", "pulltrace:8080", "PT_T_URL=pulltrace:8080: expected " URL_WORDS},
        {"PT_T_URL", "http://x/path?x", "PT_T_URL=http://x/path?x: expected " URL_WORDS},
        {"PT_T_KUBE", "a b", "PT_T_KUBE=a b: expected " KUBE_WORDS},
        {"PT_T_KUBE_TOO", "a b", "PT_T_KUBE_TOO=a b: expected " KUBE_WORDS},
        {"PT_T_KUBE", "*", "PT_T_KUBE=*: expected " KUBE_WORDS},
        {"PT_T_KUBE", "a,b,c,d", "PT_T_KUBE: at most 3 names"},
        {"PT_T_CONTAINERD", "a b",
         "PT_T_CONTAINERD=a b: expected names of containerd namespaces with commas between them, "
         "such as k8s.io,moby, or * for all"},
        {"PT_T_CONTAINERD", "a,b,c", "PT_T_CONTAINERD: at most 2 names"},
        {"PT_T_HOSTS", "pulls:80",
         "PT_T_HOSTS=pulls:80: expected names of hosts with commas between them and without "
         "ports, such as pulls.example.org,pulls"},
        {"PT_T_OBJECT", "a,b", "PT_T_OBJECT=a,b: expected " OBJECT_WORDS},
        {"PT_T_OBJECT", " a", "PT_T_OBJECT= a: expected " OBJECT_WORDS},
        {"PT_T_OBJECT", "A", "PT_T_OBJECT=A: expected " OBJECT_WORDS},
        {"PT_T_FOLDERS", "run", "PT_T_FOLDERS=run: expected " FOLDER_WORDS},
        {"PT_T_FOLDERS", "/run, /tmp", "PT_T_FOLDERS=/run, /tmp: expected " FOLDER_WORDS},
        {"PT_T_FOLDERS", "/run,", "PT_T_FOLDERS=/run,: expected " FOLDER_WORDS},
        {"PT_T_FILE", "/nonexistent/file",
         "PT_T_FILE=/nonexistent/file: expected a file that can be read"},
        {"PT_T_URL", "http://", "PT_T_URL=http://: expected " URL_WORDS},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_error err = {0};
        check_int(cases[i].value, load(cases[i].name, cases[i].value, &err), -EINVAL);
        check_text(cases[i].value, err.message, cases[i].message);
    }
}

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host; // NULL: refused
        int port;
    } cases[] = {
        {":8080", "", 8080},
        {"127.0.0.1:80", "127.0.0.1", 80},
        {"localhost:1", "localhost", 1},
        {"[::]:65535", "::", 65535},
        {"8080", NULL, 0},
        {"host:", NULL, 0},
        {"host:0", NULL, 0},
        {"host:65536", NULL, 0},
        {"::1:80", NULL, 0},
        {"host:+80", NULL, 0},
        {"host:80x", NULL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_address got = {0};
        int r = pt_address_parse(cases[i].text, &got);
        check_int(cases[i].text, r, cases[i].host ? 0 : -EINVAL);
        check_text(cases[i].text, got.host, cases[i].host ? cases[i].host : "");
        check_int(cases[i].text, got.port, cases[i].port);
    }
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes; // -1: refused
    } cases[] = {
        {"0", 0},
        {"268435456", 268435456},
        {"1k", 1000},
        {"1K", 1000},
        {"1Ki", 1024},
        {"256Mi", 268435456},
        {"256M", 256000000},
        {"2G", 2000000000},
        {"2Gi", INT64_C(2) << 30},
        {"1Ti", INT64_C(1) << 40},
        {"", -1},
        {"Mi", -1},
        {"-1", -1},
        {" 1", -1},
        {"1.5Gi", -1},
        {"1i", -1},
        {"1MB", -1},
        {"1Mib", -1},
        {"1m", -1},
        {"9223372036854775808", -1},
        {"9223372036854775807K", -1},
        {"99999999999999999999999999999999999999", -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t got = -1;
        check_int(cases[i].text, pt_bytes_parse(cases[i].text, &got),
                  cases[i].bytes < 0 ? -EINVAL : 0);
        check_int(cases[i].text, got, cases[i].bytes);
    }
}

static void help_names_every_setting(void **state)
{
    (void)state;
    char *printed = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&printed, &length);
    pt_settings_print(out, settings, COUNT_OF(settings));
    fclose(out);
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        assert_non_null(strstr(printed, settings[i].name));
    assert_non_null(strstr(printed, "a time (default: 1s) [100ms to 1h]\n"));
    assert_non_null(strstr(printed, "a number (default: 10) [1 to 100]\n"));
    assert_non_null(strstr(printed, "a size [1Ki to 4Ki]\n"));
    assert_non_null(strstr(printed, "a URL\n"));
    free(printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_when_unset_or_empty),
        cmocka_unit_test(reads_what_is_set),
        cmocka_unit_test(lists_of_names),
        cmocka_unit_test(what_agents_are_known_by),
        cmocka_unit_test(a_setting_with_two_names),
        cmocka_unit_test(refuses_with_words),
        cmocka_unit_test(addresses),
        cmocka_unit_test(sizes),
        cmocka_unit_test(help_names_every_setting),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
