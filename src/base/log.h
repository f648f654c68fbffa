// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_LOG_H
#define PT_BASE_LOG_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One JSON object a line on standard output: time, level, msg, then the fields of the call.
// `pt_log_info("listening", pt_log_text("address", address), pt_log_int("limit", limit));`
// Logging never waits for the reader: a line for which there is no room is dropped and counted, and
// a line says how many are missing once the reader goes on.

enum pt_log_level {
    PT_LOG_DEBUG,
    PT_LOG_INFO,
    PT_LOG_WARN,
    PT_LOG_ERROR,
};

struct pt_log_field {
    const char *key;
    enum pt_log_field_kind {
        PT_LOG_FIELD_TEXT,
        PT_LOG_FIELD_INT,
        PT_LOG_FIELD_JSON,
    } kind;
    const char *text;
    int64_t number;
};

// Untrusted text is safe here: it is cut at 4 KiB, what is not UTF-8 becomes `?`, and controls are
// escaped, those of 8 bits too. NULL: the field is left out.
static inline struct pt_log_field pt_log_text(const char *key, const char *text)
{
    return (struct pt_log_field){.key = key, .kind = PT_LOG_FIELD_TEXT, .text = text};
}

static inline struct pt_log_field pt_log_int(const char *key, int64_t number)
{
    return (struct pt_log_field){.key = key, .kind = PT_LOG_FIELD_INT, .number = number};
}

// A value that is JSON already and is written as it stands.
static inline struct pt_log_field pt_log_json(const char *key, const char *json)
{
    return (struct pt_log_field){.key = key, .kind = PT_LOG_FIELD_JSON, .text = json};
}

#define pt_log_debug(...) PT_LOG_WRITE(PT_LOG_DEBUG, __VA_ARGS__)
#define pt_log_info(...) PT_LOG_WRITE(PT_LOG_INFO, __VA_ARGS__)
#define pt_log_warn(...) PT_LOG_WRITE(PT_LOG_WARN, __VA_ARGS__)
#define pt_log_error(...) PT_LOG_WRITE(PT_LOG_ERROR, __VA_ARGS__)

// Lines below this level are dropped; PT_LOG_INFO at the start of the process.
void pt_log_set_level(enum pt_log_level level);
bool pt_log_enabled(enum pt_log_level level);

// From here on the lines go through a descriptor of the log's own, so that neither a reader that
// stops nor another writer of the same pipe can make it wait. If that is systemd's journal, each
// begins with its priority (base/journal.h). Before a seccomp filter forbids it.
void pt_log_start(void);

// Writes what the reader has not taken yet, as far as it takes it now. To be called now and then.
void pt_log_flush(void);

// Lines of which peers choose the number: false above PT_LIMIT_LOG_EVENTS_PER_S in a second, and
// the line is counted as dropped; false as well when the level is not enabled.
bool pt_log_admits_event(enum pt_log_level level);

// Lines that were dropped since the start of the process.
struct pt_log_drops {
    uint64_t unread;   // nobody read them in time
    uint64_t too_many; // above the ceiling of events
};
struct pt_log_drops pt_log_drops(void);

// For tests: the clock that the ceiling goes by; NULL: the system's.
void pt_log_set_clock(const struct pt_clock *clock);

// Sends the lines to another descriptor (borrowed), as `--watch` and the tests need; -1 drops them.
void pt_log_set_descriptor(int fd);

// Reads `debug`, `info`, `warn` or `error`; false for anything else.
bool pt_log_level_parse(const char *text, enum pt_log_level *ret_level);

void pt_log_write(enum pt_log_level level, const char *msg, const struct pt_log_field *fields,
                  size_t count);

#define PT_LOG_WRITE(level, msg, ...)                                                              \
    do {                                                                                           \
        if (pt_log_enabled(level)) {                                                               \
            const struct pt_log_field pt_log_fields[] = {__VA_ARGS__ __VA_OPT__(, ){0}};           \
            pt_log_write((level), (msg), pt_log_fields,                                            \
                         sizeof(pt_log_fields) / sizeof(pt_log_fields[0]) - 1);                    \
        }                                                                                          \
    } while (0)

#endif
