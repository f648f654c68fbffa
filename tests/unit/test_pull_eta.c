// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_eta.h"

#include "base/clock.h"
#include "base/duration_histogram.h"

#include "check.h"

#include <stdio.h>

#define NOW (INT64_C(1790000000) * PT_NS_PER_S)
#define AGO(seconds) (NOW - (seconds)*PT_NS_PER_S)

// Layers of 100 bytes.
static const struct pt_layer done = {.total_bytes = 100,
                                     .downloaded_bytes = 100,
                                     .phase = PT_LAYER_DONE,
                                     .total_known = true,
                                     .started_at = AGO(20),
                                     .completed_at = AGO(10),
                                     .extract_started_at = AGO(10),
                                     .extract_completed_at = AGO(5)}; // 20 bytes a second
static const struct pt_layer extracting = {.total_bytes = 100,
                                           .downloaded_bytes = 100,
                                           .phase = PT_LAYER_EXTRACTING,
                                           .total_known = true,
                                           .started_at = AGO(10),
                                           .completed_at = AGO(4),
                                           .extract_started_at = AGO(4)};
static const struct pt_layer downloaded = {.total_bytes = 100,
                                           .downloaded_bytes = 100,
                                           .phase = PT_LAYER_DOWNLOADED,
                                           .total_known = true,
                                           .started_at = AGO(10),
                                           .completed_at = AGO(2)};
static const struct pt_layer half = {.total_bytes = 100,
                                     .downloaded_bytes = 50,
                                     .phase = PT_LAYER_DOWNLOADING,
                                     .total_known = true,
                                     .started_at = AGO(10)};
static const struct pt_layer cached = {.total_bytes = 100,
                                       .downloaded_bytes = 100,
                                       .phase = PT_LAYER_EXISTS,
                                       .total_known = true,
                                       .cached = true};

static void what_is_left_is_shown(void **state)
{
    (void)state;
    const struct {
        const char *name;
        struct pt_layer layers[3];
        size_t count;
        double speed, node_speed; // of download, of the node's earlier extractions
        double eta, ready, download, extract;
    } cases[] = {
        {"nothing is known of extraction", {half}, 1, 10, 0, 5, -1, 10, -1},
        {"the node has extracted before", {half}, 1, 10, 20, 5, 10, 10, -1},
        {"no speed", {half}, 1, 0, 20, -1, -1, 10, -1},
        {"learned from its own layers, not the node", {done, half}, 2, 10, 1000, 5, 10, 20, 5},
        {"all bytes are there", {done, downloaded}, 2, 0, 0, 0, 5, 18, 5},
        {"in the midst of extracting", {done, extracting}, 2, 0, 0, 0, 1, 16, 9},
        {"extraction waits for the download", {done, half, downloaded}, 3, 10, 0, 5, 15, 20, 5},
        {"cached layers need nothing", {cached, half}, 2, 10, 20, 5, 10, 10, -1},
        {"all cached", {cached}, 1, 0, 20, 0, 0, -1, -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_layer layers[3];
        memcpy(layers, cases[i].layers, sizeof(layers));
        struct pt_pull pull = {.phase = PT_PULL_DOWNLOADING,
                               .total_known = true,
                               .layers = layers,
                               .layer_count = cases[i].count};
        struct pt_pull_status status = pt_pull_status_make(&pull);
        const struct pt_eta_basis basis = {.bytes_per_second = cases[i].speed,
                                           .extract_bytes_per_second = cases[i].node_speed};
        pt_pull_eta(&pull, NULL, &basis, NOW, &status);
        char row[96];
        snprintf(row, sizeof(row), "%s: eta", cases[i].name);
        check_real(row, status.eta_seconds, cases[i].eta);
        snprintf(row, sizeof(row), "%s: ready", cases[i].name);
        check_real(row, status.ready_eta_seconds, cases[i].ready);
        snprintf(row, sizeof(row), "%s: download", cases[i].name);
        check_real(row, status.download_seconds, cases[i].download);
        snprintf(row, sizeof(row), "%s: extract", cases[i].name);
        check_real(row, status.extract_seconds, cases[i].extract);
    }
}

// That layers above those that wait have begun says of a race for the free places; that the node
// had them before does not.
static void cached_layers_have_not_begun(void **state)
{
    (void)state;
    const struct pt_layer waiting = {
        .total_bytes = 100, .phase = PT_LAYER_QUEUED, .total_known = true};
    struct pt_layer layers[] = {half, waiting, waiting, cached};
    const struct pt_eta_basis basis = {
        .bytes_per_second = 10, .extract_bytes_per_second = 20, .slots = 1};
    double ready[2];
    for (size_t i = 0; i < 2; i++) {
        struct pt_pull pull = {.phase = PT_PULL_DOWNLOADING,
                               .total_known = true,
                               .layers = layers,
                               .layer_count = 3 + i};
        struct pt_pull_status status = pt_pull_status_make(&pull);
        pt_pull_eta(&pull, NULL, &basis, NOW, &status);
        ready[i] = status.ready_eta_seconds;
    }
    assert_true(ready[0] > 0);
    check_real("with a cached layer above", ready[1], ready[0]);
}

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
        const struct pt_eta_basis basis = {0};
        pt_pull_eta(&pull, NULL, &basis, NOW, &status);
        check_real(cases[i].name, status.extract_seconds, cases[i].seconds);
    }
}

static void nothing_is_left_of_what_has_ended_or_is_unknown(void **state)
{
    (void)state;
    struct pt_layer layer = half;
    static const struct {
        const char *name;
        enum pt_pull_phase phase;
        bool total_known, is_still;
    } cases[] = {
        {"failed", PT_PULL_FAILED, true, false},
        {"completed", PT_PULL_COMPLETED, true, false},
        {"total unknown", PT_PULL_DOWNLOADING, false, false},
        {"still", PT_PULL_DOWNLOADING, true, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_pull pull = {.phase = cases[i].phase,
                               .total_known = cases[i].total_known,
                               .layers = &layer,
                               .layer_count = 1};
        struct pt_pull_status status = pt_pull_status_make(&pull);
        const struct pt_eta_basis basis = {
            .bytes_per_second = 10, .extract_bytes_per_second = 20, .is_still = cases[i].is_still};
        pt_pull_eta(&pull, NULL, &basis, NOW, &status);
        check_real(cases[i].name, status.eta_seconds, -1);
        check_real(cases[i].name, status.ready_eta_seconds, -1);
    }
}

static void quantiles_are_near(void **state)
{
    (void)state;
    struct pt_duration_histogram histogram = {0};
    check_real("empty", pt_duration_histogram_quantile(&histogram, 0.5), -1);
    for (int i = 1; i <= 100; i++)
        pt_duration_histogram_add(&histogram, i);
    double median = pt_duration_histogram_quantile(&histogram, 0.5);
    double high = pt_duration_histogram_quantile(&histogram, 0.95);
    assert_true(median > 47.5 && median < 52.5);
    assert_true(high > 90 && high < 100);
    for (int i = 1; i <= 99; i++)
        pt_duration_histogram_remove(&histogram, i);
    double last = pt_duration_histogram_quantile(&histogram, 0.5);
    assert_true(last > 95 && last < 105);
    pt_duration_histogram_add(&histogram, 0);
    pt_duration_histogram_add(&histogram, 1e9);
    check_int("any duration has its place", (int64_t)histogram.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_shown),
        cmocka_unit_test(cached_layers_have_not_begun),
        cmocka_unit_test(extraction_lasts_while_there_is_one),
        cmocka_unit_test(nothing_is_left_of_what_has_ended_or_is_unknown),
        cmocka_unit_test(quantiles_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
