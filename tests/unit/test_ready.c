// SPDX-License-Identifier: Apache-2.0
#include "server/eta/ready.h"

#include "base/limits.h"

#include "check.h"

#include <stdio.h>

#define RUNS(bytes, speed, extract)                                                                \
    {                                                                                              \
        bytes, speed, extract, true                                                                \
    }
#define WAITS(bytes, speed, extract)                                                               \
    {                                                                                              \
        bytes, speed, extract, false                                                               \
    }

// Those that wait begin from the lowest up, unless a queue says otherwise.
static struct pt_ready_time play(const struct pt_ready_layer *layers, size_t count,
                                 struct pt_ready_means means)
{
    static size_t queue[PT_LIMIT_LAYERS_PER_PULL];
    for (size_t i = 0; !means.queue && i < count; i++) {
        if (!layers[i].is_downloading)
            queue[means.queue_length++] = i;
    }
    if (!means.queue)
        means.queue = queue;
    return pt_ready_play(layers, count, &means);
}

static void what_is_left_is_played(void **state)
{
    (void)state;
    static const size_t last_first[] = {2, 0, 1};
    static const struct {
        const char *name;
        struct pt_ready_layer layers[4]; // bytes, bytes per second, seconds to extract
        size_t count;
        struct pt_ready_means means;
        double downloaded, extracted;
    } rows[] = {
        {"nothing is left", {WAITS(0, 1, 0)}, 0, {.slots = 3}, 0, 0},
        {"one layer", {RUNS(10, 2, 3)}, 1, {.slots = 3}, 5, 8},
        {"all bytes are there", {WAITS(0, 2, 3), WAITS(0, 2, 4)}, 2, {.slots = 3}, 0, 7},
        {"side by side, each at its own speed",
         {RUNS(10, 2, 1), RUNS(10, 1, 1)},
         2,
         {.slots = 3},
         10,
         11},
        {"one after the other",
         {WAITS(10, 1, 1), WAITS(10, 1, 1), WAITS(10, 1, 1)},
         3,
         {.slots = 1},
         30,
         31},
        {"the third waits for a place",
         {WAITS(4, 1, 1), WAITS(10, 1, 1), WAITS(10, 1, 1)},
         3,
         {.slots = 2},
         14,
         15},
        {"the last begins first",
         {WAITS(4, 1, 1), WAITS(10, 1, 1), WAITS(10, 1, 1)},
         3,
         {.slots = 1, .queue = last_first, .queue_length = 3},
         24,
         26},
        {"more run than there are places",
         {RUNS(4, 1, 0), RUNS(4, 1, 0), WAITS(4, 1, 0)},
         3,
         {.slots = 1},
         8,
         8},
        {"those above wait for the lowest",
         {WAITS(20, 1, 5), WAITS(1, 1, 5), WAITS(1, 1, 5)},
         3,
         {.slots = 3},
         20,
         35},
        {"extraction goes on beside the download",
         {WAITS(1, 1, 5), WAITS(20, 1, 5)},
         2,
         {.slots = 3},
         20,
         25},
        {"extraction is what takes long",
         {WAITS(1, 1, 30), WAITS(20, 1, 5)},
         2,
         {.slots = 3},
         20,
         36},
        {"in parallel",
         {WAITS(20, 1, 5), WAITS(1, 1, 30)},
         2,
         {.slots = 3, .extracts_in_parallel = true},
         20,
         31},
        {"a narrow way is shared, and the last has it alone",
         {RUNS(10, 10, 0), RUNS(20, 10, 0)},
         2,
         {.slots = 3, .bytes_per_second = 10},
         3,
         3},
        {"the last cannot fill it alone",
         {RUNS(10, 5, 0), RUNS(30, 5, 0)},
         2,
         {.slots = 3, .bytes_per_second = 8},
         6.5,
         6.5},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pt_ready_time time = play(rows[i].layers, rows[i].count, rows[i].means);
        char row[96];
        snprintf(row, sizeof(row), "%s: downloaded", rows[i].name);
        check_real(row, time.downloaded_s, rows[i].downloaded);
        snprintf(row, sizeof(row), "%s: extracted", rows[i].name);
        check_real(row, time.extracted_s, rows[i].extracted);
    }
}

static void as_many_layers_as_there_may_be(void **state)
{
    (void)state;
    static struct pt_ready_layer layers[PT_LIMIT_LAYERS_PER_PULL];
    for (size_t i = 0; i < COUNT_OF(layers); i++)
        layers[i] =
            (struct pt_ready_layer){.bytes = 8, .bytes_per_second = 2, .extract_seconds = 1};
    static const struct {
        const char *name;
        size_t slots;
        double downloaded;
    } rows[] = {{"one at once", 1, 2048}, {"four", 4, 512}, {"all", PT_LIMIT_LAYERS_PER_PULL, 4}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct pt_ready_means means = {.slots = rows[i].slots};
        struct pt_ready_time time = play(layers, COUNT_OF(layers), means);
        check_real(rows[i].name, time.downloaded_s, rows[i].downloaded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_played),
        cmocka_unit_test(as_many_layers_as_there_may_be),
    };
    return cmocka_run_group_tests_name("ready", tests, NULL, NULL);
}
