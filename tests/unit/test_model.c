// SPDX-License-Identifier: Apache-2.0
#include "pull/model.h"

#include "check.h"
#include "pull/fields.h"

static void phases_have_the_names_of_the_wire(void **state)
{
    (void)state;
    static const char *const pull_names[] = {NULL,         "queued",    "resolving", "downloading",
                                             "extracting", "completed", "failed",    "cancelled"};
    static const char *const layer_names[] = {
        NULL, "queued", "downloading", "committing", "downloaded", "extracting", "done", "exists"};
    for (size_t i = 0; i < COUNT_OF(pull_names); i++) {
        check_text("pull", pt_pull_phase_name((enum pt_pull_phase)i), pull_names[i]);
        bool is_servers_own = i == PT_PULL_QUEUED || i == PT_PULL_CANCELLED;
        check_int("pull", pt_words_find(&pt_pull_phase_words, pull_names[i]), (int64_t)i);
        check_int("of an agent", pt_words_find(&pt_agent_phase_words, pull_names[i]),
                  is_servers_own ? PT_PULL_UNKNOWN : (int64_t)i);
    }
    for (size_t i = 0; i < COUNT_OF(layer_names); i++) {
        check_text("layer", pt_layer_phase_name((enum pt_layer_phase)i), layer_names[i]);
        check_int("layer", pt_words_find(&pt_layer_phase_words, layer_names[i]), (int64_t)i);
    }
    assert_int_equal(pt_words_find(&pt_agent_phase_words, "sleeping"), PT_PULL_UNKNOWN);
    assert_int_equal(pt_words_find(&pt_layer_phase_words, ""), PT_LAYER_UNKNOWN);
}

// Sizes that no registry should give, but that one may: UBSan would stop at a sum that wraps.
static void totals_stay_at_the_largest_number(void **state)
{
    (void)state;
    struct pt_layer layers[] = {
        {.total_bytes = INT64_MAX / 2 + 1, .downloaded_bytes = INT64_MAX, .cached = true},
        {.total_bytes = INT64_MAX / 2 + 1, .downloaded_bytes = INT64_MAX, .cached = true},
    };
    const struct pt_pull pull = {.layers = layers, .layer_count = COUNT_OF(layers)};
    struct pt_totals totals;
    pt_pull_totals(&pull, &totals);
    assert_int_equal(totals.total_bytes, INT64_MAX);
    assert_int_equal(totals.downloaded_bytes, INT64_MAX);
    assert_int_equal(totals.cached_bytes, INT64_MAX);
}

static void totals_add_up(void **state)
{
    (void)state;
    struct pt_layer layers[] = {
        {.total_bytes = 100,
         .downloaded_bytes = 100,
         .phase = PT_LAYER_EXISTS,
         .cached = true,
         .total_known = true},
        {.total_bytes = 200, .downloaded_bytes = 200, .phase = PT_LAYER_DONE, .total_known = true},
        {.total_bytes = 300,
         .downloaded_bytes = 300,
         .phase = PT_LAYER_EXTRACTING,
         .total_known = true},
        {.total_bytes = 400,
         .downloaded_bytes = 400,
         .phase = PT_LAYER_COMMITTING,
         .total_known = true},
        {.total_bytes = 1000, .downloaded_bytes = 0, .phase = PT_LAYER_QUEUED, .total_known = true},
    };
    struct pt_pull pull = {.layers = layers,
                           .layer_count = COUNT_OF(layers),
                           .total_known = true,
                           .phase = PT_PULL_DOWNLOADING};
    struct pt_totals totals;
    pt_pull_totals(&pull, &totals);
    assert_int_equal(totals.total_bytes, 2000);
    assert_int_equal(totals.downloaded_bytes, 1000);
    assert_int_equal(totals.cached_bytes, 100);
    assert_int_equal(totals.extracted_bytes, 200);
    assert_int_equal(totals.layers_done, 3);
    assert_int_equal(totals.layers_extracted, 2);
    check_real("percent", totals.percent, 50);
}

static void percent_is_honest_at_the_edges(void **state)
{
    (void)state;
    struct pt_layer layer = {.total_bytes = 10, .downloaded_bytes = 30};
    static const struct {
        const char *name;
        enum pt_pull_phase phase;
        bool total_known;
        double percent;
    } cases[] = {
        {"total unknown", PT_PULL_DOWNLOADING, false, 0},
        {"more than the total", PT_PULL_DOWNLOADING, true, 100},
        {"completed with nothing known", PT_PULL_COMPLETED, false, 100},
        {"failed", PT_PULL_FAILED, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_pull pull = {.layers = &layer,
                               .layer_count = 1,
                               .phase = cases[i].phase,
                               .total_known = cases[i].total_known};
        struct pt_totals totals;
        pt_pull_totals(&pull, &totals);
        check_real(cases[i].name, totals.percent, cases[i].percent);
    }
    struct pt_pull empty = {.phase = PT_PULL_RESOLVING, .total_known = true};
    struct pt_totals totals;
    pt_pull_totals(&empty, &totals);
    check_real("no layers", totals.percent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_have_the_names_of_the_wire),
        cmocka_unit_test(totals_stay_at_the_largest_number),
        cmocka_unit_test(totals_add_up),
        cmocka_unit_test(percent_is_honest_at_the_edges),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
