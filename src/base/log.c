// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include "base/buffer.h"
#include "base/journal.h"
#include "base/json_escape.h"
#include "base/limits.h"
#include "base/output.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#define MAX_TEXT_BYTES 4096
#define MAX_LINE_BYTES (4 * 1024 * 1024)

static const char *const level_names[] = {
    [PT_LOG_DEBUG] = "debug",
    [PT_LOG_INFO] = "info",
    [PT_LOG_WARN] = "warn",
    [PT_LOG_ERROR] = "error",
};

// https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html
static const char *const priorities[] = {
    [PT_LOG_DEBUG] = "<7>",
    [PT_LOG_INFO] = "<6>",
    [PT_LOG_WARN] = "<4>",
    [PT_LOG_ERROR] = "<3>",
};

static bool is_for_journal;
static enum pt_log_level threshold = PT_LOG_INFO;
static int descriptor = STDOUT_FILENO;
static int own_descriptor = -1;   // opened by pt_log_start
static struct pt_buffer pending;  // lines, or the rest of one, that the reader has not taken yet
static struct pt_log_drops drops; // since the start
static uint64_t reported_drops;   // of them
static int64_t reported_at_ns;    // when the last of them were
static int64_t second_began_ns;   // in which events are counted
static unsigned events_in_second;
static const struct pt_clock *given_clock; // NULL: the system's

static int64_t now_ns(void)
{
    return pt_clock_monotonic_ns(given_clock ? given_clock : pt_clock_system());
}

void pt_log_set_clock(const struct pt_clock *clock)
{
    given_clock = clock;
    second_began_ns = reported_at_ns = 0;
    events_in_second = 0;
}

void pt_log_set_level(enum pt_log_level level)
{
    threshold = level;
}

bool pt_log_enabled(enum pt_log_level level)
{
    return level >= threshold && descriptor >= 0;
}

void pt_log_set_descriptor(int fd)
{
    if (own_descriptor >= 0)
        close(own_descriptor);
    own_descriptor = -1;
    descriptor = fd;
    pt_buffer_finish(&pending);
}

void pt_log_start(void)
{
    is_for_journal = pt_journal_keeps(descriptor, getenv);
    int fd = descriptor >= 0 ? pt_output_open(descriptor) : -1;
    if (fd < 0)
        return;
    pt_log_set_descriptor(fd);
    own_descriptor = fd;
}

struct pt_log_drops pt_log_drops(void)
{
    return drops;
}

bool pt_log_admits_event(enum pt_log_level level)
{
    if (!pt_log_enabled(level))
        return false;
    int64_t now = now_ns();
    if (now - second_began_ns >= PT_NS_PER_S) {
        second_began_ns = now;
        events_in_second = 0;
    }
    if (events_in_second < PT_LIMIT_LOG_EVENTS_PER_S) {
        events_in_second++;
        return true;
    }
    drops.too_many++;
    return false;
}

bool pt_log_level_parse(const char *text, enum pt_log_level *ret_level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret_level = (enum pt_log_level)i;
            return true;
        }
    }
    return false;
}

static yyjson_mut_val *text_value(yyjson_mut_doc *doc, const char *text)
{
    char clean[MAX_TEXT_BYTES + 1];
    pt_utf8_clean(text, clean, sizeof(clean));
    return yyjson_mut_strcpy(doc, clean);
}

static yyjson_mut_val *field_value(yyjson_mut_doc *doc, const struct pt_log_field *field)
{
    switch (field->kind) {
    case PT_LOG_FIELD_TEXT:
        return text_value(doc, field->text);
    case PT_LOG_FIELD_INT:
        return yyjson_mut_sint(doc, field->number);
    case PT_LOG_FIELD_JSON:
        return yyjson_mut_raw(doc, field->text);
    }
    return NULL;
}

// --- to the reader ---

static uint64_t count_lines(const struct pt_buffer *lines)
{
    uint64_t count = 0;
    const char *end = lines->data + lines->length;
    for (const char *at = lines->data; at && at < end; at++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (!at)
            break;
        count++;
    }
    return count;
}

// Writes as much of what is pending as the reader takes now.
static void write_pending(void)
{
    size_t written = 0;
    while (written < pending.length) {
        ssize_t n = pt_output_write(descriptor, pending.data + written, pending.length - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) { // nobody reads any more
            drops.unread += count_lines(&pending);
            written = pending.length;
            break;
        }
        written += (size_t)n;
    }
    if (written == pending.length)
        pt_buffer_finish(&pending);
    else
        pt_buffer_consume(&pending, written);
}

// A line that begins is written to its end, sooner or later; one for which no room is left is not
// begun.
static void write_line(enum pt_log_level level, const char *text, size_t length)
{
    write_pending();
    if (pending.length > 0 && pending.length + length > PT_LIMIT_LOG_PENDING_BYTES) {
        drops.unread++;
        return;
    }
    struct pt_buffer line;
    pt_buffer_init(&line, MAX_LINE_BYTES);
    pending.max_length = PT_LIMIT_LOG_PENDING_BYTES + MAX_LINE_BYTES;
    if ((is_for_journal && pt_buffer_append_text(&line, priorities[level]) < 0) ||
        pt_json_append_escaped(&line, text, length) < 0 ||
        pt_buffer_append(&pending, line.data, line.length) < 0)
        drops.unread++;
    pending.failure = 0;
    pt_buffer_finish(&line);
    write_pending();
}

static void log_line(enum pt_log_level level, const char *msg, const struct pt_log_field *fields,
                     size_t count)
{
    char time[PT_TIMESTAMP_SIZE];
    pt_timestamp_format(pt_clock_wall_ns(pt_clock_system()), time);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc) {
        drops.unread++;
        return;
    }
    yyjson_mut_val *line = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, line);
    yyjson_mut_obj_add_str(doc, line, "time", time);
    yyjson_mut_obj_add_str(doc, line, "level", level_names[level]);
    yyjson_mut_obj_add_str(doc, line, "msg", msg);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind == PT_LOG_FIELD_INT || fields[i].text)
            yyjson_mut_obj_add_val(doc, line, fields[i].key, field_value(doc, &fields[i]));
    }
    size_t length;
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NEWLINE_AT_END, &length);
    if (text)
        write_line(level, text, length);
    else
        drops.unread++;
    free(text);
    yyjson_mut_doc_free(doc);
}

// Says once a second, when the reader has caught up, how many lines it does not see.
static void report_drops(void)
{
    uint64_t all = drops.unread + drops.too_many;
    if (all == reported_drops || pending.length > 0 || now_ns() - reported_at_ns < PT_NS_PER_S)
        return;
    const struct pt_log_field fields[] = {
        pt_log_int("lines", (int64_t)(all - reported_drops)),
        pt_log_int("unread", (int64_t)drops.unread),
        pt_log_int("tooMany", (int64_t)drops.too_many),
    };
    reported_drops = all;
    reported_at_ns = now_ns();
    log_line(PT_LOG_WARN, "log.lines_missing", fields, sizeof(fields) / sizeof(fields[0]));
}

void pt_log_write(enum pt_log_level level, const char *msg, const struct pt_log_field *fields,
                  size_t count)
{
    report_drops();
    log_line(level, msg, fields, count);
}

void pt_log_flush(void)
{
    if (descriptor < 0)
        return;
    write_pending();
    report_drops();
}
