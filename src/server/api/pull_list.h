// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_PULL_LIST_H
#define PT_SERVER_API_PULL_LIST_H

#include "server/store/pull_store.h"
#include "server/stream/pull_filter.h"

#include <stdbool.h>
#include <stddef.h>

#define PT_PULL_LIST_MAX_LIMIT 1000

// What a reader of /api/v1/pulls asks for.
struct pt_pull_list_request {
    struct pt_pull_filter filter;
    bool layers;
    size_t limit; // 0: all
    enum pt_pull_sort {
        PT_SORT_STARTED,
        PT_SORT_COMPLETED,
        PT_SORT_PERCENT,
        PT_SORT_SPEED,
        PT_SORT_SIZE,
        PT_SORT_NODE,
        PT_SORT_IMAGE,
    } sort;
    bool descending;
    const char *cursor; // NULL: from the beginning
};

// The pulls in their order, pinned.
struct pt_pull_list {
    struct pt_stored_pull **pulls;
    size_t count;
    char *next_cursor; // NULL: there are no more
};

// Reads the parameters; -EINVAL names what is wrong. The request borrows from the query.
PT_MUST_CHECK int pt_pull_list_request_read(const struct pt_query *query,
                                            struct pt_pull_list_request *ret_request,
                                            struct pt_error *err);

// Selects and sorts. -EINVAL for a cursor that is none, -ENOMEM. pt_pull_list_finish unpins.
PT_MUST_CHECK int pt_pull_list_select(struct pt_pull_store *store,
                                      const struct pt_pull_list_request *request,
                                      struct pt_pull_list *ret_list, struct pt_error *err);
void pt_pull_list_finish(struct pt_pull_list *list);

#endif
