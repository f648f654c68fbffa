// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_FIELDS_H
#define PT_PULL_FIELDS_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

// The fields of a struct as data: one row says how a field is called in JSON, what it is and where
// it stands in the struct. Reading, writing, copying, comparing and freeing follow from the rows.

enum pt_field_kind {
    PT_FIELD_TEXT,    // const char *, NULL: left out
    PT_FIELD_HOST,    // const char * `host/path`, of which the host is written; never read
    PT_FIELD_INTEGER, // int64_t or uint64_t, 0 or more
    PT_FIELD_COUNT,   // size_t
    PT_FIELD_NUMBER,  // double, negative: left out
    PT_FIELD_SPEED,   // double, written as a whole number
    PT_FIELD_BOOL,    // bool
    PT_FIELD_TIME,    // int64_t, wall_ns, 0: left out
    PT_FIELD_WORD,    // an enum, written as one of its words; without a word: left out
    PT_FIELD_OBJECT,  // an object whose fields stand in the same struct; empty: left out
    PT_FIELD_LIST,    // objects, or one, which the owner reads and writes
};

// Who holds the field.
enum pt_field_presence {
    PT_FIELD_ALWAYS,   // written even if it is 0 or false
    PT_FIELD_IF_SET,   // left out while it is 0 or false
    PT_FIELD_REQUIRED, // text that a reader insists on
};

// The words of an enum by its values; NULL for a value that is not written. What is none of them
// is read as 0.
struct pt_words {
    const char *const *words;
    size_t count;
};

// The value of a word, 0 for NULL and for one that is not there.
unsigned pt_words_find(const struct pt_words *words, const char *word);

struct pt_fields;

struct pt_field {
    const char *name;
    size_t name_length;
    enum pt_field_kind kind;
    enum pt_field_presence presence;
    size_t offset;
    int64_t maximum; // of a text its bytes, of an integer its value
    const struct pt_words *words;
    const struct pt_fields *fields; // of what an object or a list holds
};

// In the order of the wire.
struct pt_fields {
    const struct pt_field *rows;
    size_t count;
    size_t texts_end; // behind the last row that is a text, so that who looks for texts ends there
};

// Fills in *target from one object; what is not there stays as it is, what is not known here is
// passed over. Text borrows from the document. -EINVAL says which field is wrong, -EMSGSIZE which
// one is longer or larger than it may be.
PT_MUST_CHECK int pt_fields_read(const struct pt_fields *fields, yyjson_val *object, void *target,
                                 struct pt_error *err);

// Appends the members to the object that is open in `out`. What is written keeps to the maximum of
// each row, so that pt_fields_read takes it.
void pt_fields_write(const struct pt_fields *fields, const void *source, struct pt_buffer *out);

// Where a row's text stands in an object; NULL if the row is no text.
static inline const char **pt_field_text(const struct pt_field *field, const void *object)
{
    return field->kind == PT_FIELD_TEXT ? (const char **)((char *)object + field->offset) : NULL;
}

// How much its texts take, each with its NUL.
size_t pt_fields_text_bytes(const struct pt_fields *fields, const void *object);

// For objects that own their text: copies each text of `from` that differs, except those named by
// `but` (which may be NULL); sets *changed if there is one. -ENOMEM leaves some of them copied.
PT_MUST_CHECK int pt_fields_replace_texts(const struct pt_fields *fields, void *to,
                                          const void *from, const char *but, bool *changed);
void pt_fields_free_texts(const struct pt_fields *fields, void *object);

// The texts of `to`, which owns none, become those of `from`.
void pt_fields_share_texts(const struct pt_fields *fields, void *to, const void *from);

// All texts are the same; everything else is.
bool pt_fields_have_same_texts(const struct pt_fields *fields, const void *a, const void *b);
bool pt_fields_have_same_values(const struct pt_fields *fields, const void *a, const void *b);

#endif
