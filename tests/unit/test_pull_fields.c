// SPDX-License-Identifier: Apache-2.0
#include "pull/pull_fields.h"

#include "base/limits.h"
#include "check.h"
#include "event_reader.h"
#include "fill_fields.h"
#include "pull/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

// The rows of the wire, held against the schemas of docs/schemas, which are the contract, and
// against the structs that they fill.

static const char *schemas; // their folder

// Member of an object, NULL if there is none.
static yyjson_val *member(yyjson_val *object, const char *name)
{
    return yyjson_obj_get(object, name);
}

// --- the schemas ---

static const struct {
    const char *file;
    const char *definition; // NULL: the document itself
    const struct pt_fields *fields;
    bool is_report; // what is read: it names each maximum
} objects[] = {
    {"report.schema.json", NULL, &pt_report_fields, true},
    {"report.schema.json", "PullState", &pt_pull_fields, true},
    {"report.schema.json", "LayerState", &pt_layer_fields, true},
    {"event.schema.json", NULL, &pt_event_fields, false},
    {"pulls.schema.json", "PullStatus", &pt_pull_status_fields, false},
    {"pulls.schema.json", "LayerStatus", &pt_layer_status_fields, false},
};

static bool has_type(yyjson_val *property, const char *type)
{
    yyjson_val *types = member(property, "type");
    return yyjson_equals_str(types, type) ||
           yyjson_equals_str(yyjson_arr_get_first(types), type); // ["array", "null"]
}

// The words of the enum, in any order, and no others.
static bool has_words(yyjson_val *property, const struct pt_words *words)
{
    yyjson_val *listed = member(property, "enum");
    size_t count = 0, index, size;
    yyjson_val *word;
    for (size_t i = 0; i < words->count; i++)
        count += words->words[i] != NULL;
    yyjson_arr_foreach(listed, index, size, word)
    {
        if (pt_words_find(words, yyjson_get_str(word)) == 0)
            return false;
    }
    return yyjson_arr_size(listed) == count;
}

static void check_properties(const char *name, yyjson_val *schema, const struct pt_fields *fields,
                             bool is_report);

static bool is_of_kind(const struct pt_field *field, yyjson_val *property, bool is_report)
{
    switch (field->kind) {
    case PT_FIELD_TEXT:
        if (!is_report)
            return has_type(property, "string") || member(property, "enum") ||
                   member(property, "const");
        return has_type(property, "string") && !member(property, "format") &&
               yyjson_get_sint(member(property, "maxLength")) == field->maximum;
    case PT_FIELD_HOST:
        return has_type(property, "string");
    case PT_FIELD_INTEGER:
        return has_type(property, "integer") &&
               (!is_report || field->maximum == INT64_MAX ||
                yyjson_get_sint(member(property, "maximum")) == field->maximum);
    case PT_FIELD_COUNT:
    case PT_FIELD_SPEED:
        return has_type(property, "integer");
    case PT_FIELD_NUMBER:
        return has_type(property, "number");
    case PT_FIELD_BOOL:
        return has_type(property, "boolean");
    case PT_FIELD_TIME:
        return has_type(property, "string") &&
               yyjson_equals_str(member(property, "format"), "date-time");
    case PT_FIELD_WORD:
        return has_words(property, field->words);
    case PT_FIELD_OBJECT:
        check_properties(field->name, property, field->fields, is_report);
        return has_type(property, "object");
    case PT_FIELD_LIST:
        if (field->fields == &pt_waiting_fields) // the one that has no definition of its own
            check_properties(field->name, member(property, "items"), field->fields, is_report);
        return has_type(property, "array") || member(property, "$ref");
    }
    return false;
}

static const struct pt_field *find_field(const struct pt_fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (strcmp(fields->rows[i].name, name) == 0)
            return &fields->rows[i];
    }
    return NULL;
}

static void check_properties(const char *name, yyjson_val *schema, const struct pt_fields *fields,
                             bool is_report)
{
    yyjson_val *properties = member(schema, "properties");
    size_t index, count;
    yyjson_val *key, *value;
    for (size_t i = 0; i < fields->count; i++) {
        yyjson_val *property = member(properties, fields->rows[i].name);
        if (!property)
            fail_msg("%s: %s is a row and no property of the schema", name, fields->rows[i].name);
        if (!is_of_kind(&fields->rows[i], property, is_report))
            fail_msg("%s: %s is of another kind in the schema", name, fields->rows[i].name);
    }
    yyjson_obj_foreach(properties, index, count, key, value)
    {
        if (!find_field(fields, yyjson_get_str(key)))
            fail_msg("%s: %s is a property of the schema and no row", name, yyjson_get_str(key));
    }
    for (size_t i = 0; i < fields->count; i++) {
        yyjson_val *required = member(schema, "required");
        bool is_required = false;
        yyjson_arr_foreach(required, index, count, value)
        {
            is_required |= yyjson_equals_str(value, fields->rows[i].name);
        }
        if (fields->rows[i].presence == PT_FIELD_REQUIRED && !is_required)
            fail_msg("%s: the schema does not require %s", name, fields->rows[i].name);
    }
}

static void rows_and_schemas_say_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", schemas, objects[i].file);
        yyjson_doc *doc = yyjson_read_file(path, YYJSON_READ_NOFLAG, NULL, NULL);
        if (!doc)
            fail_msg("%s cannot be read", path);
        yyjson_val *schema = yyjson_doc_get_root(doc);
        if (objects[i].definition)
            schema = member(member(schema, "$defs"), objects[i].definition);
        check_properties(objects[i].definition ? objects[i].definition : objects[i].file, schema,
                         objects[i].fields, objects[i].is_report);
        yyjson_doc_free(doc);
    }
}

// --- the structs ---

static size_t size_of(const struct pt_field *field)
{
    switch (field->kind) {
    case PT_FIELD_TEXT:
    case PT_FIELD_HOST:
        return sizeof(char *);
    case PT_FIELD_INTEGER:
    case PT_FIELD_TIME:
        return sizeof(int64_t);
    case PT_FIELD_COUNT:
        return sizeof(size_t);
    case PT_FIELD_NUMBER:
    case PT_FIELD_SPEED:
        return sizeof(double);
    case PT_FIELD_BOOL:
        return sizeof(bool);
    case PT_FIELD_WORD:
        return sizeof(unsigned);
    case PT_FIELD_LIST:
        return sizeof(void *) + sizeof(size_t); // its count stands behind it
    case PT_FIELD_OBJECT:
        return 0;
    }
    return 0;
}

// Every member of the struct has a row: between those that have one there is room for padding only.
static void check_coverage(const char *name, const struct pt_fields *fields, size_t size)
{
    char covered[512] = {0};
    assert_true(size <= sizeof(covered));
    for (size_t i = 0; i < fields->count; i++)
        memset(covered + fields->rows[i].offset, 1, size_of(&fields->rows[i]));
    size_t gap = 0;
    for (size_t i = 0; i < size; i++) {
        gap = covered[i] ? 0 : gap + 1;
        bool may_be_padding = i + 1 == size || (i + 1) % sizeof(void *) == 0 ? gap < 8 : true;
        if (!may_be_padding)
            fail_msg("%s: the member at byte %zu has no row", name, i + 1 - gap);
    }
}

static void every_member_has_a_row(void **state)
{
    (void)state;
    check_coverage("pt_pull", &pt_pull_fields, sizeof(struct pt_pull));
    check_coverage("pt_layer", &pt_layer_fields, sizeof(struct pt_layer));
    check_coverage("pt_waiting_container", &pt_waiting_fields, sizeof(struct pt_waiting_container));
    check_coverage("pt_layer_status", &pt_layer_status_fields, sizeof(struct pt_layer_status));
}

// What copies, compares or frees texts looks no further.
static void check_texts_end(const char *name, const struct pt_fields *fields)
{
    size_t end = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const struct pt_field *field = &fields->rows[i];
        end = field->kind == PT_FIELD_TEXT ? i + 1 : end;
        if (field->kind == PT_FIELD_OBJECT)
            check_texts_end(field->name, field->fields);
    }
    check_int(name, (int64_t)fields->texts_end, (int64_t)end);
}

static void texts_end_behind_the_last_text(void **state)
{
    (void)state;
    check_texts_end("waiting", &pt_waiting_fields);
    for (size_t i = 0; i < COUNT_OF(objects); i++)
        check_texts_end(objects[i].definition ? objects[i].definition : objects[i].file,
                        objects[i].fields);
}

static void check_same(const char *name, const struct pt_fields *fields, const void *a,
                       const void *b)
{
    check_int(name, pt_fields_have_same_texts(fields, a, b), true);
    check_int(name, pt_fields_have_same_values(fields, a, b), true);
}

// A field that is written and not read, or read into another's place, shows here.
static void a_report_keeps_every_field(void **state)
{
    (void)state;
    static char texts[3][64][24];
    struct pt_layer layer = {0};
    struct pt_pull pull = {0};
    struct pt_report report = {0}, again;
    struct pt_buffer text;
    fill_fields(&pt_layer_fields, &layer, texts[0]);
    fill_fields(&pt_pull_fields, &pull, texts[1]);
    fill_fields(&pt_report_fields, &report, texts[2]);
    report.node_name = "node";
    report.run = "0ab1";
    report.runtime_name = "runtime";
    report.runtime_version = "1.2";
    pull.layers = &layer;
    report.pulls = &pull;
    report.pull_count = pull.layer_count = 1;
    pt_buffer_init(&text, PT_LIMIT_REPORT_BYTES);
    assert_int_equal(pt_report_encode(&report, &text), 0);
    assert_int_equal(pt_report_decode(text.data, text.length, &again, NULL), 0);
    check_same("report", &pt_report_fields, &report, &again);
    check_text("report", again.runtime_name, "runtime");
    check_text("report", again.runtime_version, "1.2");
    check_same("pull", &pt_pull_fields, &pull, &again.pulls[0]);
    check_same("layer", &pt_layer_fields, &layer, &again.pulls[0].layers[0]);
    pt_report_finish(&again);
    pt_buffer_finish(&text);
}

static void an_event_keeps_every_field(void **state)
{
    (void)state;
    static char texts[3][64][24];
    static const struct pt_pull empty;
    struct pt_layer layer = {0};
    struct pt_waiting_container waiting = {0};
    struct pt_layer_rate rate = {77};
    struct pt_pull_status status = pt_pull_status_make(&empty);
    struct read_event again;
    struct pt_buffer text;
    fill_fields(&pt_pull_status_fields, &status, texts[0]);
    fill_fields(&pt_layer_fields, &layer, texts[1]);
    fill_fields(&pt_waiting_fields, &waiting, texts[2]);
    status.pull.layers = &layer;
    status.pull.layer_count = 1;
    status.layer_rates = &rate;
    status.waiting = &waiting;
    status.waiting_count = 1;
    pt_buffer_init(&text, PT_LIMIT_REPORT_BYTES);
    assert_int_equal(pt_pull_event_encode(PT_EVENT_PULL_FAILED, 5000000000, &status, true, &text),
                     0);
    assert_int_equal(event_decode(text.data, text.length, &again, NULL), 0);
    check_int("type", again.type, PT_EVENT_PULL_FAILED);
    check_int("timestamp", again.head.timestamp, 5000000000);
    check_text("nodeName", again.head.node_name, status.node_name);
    check_same("pull", &pt_pull_status_fields, &status, &again.pull);
    check_same("layer", &pt_layer_fields, &layer, &again.pull.pull.layers[0]);
    check_real("speed", again.pull.layer_rates[0].bytes_per_second, 77);
    check_int("pods", (int64_t)again.pull.waiting_count, 1);
    check_same("pod", &pt_waiting_fields, &waiting, &again.pull.waiting[0]);
    event_finish(&again);
    pt_buffer_finish(&text);
}

static void a_layer_event_keeps_every_field(void **state)
{
    (void)state;
    static char texts[64][24];
    struct pt_layer layer = {0};
    struct pt_layer_rate rate = {77};
    struct pt_pull pull = {.layers = &layer, .layer_count = 1};
    fill_fields(&pt_layer_fields, &layer, texts);
    struct pt_pull_status status = pt_pull_status_make(&pull);
    struct read_event again;
    struct pt_buffer text;
    status.id = "p1";
    status.node_name = "node";
    status.layer_rates = &rate;
    pt_buffer_init(&text, PT_LIMIT_REPORT_BYTES);
    assert_int_equal(pt_layer_event_encode(PT_EVENT_LAYER_STARTED, 1, &status, 0, &text), 0);
    assert_int_equal(event_decode(text.data, text.length, &again, NULL), 0);
    check_same("layer", &pt_layer_fields, &layer, &again.layer.layer);
    check_text("pull", again.layer.pull_id, "p1");
    check_real("speed", again.layer.bytes_per_second, 77);
    check_real("percent", again.layer.percent, 100);
    event_finish(&again);
    pt_buffer_finish(&text);
}

// --- what is written is taken ---

// Whatever a registry or containerd says: longer than a reader takes, larger, full of what has to
// be escaped, or cut in the middle of a character.
static void what_is_written_keeps_to_the_limits_of_the_reader(void **state)
{
    (void)state;
    static const char *const pieces[] = {"x", "\"", "\x01", "\xff", "\xe2\x82\xac"};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        char words[3 * PT_LIMIT_ERROR_BYTES + 1] = "";
        while (strlen(words) + strlen(pieces[i]) < sizeof(words))
            strcat(words, pieces[i]);
        struct pt_layer layer = {
            .digest = words, .media_type = words, .total_bytes = INT64_MAX, .downloaded_bytes = -7};
        struct pt_pull pull = {.id = words,
                               .image_ref = words,
                               .error = words,
                               .phase = PT_PULL_QUEUED,
                               .layers = &layer,
                               .layer_count = 1};
        struct pt_report report = {
            .node_name = "n", .timestamp = 1000000000, .pulls = &pull, .pull_count = 1};
        struct pt_report again;
        struct pt_error err = {0};
        struct pt_buffer text;
        pt_buffer_init(&text, PT_LIMIT_REPORT_BYTES);
        assert_int_equal(pt_report_encode(&report, &text), 0);
        if (pt_report_decode(text.data, text.length, &again, &err) < 0)
            fail_msg("%s: %s", pieces[i], err.message);
        assert_int_equal(again.pulls[0].layers[0].total_bytes, PT_LIMIT_SIZE_BYTES);
        assert_in_range(strlen(again.pulls[0].error), PT_LIMIT_ERROR_BYTES - 2,
                        PT_LIMIT_ERROR_BYTES);
        pt_report_finish(&again);
        pt_buffer_finish(&text);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_schemas_say_the_same),
        cmocka_unit_test(every_member_has_a_row),
        cmocka_unit_test(texts_end_behind_the_last_text),
        cmocka_unit_test(a_report_keeps_every_field),
        cmocka_unit_test(an_event_keeps_every_field),
        cmocka_unit_test(a_layer_event_keeps_every_field),
        cmocka_unit_test(what_is_written_keeps_to_the_limits_of_the_reader),
    };
    schemas = argc == 2 ? argv[1] : "docs/schemas";
    return cmocka_run_group_tests_name("pull_fields", tests, NULL, NULL);
}
