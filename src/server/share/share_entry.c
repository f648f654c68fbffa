// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_entry.h"

#include "base/clock.h"
#include "server/valkey/resp.h"

#include <errno.h>
#include <string.h>

#define VERSION 1

static const char row_id_characters[] = "0123456789abcdef-";

int pt_share_id_compare(struct pt_share_id a, struct pt_share_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return (a.number > b.number) - (a.number < b.number);
}

// Returns how many digits there are; 0 also for a number that is too large.
static size_t take_digits(const char *text, size_t length, uint64_t *ret_number)
{
    size_t i = 0;
    uint64_t number = 0;
    for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
            return 0;
    *ret_number = number;
    return i;
}

// So that it can be had in nanoseconds.
static bool is_time_ms(uint64_t ms)
{
    return ms <= INT64_MAX / PT_NS_PER_MS;
}

int pt_share_id_parse(const char *text, size_t length, struct pt_share_id *ret_id)
{
    size_t first = take_digits(text, length, &ret_id->ms);
    if (first == 0 || first + 1 >= length || text[first] != '-' || !is_time_ms(ret_id->ms))
        return -EINVAL;
    size_t second = take_digits(text + first + 1, length - first - 1, &ret_id->number);
    return second > 0 && first + 1 + second == length ? 0 : -EINVAL;
}

static bool is_text(const struct pt_resp_value *reply)
{
    return reply->kind == PT_RESP_TEXT;
}

static bool take_number(const struct pt_resp_value *text, uint64_t *ret_number)
{
    return text && text->length > 0 &&
           take_digits(text->text, text->length, ret_number) == text->length &&
           *ret_number <= INT64_MAX;
}

// As servers write them: hexadecimal digits, or dashes for none.
static bool are_row_ids(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!memchr(row_id_characters, text[i], sizeof(row_id_characters) - 1))
            return false;
    return true;
}

struct fields {
    const struct pt_resp_value *version, *offset, *size, *taker, *number, *row_ids, *report, *ended;
    const struct pt_resp_value *waited;
};

static void take_fields(const struct pt_resp_value *list, struct fields *fields)
{
    const struct {
        char letter;
        const struct pt_resp_value **field;
    } known[] = {{'v', &fields->version}, {'o', &fields->offset}, {'s', &fields->size},
                 {'t', &fields->taker},   {'n', &fields->number}, {'i', &fields->row_ids},
                 {'r', &fields->report},  {'e', &fields->ended},  {'w', &fields->waited}};
    for (size_t i = 0; i + 1 < list->count; i += 2) {
        const struct pt_resp_value *name = &list->items[i], *value = &list->items[i + 1];
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            if (is_text(name) && name->length == 1 && name->text[0] == known[k].letter &&
                is_text(value))
                *known[k].field = value;
    }
}

static void take_place(const struct fields *fields, struct pt_share_entry *entry)
{
    uint64_t offset, size;
    bool is_known = take_number(fields->offset, &offset) && take_number(fields->size, &size) &&
                    offset + size <= INT64_MAX;
    entry->offset = is_known ? (int64_t)offset : -1;
    entry->end = is_known ? (int64_t)(offset + size) : -1;
}

int pt_share_entry_read(const struct pt_resp_value *item, struct pt_share_entry *ret_entry)
{
    struct fields fields = {0};
    uint64_t version;
    *ret_entry = (struct pt_share_entry){0};
    if (item->kind != PT_RESP_LIST || item->count != 2 || !is_text(&item->items[0]) ||
        item->items[1].kind != PT_RESP_LIST ||
        pt_share_id_parse(item->items[0].text, item->items[0].length, &ret_entry->id) < 0)
        return -EPROTO;
    take_fields(&item->items[1], &fields);
    take_place(&fields, ret_entry);
    if (!take_number(fields.version, &version) || version != VERSION || !fields.taker ||
        !take_number(fields.number, &ret_entry->number) || !fields.row_ids || !fields.report)
        return -EINVAL;
    if (!are_row_ids(fields.row_ids->text, fields.row_ids->length))
        return -EINVAL;
    ret_entry->is_past = fields.ended && fields.ended->length > 0;
    if (ret_entry->is_past &&
        (!take_number(fields.ended, &ret_entry->ended_ms) || !is_time_ms(ret_entry->ended_ms)))
        return -EINVAL;
    ret_entry->taker = fields.taker->text;
    ret_entry->taker_length = fields.taker->length;
    ret_entry->row_ids = fields.row_ids->text;
    ret_entry->row_ids_length = fields.row_ids->length;
    ret_entry->report = fields.report->text;
    ret_entry->report_length = fields.report->length;
    bool has_waited = fields.waited && fields.waited->length > 0;
    ret_entry->waited = has_waited ? fields.waited->text : NULL;
    ret_entry->waited_length = has_waited ? fields.waited->length : 0;
    return 0;
}

int pt_share_kept_read(const char *text, size_t length, struct pt_share_entry *ret_entry)
{
    const char *end = text + length;
    const char *first = memchr(text, '\n', length);
    const char *second = first ? memchr(first + 1, '\n', (size_t)(end - first - 1)) : NULL;
    *ret_entry = (struct pt_share_entry){.offset = -1, .end = -1};
    if (!second)
        return -EINVAL;
    const char *blank = memchr(text, ' ', (size_t)(first - text));
    size_t id_length = (size_t)((blank ? blank : first) - text);
    if (pt_share_id_parse(text, id_length, &ret_entry->id) < 0 ||
        !are_row_ids(first + 1, (size_t)(second - first - 1)))
        return -EINVAL;
    ret_entry->ended_ms = ret_entry->id.ms;
    ret_entry->waited = blank ? blank + 1 : NULL;
    ret_entry->waited_length = blank ? (size_t)(first - blank - 1) : 0;
    ret_entry->row_ids = first + 1;
    ret_entry->row_ids_length = (size_t)(second - first - 1);
    ret_entry->report = second + 1;
    ret_entry->report_length = (size_t)(end - second - 1);
    return 0;
}
