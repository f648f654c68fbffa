// SPDX-License-Identifier: Apache-2.0
#include "pull/failure_words.h"

#include "pull/image_ref.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

// The text is cut into runs at white space and punctuation. Most names give themselves away by what
// is in them: a slash, a dot, an at sign, a backslash, a digest's digits. A name that looks like a
// plain word (`unauthorized`, the tag `denied`) is known by the image's reference, which the caller
// has, together with the word before it: `reading manifest denied in quay.io/o/app`.
//
// Every text in quotes, in brackets or in braces is a piece. A piece that never closes (event
// messages are cut at 1,024 bytes) is no piece; from then on such an opening is a separator like
// any other, which keeps the reading linear.

#define SEPARATORS " \t\r\n,;()[]{}<>\"`|=!"
#define MIN_DIGEST_DIGITS 32

// What is under way in a text.
struct reader {
    struct pt_failure_words *out;
    const char *at;
    const char *end;
    enum pt_failure_reading reading;
    struct pt_image_ref ref; // without a path: no reference is known
    const char *raw_ref;     // as it came
    const char *quote_end;   // closes the sentence in quotes that is being read, or NULL
    int brace_depth;         // of the JSON that is being read
    char never_closed[6];    // openings that a look ahead found no end of
};

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c);
}

static void add(struct reader *reader, const char *from, size_t length,
                enum pt_failure_word_kind kind)
{
    struct pt_failure_words *out = reader->out;
    if (length == 0 || out->count == sizeof(out->words) / sizeof(out->words[0]))
        return;
    out->words[out->count++] = (struct pt_failure_word){
        .at = (uint16_t)(from - out->text), .length = (uint16_t)length, .kind = kind};
}

static void add_name(struct reader *reader, const char *from, size_t length)
{
    bool is_socket = length > 5 && memcmp(from + length - 5, ".sock", 5) == 0;
    add(reader, from, length, is_socket ? PT_FAILURE_SOCKET : PT_FAILURE_NAME);
}

// --- names ---

// Steps over `prefix` if the text begins with it.
static bool skip(const char **at, size_t *length, const char *prefix)
{
    size_t prefix_length = strlen(prefix);
    if (prefix_length == 0 || prefix_length > *length ||
        strncasecmp(*at, prefix, prefix_length) != 0)
        return false;
    *at += prefix_length;
    *length -= prefix_length;
    return true;
}

static bool skip_after(const char **at, size_t *length, char sign, const char *text)
{
    const char *after = *at + 1;
    size_t rest = *length - 1;
    if (*length == 0 || **at != sign || !skip(&after, &rest, text))
        return false;
    *at = after;
    *length = rest;
    return true;
}

// The image's reference, with or without host, `library/`, tag and digest.
static bool is_known_reference(const struct reader *reader, const char *from, size_t length)
{
    static const char library[] = "library/";
    const struct pt_image_ref *ref = &reader->ref;
    const char *at = from;
    bool is_plain = true;
    for (size_t i = 0; i < length; i++)
        is_plain = is_plain && !is_one_of(from[i], ":/@.");
    if (is_plain)
        return false; // `not` may be a name; where it is one, is_plain_name knows it
    if (reader->raw_ref && strlen(reader->raw_ref) == length &&
        strncasecmp(from, reader->raw_ref, length) == 0)
        return true;
    if (!*ref->path)
        return false;
    size_t host_length = strlen(ref->host);
    if (skip(&at, &length, ref->host) && !skip(&at, &length, "/")) {
        at -= host_length; // the path begins as the host does
        length += host_length;
    }
    const char *path = ref->path;
    if (strncmp(path, library, strlen(library)) == 0) {
        skip(&at, &length, library);
        path += strlen(library);
    }
    if (!skip(&at, &length, path))
        return false;
    skip_after(&at, &length, ':', ref->tag);
    skip_after(&at, &length, '@', ref->digest);
    return length == 0;
}

// One component of the path, or the tag.
static bool is_part_of_reference(const struct reader *reader, const char *from, size_t length)
{
    const char *tag = reader->ref.tag;
    const char *component = reader->ref.path;
    if (strlen(tag) == length && strncasecmp(from, tag, length) == 0)
        return true;
    while (*component) {
        size_t component_length = strcspn(component, "/");
        if (component_length == length && strncasecmp(from, component, length) == 0)
            return true;
        component += component_length;
        component += *component == '/';
    }
    return false;
}

// A name stands where a sentence has one: behind `manifest`, `lookup` and their like.
static bool is_plain_name(const struct reader *reader, const char *from, size_t length)
{
    static const char *const before_names[] = {
        "artifact", "for",   "id", "image", "in",      "manifest",   "manifests",
        "name",     "named", "of", "path",  "project", "repository", "tag",
    };
    const struct pt_failure_words *out = reader->out;
    const struct pt_failure_word *before = out->count ? &out->words[out->count - 1] : NULL;
    if (!before)
        return false;
    const char *word = out->text + before->at;
    if (before->length == 6 && memcmp(word, "lookup", 6) == 0)
        return true;
    for (size_t i = 0; i < sizeof(before_names) / sizeof(before_names[0]); i++) {
        if (strlen(before_names[i]) == before->length &&
            memcmp(word, before_names[i], before->length) == 0)
            return is_part_of_reference(reader, from, length);
    }
    return false;
}

static bool is_digest(const char *from, size_t length)
{
    const char *colon = memchr(from, ':', length);
    size_t digits = 0;
    while (colon && colon + 1 + digits < from + length &&
           isxdigit((unsigned char)colon[1 + digits]))
        digits++;
    return digits >= MIN_DIGEST_DIGITS;
}

// --- runs ---

static void add_word(struct reader *reader, const char *from, size_t length)
{
    if (is_plain_name(reader, from, length))
        add_name(reader, from, length);
    else
        add(reader, from, length, PT_FAILURE_WORD);
}

// `code:404` is two words.
static void add_words(struct reader *reader, const char *from, size_t length)
{
    while (length > 0) {
        const char *colon = memchr(from, ':', length);
        size_t part = colon ? (size_t)(colon - from) : length;
        add_word(reader, from, part);
        part += colon != NULL;
        from += part;
        length -= part;
    }
}

static void add_run(struct reader *reader, const char *from, size_t length)
{
    while (length > 0 && is_one_of(from[length - 1], ".:-?*'/&%"))
        length--;
    while (length > 0 && is_one_of(*from, ".:-*'")) {
        from++;
        length--;
    }
    bool has_name_bytes = false;
    for (size_t i = 0; i < length; i++)
        has_name_bytes = has_name_bytes || is_one_of(from[i], "/@\\.");
    if (length == 0)
        return;
    if (length == 3 && memcmp(from, "i/o", 3) == 0)
        add(reader, from, length, PT_FAILURE_WORD);
    else if (is_known_reference(reader, from, length) || is_digest(from, length))
        add_name(reader, from, length);
    else if (length > 5 && memcmp(from, "http/", 5) == 0 && isdigit((unsigned char)from[5]))
        add(reader, from, 4, PT_FAILURE_WORD);
    else if (has_name_bytes)
        add_name(reader, from, length);
    else
        add_words(reader, from, length);
}

// `\n`, `\"` and their like, as Go writes them into a quoted text.
static bool is_escape(const struct reader *reader, const char *at)
{
    return reader->reading == PT_FAILURE_READ_ALL && *at == '\\' && at + 1 < reader->end &&
           is_one_of(at[1], "nrt\"\\");
}

static bool is_apostrophe(const struct reader *reader, const char *at)
{
    return at > reader->out->text && is_word_byte(at[-1]) && is_word_byte(at[1]);
}

static bool ends_run(const struct reader *reader, const char *at)
{
    return is_one_of(*at, SEPARATORS) || (*at == '\'' && !is_apostrophe(reader, at)) ||
           is_escape(reader, at);
}

static void read_run(struct reader *reader)
{
    const char *from = reader->at;
    const char *at = from;
    while (at < reader->end && !ends_run(reader, at)) {
        if (at - from > 2 && memcmp(at - 2, "://", 3) == 0)
            at += strcspn(at, " \t\r\n\"'`<>"); // a URL has punctuation inside
        else
            at++;
    }
    add_run(reader, from, (size_t)(at - from));
    reader->at = at;
}

// --- pieces ---

static const char *find_quote(const struct reader *reader, const char *at, char quote)
{
    for (; at < reader->end; at++) {
        if (quote == '"' && *at == '\\' && at + 1 < reader->end)
            at++;
        else if (*at == quote && (quote != '\'' || !is_apostrophe(reader, at)))
            return at;
    }
    return NULL;
}

// `[` to `]`, or `{` to `}`, with the like inside.
static const char *find_bracket(const struct reader *reader)
{
    char open = *reader->at;
    char close = open == '[' ? ']' : '}';
    int depth = 0;
    for (const char *at = reader->at; at < reader->end; at++) {
        depth += (*at == open) - (*at == close);
        if (depth == 0)
            return at;
    }
    return NULL;
}

static bool is_quote(char c)
{
    return is_one_of(c, "\"`'");
}

static bool opens_json(const char *at)
{
    return at[0] == '{' && (at[1] == '"' || (at[1] == '\\' && at[2] == '"'));
}

static bool opens_piece(const struct reader *reader)
{
    const char *at = reader->at;
    if (!is_quote(*at))
        return reader->reading == PT_FAILURE_READ_OUTSIDE && (*at == '[' || opens_json(at));
    bool follows_word = at > reader->out->text && is_word_byte(at[-1]);
    return !reader->quote_end && reader->brace_depth == 0 && (*at != '\'' || !follows_word);
}

// The end of the piece that begins here; NULL if none does.
static const char *find_end(struct reader *reader)
{
    char open = *reader->at;
    if (!opens_piece(reader) || is_one_of(open, reader->never_closed))
        return NULL;
    const char *close =
        is_quote(open) ? find_quote(reader, reader->at + 1, open) : find_bracket(reader);
    if (!close)
        reader->never_closed[strlen(reader->never_closed)] = open;
    return close;
}

static bool is_sentence(const char *from, size_t length)
{
    if (length > 0 && is_one_of(*from, "{<"))
        return true;
    for (size_t i = 0; i < length; i++) {
        if (isspace((unsigned char)from[i]))
            return true;
    }
    return false;
}

// Takes the piece as a name, or steps into it.
static void read_piece(struct reader *reader, const char *close)
{
    const char *inside = reader->at + 1;
    size_t length = (size_t)(close - inside);
    if (reader->reading == PT_FAILURE_READ_ALL && is_sentence(inside, length)) {
        reader->quote_end = close;
        reader->at = inside;
        return;
    }
    add_name(reader, inside, length);
    reader->at = close + 1;
}

static void step(struct reader *reader)
{
    const char *at = reader->at;
    const char *close = find_end(reader);
    if (close) {
        read_piece(reader, close);
        return;
    }
    if (reader->quote_end && at >= reader->quote_end)
        reader->quote_end = NULL;
    if (opens_json(at))
        reader->brace_depth++;
    else if (*at == '}' && reader->brace_depth > 0)
        reader->brace_depth--;
    if (is_escape(reader, at))
        reader->at += 2;
    else if (ends_run(reader, at))
        reader->at++;
    else
        read_run(reader);
}

void pt_failure_words_read(const char *text, const char *image_ref, enum pt_failure_reading reading,
                           struct pt_failure_words *ret_words)
{
    size_t length = strnlen(text, PT_LIMIT_ERROR_BYTES);
    struct reader reader = {.out = ret_words, .reading = reading, .raw_ref = image_ref};
    for (size_t i = 0; i < length; i++)
        ret_words->text[i] = (char)tolower((unsigned char)text[i]);
    ret_words->text[length] = '\0';
    ret_words->count = 0;
    reader.at = ret_words->text;
    reader.end = ret_words->text + length;
    if (image_ref && pt_image_ref_parse(image_ref, &reader.ref) < 0)
        reader.ref = (struct pt_image_ref){0};
    while (reader.at < reader.end)
        step(&reader);
}
