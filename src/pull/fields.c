// SPDX-License-Identifier: Apache-2.0
#include "pull/fields.h"

#include "base/limits.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "pull/json_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What a reader of JSON still holds exactly.
#define LARGEST_SPEED ((double)(INT64_C(1) << 53))

static void *place_of(const struct pt_field *field, const void *object)
{
    return (char *)object + field->offset;
}

unsigned pt_words_find(const struct pt_words *words, const char *word)
{
    for (unsigned i = 0; word && i < words->count; i++) {
        const char *one = words->words[i];
        if (one && *one == *word && strcmp(one, word) == 0)
            return i;
    }
    return 0;
}

// --- reading ---

// NUL inside a text is refused, since it would end the text for everybody behind.
static int read_text(const struct pt_field *field, size_t maximum, yyjson_val *value,
                     const char **ret_text, struct pt_error *err)
{
    if (!yyjson_is_str(value))
        return pt_error_set(err, EINVAL, "%s: must be a string", field->name);
    size_t length = yyjson_get_len(value);
    const char *text = yyjson_get_str(value);
    if (length > maximum)
        return pt_error_set(err, EMSGSIZE, "%s: longer than %zu bytes", field->name, maximum);
    if (strlen(text) != length)
        return pt_error_set(err, EINVAL, "%s: holds a NUL character", field->name);
    *ret_text = length > 0 ? text : NULL;
    return 0;
}

static int read_time(const struct pt_field *field, yyjson_val *value, int64_t *ret_wall_ns,
                     struct pt_error *err)
{
    const char *text = NULL;
    int r = read_text(field, PT_LIMIT_NAME_BYTES, value, &text, err);
    if (r < 0)
        return r;
    *ret_wall_ns = 0;
    if (!text || pt_timestamp_parse(text, strlen(text), ret_wall_ns) == 0)
        return 0;
    // Go's zero time, which agents of the v1 format send for "not yet".
    if (strncmp(text, "0001-01-01T", 11) == 0)
        return 0;
    return pt_error_set(err, EINVAL, "%s: must be an RFC 3339 time", field->name);
}

static int read_word(const struct pt_field *field, yyjson_val *value, unsigned *ret_word,
                     struct pt_error *err)
{
    const char *text = NULL;
    int r = read_text(field, PT_LIMIT_NAME_BYTES, value, &text, err);
    if (r < 0)
        return r;
    *ret_word = pt_words_find(field->words, text);
    return 0;
}

static int read_integer(const struct pt_field *field, yyjson_val *value, int64_t *ret_integer,
                        struct pt_error *err)
{
    if (!yyjson_is_uint(value))
        return pt_error_set(err, EINVAL, "%s: must be a whole number, 0 or more", field->name);
    if (yyjson_get_uint(value) > (uint64_t)field->maximum)
        return pt_error_set(err, EMSGSIZE, "%s: larger than %lld", field->name,
                            (long long)field->maximum);
    *ret_integer = (int64_t)yyjson_get_uint(value);
    return 0;
}

static int read_number(const struct pt_field *field, yyjson_val *value, double *ret_number,
                       struct pt_error *err)
{
    double number = yyjson_get_num(value);
    if (!yyjson_is_num(value) || number < 0)
        return pt_error_set(err, EINVAL, "%s: must be a number, 0 or more", field->name);
    *ret_number = number;
    return 0;
}

static int read_value(const struct pt_field *field, yyjson_val *value, void *target,
                      struct pt_error *err)
{
    void *place = place_of(field, target);
    int64_t count = 0;
    int r = 0;
    if (yyjson_is_null(value))
        return 0;
    switch (field->kind) {
    case PT_FIELD_TEXT:
        return read_text(field, (size_t)field->maximum, value, place, err);
    case PT_FIELD_INTEGER:
        return read_integer(field, value, place, err);
    case PT_FIELD_COUNT:
        r = read_integer(field, value, &count, err);
        *(size_t *)place = (size_t)count;
        return r;
    case PT_FIELD_NUMBER:
    case PT_FIELD_SPEED:
        return read_number(field, value, place, err);
    case PT_FIELD_BOOL:
        if (!yyjson_is_bool(value))
            return pt_error_set(err, EINVAL, "%s: must be true or false", field->name);
        *(bool *)place = yyjson_get_bool(value);
        return 0;
    case PT_FIELD_TIME:
        return read_time(field, value, place, err);
    case PT_FIELD_WORD:
        return read_word(field, value, place, err);
    case PT_FIELD_OBJECT:
        return pt_fields_read(field->fields, value, target, err);
    case PT_FIELD_HOST:
    case PT_FIELD_LIST:
        return 0;
    }
    return 0;
}

// A key of an object is always a string.
static bool is_named(const struct pt_field *field, yyjson_val *key)
{
    return unsafe_yyjson_equals_strn(key, field->name, field->name_length);
}

// Returns the row of that name, NULL for one that is not known here. The search begins behind the
// row that was found before: who writes in the order of the wire is read at the first look.
static const struct pt_field *find_row(const struct pt_fields *fields, yyjson_val *key,
                                       const struct pt_field **next)
{
    const struct pt_field *end = fields->rows + fields->count;
    const struct pt_field *field = *next;
    while (field < end && !is_named(field, key))
        field++;
    if (field == end) {
        field = fields->rows;
        while (field < *next && !is_named(field, key))
            field++;
        if (field == *next)
            return NULL;
    }
    *next = field + 1;
    return field;
}

int pt_fields_read(const struct pt_fields *fields, yyjson_val *object, void *target,
                   struct pt_error *err)
{
    size_t index, key_count;
    const struct pt_field *next = fields->rows;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, key_count, key, value)
    {
        const struct pt_field *field = find_row(fields, key, &next);
        int r = field ? read_value(field, value, target, err) : 0;
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < fields->texts_end; i++) {
        const struct pt_field *field = &fields->rows[i];
        if (field->presence == PT_FIELD_REQUIRED && !*pt_field_text(field, target))
            return pt_error_set(err, EINVAL, "%s: missing", field->name);
    }
    return 0;
}

// --- writing ---

static void write_host(const struct pt_field *field, const char *text, struct pt_buffer *out)
{
    const char *slash = text ? strchr(text, '/') : NULL;
    if (slash && slash > text)
        pt_json_text(out, field->name, text, (size_t)(slash - text));
}

static void write_integer(const struct pt_field *field, int64_t value, struct pt_buffer *out)
{
    if (value < 0)
        value = 0;
    if (value > field->maximum)
        value = field->maximum;
    if (value > 0 || field->presence != PT_FIELD_IF_SET)
        pt_json_integer(out, field->name, value);
}

static void write_number(const struct pt_field *field, double value, struct pt_buffer *out)
{
    if (value > 0 || (value == 0 && field->presence != PT_FIELD_IF_SET))
        pt_json_number(out, field->name, value);
}

static void write_speed(const struct pt_field *field, double value, struct pt_buffer *out)
{
    double bounded = value > 0 ? value : 0;
    if (bounded > LARGEST_SPEED)
        bounded = LARGEST_SPEED;
    pt_json_integer(out, field->name, (int64_t)bounded);
}

static void write_word(const struct pt_field *field, unsigned value, struct pt_buffer *out)
{
    const char *word = value < field->words->count ? field->words->words[value] : NULL;
    if (word)
        pt_json_text(out, field->name, word, PT_LIMIT_NAME_BYTES);
}

static void write_object(const struct pt_field *field, const void *source, struct pt_buffer *out)
{
    pt_json_open(out, field->name, '{');
    pt_fields_write(field->fields, source, out);
    pt_json_close(out, '}');
}

// An object is left out when it has neither a text nor a word.
static bool is_empty(const struct pt_fields *fields, const void *source)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct pt_field *field = &fields->rows[i];
        const void *place = place_of(field, source);
        if (field->kind == PT_FIELD_TEXT && *(const char *const *)place)
            return false;
        if (field->kind == PT_FIELD_WORD && *(const unsigned *)place != 0)
            return false;
    }
    return true;
}

static void write_value(const struct pt_field *field, const void *source, struct pt_buffer *out)
{
    const void *place = place_of(field, source);
    const char *text;
    switch (field->kind) {
    case PT_FIELD_TEXT:
        text = *(const char *const *)place;
        if (text)
            pt_json_text(out, field->name, text, (size_t)field->maximum);
        return;
    case PT_FIELD_HOST:
        write_host(field, *(const char *const *)place, out);
        return;
    case PT_FIELD_INTEGER:
        write_integer(field, *(const int64_t *)place, out);
        return;
    case PT_FIELD_COUNT:
        write_integer(field, (int64_t) * (const size_t *)place, out);
        return;
    case PT_FIELD_NUMBER:
        write_number(field, *(const double *)place, out);
        return;
    case PT_FIELD_SPEED:
        write_speed(field, *(const double *)place, out);
        return;
    case PT_FIELD_BOOL:
        if (*(const bool *)place || field->presence != PT_FIELD_IF_SET)
            pt_json_bool(out, field->name, *(const bool *)place);
        return;
    case PT_FIELD_TIME:
        if (*(const int64_t *)place > 0)
            pt_json_time(out, field->name, *(const int64_t *)place);
        return;
    case PT_FIELD_WORD:
        write_word(field, *(const unsigned *)place, out);
        return;
    case PT_FIELD_OBJECT:
        if (!is_empty(field->fields, source))
            write_object(field, source, out);
        return;
    case PT_FIELD_LIST:
        return;
    }
}

void pt_fields_write(const struct pt_fields *fields, const void *source, struct pt_buffer *out)
{
    for (size_t i = 0; i < fields->count; i++)
        write_value(&fields->rows[i], source, out);
}

// --- the texts of an object ---

size_t pt_fields_text_bytes(const struct pt_fields *fields, const void *object)
{
    size_t bytes = 0;
    for (size_t i = 0; i < fields->texts_end; i++) {
        const char **text = pt_field_text(&fields->rows[i], object);
        bytes += text && *text ? strlen(*text) + 1 : 0;
    }
    return bytes;
}

int pt_fields_replace_texts(const struct pt_fields *fields, void *to, const void *from,
                            const char *but, bool *changed)
{
    for (size_t i = 0; i < fields->texts_end; i++) {
        const struct pt_field *field = &fields->rows[i];
        const char **text = pt_field_text(field, to);
        if (!text || (but && strcmp(field->name, but) == 0))
            continue;
        if (pt_text_replace(text, *pt_field_text(field, from), changed) < 0)
            return -ENOMEM;
    }
    return 0;
}

void pt_fields_share_texts(const struct pt_fields *fields, void *to, const void *from)
{
    for (size_t i = 0; i < fields->texts_end; i++) {
        const char **text = pt_field_text(&fields->rows[i], to);
        if (text)
            *text = *pt_field_text(&fields->rows[i], from);
    }
}

void pt_fields_free_texts(const struct pt_fields *fields, void *object)
{
    for (size_t i = 0; i < fields->texts_end; i++) {
        const char **text = pt_field_text(&fields->rows[i], object);
        if (!text)
            continue;
        free((char *)*text);
        *text = NULL;
    }
}

bool pt_fields_have_same_texts(const struct pt_fields *fields, const void *a, const void *b)
{
    for (size_t i = 0; i < fields->texts_end; i++) {
        const char **one = pt_field_text(&fields->rows[i], a);
        const char **other = one ? pt_field_text(&fields->rows[i], b) : NULL;
        if (one && *one != *other && (!*one || !*other || strcmp(*one, *other) != 0))
            return false;
    }
    return true;
}

static bool is_same_value(const struct pt_field *field, const void *a, const void *b)
{
    const void *one = place_of(field, a);
    const void *other = place_of(field, b);
    switch (field->kind) {
    case PT_FIELD_INTEGER:
    case PT_FIELD_TIME:
        return *(const int64_t *)one == *(const int64_t *)other;
    case PT_FIELD_COUNT:
        return *(const size_t *)one == *(const size_t *)other;
    case PT_FIELD_NUMBER:
    case PT_FIELD_SPEED:
        return memcmp(one, other, sizeof(double)) == 0;
    case PT_FIELD_BOOL:
        return *(const bool *)one == *(const bool *)other;
    case PT_FIELD_WORD:
        return *(const unsigned *)one == *(const unsigned *)other;
    case PT_FIELD_TEXT:
    case PT_FIELD_HOST:
    case PT_FIELD_OBJECT:
    case PT_FIELD_LIST:
        return true;
    }
    return true;
}

bool pt_fields_have_same_values(const struct pt_fields *fields, const void *a, const void *b)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (!is_same_value(&fields->rows[i], a, b))
            return false;
    }
    return true;
}
