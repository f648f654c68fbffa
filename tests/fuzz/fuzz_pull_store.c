// SPDX-License-Identifier: Apache-2.0
#include "server/api/pull_list.h"
#include "server/store/pull_store_internal.h"
#include "small_store.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Everything that is stored can be shown, and its numbers agree.
static void check(struct pt_pull_store *store)
{
    size_t cursor = 0;
    size_t active = 0;
    struct pt_stored_pull *stored;
    while ((stored = pt_map_next(&store->pulls, &cursor))) {
        struct pt_layer_rate *rates = calloc(stored->pull.layer_count + 1, sizeof(*rates));
        struct pt_buffer out;
        pt_buffer_init(&out, 16 << 20);
        struct pt_pull_status status = pt_stored_pull_status(stored, rates);
        int r = pt_pull_status_encode(&status, true, &out);
        assert(r == 0 && status.totals.percent >= 0 && status.totals.percent <= 100);
        (void)r;
        active += !pt_stored_pull_is_final(stored);
        pt_buffer_finish(&out);
        free(rates);
    }
    assert(active == store->active_count);
    assert(store->pulls.count <= store->settings.max_pulls);
}

// As the server applies a large report: anything may happen between the steps.
static void apply_in_steps(struct pt_pull_store *store, const struct pt_report *report)
{
    struct pt_error err;
    struct pt_application *application = pt_store_apply_begin(store, report, &err);
    if (!application)
        return;
    while (pt_store_apply_step(application)) {
        fuzz_now_ns += PT_NS_PER_S;
        pt_store_sweep(store);
        check(store);
    }
    (void)!pt_store_apply_end(application, &err);
}

// Reports, one a line, as hostile agents may send them.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_memory_share memory;
    struct pt_pull_store *store = create_small_store(&memory);
    const uint8_t *end = data + size;
    while (data < end) {
        const uint8_t *newline = memchr(data, '\n', (size_t)(end - data));
        const uint8_t *line_end = newline ? newline : end;
        struct pt_report report;
        struct pt_error err;
        if (pt_report_decode((const char *)data, (size_t)(line_end - data), &report, &err) == 0) {
            if (report.pull_count % 2)
                apply_in_steps(store, &report);
            else
                (void)!pt_store_apply(store, &report, &err);
            pt_report_finish(&report);
        }
        fuzz_now_ns += (*data % 16) * PT_NS_PER_S;
        pt_store_sweep(store);
        check(store);
        data = line_end + 1;
    }
    pt_store_destroy(store);
    return 0;
}
