// SPDX-License-Identifier: Apache-2.0
#include "server/api/pull_list.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A pull with what it is sorted by. The id tells equal ones apart, so that the order is total and a
// cursor finds its place even when its pull is gone.
struct entry {
    int64_t number;
    const char *text; // "" when sorted by a number
    const char *id;
    struct pt_stored_pull *stored; // NULL in a cursor
};

static const struct {
    const char *name;
    enum pt_pull_sort sort;
} sorts[] = {
    {"startedAt", PT_SORT_STARTED}, {"completedAt", PT_SORT_COMPLETED},
    {"percent", PT_SORT_PERCENT},   {"bytesPerSec", PT_SORT_SPEED},
    {"totalBytes", PT_SORT_SIZE},   {"nodeName", PT_SORT_NODE},
    {"imageRef", PT_SORT_IMAGE},
};

static int read_sort(const char *text, struct pt_pull_list_request *request, struct pt_error *err)
{
    request->sort = PT_SORT_STARTED;
    request->descending = !text || *text == '-';
    if (!text)
        return 0;
    for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
        if (strcmp(sorts[i].name, text + request->descending) == 0) {
            request->sort = sorts[i].sort;
            return 0;
        }
    }
    return pt_error_set(err, EINVAL,
                        "sort: must be startedAt, completedAt, percent, bytesPerSec, totalBytes, "
                        "nodeName or imageRef, with - before it for the reverse");
}

int pt_pull_list_request_read(const struct pt_query *query,
                              struct pt_pull_list_request *ret_request, struct pt_error *err)
{
    struct pt_pull_list_request request = {0};
    int64_t limit = 0;
    int r = pt_pull_filter_read(query, &request.filter, err);
    if (r == 0)
        r = pt_query_get_bool(query, "layers", true, &request.layers, err);
    if (r == 0)
        r = pt_query_get_count(query, "limit", 1, PT_PULL_LIST_MAX_LIMIT, 0, &limit, err);
    if (r == 0)
        r = read_sort(pt_query_get(query, "sort"), &request, err);
    if (r < 0)
        return r;
    request.limit = (size_t)limit;
    request.cursor = pt_query_get(query, "cursor");
    *ret_request = request;
    return 0;
}

static struct entry make_entry(enum pt_pull_sort sort, struct pt_stored_pull *stored)
{
    struct entry entry = {.text = "", .id = stored->id, .stored = stored};
    struct pt_totals totals;
    switch (sort) {
    case PT_SORT_STARTED:
        entry.number = stored->pull.started_at;
        break;
    case PT_SORT_COMPLETED:
        entry.number = stored->pull.completed_at;
        break;
    case PT_SORT_PERCENT:
        entry.number = (int64_t)(stored->percent_floor * 100);
        break;
    case PT_SORT_SPEED:
        entry.number = (int64_t)pt_stored_pull_speed(stored);
        break;
    case PT_SORT_SIZE:
        pt_pull_totals(&stored->pull, &totals);
        entry.number = totals.total_bytes;
        break;
    case PT_SORT_NODE:
        entry.text = stored->node->name;
        break;
    case PT_SORT_IMAGE:
        entry.text = pt_stored_pull_image_ref(stored);
        break;
    }
    return entry;
}

static int compare(const struct entry *a, const struct entry *b, bool descending)
{
    int order = a->number < b->number ? -1 : a->number > b->number;
    if (order == 0)
        order = strcmp(a->text, b->text);
    if (order == 0)
        order = strcmp(a->id, b->id);
    return descending ? -order : order;
}

static int compare_for_qsort(const void *a, const void *b, void *descending)
{
    return compare(a, b, *(const bool *)descending);
}

// A cursor is the last entry's id, a colon and what it was sorted by.
static int read_cursor(const struct pt_pull_list_request *request, char id[static PT_PULL_ID_SIZE],
                       struct entry *ret_entry)
{
    size_t id_length = PT_PULL_ID_SIZE - 1;
    const char *text = request->cursor;
    if (strlen(text) <= id_length || text[id_length] != ':')
        return -EINVAL;
    memcpy(id, text, id_length);
    id[id_length] = '\0';
    *ret_entry = (struct entry){.text = "", .id = id};
    text += id_length + 1;
    if (request->sort == PT_SORT_NODE || request->sort == PT_SORT_IMAGE) {
        ret_entry->text = text;
        return 0;
    }
    char *end;
    errno = 0;
    ret_entry->number = strtoll(text, &end, 10);
    return errno || *end || end == text ? -EINVAL : 0;
}

static char *write_cursor(const struct entry *entry, enum pt_pull_sort sort)
{
    char *text;
    int length;
    if (sort == PT_SORT_NODE || sort == PT_SORT_IMAGE)
        length = asprintf(&text, "%s:%s", entry->id, entry->text);
    else
        length = asprintf(&text, "%s:%lld", entry->id, (long long)entry->number);
    return length < 0 ? NULL : text;
}

// A heap whose first entry comes last in the order: what a better one pushes out.
static void sift_down(struct entry *heap, size_t count, bool descending)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && compare(&heap[child + 1], &heap[child], descending) > 0)
            child++;
        if (compare(&heap[at], &heap[child], descending) >= 0)
            return;
        struct entry swapped = heap[at];
        heap[at] = heap[child];
        heap[child] = swapped;
        at = child;
    }
}

static void sift_up(struct entry *heap, size_t at, bool descending)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (compare(&heap[parent], &heap[at], descending) >= 0)
            return;
        struct entry swapped = heap[at];
        heap[at] = heap[parent];
        heap[parent] = swapped;
        at = parent;
    }
}

// Keeps the first `room` entries of the order among all that are put in.
static void put(struct entry *entries, size_t *count, size_t room, bool limited,
                const struct entry *entry, bool descending)
{
    if (*count < room) {
        entries[(*count)++] = *entry;
        if (limited)
            sift_up(entries, *count - 1, descending);
    } else if (limited && compare(entry, &entries[0], descending) < 0) {
        entries[0] = *entry;
        sift_down(entries, room, descending);
    }
}

static int take_over(const struct pt_pull_list_request *request, struct entry *entries,
                     size_t count, struct pt_pull_list *list)
{
    bool more = request->limit && count > request->limit;
    list->count = more ? request->limit : count;
    list->pulls = malloc((list->count + 1) * sizeof(struct pt_stored_pull *));
    if (!list->pulls)
        return -ENOMEM;
    if (more) {
        list->next_cursor = write_cursor(&entries[list->count - 1], request->sort);
        if (!list->next_cursor) {
            free(list->pulls);
            return -ENOMEM;
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        list->pulls[i] = entries[i].stored;
        pt_stored_pull_pin(entries[i].stored);
    }
    return 0;
}

int pt_pull_list_select(struct pt_pull_store *store, const struct pt_pull_list_request *request,
                        struct pt_pull_list *ret_list, struct pt_error *err)
{
    char id[PT_PULL_ID_SIZE];
    struct entry after = {0};
    bool descending = request->descending;
    if (request->cursor && read_cursor(request, id, &after) < 0)
        return pt_error_set(err, EINVAL, "cursor: not one of this server, or of another sort");
    assert(request->limit <= PT_PULL_LIST_MAX_LIMIT);
    // One more than asked for tells whether there are more.
    size_t room = request->limit ? request->limit + 1 : store->pulls.count;
    struct entry *entries = calloc(room + 1, sizeof(*entries));
    if (!entries)
        return pt_error_set(err, ENOMEM, "out of memory");
    size_t count = 0;
    size_t cursor = 0;
    struct pt_stored_pull *stored;
    while ((stored = pt_map_next(&store->pulls, &cursor))) {
        if (!pt_pull_filter_matches(&request->filter, stored))
            continue;
        struct entry entry = make_entry(request->sort, stored);
        if (request->cursor && compare(&entry, &after, descending) <= 0)
            continue;
        put(entries, &count, room, request->limit > 0, &entry, descending);
    }
    qsort_r(entries, count, sizeof(*entries), compare_for_qsort, &descending);
    struct pt_pull_list list = {0};
    int r = take_over(request, entries, count, &list);
    free(entries);
    if (r < 0)
        return pt_error_set(err, ENOMEM, "out of memory");
    *ret_list = list;
    return 0;
}

void pt_pull_list_finish(struct pt_pull_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        pt_stored_pull_unpin(list->pulls[i]);
    free(list->pulls);
    free(list->next_cursor);
    *list = (struct pt_pull_list){0};
}
