// SPDX-License-Identifier: Apache-2.0

// One question is under way at a time. Its answer is a batch whose items are handed out one by one,
// each when the one before has been applied; then the next question follows. The questions, in
// their order: the log's newest entry, which says where reading begins and whether the log is still
// the one that was read before; the finished pulls and the nodes' latest reports, part by part
// (skipped where reading goes on); then the entries behind, again and again. An entry says at which
// byte of the log it begins, so that a gap shows. Behind one only what has ended since is loaded.

#include "server/share/share_reader.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/timer.h"
#include "server/share/share_keys.h"
#include "server/valkey/resp.h"
#include "server/valkey/valkey_link.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MS "1000"
#define SOON_NS (PT_NS_PER_S / 4) // who is to wait for entries, and has none, answers no sooner
#define BEHIND_NS (5 * PT_NS_PER_S)
#define KNOWN_MARGIN_MS 60000 // between the clocks by which ends and entries have their times
#define MOST_LATEST_BYTES (PT_LIMIT_REPORT_BYTES + PT_LIMIT_SHARE_WORD_BYTES)
#define MOST_READ_BYTES (PT_LIMIT_SHARE_BATCH_BYTES - PT_LIMIT_REPORT_BYTES) // of texts, in a part
#define MOST_BREAKS 3 // of connections, one after the other, on which no entry could be read

extern const char pt_script_share_read[]; // share_read.lua

enum question {
    QUESTION_NONE,
    QUESTION_NEWEST,
    QUESTION_FINISHED,
    QUESTION_LATEST,
    QUESTION_ENTRIES,
};

struct pt_share_reader {
    struct pt_share_reader_options options;
    struct pt_loop *loop;
    const struct pt_clock *clock;
    struct pt_valkey_link *link;
    struct pt_timer *timer; // goes on in the next turn
    char keys[PT_SHARE_KEY_COUNT][PT_SHARE_KEY_SIZE];
    enum question question;
    enum pt_share_state state;
    char cursor[24];    // of a hash
    size_t most;        // entries, or nodes, to be read at once
    size_t rank;        // of a finished pull, the newest first
    int64_t known_ms;   // what had ended by then, it had read before it missed entries; 0: nothing
    bool is_rest_known; // of the finished pulls, those behind the one that was read last
    size_t looked;      // nodes of which the latest report was read
    int breaks;         // connections that broke while entries were asked for, since some came
    bool has_place;     // the log had something: `last`
    bool is_loading;    // what there was before `last` has not all been read
    struct pt_share_id last;
    int64_t next_offset;         // where the entry behind begins; -1: not known
    int64_t asked_ns;            // the question
    int64_t at_end_ns;           // when it was at the log's end last
    struct pt_resp_value *batch; // of which items are handed out
    const struct pt_resp_value *items;
    size_t next_item;
    bool is_waiting; // for go_on
};

static void ask(struct pt_share_reader *reader, enum question question);

// --- states ---

static void set_state(struct pt_share_reader *reader, enum pt_share_state state, const char *why)
{
    if (reader->state == state)
        return;
    reader->state = state;
    reader->options.on_state(reader->options.context, state, why);
}

static void note_end_of_log(struct pt_share_reader *reader)
{
    reader->at_end_ns = pt_clock_monotonic_ns(reader->clock);
    pt_valkey_link_note_use(reader->link);
    set_state(reader, PT_SHARE_READY, NULL);
}

static void look_whether_behind(struct pt_share_reader *reader)
{
    if (reader->state == PT_SHARE_READY &&
        pt_clock_monotonic_ns(reader->clock) - reader->at_end_ns > BEHIND_NS)
        set_state(reader, PT_SHARE_BEHIND, "it does not keep up with the log");
}

static void load_anew(struct pt_share_reader *reader, const char *why)
{
    reader->has_place = false;
    reader->known_ms = (int64_t)reader->last.ms;
    set_state(reader, PT_SHARE_LOADING, why);
    ask(reader, QUESTION_NEWEST);
}

// --- entries ---

static bool is_text(const struct pt_resp_value *reply)
{
    return reply->kind == PT_RESP_TEXT;
}

static void deliver(struct pt_share_reader *reader, const struct pt_share_entry *entry)
{
    reader->is_waiting = true;
    reader->options.on_entry(reader->options.context, entry);
}

// Returns whether to go on with the batch.
static bool deliver_log_entry(struct pt_share_reader *reader, const struct pt_resp_value *item)
{
    struct pt_share_entry entry;
    int r = pt_share_entry_read(item, &entry);
    if (r == -EPROTO) {
        pt_valkey_link_reset(reader->link, "its stream holds what is no entry");
        return false;
    }
    if (reader->next_offset >= 0 && entry.offset >= 0 && entry.offset != reader->next_offset) {
        reader->options.on_lost(reader->options.context, PT_SHARE_LOSS_GAP);
        load_anew(reader, "entries of the log are missing");
        return false;
    }
    reader->last = entry.id;
    reader->has_place = true;
    reader->next_offset = entry.end;
    if (r == 0)
        deliver(reader, &entry);
    else
        reader->options.on_invalid(reader->options.context, "an entry of the log");
    return true;
}

static void deliver_kept(struct pt_share_reader *reader, const struct pt_resp_value *value)
{
    struct pt_share_entry entry;
    bool is_past = reader->question == QUESTION_FINISHED;
    if (!is_text(value) || pt_share_kept_read(value->text, value->length, &entry) < 0) {
        reader->options.on_invalid(reader->options.context,
                                   is_past ? "a finished pull" : "the latest report of a node");
        return;
    }
    entry.is_past = is_past;
    reader->is_rest_known = is_past && (int64_t)entry.ended_ms + KNOWN_MARGIN_MS < reader->known_ms;
    if (reader->is_rest_known)
        reader->next_item = reader->items->count; // the newest come first
    else
        deliver(reader, &entry);
}

// --- batches ---

static void drop_batch(struct pt_share_reader *reader)
{
    if (reader->batch)
        free(reader->batch);
    reader->batch = NULL;
    reader->items = NULL;
    reader->next_item = 0;
    reader->is_waiting = false;
}

static size_t item_size(const struct pt_share_reader *reader)
{
    return reader->question == QUESTION_LATEST ? 2 : 1;
}

// Returns whether to go on with the batch.
static bool deliver_next(struct pt_share_reader *reader)
{
    const struct pt_resp_value *items = reader->items;
    if (reader->question == QUESTION_ENTRIES)
        return deliver_log_entry(reader, &items->items[reader->next_item++]);
    reader->next_item += item_size(reader);
    deliver_kept(reader, &items->items[reader->next_item - 1]); // of a hash, behind its key
    return true;
}

static void end_batch(struct pt_share_reader *reader)
{
    size_t count = reader->items ? reader->items->count : 0;
    bool was_full = count >= reader->most, has_come = reader->items;
    enum question question = reader->question;
    drop_batch(reader);
    // Where there is more, more is asked for. Should that be too much for an answer, the connection
    // is closed, and the next one begins with few, which never are.
    if (was_full && question != QUESTION_FINISHED && reader->most < PT_LIMIT_SHARE_MOST_ENTRIES)
        reader->most *= 2;
    if (was_full || question != QUESTION_ENTRIES)
        pt_loop_skip_rest(reader->loop);
    if (question == QUESTION_ENTRIES) {
        if (!was_full)
            note_end_of_log(reader);
        look_whether_behind(reader);
        // A log that began anew may do so before the place where this reader waits.
        ask(reader, has_come || !reader->has_place ? QUESTION_ENTRIES : QUESTION_NEWEST);
    } else if (question == QUESTION_FINISHED) {
        reader->rank += count;
        bool has_more = count == PT_LIMIT_SHARE_FINISHED && !reader->is_rest_known &&
                        reader->rank < (size_t)reader->options.max_finished;
        ask(reader, has_more ? QUESTION_FINISHED : QUESTION_LATEST);
    } else if (strcmp(reader->cursor, "0") != 0 && reader->looked < PT_LIMIT_SHARE_LATEST) {
        reader->looked += count / 2;
        ask(reader, QUESTION_LATEST);
    } else {
        if (reader->looked >= PT_LIMIT_SHARE_LATEST)
            reader->options.on_invalid(reader->options.context, "further nodes than may be");
        reader->is_loading = false;
        reader->at_end_ns = pt_clock_monotonic_ns(reader->clock);
        ask(reader, QUESTION_ENTRIES);
    }
}

// Hands out what there is, until an item has to be waited for or the turn is over. The connection
// may have broken while an item was waited for, and even be open again.
static void work(struct pt_share_reader *reader)
{
    if (reader->batch && !reader->is_waiting && reader->question == QUESTION_NONE)
        drop_batch(reader);
    if (reader->batch && !reader->is_waiting && reader->question == QUESTION_NEWEST)
        ask(reader, QUESTION_NEWEST);
    while (reader->batch && !reader->is_waiting) {
        if (pt_loop_turn_is_over(reader->loop)) {
            pt_timer_start(reader->timer, 0);
            pt_loop_skip_rest(reader->loop);
            return;
        }
        bool is_at_end =
            !reader->items || reader->next_item + item_size(reader) > reader->items->count;
        if (is_at_end)
            end_batch(reader);
        else if (!deliver_next(reader))
            return;
    }
}

static void on_timer(void *context)
{
    work(context);
}

// --- questions ---

// Where it was; what was loaded only in part is loaded anew, since others have written meanwhile.
static bool goes_on(const struct pt_share_reader *reader)
{
    return reader->has_place && !reader->is_loading;
}

static void begin_at(struct pt_share_reader *reader, const struct pt_resp_value *newest)
{
    struct pt_share_entry entry = {.offset = -1, .end = -1};
    bool is_empty = newest->count == 0;
    if (!is_empty && pt_share_entry_read(&newest->items[0], &entry) == -EPROTO) {
        pt_valkey_link_reset(reader->link, "its stream holds what is no entry");
        return;
    }
    bool is_lost =
        reader->has_place && (is_empty || pt_share_id_compare(entry.id, reader->last) < 0 ||
                              (entry.end >= 0 && entry.end < reader->next_offset));
    reader->known_ms = is_lost ? 0 : reader->known_ms; // what is given back has ended long ago
    if (is_lost)
        reader->options.on_lost(reader->options.context, PT_SHARE_LOSS_END);
    if (goes_on(reader) && !is_lost) {
        ask(reader, QUESTION_ENTRIES);
        return;
    }
    reader->last = entry.id;
    reader->has_place = !is_empty;
    reader->is_loading = true;
    reader->is_rest_known = false;
    reader->next_offset = entry.end;
    ask(reader, QUESTION_FINISHED);
}

static bool keep_hash_part(struct pt_share_reader *reader, struct pt_resp_value *reply)
{
    const struct pt_resp_value *cursor = reply->count == 2 ? &reply->items[0] : NULL;
    if (!cursor || !is_text(cursor) || cursor->length >= sizeof(reader->cursor) ||
        reply->items[1].kind != PT_RESP_LIST) {
        pt_valkey_link_reset(reader->link, "it answers a script strangely");
        return false;
    }
    memcpy(reader->cursor, cursor->text, cursor->length + 1);
    reader->batch = reply;
    reader->items = &reply->items[1];
    return true;
}

static bool keep_finished(struct pt_share_reader *reader, struct pt_resp_value *reply)
{
    reader->batch = reply;
    reader->items = reply;
    return true;
}

// [[key, [entry, …]]], or nil where none came in time.
static bool keep_entries(struct pt_share_reader *reader, struct pt_resp_value *reply)
{
    if (reply->kind == PT_RESP_NIL &&
        pt_clock_monotonic_ns(reader->clock) - reader->asked_ns < SOON_NS) {
        pt_valkey_link_reset(reader->link, "it does not wait for entries");
        return false;
    }
    reader->batch = reply;
    reader->breaks = 0;
    if (reply->kind == PT_RESP_NIL)
        return true;
    const struct pt_resp_value *stream = reply->count == 1 ? &reply->items[0] : NULL;
    if (stream && stream->kind == PT_RESP_LIST && stream->count == 2 &&
        stream->items[1].kind == PT_RESP_LIST) {
        reader->items = &stream->items[1];
        return true;
    }
    reader->batch = NULL;
    pt_valkey_link_reset(reader->link, "it answers XREAD strangely");
    return false;
}

static bool on_answer(void *context, struct pt_resp_value *reply)
{
    struct pt_share_reader *reader = context;
    bool may_be_nil = reader->question == QUESTION_ENTRIES;
    if (!reply)
        return false;
    if (reply->kind == PT_RESP_ERROR) {
        pt_valkey_link_reset_refused(reader->link, reply->text);
        return false;
    }
    if (reply->kind != PT_RESP_LIST && !(may_be_nil && reply->kind == PT_RESP_NIL)) {
        pt_valkey_link_reset(reader->link, "it answers strangely");
        return false;
    }
    if (reader->question == QUESTION_NEWEST) {
        begin_at(reader, reply);
        return false;
    }
    assert(!reader->batch);
    bool is_kept = reader->question == QUESTION_ENTRIES    ? keep_entries(reader, reply)
                   : reader->question == QUESTION_FINISHED ? keep_finished(reader, reply)
                                                           : keep_hash_part(reader, reply);
    if (is_kept)
        pt_timer_start_now(reader->timer);
    return is_kept;
}

// By share_read.lua.
static int send_read(struct pt_share_reader *reader, const char *what, size_t most_bytes,
                     const char *from, size_t to)
{
    char most[24], all[24], last[24];
    snprintf(most, sizeof(most), "%zu", most_bytes);
    snprintf(all, sizeof(all), "%d", MOST_READ_BYTES);
    snprintf(last, sizeof(last), "%zu", to);
    const struct pt_valkey_argument read[] = {pt_valkey_text("EVAL"),
                                              pt_valkey_text(pt_script_share_read),
                                              pt_valkey_text("4"),
                                              pt_valkey_text(reader->keys[PT_SHARE_KEY_LOG]),
                                              pt_valkey_text(reader->keys[PT_SHARE_KEY_LATEST]),
                                              pt_valkey_text(reader->keys[PT_SHARE_KEY_FINISHED]),
                                              pt_valkey_text(reader->keys[PT_SHARE_KEY_ORDER]),
                                              pt_valkey_text(what),
                                              pt_valkey_text(most),
                                              pt_valkey_text(all),
                                              pt_valkey_text(from),
                                              pt_valkey_text(last)};
    return pt_valkey_link_send(reader->link, read, sizeof(read) / sizeof(read[0]), on_answer,
                               reader);
}

static int send_entries(struct pt_share_reader *reader)
{
    char last[48], most[24];
    snprintf(most, sizeof(most), "%zu", reader->most);
    snprintf(last, sizeof(last), "%" PRIu64 "-%" PRIu64, reader->last.ms, reader->last.number);
    const struct pt_valkey_argument entries[] = {pt_valkey_text("XREAD"),
                                                 pt_valkey_text("COUNT"),
                                                 pt_valkey_text(most),
                                                 pt_valkey_text("BLOCK"),
                                                 pt_valkey_text(BLOCK_MS),
                                                 pt_valkey_text("STREAMS"),
                                                 pt_valkey_text(reader->keys[PT_SHARE_KEY_LOG]),
                                                 pt_valkey_text(last)};
    return pt_valkey_link_send(reader->link, entries, 8, on_answer, reader);
}

static int send_question(struct pt_share_reader *reader)
{
    char rank[24];
    snprintf(rank, sizeof(rank), "%zu", reader->rank);
    switch (reader->question) {
    case QUESTION_NONE:
        break;
    case QUESTION_NEWEST:
        return send_read(reader, "newest", sizeof("18446744073709551615") - 1, "", 0);
    case QUESTION_FINISHED:
        return send_read(reader, "finished", PT_LIMIT_SHARE_END_BYTES, rank,
                         reader->rank + PT_LIMIT_SHARE_FINISHED - 1);
    case QUESTION_LATEST:
        return send_read(reader, "latest", MOST_LATEST_BYTES, reader->cursor, reader->most);
    case QUESTION_ENTRIES:
        return send_entries(reader);
    }
    return 0;
}

static void ask(struct pt_share_reader *reader, enum question question)
{
    bool begins = question != reader->question;
    drop_batch(reader);
    reader->question = question;
    if (begins) {
        memcpy(reader->cursor, "0", 2);
        reader->rank = reader->looked = 0;
    }
    reader->asked_ns = pt_clock_monotonic_ns(reader->clock);
    int r = send_question(reader);
    if (r < 0)
        pt_valkey_link_reset(reader->link, strerror(-r));
}

static void on_open(void *context)
{
    struct pt_share_reader *reader = context;
    set_state(reader, goes_on(reader) ? PT_SHARE_BEHIND : PT_SHARE_LOADING, NULL);
    if (reader->is_waiting)
        reader->question = QUESTION_NEWEST; // is asked when the item has been applied
    else
        ask(reader, QUESTION_NEWEST);
}

static void on_closed(void *context, const char *why)
{
    struct pt_share_reader *reader = context;
    // What cannot be read however often stands there: what comes behind is read, and what is kept.
    if (reader->question == QUESTION_ENTRIES && ++reader->breaks >= MOST_BREAKS)
        reader->has_place = false;
    reader->most = PT_LIMIT_SHARE_ENTRIES;
    reader->question = QUESTION_NONE;
    set_state(reader, PT_SHARE_AWAY, why);
}

// --- the rest of what the header promises ---

struct pt_share_reader *pt_share_reader_create(struct pt_loop *loop, const struct pt_clock *clock,
                                               const struct pt_share_reader_options *options)
{
    struct pt_share_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return NULL;
    reader->options = *options;
    reader->loop = loop;
    reader->clock = clock;
    reader->most = PT_LIMIT_SHARE_ENTRIES;
    reader->next_offset = -1;
    reader->at_end_ns = pt_clock_monotonic_ns(clock); // as far as lag goes
    pt_share_keys_write(options->prefix, reader->keys);
    struct pt_valkey_link_options link = *options->link;
    link.max_pending_bytes = PT_LIMIT_SHARE_WORD_BYTES;
    link.max_reply_bytes = PT_LIMIT_SHARE_BATCH_BYTES;
    link.on_open = on_open;
    link.on_closed = on_closed;
    link.context = reader;
    reader->timer = pt_timer_create(pt_loop_base(loop), clock, on_timer, reader);
    reader->link = pt_valkey_link_create(pt_loop_base(loop), clock, &link);
    if (!reader->timer || !reader->link) {
        pt_share_reader_destroy(reader);
        return NULL;
    }
    return reader;
}

void pt_share_reader_destroy(struct pt_share_reader *reader)
{
    if (!reader)
        return;
    drop_batch(reader);
    pt_valkey_link_destroy(reader->link);
    pt_timer_destroy(reader->timer);
    free(reader);
}

void pt_share_reader_go_on(struct pt_share_reader *reader)
{
    reader->is_waiting = false;
    pt_timer_start_now(reader->timer);
}

int64_t pt_share_reader_lag_ms(const struct pt_share_reader *reader)
{
    bool is_at_end = reader->state == PT_SHARE_READY && !reader->batch;
    return is_at_end ? 0
                     : (pt_clock_monotonic_ns(reader->clock) - reader->at_end_ns) / PT_NS_PER_MS;
}

enum pt_share_state pt_share_reader_state(const struct pt_share_reader *reader)
{
    return reader->state;
}
