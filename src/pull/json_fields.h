// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_JSON_FIELDS_H
#define PT_PULL_JSON_FIELDS_H

#include "base/buffer.h"
#include "base/error.h"
#include "pull/model.h"

#include <yyjson.h>

// Members of the JSON objects that reports and events share. Keys are literals, text is borrowed
// until the document is written. What is unknown (NULL, 0 as a time, < 0 as seconds) is left out.
// Running out of memory anywhere between begin and finish makes pt_json_finish fail.

// Starts a document; NULL when out of memory, which all functions here bear. One at a time.
yyjson_mut_doc *pt_json_begin(void);

void pt_json_add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                      const char *text);
void pt_json_add_time(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                      int64_t wall_ns);

// Rounded to two decimals, so that readers do not get noise.
void pt_json_add_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, double value);
void pt_json_add_seconds(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                         double seconds);

// What LayerState and LayerStatus have in common.
void pt_json_add_layer(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct pt_layer *layer);

// Appends the document to `out` and frees it; -ENOMEM when building or writing it ran out of
// memory, else as the buffer says.
PT_MUST_CHECK int pt_json_finish(yyjson_mut_doc *doc, struct pt_buffer *out);

#endif
