// SPDX-License-Identifier: Apache-2.0
#include "server/eta/taken.h"

#include "base/clock.h"

#include "check.h"

#define NOW (INT64_C(1790000000) * PT_NS_PER_S)
#define AGO(seconds) (NOW - (seconds)*PT_NS_PER_S)

static const struct pt_layer done = {.total_bytes = 100,
                                     .downloaded_bytes = 100,
                                     .phase = PT_LAYER_DONE,
                                     .total_known = true,
                                     .started_at = AGO(20),
                                     .completed_at = AGO(10)};

// Only while a layer was being extracted: not while all waited for bytes, and once where several
// were beside each other.
static void extraction_lasts_while_there_is_one(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct {
            int64_t from, to; // seconds ago
        } spans[3];
        double seconds;
    } cases[] = {
        {"one after the other", {{30, 20}, {20, 15}, {15, 10}}, 20},
        {"with pauses between", {{30, 29}, {20, 19}, {11, 10}}, 3},
        {"beside each other", {{30, 12}, {29, 11}, {28, 10}}, 20},
        {"beside each other, the upper ones first", {{20, 12}, {30, 25}, {28, 10}}, 20},
        {"one within another", {{30, 10}, {25, 20}, {9, 8}}, 21},
        {"in no time at all", {{30, 30}, {20, 20}, {10, 10}}, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_layer layers[3] = {done, done, done};
        for (size_t k = 0; k < 3; k++) {
            layers[k].extract_started_at = AGO(cases[i].spans[k].from);
            layers[k].extract_completed_at = AGO(cases[i].spans[k].to);
        }
        struct pt_pull pull = {
            .phase = PT_PULL_COMPLETED, .total_known = true, .layers = layers, .layer_count = 3};
        struct pt_pull_status status = pt_pull_status_make(&pull);
        pt_pull_set_taken(&pull, NOW, &status);
        check_real(cases[i].name, status.extract_seconds, cases[i].seconds);
    }
}

// From the first byte asked for to the last that came, or to now.
static void the_download_lasts_from_the_first_layer_to_the_last(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct pt_layer layers[2];
        double seconds;
    } cases[] = {
        {"none has begun", {{.phase = PT_LAYER_QUEUED}, {.phase = PT_LAYER_QUEUED}}, -1},
        {"the node had it", {{.cached = true, .phase = PT_LAYER_EXISTS, .started_at = AGO(9)}}, -1},
        {"one waits",
         {{.phase = PT_LAYER_DOWNLOADING, .started_at = AGO(7)}, {.phase = PT_LAYER_QUEUED}},
         7},
        {"both have come",
         {{.phase = PT_LAYER_DONE, .started_at = AGO(30), .completed_at = AGO(20)},
          {.phase = PT_LAYER_DOWNLOADED, .started_at = AGO(25), .completed_at = AGO(12)}},
         18},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_layer layers[2] = {cases[i].layers[0], cases[i].layers[1]};
        const struct pt_pull pull = {
            .phase = PT_PULL_DOWNLOADING, .layers = layers, .layer_count = 2};
        struct pt_pull_status status = pt_pull_status_make(&pull);
        pt_pull_set_taken(&pull, NOW, &status);
        check_real(cases[i].name, status.download_seconds, cases[i].seconds);
    }
}

static void the_speed_of_extraction_is_that_of_whole_layers(void **state)
{
    (void)state;
    struct pt_layer layers[3] = {done, done, done};
    const struct pt_pull pull = {.layers = layers, .layer_count = 3};
    check_real("none was extracted", pt_pull_extract_speed(&pull), 0);
    layers[0].extract_started_at = AGO(10);
    layers[0].extract_completed_at = AGO(6);
    check_real("one", pt_pull_extract_speed(&pull), 25);
    layers[1].extract_started_at = AGO(6);
    layers[1].extract_completed_at = AGO(5);
    check_real("two", pt_pull_extract_speed(&pull), 40);
    layers[2].phase = PT_LAYER_EXTRACTING;
    layers[2].extract_started_at = AGO(5);
    check_real("one goes on", pt_pull_extract_speed(&pull), 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extraction_lasts_while_there_is_one),
        cmocka_unit_test(the_download_lasts_from_the_first_layer_to_the_last),
        cmocka_unit_test(the_speed_of_extraction_is_that_of_whole_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
