// SPDX-License-Identifier: Apache-2.0
#include "server/api/pull_list.h"

#include "base/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_PULLS 256 // looked at in one step

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

static bool sorts_by_text(enum pt_pull_sort sort)
{
    return sort == PT_SORT_NODE || sort == PT_SORT_IMAGE;
}

static struct pt_pull_list_entry make_entry(enum pt_pull_sort sort,
                                            const struct pt_stored_pull *stored)
{
    struct pt_pull_list_entry entry = {.text = ""};
    struct pt_totals totals;
    const struct pt_pull *pull = pt_stored_pull_model(stored);
    memcpy(entry.id, pt_stored_pull_id(stored), sizeof(entry.id));
    switch (sort) {
    case PT_SORT_STARTED:
        entry.number = pull->started_at;
        break;
    case PT_SORT_COMPLETED:
        entry.number = pull->completed_at;
        break;
    case PT_SORT_PERCENT:
        entry.number = (int64_t)(pt_stored_pull_percent(stored) * 100);
        break;
    case PT_SORT_SPEED:
        entry.number = (int64_t)pt_stored_pull_speed(stored);
        break;
    case PT_SORT_SIZE:
        pt_pull_totals(pull, &totals);
        entry.number = totals.total_bytes;
        break;
    case PT_SORT_NODE:
        entry.text = pt_stored_pull_node_name(stored);
        break;
    case PT_SORT_IMAGE:
        entry.text = pt_stored_pull_image_ref(stored);
        break;
    }
    return entry;
}

static int compare(const struct pt_pull_list_entry *a, const struct pt_pull_list_entry *b,
                   bool descending)
{
    int order = a->number < b->number ? -1 : a->number > b->number;
    if (order == 0)
        order = strcmp(a->text, b->text); // NOLINT(clang-analyzer-unix.Malloc): see forget
    if (order == 0)
        order = strcmp(a->id, b->id);
    return descending ? -order : order;
}

// --- cursors: the last entry's id, a colon and what it was sorted by ---

static int read_cursor(const struct pt_pull_list_request *request,
                       struct pt_pull_list_entry *ret_entry)
{
    size_t id_length = PT_PULL_ID_SIZE - 1;
    const char *text = request->cursor;
    if (strlen(text) <= id_length || text[id_length] != ':')
        return -EINVAL;
    *ret_entry = (struct pt_pull_list_entry){.text = ""};
    memcpy(ret_entry->id, text, id_length);
    text += id_length + 1;
    if (sorts_by_text(request->sort)) {
        ret_entry->text = text;
        return 0;
    }
    char *end;
    errno = 0;
    ret_entry->number = strtoll(text, &end, 10);
    return errno || *end || end == text ? -EINVAL : 0;
}

int pt_pull_list_cursor(const struct pt_pull_list *list, char **ret_cursor)
{
    const struct pt_pull_list_entry *last = &list->last;
    *ret_cursor = NULL;
    if (list->count == 0 || list->given == 0)
        return 0;
    int length = sorts_by_text(list->request->sort)
                     ? asprintf(ret_cursor, "%s:%s", last->id, last->text)
                     : asprintf(ret_cursor, "%s:%lld", last->id, (long long)last->number);
    if (length >= 0)
        return 0;
    *ret_cursor = NULL;
    return -ENOMEM;
}

// --- the entries ---

// More, or fewer if negative.
static void count_bytes(struct pt_pull_list *list, int64_t bytes)
{
    list->lists->bytes += bytes;
    pt_memory_share_add(list->lists->memory, bytes);
}

static bool has_room(const struct pt_pull_list *list, int64_t bytes)
{
    if (list->lists->bytes + bytes <= PT_LIMIT_LISTS_BYTES &&
        pt_memory_share_has_room(list->lists->memory, bytes))
        return true;
    pt_memory_share_note_refusal(list->lists->memory);
    return false;
}

static int64_t text_bytes(const struct pt_pull_list *list, const struct pt_pull_list_entry *entry)
{
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): see forget
    return sorts_by_text(list->request->sort) ? (int64_t)strlen(entry->text) + 1 : 0;
}

// A text stands in one entry only, and what is forgotten has left the heap: no entry is compared or
// counted whose text was freed, which clang's analyzer cannot know.
static void forget(struct pt_pull_list *list, struct pt_pull_list_entry *entry)
{
    count_bytes(list, -text_bytes(list, entry));
    if (sorts_by_text(list->request->sort))
        free((char *)entry->text);
}

// Makes the entry's text the list's own. -EDQUOT or -ENOMEM.
static int keep(struct pt_pull_list *list, struct pt_pull_list_entry *entry)
{
    int64_t bytes = text_bytes(list, entry);
    if (!has_room(list, bytes))
        return -EDQUOT;
    if (sorts_by_text(list->request->sort) && !(entry->text = strdup(entry->text)))
        return -ENOMEM;
    count_bytes(list, bytes);
    return 0;
}

// --- a heap: of a whole list the first entry is on top, of a page the last one of those that are
// kept, which a better one pushes out ---

static bool goes_above(const struct pt_pull_list *list, size_t a, size_t b)
{
    int order = compare(&list->entries[a], &list->entries[b], list->request->descending);
    return list->last_on_top ? order > 0 : order < 0;
}

static void swap(struct pt_pull_list *list, size_t a, size_t b)
{
    struct pt_pull_list_entry swapped = list->entries[a];
    list->entries[a] = list->entries[b];
    list->entries[b] = swapped;
}

static void sift_down(struct pt_pull_list *list, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= list->count)
            return;
        if (child + 1 < list->count && goes_above(list, child + 1, child))
            child++;
        if (!goes_above(list, child, at))
            return;
        swap(list, at, child);
        at = child;
    }
}

static void sift_up(struct pt_pull_list *list, size_t at)
{
    while (at > 0 && goes_above(list, at, (at - 1) / 2)) {
        swap(list, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static int add(struct pt_pull_list *list, const struct pt_pull_list_entry *entry)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        int64_t bytes = (int64_t)((capacity - list->capacity) * sizeof(*entry));
        if (!has_room(list, bytes))
            return -EDQUOT;
        void *entries = realloc(list->entries, capacity * sizeof(*entry));
        if (!entries)
            return -ENOMEM;
        list->entries = entries;
        list->capacity = capacity;
        count_bytes(list, bytes);
    }
    list->entries[list->count++] = *entry;
    sift_up(list, list->count - 1);
    return 0;
}

// One more than asked for shows whether there are more.
static int put(struct pt_pull_list *list, struct pt_pull_list_entry *entry)
{
    bool is_full = list->request->limit && list->count > list->request->limit;
    if (is_full && compare(entry, &list->entries[0], list->request->descending) >= 0)
        return 0;
    int r = keep(list, entry);
    if (r < 0)
        return r;
    if (is_full) {
        forget(list, &list->entries[0]);
        list->entries[0] = *entry;
        sift_down(list, 0);
        return 0;
    }
    r = add(list, entry);
    if (r < 0)
        forget(list, entry);
    return r;
}

// --- what the header promises ---

int pt_pull_list_begin(struct pt_pull_store *store, const struct pt_pull_list_request *request,
                       struct pt_pull_lists *lists, struct pt_pull_list *ret_list,
                       struct pt_error *err)
{
    assert(request->limit <= PT_PULL_LIST_MAX_LIMIT);
    struct pt_pull_list list = {
        .store = store, .request = request, .lists = lists, .last_on_top = request->limit > 0};
    if (request->cursor && read_cursor(request, &list.after) < 0)
        return pt_error_set(err, EINVAL, "cursor: not one of this server, or of another sort");
    *ret_list = list;
    pt_store_walk_begin(store, &ret_list->walk);
    return 0;
}

void pt_pull_list_finish(struct pt_pull_list *list)
{
    pt_store_walk_end(&list->walk);
    for (size_t i = 0; i < list->count; i++)
        forget(list, &list->entries[i]);
    if (list->given > 0)
        forget(list, &list->last);
    count_bytes(list, -(int64_t)(list->capacity * sizeof(*list->entries)));
    free(list->entries);
    *list = (struct pt_pull_list){0};
}

// All is kept: now the first one is wanted on top.
static void turn_over(struct pt_pull_list *list)
{
    if (!list->last_on_top)
        return;
    list->last_on_top = false;
    for (size_t i = list->count / 2; i-- > 0;)
        sift_down(list, i);
}

int pt_pull_list_scan(struct pt_pull_list *list)
{
    const struct pt_pull_list_request *request = list->request;
    for (int i = 0; i < SCAN_PULLS; i++) {
        const struct pt_stored_pull *stored = pt_store_walk_next(&list->walk);
        if (!stored) {
            turn_over(list);
            return 0;
        }
        if (!pt_pull_filter_matches(&request->filter, stored))
            continue;
        struct pt_pull_list_entry entry = make_entry(request->sort, stored);
        if (request->cursor && compare(&entry, &list->after, request->descending) <= 0)
            continue;
        int r = put(list, &entry);
        if (r < 0)
            return r;
    }
    return 1;
}

struct pt_stored_pull *pt_pull_list_next(struct pt_pull_list *list)
{
    while (!pt_pull_list_is_through(list)) {
        if (list->given++ > 0)
            forget(list, &list->last);
        list->last = list->entries[0];
        list->entries[0] = list->entries[--list->count];
        sift_down(list, 0);
        struct pt_stored_pull *stored = pt_store_find(list->store, list->last.id);
        if (stored)
            return stored;
    }
    return NULL;
}
