// SPDX-License-Identifier: Apache-2.0
#include "server/eta/pull_eta.h"

#include "base/clock.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_shown),
        cmocka_unit_test(cached_layers_have_not_begun),
        cmocka_unit_test(nothing_is_left_of_what_has_ended_or_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
