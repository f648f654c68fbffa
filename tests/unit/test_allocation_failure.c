// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/secret_file.h"
#include "pull/event.h"
#include "pull/report.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

// Each function runs again and again, with its first allocation failing, then its second, and so
// on, until it gets through. It must fail with -ENOMEM each time before, and leak nothing (the
// sanitizer tells). The linker turns the calls of our own libraries to these.
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

static int allocations_left = -1; // -1: none fails

static bool fails(void)
{
    if (allocations_left < 0)
        return false;
    if (allocations_left == 0)
        return true;
    allocations_left--;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

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

static void every_failure_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int (*run)(void);
    } cases[] = {
        {"decode a report", decode},       {"encode a report", encode_report},
        {"encode an event", encode_event}, {"fill a map", fill_map},
        {"read a secret", read_secret},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int r = -ENOMEM;
        int step = 0;
        for (; r < 0 && step < 1000; step++) {
            allocations_left = step;
            r = cases[i].run();
            bool was_used_up = allocations_left == 0;
            allocations_left = -1;
            if (r < 0 || step == 0)
                check_int(cases[i].name, r, -ENOMEM);
            assert_true(r == 0 || was_used_up);
        }
        check_int(cases[i].name, r, 0);
        assert_true(step > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_is_told),
    };
    return cmocka_run_group_tests_name("allocation_failure", tests, NULL, NULL);
}
