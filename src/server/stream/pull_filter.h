// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STREAM_PULL_FILTER_H
#define PT_SERVER_STREAM_PULL_FILTER_H

#include "base/error.h"
#include "base/query.h"
#include "server/store/reader.h"

#include <stdbool.h>

// Which pulls a reader wants. Text is borrowed; NULL matches everything.
struct pt_pull_filter {
    const char *node;      // the whole name
    const char *namespace; // of a waiting pod
    const char *pod;       // the whole name
    const char *image;     // a part of the reference, upper and lower case alike
    enum pt_status_filter {
        PT_STATUS_ANY,
        PT_STATUS_ACTIVE,
        PT_STATUS_COMPLETED,
        PT_STATUS_FAILED,
    } status;
};

// Reads `node`, `namespace`, `pod`, `image` and `status` of a query; -EINVAL names what is wrong.
// The filter borrows from the query.
PT_MUST_CHECK int pt_pull_filter_read(const struct pt_query *query,
                                      struct pt_pull_filter *ret_filter, struct pt_error *err);

bool pt_pull_filter_matches(const struct pt_pull_filter *filter,
                            const struct pt_stored_pull *stored);

// The same without looking at the status.
bool pt_pull_filter_matches_text(const struct pt_pull_filter *filter,
                                 const struct pt_stored_pull *stored);

#endif
