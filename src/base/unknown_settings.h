// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_UNKNOWN_SETTINGS_H
#define PT_BASE_UNKNOWN_SETTINGS_H

#include "base/settings.h"

// A table of settings that a program has.
struct pt_setting_table {
    const struct pt_setting *settings;
    size_t count;
};

// Hears of a variable that is no setting; `meant` is the setting whose name is much alike, or NULL.
typedef void pt_unknown_setting_fn(void *context, const char *name, const char *meant);

// Calls `note` for each PULLTRACE_* of the environment (`NAME=value`, NULL at the end) that no
// table has. What Kubernetes sets for its Services
// (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables) is
// passed over: a Service may be called pulltrace. Names of more than 63 bytes count by those.
void pt_settings_find_unknown(char *const *environment, const struct pt_setting_table *tables,
                              size_t table_count, pt_unknown_setting_fn *note, void *context);

// The same, as a warning in the log for each.
void pt_settings_warn_of_unknown(char *const *environment, const struct pt_setting_table *tables,
                                 size_t table_count);

#endif
