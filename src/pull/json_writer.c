// SPDX-License-Identifier: Apache-2.0
#include "pull/json_writer.h"

#include "base/json_escape.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <string.h>

// Room for comma, key, quotes and a value of a fixed size; the longest key has 18 letters.
#define MEMBER_SIZE 96
#define LONGEST_KEY 40
// What a reader still holds exactly in a double.
#define LARGEST_NUMBER ((double)(INT64_C(1) << 53))

// Writes comma and key of the next member into `member`; returns their end.
static char *begin(const struct pt_buffer *out, const char *key, char member[static MEMBER_SIZE])
{
    char *at = member;
    char last = out->length > 0 ? out->data[out->length - 1] : '{';
    if (last != '{' && last != '[')
        *at++ = ',';
    if (!key)
        return at;
    *at++ = '"';
    size_t length = strnlen(key, LONGEST_KEY);
    memcpy(at, key, length);
    at += length;
    *at++ = '"';
    *at++ = ':';
    return at;
}

static void end(struct pt_buffer *out, const char *member, const char *at)
{
    (void)pt_buffer_append(out, member, (size_t)(at - member));
}

static char *put_digits(char *at, uint64_t value)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

void pt_json_begin(struct pt_buffer *out)
{
    (void)pt_buffer_append(out, "{", 1);
}

void pt_json_open(struct pt_buffer *out, const char *key, char bracket)
{
    char member[MEMBER_SIZE];
    char *at = begin(out, key, member);
    *at++ = bracket;
    end(out, member, at);
}

void pt_json_close(struct pt_buffer *out, char bracket)
{
    (void)pt_buffer_append(out, &bracket, 1);
}

void pt_json_integer(struct pt_buffer *out, const char *key, int64_t value)
{
    char member[MEMBER_SIZE];
    char *at = begin(out, key, member);
    if (value < 0)
        *at++ = '-';
    at = put_digits(at, value < 0 ? -(uint64_t)value : (uint64_t)value);
    end(out, member, at);
}

void pt_json_bool(struct pt_buffer *out, const char *key, bool value)
{
    char member[MEMBER_SIZE];
    char *at = begin(out, key, member);
    memcpy(at, value ? "true" : "false", 5);
    end(out, member, at + (value ? 4 : 5));
}

void pt_json_time(struct pt_buffer *out, const char *key, int64_t wall_ns)
{
    char member[MEMBER_SIZE];
    char *at = begin(out, key, member);
    *at++ = '"';
    pt_timestamp_format(wall_ns, at);
    at += strlen(at);
    *at++ = '"';
    end(out, member, at);
}

void pt_json_number(struct pt_buffer *out, const char *key, double value)
{
    char member[MEMBER_SIZE];
    char *at = begin(out, key, member);
    double bounded = value > 0 ? value : 0; // no number at all is 0, too
    if (bounded > LARGEST_NUMBER / 100)
        bounded = LARGEST_NUMBER / 100;
    uint64_t hundredths = (uint64_t)(bounded * 100 + 0.5);
    at = put_digits(at, hundredths / 100);
    unsigned rest = (unsigned)(hundredths % 100);
    if (rest > 0) {
        *at++ = '.';
        *at++ = (char)('0' + rest / 10);
    }
    if (rest % 10 > 0)
        *at++ = (char)('0' + rest % 10);
    end(out, member, at);
}

// --- text ---

// Nothing to escape, all ASCII. The loop has no exit, so that the compiler makes vectors of it.
static bool is_plain(const char *text, size_t length)
{
    unsigned odd = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        odd |= (c < 0x20) | (c > 0x7e) | (c == '"') | (c == '\\');
    }
    return odd == 0;
}

static void append_escaped(struct pt_buffer *out, char c)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt"; // a character, then its letter
    char text[] = "\\u0000";
    size_t length = sizeof(text) - 1;
    for (size_t i = 0; i + 1 < sizeof(letters) - 1; i += 2) {
        if (letters[i] == c) {
            text[1] = letters[i + 1];
            length = 2;
        }
    }
    if (length > 2) {
        text[4] = (char)('0' + (c >> 4));
        text[5] = "0123456789ABCDEF"[c & 15];
    }
    (void)pt_buffer_append(out, text, length);
}

static void append_characters(struct pt_buffer *out, const char *text, size_t length)
{
    const char *stop = text + length;
    while (text < stop) {
        unsigned char c = (unsigned char)*text;
        size_t size = pt_utf8_sequence(text);
        if (size > (size_t)(stop - text))
            return; // cut in the middle of a character
        if (size == 0)
            (void)pt_buffer_append(out, "?", 1);
        else if (c < 0x20 || c == '"' || c == '\\')
            append_escaped(out, (char)c);
        else
            (void)pt_json_append_escaped(out, text, size);
        text += size ? size : 1;
    }
}

void pt_json_text(struct pt_buffer *out, const char *key, const char *text, size_t maximum)
{
    char member[MEMBER_SIZE];
    char *at = begin(out, key, member);
    size_t length = strnlen(text, maximum);
    *at++ = '"';
    end(out, member, at);
    if (is_plain(text, length))
        (void)pt_buffer_append(out, text, length);
    else
        append_characters(out, text, length);
    (void)pt_buffer_append(out, "\"", 1);
}
