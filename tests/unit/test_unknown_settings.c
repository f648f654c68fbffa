// SPDX-License-Identifier: Apache-2.0
#include "base/unknown_settings.h"

#include "check.h"

static const char *text;

static const struct pt_setting first[] = {
    {"PULLTRACE_LISTEN_ADDR", PT_SETTING_TEXT, &text, "", "an address", 0, 0},
    {"PULLTRACE_HISTORY_TTL", PT_SETTING_TEXT, &text, "", "a time", 0, 0},
};
static const struct pt_setting second[] = {
    {"PULLTRACE_KUBE_URL", PT_SETTING_TEXT, &text, "", "a URL", 0, 0},
};
static const struct pt_setting_table tables[] = {{first, COUNT_OF(first)},
                                                 {second, COUNT_OF(second)}};

struct heard {
    size_t count;
    char name[64];
    const char *meant;
};

static void hear(void *context, const char *name, const char *meant)
{
    struct heard *heard = context;
    heard->count++;
    (void)snprintf(heard->name, sizeof(heard->name), "%s", name);
    heard->meant = meant;
}

static struct heard look_at(const char *variable)
{
    char home[] = "HOME=/root", known[] = "PULLTRACE_KUBE_URL=https://a";
    char *const environment[] = {home, (char *)variable, known, NULL};
    struct heard heard = {0};
    pt_settings_find_unknown(environment, tables, COUNT_OF(tables), hear, &heard);
    return heard;
}

static void a_variable_that_is_no_setting_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *variable, *name, *meant;
    } rows[] = {
        {"PULLTRACE_LISTN_ADDR=:1", "PULLTRACE_LISTN_ADDR", "PULLTRACE_LISTEN_ADDR"},
        {"PULLTRACE_HISTORY=1h", "PULLTRACE_HISTORY", "PULLTRACE_HISTORY_TTL"},
        {"PULLTRACE_KUBE_URI=https://a", "PULLTRACE_KUBE_URI", "PULLTRACE_KUBE_URL"},
        {"PULLTRACE_SOMETHING_ELSE=1", "PULLTRACE_SOMETHING_ELSE", NULL},
        {"PULLTRACE_=1", "PULLTRACE_", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct heard heard = look_at(rows[i].variable);
        assert_int_equal(heard.count, 1);
        assert_string_equal(heard.name, rows[i].name);
        if (rows[i].meant)
            assert_string_equal(heard.meant, rows[i].meant);
        else
            assert_null(heard.meant);
    }
}

static void what_is_known_or_of_others_is_passed_over(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "PULLTRACE_LISTEN_ADDR=:1",
        "PULLTRACE_HISTORY_TTL=",
        "PULLTRACES=1",
        "PULLTRACE_SERVICE_HOST=10.0.0.1",
        "PULLTRACE_SERVICE_PORT_HTTP=80",
        "PULLTRACE_PORT=tcp://10.0.0.1:80",
        "PULLTRACE_PORT_80_TCP_ADDR=10.0.0.1",
        "PULLTRACE_AGENTS_SERVICE_HOST=10.0.0.1",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(look_at(rows[i]).count, 0);
}

static void a_long_name_is_cut(void **state)
{
    (void)state;
    char variable[5000];
    memset(variable, 'A', sizeof(variable));
    memcpy(variable, "PULLTRACE_", 10);
    variable[sizeof(variable) - 1] = '\0';
    struct heard heard = look_at(variable);
    assert_int_equal(heard.count, 1);
    assert_int_equal(strlen(heard.name), 63);
    assert_null(heard.meant);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_that_is_no_setting_is_named),
        cmocka_unit_test(what_is_known_or_of_others_is_passed_over),
        cmocka_unit_test(a_long_name_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
