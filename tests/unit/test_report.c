// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "pull/report.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD "\"nodeName\":\"node-1\",\"timestamp\":\"2026-11-21T03:04:05.678Z\""

static const char full[] =
    "{" HEAD ",\"agentVersion\":\"1.2.3\",\"run\":\"0ab1\",\"sequence\":7,\"runtime\":{\"name\":"
    "\"containerd\",\"version\":"
    "\"1.6.20\"},\"intervalMs\":1000,\"pulls\":[{\"id\":\"abc\",\"imageRef\":\"ghcr.io/acme/"
    "app:1\","
    "\"repository\":\"ghcr.io/acme/app\",\"rootDigest\":\"sha256:aa\",\"manifestDigest\":"
    "\"sha256:bb\",\"namespace\":\"k8s.io\",\"phase\":\"failed\",\"error\":\"it "
    "broke\",\"errorClass\":\"not_unpacked\",\"kind\":\"pull\",\"bytesFetched\":47,"
    "\"startedAt\":\"2026-11-21T03:04:00.000Z\",\"completedAt\":\"2026-11-21T03:04:05.000Z\","
    "\"totalKnown\":true,\"imageRefExact\":true,\"layers\":[{\"digest\":\"sha256:cc\","
    "\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"totalBytes\":100,"
    "\"downloadedBytes\":40,\"totalKnown\":true,\"phase\":\"downloading\",\"startedAt\":"
    "\"2026-11-21T03:04:01.000Z\"},{\"digest\":\"sha256:dd\",\"totalBytes\":7,"
    "\"downloadedBytes\":7,\"totalKnown\":true,\"phase\":\"exists\",\"cached\":true}]}]}";

static int decode(const char *json, struct pt_report *report, struct pt_error *err)
{
    *err = (struct pt_error){0};
    // A copy of the exact size, so that a sanitizer sees a read behind its end.
    size_t length = strlen(json);
    char *copy = malloc(length + (length == 0));
    memcpy(copy, json, length);
    int r = pt_report_decode(copy, length, report, err);
    free(copy);
    return r;
}

static void decodes_every_field(void **state)
{
    (void)state;
    struct pt_report report;
    struct pt_error err;
    assert_int_equal(decode(full, &report, &err), 0);
    assert_string_equal(report.node_name, "node-1");
    assert_int_equal(report.timestamp, INT64_C(1795230245678000000));
    assert_string_equal(report.agent_version, "1.2.3");
    assert_string_equal(report.run, "0ab1");
    assert_int_equal(report.sequence, 7);
    assert_string_equal(report.runtime_name, "containerd");
    assert_string_equal(report.runtime_version, "1.6.20");
    assert_int_equal(report.interval_ms, 1000);
    assert_int_equal(report.pull_count, 1);
    const struct pt_pull *pull = &report.pulls[0];
    assert_string_equal(pull->id, "abc");
    assert_string_equal(pull->image_ref, "ghcr.io/acme/app:1");
    assert_string_equal(pull->repository, "ghcr.io/acme/app");
    assert_string_equal(pull->root_digest, "sha256:aa");
    assert_string_equal(pull->manifest_digest, "sha256:bb");
    assert_string_equal(pull->containerd_namespace, "k8s.io");
    assert_int_equal(pull->phase, PT_PULL_FAILED);
    assert_string_equal(pull->error, "it broke");
    assert_int_equal(pull->error_class, PT_FAILURE_NOT_UNPACKED);
    assert_int_equal(pull->completed_at - pull->started_at, INT64_C(5000000000));
    assert_true(pull->total_known);
    assert_true(pull->image_ref_exact);
    assert_int_equal(pull->kind, PT_KIND_PULL);
    assert_int_equal(pull->bytes_fetched, 47);
    assert_int_equal(pull->layer_count, 2);
    assert_string_equal(pull->layers[0].digest, "sha256:cc");
    assert_int_equal(pull->layers[0].downloaded_bytes, 40);
    assert_int_equal(pull->layers[0].phase, PT_LAYER_DOWNLOADING);
    assert_int_equal(pull->layers[0].completed_at, 0);
    assert_true(pull->layers[1].cached);
    assert_null(pull->layers[1].media_type);
    pt_report_finish(&report);
}

static void encoding_what_was_decoded_changes_nothing(void **state)
{
    (void)state;
    struct pt_report report;
    struct pt_error err;
    struct pt_buffer text;
    pt_buffer_init(&text, PT_LIMIT_REPORT_BYTES);
    assert_int_equal(decode(full, &report, &err), 0);
    assert_int_equal(pt_report_encode(&report, &text), 0);
    assert_string_equal(text.data, full);
    pt_report_finish(&report);
    pt_buffer_finish(&text);
}

// An agent of the v1 format sends the contract's bold fields only.
static void accepts_the_plain_v1_format(void **state)
{
    (void)state;
    static const char *const accepted[] = {
        "{" HEAD ",\"pulls\":[]}",
        "{" HEAD "}",
        "{" HEAD ",\"pulls\":null}",
        "{" HEAD ",\"pulls\":[{\"imageRef\":\"layer-sha256:ab\",\"startedAt\":"
        "\"2026-11-21T03:04:00Z\",\"totalKnown\":false,\"layers\":[{\"digest\":\"sha256:ab\","
        "\"totalBytes\":0,\"downloadedBytes\":12,\"totalKnown\":false}]}]}",
        "{" HEAD ",\"pulls\":[{\"imageRef\":\"a\",\"startedAt\":\"0001-01-01T00:00:00Z\","
        "\"totalKnown\":false,\"layers\":null}]}",
        "{" HEAD ",\"unknown\":{\"deep\":[[[[]]]]},\"pulls\":[]}",
    };
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        struct pt_report report;
        struct pt_error err;
        int r = decode(accepted[i], &report, &err);
        if (r < 0)
            fail_msg("%s: %s", accepted[i], err.message);
        if (report.pull_count)
            assert_int_equal(report.pulls[0].phase, PT_PULL_UNKNOWN);
        pt_report_finish(&report);
    }
}

// Only the server knows what is stale; a class of a later version is read from the words.
static void a_class_that_no_agent_has_is_passed_over(void **state)
{
    (void)state;
    static const char *const classes[] = {"stale", "of a later version", ""};
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        char json[200];
        struct pt_report report;
        struct pt_error err;
        snprintf(json, sizeof(json),
                 "{\"nodeName\":\"n\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"pulls\":["
                 "{\"imageRef\":\"a\",\"errorClass\":\"%s\",\"layers\":[]}]}",
                 classes[i]);
        check_int(classes[i], decode(json, &report, &err), 0);
        check_int(classes[i], report.pulls[0].error_class, PT_FAILURE_NONE);
        pt_report_finish(&report);
    }
}

static void refuses_with_words(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *message;
    } cases[] = {
        {"", "the report is empty"},
        {"[]", "the report must be a JSON object"},
        {"{\"timestamp\":\"2026-11-21T03:04:05Z\",\"pulls\":[]}", "nodeName: missing"},
        {"{\"nodeName\":\"\",\"timestamp\":\"2026-11-21T03:04:05Z\"}", "nodeName: missing"},
        {"{\"nodeName\":7}", "nodeName: must be a string"},
        {"{\"nodeName\":\"a b\",\"timestamp\":\"2026-11-21T03:04:05Z\"}",
         "nodeName: must be letters, digits, '-', '.' and '_', the first one a letter or digit"},
        {"{\"nodeName\":\"a\"}", "timestamp: missing"},
        {"{\"nodeName\":\"a\",\"timestamp\":\"yesterday\"}", "timestamp: must be an RFC 3339 time"},
        {"{" HEAD ",\"pulls\":{}}", "pulls: must be an array"},
        {"{" HEAD ",\"run\":\"0aB\"}", "run: must be hexadecimal digits in lower case"},
        {"{" HEAD ",\"run\":7}", "run: must be a string"},
        {"{" HEAD ",\"sequence\":\"1\"}", "sequence: must be a whole number, 0 or more"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_report report;
        struct pt_error err;
        check_int(cases[i].json, decode(cases[i].json, &report, &err), -EINVAL);
        check_text(cases[i].json, err.message, cases[i].message);
    }
}

static void refuses_text_that_is_no_utf8(void **state)
{
    (void)state;
    struct pt_report report;
    struct pt_error err;
    assert_int_equal(decode("{" HEAD ",\"pulls\":[{\"imageRef\":\"a\xff\"}]}", &report, &err),
                     -EINVAL);
    assert_non_null(strstr(err.message, "invalid JSON"));
}

// Fills text with `count` copies of a piece between a head and a tail.
static char *repeat(const char *head, const char *piece, int count, const char *tail)
{
    struct pt_buffer text;
    pt_buffer_init(&text, 4 * PT_LIMIT_REPORT_BYTES);
    pt_buffer_append_text(&text, head);
    for (int i = 0; i < count; i++)
        pt_buffer_append_text(&text, piece);
    assert_int_equal(pt_buffer_append_text(&text, tail), 0);
    return text.data;
}

// Pulls as hostile images make an agent report them: each is left out with words, the good ones
// beside it are taken, and nothing of it is found in them.
static void a_bad_pull_stops_no_other(void **state)
{
    (void)state;
    static const struct {
        const char *head, *piece;
        int count;
        const char *tail;
        const char *message;
        bool is_too_large;
    } cases[] = {
        {"7", "", 0, "", "must be an object", false},
        {"{\"layers\":[]}", "", 0, "", "imageRef: missing", false},
        {"{\"imageRef\":\"a\",\"layers\":7}", "", 0, "", "layers: must be an array", false},
        {"{\"imageRef\":\"a\",\"layers\":[{}]}", "", 0, "", "layers[0]: digest: missing", false},
        {"{\"imageRef\":\"a\",\"layers\":[7]}", "", 0, "", "layers[0]: must be an object", false},
        {"{\"imageRef\":\"a\",\"layers\":[{\"digest\":\"d\",\"totalBytes\":", "-1", 1, "}]}",
         "layers[0]: totalBytes: must be a whole number, 0 or more", false},
        {"{\"imageRef\":\"a\",\"layers\":[{\"digest\":\"d\",\"totalBytes\":", "1.5", 1, "}]}",
         "layers[0]: totalBytes: must be a whole number, 0 or more", false},
        {"{\"imageRef\":\"a\",\"layers\":[{\"digest\":\"d\",\"totalBytes\":",
         "-9223372036854775808", 1, "}]}",
         "layers[0]: totalBytes: must be a whole number, 0 or more", false},
        {"{\"imageRef\":\"a\",\"layers\":[{\"digest\":\"d\",\"downloadedBytes\":7,\"totalBytes\":",
         "9223372036854775807", 1, "}]}", "layers[0]: totalBytes: larger than 17592186044416",
         true},
        {"{\"imageRef\":\"a\",\"layers\":[{\"digest\":\"d\",\"totalBytes\":", "17592186044417", 1,
         "}]}", "layers[0]: totalBytes: larger than 17592186044416", true},
        {"{\"imageRef\":\"a\",\"layers\":[{\"digest\":\"d\",\"totalBytes\":", "4611686018427387904",
         1, "}]}", "layers[0]: totalBytes: larger than 17592186044416", true},
        {"{\"imageRef\":\"a\",\"totalKnown\":\"yes\"}", "", 0, "",
         "totalKnown: must be true or false", false},
        {"{\"imageRef\":\"a\\u0000b\"}", "", 0, "", "imageRef: holds a NUL character", false},
        {"{\"imageRef\":\"a\",\"layers\":[{}", ",{}", PT_LIMIT_LAYERS_PER_PULL, "]}",
         "layers: more than 512", true},
        {"{\"imageRef\":\"", "n", 1025, "\"}", "imageRef: longer than 1024 bytes", true},
    };
    static const char good[] = "{\"imageRef\":\"good\",\"layers\":[{\"digest\":\"d\"}]}";
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *bad = repeat(cases[i].head, cases[i].piece, cases[i].count, cases[i].tail);
        struct pt_report report;
        struct pt_error err;
        struct pt_buffer json;
        char message[256];
        pt_buffer_init(&json, PT_LIMIT_REPORT_BYTES);
        pt_buffer_printf(&json, "{" HEAD ",\"pulls\":[%s,%s,%s,%s]}", good, bad, bad, good);
        snprintf(message, sizeof(message), "pulls[1]: %s", cases[i].message);
        check_int(message, decode(json.data, &report, &err), 0);
        check_text(message, report.left_out.why.message, message);
        check_int(message, (int64_t)report.left_out.too_large, cases[i].is_too_large ? 2 : 0);
        check_int(message, (int64_t)report.left_out.invalid, cases[i].is_too_large ? 0 : 2);
        check_int(message, (int64_t)report.pull_count, 2);
        for (size_t k = 0; k < 2; k++) {
            check_text(message, report.pulls[k].image_ref, "good");
            check_int(message, report.pulls[k].layers[0].total_bytes, 0);
            check_int(message, report.pulls[k].layers[0].downloaded_bytes, 0);
        }
        pt_report_finish(&report);
        pt_buffer_finish(&json);
        free(bad);
    }
}

static void refuses_what_passes_a_limit(void **state)
{
    (void)state;
    static const struct {
        const char *head, *piece;
        int count;
        const char *tail;
        const char *message;
    } cases[] = {
        {"{" HEAD ",\"x\":", "[", 16, "]]]]]]]]]]]]]]]]}", "nested deeper than 16 levels"},
        {"{" HEAD ",\"x\":[", "[", 100000, "", "nested deeper than 16 levels"},
        {"{" HEAD ",\"x\":[0", ",0", PT_LIMIT_REPORT_VALUES, "]}", "more than 131072 values"},
        {"{" HEAD ",\"pulls\":[{}", ",{}", PT_LIMIT_PULLS_PER_REPORT, "]}",
         "pulls: more than 2000"},
        {"{\"nodeName\":\"", "n", 254, "\"}", "nodeName: longer than 253 bytes"},
        {"{" HEAD ",\"x\":\"", "n", PT_LIMIT_REPORT_BYTES, "\"}",
         "the report is larger than 1048576 bytes"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *json = repeat(cases[i].head, cases[i].piece, cases[i].count, cases[i].tail);
        struct pt_report report;
        struct pt_error err;
        check_int(cases[i].message, decode(json, &report, &err), -EMSGSIZE);
        check_text("message", err.message, cases[i].message);
        free(json);
    }
}

static void pulls_are_read_in_steps(void **state)
{
    (void)state;
    char *json = repeat("{" HEAD ",\"pulls\":[{}",
                        ",{\"imageRef\":\"a\",\"layers\":[{\"digest\":\"b\"},{\"digest\":\"c\"}]}",
                        10, "]}");
    struct pt_report report;
    struct pt_error err;
    size_t steps = 1;
    assert_int_equal(pt_report_decode_head(json, strlen(json), &report, &err), 0);
    assert_int_equal(report.pull_count, 0);
    assert_string_equal(report.node_name, "node-1");
    for (; pt_report_decode_more(&report, 6); steps++)
        assert_in_range(report.pull_count, 2 * steps - 1, 2 * steps);
    assert_int_equal(steps, 5);
    assert_int_equal(report.pull_count, 10);
    assert_int_equal(report.left_out.invalid, 1);
    assert_string_equal(report.left_out.why.message, "pulls[0]: imageRef: missing");
    for (size_t i = 0; i < report.pull_count; i++) {
        assert_int_equal(report.pulls[i].layer_count, 2);
        assert_string_equal(report.pulls[i].layers[1].digest, "c");
        assert_int_equal(report.pulls[i].layers[1].total_bytes, 0);
    }
    assert_false(pt_report_decode_more(&report, 6));
    pt_report_finish(&report);
    free(json);
}

// An agent that says it will be silent for ever would never be called silent.
static void an_interval_is_an_hour_at_most(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        int64_t taken;
    } cases[] = {{"1000", 1000},
                 {"3600000", 3600000},
                 {"3600001", 3600000},
                 {"2251799813685247", 3600000},
                 {"9223372036854775807", 3600000}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *json = repeat("{" HEAD ",\"intervalMs\":", cases[i].said, 1, "}");
        struct pt_report report;
        struct pt_error err;
        check_int(cases[i].said, decode(json, &report, &err), 0);
        check_int(cases[i].said, report.interval_ms, cases[i].taken);
        pt_report_finish(&report);
        free(json);
    }
}

// Brackets inside text are no nesting.
static void depth_respects_quotes(void **state)
{
    (void)state;
    char *json = repeat("{" HEAD ",\"x\":\"\\\"", "[{", 100, "\",\"pulls\":[]}");
    struct pt_report report;
    struct pt_error err;
    assert_int_equal(decode(json, &report, &err), 0);
    pt_report_finish(&report);
    free(json);
}

static void encoding_keeps_to_the_maximum(void **state)
{
    (void)state;
    struct pt_report report = {.node_name = "n", .timestamp = 1};
    struct pt_buffer text;
    pt_buffer_init(&text, 10);
    assert_int_equal(pt_report_encode(&report, &text), -EMSGSIZE);
    pt_buffer_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_every_field),
        cmocka_unit_test(encoding_what_was_decoded_changes_nothing),
        cmocka_unit_test(accepts_the_plain_v1_format),
        cmocka_unit_test(a_class_that_no_agent_has_is_passed_over),
        cmocka_unit_test(refuses_with_words),
        cmocka_unit_test(refuses_text_that_is_no_utf8),
        cmocka_unit_test(a_bad_pull_stops_no_other),
        cmocka_unit_test(refuses_what_passes_a_limit),
        cmocka_unit_test(pulls_are_read_in_steps),
        cmocka_unit_test(an_interval_is_an_hour_at_most),
        cmocka_unit_test(depth_respects_quotes),
        cmocka_unit_test(encoding_keeps_to_the_maximum),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
