// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_REPORT_H
#define PT_PULL_REPORT_H

#include "base/buffer.h"
#include "base/error.h"
#include "pull/model.h"

// The pulls of a report that break the format: they are left out, so that none of them stops the
// others.
struct pt_left_out {
    size_t invalid;
    size_t too_large;    // longer, larger or more than a limit of base/limits.h
    struct pt_error why; // of the first one
};

// Whether it is as the names of Kubernetes nodes are: letters, digits, `-`, `.`, and `_`, which no
// node of Kubernetes has but other hosts do; the first one a letter or digit.
bool pt_is_node_name(const char *name);

// What an agent posts to /api/v1/report; docs/api.md describes the format.
struct pt_report {
    const char *node_name;
    int64_t timestamp; // wall_ns on the node
    const char *agent_version;
    const char *run;  // names the agent's process, in hexadecimal digits; NULL: it does not say
    int64_t sequence; // within that, one more with each report; 0: it does not say
    const char *runtime_name;
    const char *runtime_version;
    int64_t interval_ms; // 0: not said
    struct pt_pull *pulls;
    size_t pull_count;
    struct pt_left_out left_out;
    void *storage; // of a decoded report, what all views borrow from
};

// Decodes and checks an untrusted report; a pull that is wrong is left out. Of the rest, -EINVAL
// says which field is wrong, -EMSGSIZE which limit of base/limits.h is passed; -ENOMEM. On success
// pt_report_finish frees it.
PT_MUST_CHECK int pt_report_decode(const char *json, size_t length, struct pt_report *ret_report,
                                   struct pt_error *err);
void pt_report_finish(struct pt_report *report);

// The same in steps: first all but the pulls, then pulls until there were so many, each of their
// layers counting as one more; true: more are left.
PT_MUST_CHECK int pt_report_decode_head(const char *json, size_t length,
                                        struct pt_report *ret_report, struct pt_error *err);
bool pt_report_decode_more(struct pt_report *report, size_t max_items);

// Writes a report pull by pull: begin takes all but the pulls from `report`; add gives -EMSGSIZE if
// the pull and the end have no room any more in `out`, which then lacks it; -ENOMEM.
PT_MUST_CHECK int pt_report_begin(const struct pt_report *report, struct pt_buffer *out);
PT_MUST_CHECK int pt_report_add(const struct pt_pull *pull, struct pt_buffer *out);
PT_MUST_CHECK int pt_report_end(struct pt_buffer *out);

// Appends the JSON text of a whole report. -EMSGSIZE when the buffer's maximum is passed, -ENOMEM.
PT_MUST_CHECK int pt_report_encode(const struct pt_report *report, struct pt_buffer *out);

#endif
