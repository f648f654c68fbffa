// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include "base/clock.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#define MAX_TEXT_BYTES 4096

static const char *const level_names[] = {
    [PT_LOG_DEBUG] = "debug",
    [PT_LOG_INFO] = "info",
    [PT_LOG_WARN] = "warn",
    [PT_LOG_ERROR] = "error",
};

static enum pt_log_level threshold = PT_LOG_INFO;
static int descriptor = STDOUT_FILENO;

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
    descriptor = fd;
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

// A short write to a pipe is finished; a failing log has nobody left to tell.
static void write_all(const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(descriptor, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        data += n;
        length -= (size_t)n;
    }
}

void pt_log_write(enum pt_log_level level, const char *msg, const struct pt_log_field *fields,
                  size_t count)
{
    char time[PT_TIMESTAMP_SIZE];
    pt_timestamp_format(pt_clock_wall_ns(pt_clock_system()), time);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return;
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
        write_all(text, length);
    free(text);
    yyjson_mut_doc_free(doc);
}
