// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_PULL_LIST_H
#define PT_SERVER_API_PULL_LIST_H

#include "base/memory_share.h"
#include "server/store/reader.h"
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

// What a pull is sorted by. The id puts equal ones in order, so that the order is total and a
// cursor finds its place even when its pull is gone.
struct pt_pull_list_entry {
    int64_t number;
    const char *text; // "" when sorted by a number, else owned by the list once it is kept
    char id[PT_PULL_ID_SIZE];
};

// What all lists that there are take: at most PT_LIMIT_LISTS_BYTES, and what the memory for answers
// allows.
struct pt_pull_lists {
    struct pt_memory_share *memory;
    int64_t bytes;
};

// The pulls in their order, as they were when they were looked at. A list holds no pull, only what
// it is sorted by, so what goes meanwhile is left out. The store is looked at bit by bit, and the
// order made as it is asked for, so that no step takes long however many pulls there are.
struct pt_pull_list {
    struct pt_pull_store *store;
    const struct pt_pull_list_request *request;
    struct pt_store_walk walk;
    struct pt_pull_list_entry *entries; // a heap
    size_t count, capacity;
    bool last_on_top; // of the heap: while a page is selected
    struct pt_pull_lists *lists;
    struct pt_pull_list_entry after; // the request's cursor
    struct pt_pull_list_entry last;  // given out last, if any was
    size_t given;
};

// Reads the parameters; -EINVAL names what is wrong. The request borrows from the query.
PT_MUST_CHECK int pt_pull_list_request_read(const struct pt_query *query,
                                            struct pt_pull_list_request *ret_request,
                                            struct pt_error *err);

// Begins a list; request and lists outlive it. -EINVAL for a cursor that is none.
PT_MUST_CHECK int pt_pull_list_begin(struct pt_pull_store *store,
                                     const struct pt_pull_list_request *request,
                                     struct pt_pull_lists *lists, struct pt_pull_list *ret_list,
                                     struct pt_error *err);
void pt_pull_list_finish(struct pt_pull_list *list);

// Looks at some of the pulls: 1 if more are left, 0 when the list is ready, -EDQUOT when there
// is no room for it among all lists, -ENOMEM.
PT_MUST_CHECK int pt_pull_list_scan(struct pt_pull_list *list);

// Of a list that is ready, the next pull; NULL: there are no more.
struct pt_stored_pull *pt_pull_list_next(struct pt_pull_list *list);

// Whether all that was asked for has been given out.
static inline bool pt_pull_list_is_through(const struct pt_pull_list *list)
{
    return list->count == 0 || (list->request->limit > 0 && list->given >= list->request->limit);
}

// Behind the last pull: the cursor for the next page, which the caller frees; NULL in *ret_cursor:
// there is none. -ENOMEM.
PT_MUST_CHECK int pt_pull_list_cursor(const struct pt_pull_list *list, char **ret_cursor);

#endif
