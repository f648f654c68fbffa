// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/secret_file.h"
#include "event_reader.h"
#include "pull/join.h"
#include "pull/legacy_report.h"
#include "pull/report.h"

#include "scarce_memory.h"

static const char json[] = "{\"nodeName\":\"n\",\"timestamp\":\"2026-11-21T03:04:05Z\",\"pulls\":[{"
                           "\"imageRef\":\"a\",\"layers\":[{\"digest\":\"d\"}]}]}";

static int decode(void)
{
    struct pt_report report;
    int r = pt_report_decode(json, strlen(json), &report, NULL);
    if (r == 0)
        pt_report_finish(&report);
    return r;
}

static struct pt_layer layer = {.digest = "d", .total_bytes = 7};
static struct pt_pull pull = {.image_ref = "bad \xff text", .layers = &layer, .layer_count = 1};

// Both encoders must give the whole text or fail.
static int encode_with(bool as_report)
{
    struct pt_report report = {.node_name = "n", .timestamp = 1, .pulls = &pull, .pull_count = 1};
    struct pt_pull_status status = pt_pull_status_make(&pull);
    struct pt_buffer text;
    pt_buffer_init(&text, PT_LIMIT_REPORT_BYTES);
    int r = as_report ? pt_report_encode(&report, &text)
                      : pt_pull_event_encode(PT_EVENT_PULL_PROGRESS, 1, &status, true, &text);
    if (r == 0)
        assert_non_null(strstr(text.data, "bad ? text"));
    pt_buffer_finish(&text);
    return r;
}

static int encode_report(void)
{
    return encode_with(true);
}

static int encode_event(void)
{
    return encode_with(false);
}

static int fill_map(void)
{
    static char keys[100][8];
    struct pt_map map;
    pt_map_init(&map);
    int r = 0;
    for (int i = 0; r == 0 && i < 100; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        r = pt_map_put(&map, keys[i], keys[i]);
        assert_int_equal(map.count, r == 0 ? i + 1 : i);
    }
    pt_map_finish(&map);
    return r;
}

static int read_secret(void)
{
    struct pt_secret *secret;
    int r = pt_secret_create(NULL, "/proc/self/comm", &secret, NULL);
    if (r == 0)
        pt_secret_destroy(secret);
    return r;
}

static int decode_event(void)
{
    static const char text[] =
        "{\"schemaVersion\":\"v1\",\"timestamp\":\"2026-11-21T03:04:05Z\","
        "\"type\":\"pull.progress\","
        "\"nodeName\":\"n\",\"pull\":{\"id\":\"a\",\"nodeName\":\"n\",\"imageRef\":\"a\","
        "\"pods\":[{\"namespace\":\"n\",\"podName\":\"p\",\"container\":\"c\"}],"
        "\"layers\":[{\"pullId\":\"a\",\"digest\":\"d\"}]}}";
    struct read_event event;
    struct pt_error err;
    int r = event_decode(text, strlen(text), &event, &err);
    if (r == 0)
        event_finish(&event);
    return r;
}

static int merge_legacy(void)
{
    struct pt_layer nameless = {.digest = "sha256:d"};
    struct pt_pull reported = {
        .image_ref = "layer-sha256:d", .layers = &nameless, .layer_count = 1};
    const struct pt_report report = {.node_name = "n", .pulls = &reported, .pull_count = 1};
    struct pt_pull merged;
    int r = pt_legacy_merge(&report, &merged);
    if (r == 0)
        free(merged.layers);
    return r;
}

static int copy_join(void)
{
    const struct pt_waiting_container waiting = {"ns", "pod", "c", "a:1"};
    const struct pt_join join = {.image_ref = "a:1", .waiting = &waiting, .waiting_count = 1};
    struct pt_join *copy = pt_join_copy(&join);
    free(copy);
    return copy ? 0 : -ENOMEM;
}

static void every_failure_is_an_error(void **state)
{
    (void)state;
    static const struct scarce_row rows[] = {
        SCARCE_ROW(decode, false),       SCARCE_ROW(encode_report, false),
        SCARCE_ROW(encode_event, false), SCARCE_ROW(decode_event, false),
        SCARCE_ROW(fill_map, false),     SCARCE_ROW(read_secret, false),
        SCARCE_ROW(merge_legacy, false), SCARCE_ROW(copy_join, false),
    };
    scarce_sweep(rows, COUNT_OF(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_is_an_error),
    };
    return cmocka_run_group_tests_name("allocation_failure", tests, NULL, NULL);
}
