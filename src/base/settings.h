// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_SETTINGS_H
#define PT_BASE_SETTINGS_H

#include "base/error.h"
#include "base/log.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Where to listen. An empty host means every address of the machine.
struct pt_address {
    char host[256]; // a name, an IPv4 or an IPv6 address without brackets
    uint16_t port;
};

// What agents are known by: `token`, one that they share, or `kubernetes`, each by its own.
enum pt_identity_kind {
    PT_IDENTITY_BY_TOKEN,
    PT_IDENTITY_BY_KUBERNETES,
};

enum pt_setting_kind {
    PT_SETTING_TEXT,            // value: const char *, borrowed from the environment, never NULL
    PT_SETTING_NAME,            // value: const char *; empty or a short word, safe in any text
    PT_SETTING_URL,             // value: const char *; empty or as pt_url_is_base takes it
    PT_SETTING_KUBE_NAME,       // value: const char *; empty or an object's name in Kubernetes
    PT_SETTING_KUBE_NAMESPACES, // value: const char *; names with commas between them
    PT_SETTING_CONTAINERD_NAMESPACES, // value: const char *; likewise, or * alone
    PT_SETTING_HOSTS,                 // value: const char *; likewise, without ports
    PT_SETTING_FOLDERS,               // value: const char *; absolute paths, as above
    PT_SETTING_FILE,                  // value: const char *; empty or a file that can be read now
    PT_SETTING_DURATION,              // value: int64_t, nanoseconds
    PT_SETTING_COUNT,                 // value: int64_t
    PT_SETTING_BYTES,                 // value: int64_t, bytes; empty: 0
    PT_SETTING_ADDRESS,               // value: struct pt_address; empty: port 0
    PT_SETTING_LOG_LEVEL,             // value: enum pt_log_level
    PT_SETTING_IDENTITY,              // value: enum pt_identity_kind
    PT_SETTING_OTHER_NAME, // of the setting in the row before, whose value it is; no default
};

// One environment variable. min and max bound COUNT and BYTES as they are, DURATION in nanoseconds,
// and how many names a list has; both 0: no bound but not negative. BYTES that are empty are within
// any bound.
struct pt_setting {
    const char *name;
    enum pt_setting_kind kind;
    void *value;
    const char *default_text;
    const char *help; // one line for --help
    int64_t min;
    int64_t max;
};

// Reads every setting from the environment (`getenv_fn`: as getenv), an unset or empty one from its
// default. A setting may be set by its other name instead; by both only to the same. The error
// names the variable, the value and what is expected.
PT_MUST_CHECK int pt_settings_load(const struct pt_setting *settings, size_t count,
                                   char *(*getenv_fn)(const char *name), struct pt_error *err);

// Prints each setting with its default and its range, for --help.
void pt_settings_print(FILE *out, const struct pt_setting *settings, size_t count);

// Parses `268435456`, `256Mi` or `1G`: a whole number of bytes, or of the units of Kubernetes from
// K to T and Ki to Ti.
PT_MUST_CHECK int pt_bytes_parse(const char *text, int64_t *ret_bytes);

// Parses `host:port`, `:port` or `[ipv6]:port`, port 1 to 65535.
PT_MUST_CHECK int pt_address_parse(const char *text, struct pt_address *ret_address);

#endif
