// SPDX-License-Identifier: Apache-2.0
#include "pull/report.h"
#include "server/share/share_entry.h"
#include "server/share/share_waited.h"
#include "server/valkey/resp.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (64 * 1024)
#define MAX_ITEMS 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Every byte of what is found can be read, and has a NUL behind it.
static size_t walk(const struct pt_resp_value *value)
{
    size_t count = 1;
    assert(strnlen(value->text, value->length + 1) <= value->length);
    assert(value->text[value->length] == '\0');
    assert(value->kind == PT_RESP_LIST || value->count == 0);
    for (size_t i = 0; i < value->count; i++)
        count += walk(&value->items[i]);
    return count;
}

static void read_report(const struct pt_share_entry *entry)
{
    struct pt_report report;
    struct pt_error err;
    assert(entry->row_ids && entry->report);
    if (pt_report_decode(entry->report, entry->report_length, &report, &err) == 0)
        pt_report_finish(&report);
}

static void read_waited(const struct pt_share_entry *entry)
{
    struct pt_share_waited waited;
    if (!entry->waited || pt_share_waited_read(entry->waited, entry->waited_length, &waited) < 0)
        return;
    assert(waited.is_row ? waited.row.image_ref && waited.row.completed_at
                         : waited.join.waiting_count > 0);
    pt_share_waited_finish(&waited);
}

static void read_as_entry(const struct pt_resp_value *value)
{
    struct pt_share_entry entry;
    int r = pt_share_entry_read(value, &entry);
    assert(r == 0 || (entry.taker == NULL && entry.report == NULL) || r < 0);
    if (r == 0) {
        assert(entry.taker && entry.end >= entry.offset);
        read_report(&entry);
        read_waited(&entry);
    }
    if (value->kind == PT_RESP_TEXT &&
        pt_share_kept_read(value->text, value->length, &entry) == 0) {
        read_report(&entry);
        read_waited(&entry);
    }
    for (size_t i = 0; i < value->count; i++)
        read_as_entry(&value->items[i]);
}

// What Valkey sends, in pieces of a size that the first byte says: answers, and entries within.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_resp_reader reader;
    struct pt_resp_value *value;
    if (size < 1)
        return 0;
    size_t piece = data[0] ? data[0] : size;
    pt_resp_reader_init(&reader, MAX_BYTES, MAX_ITEMS);
    int r = 0;
    for (size_t at = 1; at < size && r >= 0; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        assert(pt_resp_reader_feed(&reader, (const char *)data + at, length) == 0);
        while ((r = pt_resp_reader_next(&reader, &value)) > 0) {
            assert(walk(value) <= MAX_ITEMS);
            read_as_entry(value);
            free(value);
        }
    }
    pt_resp_reader_finish(&reader);
    return 0;
}
