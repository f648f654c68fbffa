// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_SHARE_APPLIED_H
#define PT_TESTS_SHARE_APPLIED_H

#include "server/share/share_apply.h"

#include "check.h"

// What became of an entry that was applied: a pt_share_applied_fn, and what it notes.
struct applied {
    int calls, result;
    bool was_report;
};

static inline void on_applied(void *context, const struct pt_report *report, int result,
                              const struct pt_error *err)
{
    struct applied *applied = context;
    applied->calls++;
    applied->result = result;
    applied->was_report = report;
    assert_true(report || *err->message); // it is logged as skipped
}

#endif
