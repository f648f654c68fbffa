// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FUZZ_SMALL_STORE_H
#define PT_TESTS_FUZZ_SMALL_STORE_H

#include "fuzz_clock.h"
#include "server/store/pull_store_internal.h"

#include <assert.h>

// A store that is soon full, for whatever anybody says.

static inline void on_change(void *context)
{
    (void)context;
}

static inline void on_event(void *context, enum pt_event_type type,
                            const struct pt_stored_pull *stored)
{
    (void)context;
    assert(type == PT_EVENT_PULL_STARTED || pt_stored_pull_is_final(stored));
}

// `memory` is filled in, and outlives the store. The clock begins anew.
static inline struct pt_pull_store *create_small_store(struct pt_memory_share *memory)
{
    pt_memory_share_init(memory, "store", 16 * 4096, NULL);
    const struct pt_store_settings settings = {8, 4, 60 * PT_NS_PER_S, 20 * PT_NS_PER_S, memory};
    const struct pt_store_output output = {.on_event = on_event, .on_change = on_change};
    fuzz_now_ns = INT64_C(1790000000) * PT_NS_PER_S;
    struct pt_pull_store *store = pt_store_create(&settings, &fuzz_clock, &output);
    assert(store);
    return store;
}

#endif
