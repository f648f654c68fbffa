// SPDX-License-Identifier: Apache-2.0
#include "kube/json_splitter.h"

#include <errno.h>
#include <string.h>

#define MAX_DEPTH 1000
#define MAX_EXCESS 64  // an object of so many times the maximum does not end
#define MAX_WINDOW 256 // so that text full of backslashes is not searched again and again

void pt_json_splitter_init(struct pt_json_splitter *splitter, bool is_list, size_t max_object_bytes,
                           size_t max_rest_bytes)
{
    *splitter = (struct pt_json_splitter){.is_list = is_list};
    pt_buffer_init(&splitter->object, max_object_bytes);
    pt_buffer_init(&splitter->rest, max_rest_bytes);
}

void pt_json_splitter_finish(struct pt_json_splitter *splitter)
{
    pt_buffer_finish(&splitter->object);
    pt_buffer_finish(&splitter->rest);
}

void pt_json_splitter_reset(struct pt_json_splitter *splitter)
{
    pt_buffer_clear(&splitter->object);
    pt_buffer_clear(&splitter->rest);
    splitter->depth = 0;
    splitter->object_depth = 0;
    splitter->in_string = false;
    splitter->after_backslash = false;
    splitter->in_object = false;
    splitter->in_items = false;
    splitter->key_length = 0;
}

// Text that is kept: of the object under way, or of a list's rest. An object that grows too large
// only loses its text.
static int keep(struct pt_json_splitter *splitter, const char *data, size_t length)
{
    if (length == 0)
        return 0;
    if (splitter->in_object) {
        bool was_too_large = splitter->object.failure != 0;
        int r = pt_buffer_append(&splitter->object, data, length);
        splitter->object_bytes += length;
        if (r == -EMSGSIZE && !was_too_large)
            splitter->on_too_large(splitter->context);
        bool is_endless = splitter->object_bytes / MAX_EXCESS > splitter->object.max_length;
        return r == -ENOMEM ? r : is_endless ? -EMSGSIZE : 0;
    }
    if (splitter->is_list && !splitter->in_items)
        return pt_buffer_append(&splitter->rest, data, length);
    return 0;
}

static int end_object(struct pt_json_splitter *splitter)
{
    int r = 0;
    splitter->in_object = false;
    if (splitter->object.failure == 0)
        r = splitter->on_object(splitter->context, splitter->object.data, splitter->object.length);
    pt_buffer_clear(&splitter->object);
    return r;
}

// Steps over the inside of a string that nobody reads; returns where it ends or the data does.
static const char *skip_string(struct pt_json_splitter *splitter, const char *at, const char *end)
{
    while (at < end) {
        if (splitter->after_backslash) {
            splitter->after_backslash = false;
            at++;
            continue;
        }
        size_t window = (size_t)(end - at) < MAX_WINDOW ? (size_t)(end - at) : MAX_WINDOW;
        const char *quote = memchr(at, '"', window);
        const char *backslash = memchr(at, '\\', quote ? (size_t)(quote - at) : window);
        if (!backslash && quote) {
            splitter->in_string = false;
            return quote + 1;
        }
        if (!backslash) {
            at += window;
            continue;
        }
        splitter->after_backslash = true;
        at = backslash + 1;
    }
    return end;
}

// The same for one that may be a key of a list, which is remembered.
static const char *read_key(struct pt_json_splitter *splitter, const char *at, const char *end)
{
    const char *behind = skip_string(splitter, at, end);
    for (; at < behind && splitter->key_length < sizeof(splitter->key); at++)
        splitter->key[splitter->key_length++] = *at; // its closing quote too
    return behind;
}

static const char *pass_string(struct pt_json_splitter *splitter, const char *at, const char *end)
{
    bool is_key = splitter->is_list && splitter->depth == 1;
    return is_key ? read_key(splitter, at, end) : skip_string(splitter, at, end);
}

static bool key_is_items(const struct pt_json_splitter *splitter)
{
    return splitter->key_length == 6 && memcmp(splitter->key, "items\"", 6) == 0;
}

// A bracket opens; *kept is up to where the text has been kept.
static int open_bracket(struct pt_json_splitter *splitter, const char *at, const char **kept)
{
    int r = 0;
    if (splitter->depth >= MAX_DEPTH)
        return -EBADMSG;
    if (splitter->depth == 0 && *at != '{')
        return -EBADMSG;
    if (*at == '{' && !splitter->in_object && splitter->depth == splitter->object_depth &&
        (!splitter->is_list || splitter->in_items)) {
        r = keep(splitter, *kept, (size_t)(at - *kept));
        *kept = at;
        splitter->in_object = true;
        splitter->object_bytes = 0;
    } else if (splitter->is_list && splitter->depth == 1 && *at == '[' && key_is_items(splitter)) {
        r = keep(splitter, *kept, (size_t)(at + 1 - *kept));
        *kept = at + 1;
        splitter->in_items = true;
        splitter->object_depth = 2;
    }
    splitter->depth++;
    return r;
}

static int close_bracket(struct pt_json_splitter *splitter, const char *at, const char **kept)
{
    if (splitter->depth == 0)
        return -EBADMSG;
    splitter->depth--;
    if (splitter->in_object && splitter->depth == splitter->object_depth) {
        int r = keep(splitter, *kept, (size_t)(at + 1 - *kept));
        *kept = at + 1;
        return r < 0 ? r : end_object(splitter);
    }
    if (splitter->in_items && splitter->depth == 1) {
        splitter->in_items = false;
        *kept = at;
    }
    return 0;
}

int pt_json_splitter_feed(struct pt_json_splitter *splitter, const char *data, size_t length)
{
    const char *end = data + length;
    const char *kept = data;
    const char *at = data;
    while (at < end) {
        if (splitter->in_string) {
            at = pass_string(splitter, at, end);
            continue;
        }
        int r = 0;
        switch (*at) {
        case '"':
            splitter->in_string = true;
            splitter->key_length = 0;
            r = splitter->depth == 0 ? -EBADMSG : 0;
            break;
        case '{':
        case '[':
            r = open_bracket(splitter, at, &kept);
            break;
        case '}':
        case ']':
            r = close_bracket(splitter, at, &kept);
            break;
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            break;
        default:
            r = splitter->depth == 0 ? -EBADMSG : 0; // words between the objects
        }
        if (r < 0)
            return r;
        at++;
    }
    return keep(splitter, kept, (size_t)(end - kept));
}

bool pt_json_splitter_is_at_end(const struct pt_json_splitter *splitter)
{
    return splitter->depth == 0;
}
