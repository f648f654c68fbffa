// SPDX-License-Identifier: Apache-2.0
#include "pull/json_fields.h"

#include "base/json_escape.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// yyjson leaves out what it has no memory for; the allocator remembers that it happened, so that
// half a document is never taken for a whole one.
static bool ran_out;

static void *note_failure(void *memory)
{
    ran_out |= memory == NULL;
    return memory;
}

static void *json_malloc(void *context, size_t size)
{
    (void)context;
    return note_failure(malloc(size));
}

static void *json_realloc(void *context, void *memory, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    return note_failure(realloc(memory, size));
}

static void json_free(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static const yyjson_alc allocator = {json_malloc, json_realloc, json_free, NULL};

yyjson_mut_doc *pt_json_begin(void)
{
    ran_out = false;
    return yyjson_mut_doc_new(&allocator);
}

void pt_json_add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                      const char *text)
{
    if (!text)
        return;
    if (pt_utf8_is_valid(text)) {
        yyjson_mut_obj_add_str(doc, object, key, text);
        return;
    }
    size_t size = strlen(text) + 1;
    char *clean = note_failure(malloc(size));
    if (!clean)
        return;
    pt_utf8_clean(text, clean, size);
    yyjson_mut_obj_add_strcpy(doc, object, key, clean);
    free(clean);
}

void pt_json_add_time(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t wall_ns)
{
    if (wall_ns <= 0)
        return;
    char text[PT_TIMESTAMP_SIZE];
    yyjson_mut_obj_add_strcpy(doc, object, key, pt_timestamp_format(wall_ns, text));
}

void pt_json_add_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, double value)
{
    double rounded = round(value * 100) / 100;
    if (rounded == floor(rounded) && fabs(rounded) < 1e15)
        yyjson_mut_obj_add_sint(doc, object, key, (int64_t)rounded);
    else
        yyjson_mut_obj_add_real(doc, object, key, rounded);
}

void pt_json_add_seconds(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                         double seconds)
{
    if (seconds >= 0)
        pt_json_add_number(doc, object, key, seconds);
}

void pt_json_add_layer(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct pt_layer *layer)
{
    pt_json_add_text(doc, object, "digest", layer->digest);
    pt_json_add_text(doc, object, "mediaType", layer->media_type);
    yyjson_mut_obj_add_sint(doc, object, "totalBytes", layer->total_bytes);
    yyjson_mut_obj_add_sint(doc, object, "downloadedBytes", layer->downloaded_bytes);
    yyjson_mut_obj_add_bool(doc, object, "totalKnown", layer->total_known);
    pt_json_add_text(doc, object, "phase", pt_layer_phase_name(layer->phase));
    if (layer->cached)
        yyjson_mut_obj_add_true(doc, object, "cached");
    pt_json_add_time(doc, object, "startedAt", layer->started_at);
    pt_json_add_time(doc, object, "completedAt", layer->completed_at);
    pt_json_add_time(doc, object, "extractStartedAt", layer->extract_started_at);
    pt_json_add_time(doc, object, "extractCompletedAt", layer->extract_completed_at);
}

int pt_json_finish(yyjson_mut_doc *doc, struct pt_buffer *out)
{
    size_t length = 0;
    char *text =
        doc ? yyjson_mut_write_opts(doc, YYJSON_WRITE_NOFLAG, &allocator, &length, NULL) : NULL;
    yyjson_mut_doc_free(doc);
    int r = !text || ran_out ? -ENOMEM : pt_json_append_escaped(out, text, length);
    free(text);
    return r;
}
