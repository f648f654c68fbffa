// SPDX-License-Identifier: Apache-2.0
#include "base/unknown_settings.h"

#include <string.h>

#define PREFIX "PULLTRACE_"
#define NAME_SIZE 64
#define MOST_CHANGES 4 // letters to change, add or take away in a name that was meant to be another

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Levenshtein's distance, row by row; both are shorter than NAME_SIZE.
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_SIZE];
    size_t length = strlen(b);
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(changed, least(row[j], row[j + 1]) + 1);
        }
    }
    return row[length];
}

static bool is_of_service(const char *name)
{
    size_t length = strlen(name);
    static const char host[] = "_SERVICE_HOST", port[] = "_PORT";
    return (length >= strlen(host) && strcmp(name + length - strlen(host), host) == 0) ||
           (length >= strlen(port) && strcmp(name + length - strlen(port), port) == 0) ||
           strstr(name, "_SERVICE_PORT_") || strstr(name, "_TCP") || strstr(name, "_UDP");
}

// The setting whose name is the most alike; *ret_changes is 0 when it is the same.
static const char *closest(const char *name, const struct pt_setting_table *tables,
                           size_t table_count, size_t *ret_changes)
{
    const char *found = NULL;
    *ret_changes = MOST_CHANGES + 1;
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            const char *known = tables[i].settings[j].name;
            size_t changes = distance(name, known);
            if (changes >= *ret_changes)
                continue;
            found = known;
            *ret_changes = changes;
        }
    }
    return found;
}

void pt_settings_find_unknown(char *const *environment, const struct pt_setting_table *tables,
                              size_t table_count, pt_unknown_setting_fn *note, void *context)
{
    for (; *environment; environment++) {
        if (strncmp(*environment, PREFIX, strlen(PREFIX)) != 0)
            continue;
        char name[NAME_SIZE];
        size_t length = least(strcspn(*environment, "="), NAME_SIZE - 1);
        memcpy(name, *environment, length);
        name[length] = '\0';
        size_t changes;
        const char *meant = closest(name, tables, table_count, &changes);
        if (changes > 0 && !is_of_service(name))
            note(context, name, meant);
    }
}

static void warn(void *context, const char *name, const char *meant)
{
    (void)context;
    if (meant)
        pt_log_warn("settings.unknown", pt_log_text("name", name), pt_log_text("similar", meant));
    else
        pt_log_warn("settings.unknown", pt_log_text("name", name));
}

void pt_settings_warn_of_unknown(char *const *environment, const struct pt_setting_table *tables,
                                 size_t table_count)
{
    pt_settings_find_unknown(environment, tables, table_count, warn, NULL);
}
