// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_JSON_SPLITTER_H
#define PT_KUBE_JSON_SPLITTER_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

// Cuts a stream of JSON (https://www.rfc-editor.org/rfc/rfc8259) into objects while it arrives, in
// pieces of any size, and holds one object at a time. It knows where an object ends, not whether
// its inside is right.
struct pt_json_splitter {
    // A whole object; < 0 stops the splitter with that error.
    int (*on_object)(void *context, const char *json, size_t length);
    // An object has grown past the maximum; its text is lost.
    void (*on_too_large)(void *context);
    void *context;
    bool is_list;            // objects are the members of the top object's array `items`
    struct pt_buffer object; // the object under way
    struct pt_buffer rest;   // of a list: everything but the items, itself an object
    size_t object_bytes;     // of the object under way, lost ones too
    size_t depth;            // of open brackets
    size_t object_depth;     // where an object begins
    bool in_string;
    bool after_backslash;
    bool in_object;
    bool in_items;
    char key[8]; // of a list: the last string in the top object
    size_t key_length;
};

// For a watch: objects one after the other. For a list: those in `items`.
void pt_json_splitter_init(struct pt_json_splitter *splitter, bool is_list, size_t max_object_bytes,
                           size_t max_rest_bytes);
void pt_json_splitter_finish(struct pt_json_splitter *splitter);

// Forgets everything that came, keeps the memory.
void pt_json_splitter_reset(struct pt_json_splitter *splitter);

// Takes the next piece. -EBADMSG if this cannot be JSON, -EMSGSIZE if a list's rest is too large or
// an object does not end, -ENOMEM, or what on_object returned; it must not be fed after that.
PT_MUST_CHECK int pt_json_splitter_feed(struct pt_json_splitter *splitter, const char *data,
                                        size_t length);

// Every object that began has ended.
bool pt_json_splitter_is_at_end(const struct pt_json_splitter *splitter);

#endif
