// SPDX-License-Identifier: Apache-2.0
#include "base/duration.h"
#include "base/settings.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "source.h"

#include <assert.h>

// The small parsers of text, and settings of each kind: none reads too far, none gives a value out
// of its range.

static const char *given; // the text of all variables

static char *get_variable(const char *name)
{
    (void)name;
    return (char *)given;
}

static void load(enum pt_setting_kind kind, void *value, const char *default_text)
{
    struct pt_error err = {0};
    const struct pt_setting setting = {.name = "PULLTRACE_X",
                                       .kind = kind,
                                       .value = value,
                                       .default_text = default_text,
                                       .help = "",
                                       .min = 10,
                                       .max = 1000000000000};
    if (pt_settings_load(&setting, 1, get_variable, &err) < 0)
        assert(err.code > 0 && strstr(err.message, "PULLTRACE_X"));
    else if (kind == PT_SETTING_COUNT || kind == PT_SETTING_DURATION)
        assert(*(int64_t *)value >= setting.min && *(int64_t *)value <= setting.max);
}

static void load_all(void)
{
    const char *text;
    int64_t number;
    struct pt_address address;
    enum pt_log_level level;
    enum pt_identity_kind identity;
    load(PT_SETTING_TEXT, &text, "");
    load(PT_SETTING_NAME, &text, "");
    load(PT_SETTING_URL, &text, "");
    load(PT_SETTING_COUNT, &number, "10");
    load(PT_SETTING_DURATION, &number, "1s");
    load(PT_SETTING_BYTES, &number, "");
    load(PT_SETTING_ADDRESS, &address, "");
    load(PT_SETTING_LOG_LEVEL, &level, "info");
    load(PT_SETTING_IDENTITY, &identity, "token");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    char formatted[PT_DURATION_SIZE];
    struct pt_address address;
    int64_t ns, again, bytes;
    if (pt_duration_parse((const char *)data, size, &ns) == 0) {
        assert(ns >= 0);
        ns = ns / 1000000 * 1000000;
        pt_duration_format(ns, formatted);
        int r = pt_duration_parse(formatted, strlen(formatted), &again);
        assert(r == 0 && again == ns);
    }
    if (pt_timestamp_parse((const char *)data, size, &ns) == 0)
        assert(ns >= 0);
    char *text = take_rest(&source);
    char *clean = malloc(size + 1);
    if (!clean)
        abort();
    if (pt_address_parse(text, &address) == 0)
        assert(address.port > 0 && strlen(address.host) < sizeof(address.host));
    if (pt_bytes_parse(text, &bytes) == 0)
        assert(bytes >= 0);
    pt_utf8_clean(text, clean, size + 1);
    assert(pt_utf8_is_valid(clean));
    given = text;
    load_all();
    free(text);
    free(clean);
    return 0;
}
