// SPDX-License-Identifier: Apache-2.0

// One question is under way at a time. Its answer is a batch whose items are handed out one by one,
// each when the one before has been applied; then the next question follows. The questions, in
// their order: the log's newest entry, which says whether the log is still the one that was read
// before, and if so, the entries behind the last one, again and again. Else all is loaded: the
// finished pulls, which takes longest; the newest entry anew, behind which reading will go on, so
// that little has come by then and none of it has left the log; the finished pulls of the meantime;
// the nodes' latest reports. An entry says at which byte of the log it begins, so that a gap shows.

#include "server/share/share_reader.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/timer.h"
#include "server/share/share_keys.h"
#include "server/share/share_past.h"
#include "server/share/share_questions.h"
#include "server/valkey/resp.h"
#include "server/valkey/valkey_link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BEHIND_NS (5 * PT_NS_PER_S)
#define MOST_BREAKS 3 // of connections, one after the other, on which no entry could be read
#define SOON_NS (PT_NS_PER_S / 4) // who is to wait for entries, and has none, answers no sooner
#define IN_STEP_NS (2 * PT_NS_PER_S)

enum question {
    QUESTION_NONE,
    QUESTION_NEWEST,
    QUESTION_IDS, // of finished pulls
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
    char cursor[PT_SHARE_CURSOR_SIZE];
    size_t most;   // entries to be read at once
    size_t looked; // nodes of which the latest report was read
    int breaks;    // connections that broke while entries were asked for, since some came
    struct pt_share_past past;
    bool has_place;         // the log had something: `last`
    bool is_loading;        // what there was before `last` has not all been read
    bool has_past;          // while loading: the finished pulls have been read once
    bool is_new_connection; // on which no entry of the log has come, nor a place to begin at
    struct pt_share_id last;
    int64_t next_offset;         // where the entry behind begins; -1: not known
    int64_t asked_ns;            // the question
    bool waits;                  // it is to wait for entries
    int64_t at_end_ns;           // when what it has read last was the log's end
    bool is_at_end;              // that is now, as far as is known
    size_t batch_bytes;          // of the entries in it
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

// How long ago the entry that was read last was the newest.
static int64_t age_of_last_ns(const struct pt_share_reader *reader)
{
    int64_t age_ms = reader->options.now_ms(reader->options.context) - (int64_t)reader->last.ms;
    return age_ms > 0 ? age_ms * PT_NS_PER_MS : 0;
}

// Where more comes at any time, its end is never seen: what came just now is as good.
static void look_how_far(struct pt_share_reader *reader, bool is_at_end)
{
    int64_t now_ns = pt_clock_monotonic_ns(reader->clock);
    int64_t age_ns = is_at_end ? 0 : age_of_last_ns(reader);
    reader->at_end_ns = now_ns - age_ns;
    reader->is_at_end = is_at_end;
    if (age_ns < IN_STEP_NS) {
        pt_valkey_link_note_use(reader->link);
        set_state(reader, PT_SHARE_READY, NULL);
    } else if (reader->state == PT_SHARE_READY && age_ns > BEHIND_NS) {
        set_state(reader, PT_SHARE_BEHIND, "it does not keep up with the log");
    }
}

static void load_anew(struct pt_share_reader *reader, const char *why)
{
    reader->has_place = reader->is_loading = reader->has_past = false;
    set_state(reader, PT_SHARE_LOADING, why);
    ask(reader, QUESTION_NEWEST);
}

// --- entries ---

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
        if (reader->is_new_connection || entry.offset < reader->next_offset)
            reader->options.on_lost(reader->options.context, PT_SHARE_LOSS_GAP);
        load_anew(reader, "entries of the log are missing");
        return false;
    }
    reader->last = entry.id;
    reader->has_place = true;
    reader->is_new_connection = false;
    reader->next_offset = entry.end;
    reader->batch_bytes += entry.report_length + entry.row_ids_length + entry.waited_length;
    if (r == 0)
        deliver(reader, &entry);
    else
        reader->options.on_invalid(reader->options.context, "an entry of the log");
    return true;
}

static void deliver_kept(struct pt_share_reader *reader, const struct pt_resp_value *value)
{
    struct pt_share_entry entry;
    bool is_past = reader->question == QUESTION_FINISHED, is_text = value->kind == PT_RESP_TEXT;
    if (is_past && is_text && value->length == 0)
        return; // it has gone since its id was read
    if (!is_text || pt_share_kept_read(value->text, value->length, &entry) < 0) {
        reader->options.on_invalid(reader->options.context,
                                   is_past ? "a finished pull" : "the latest report of a node");
        return;
    }
    entry.is_past = is_past;
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
    reader->batch_bytes = 0;
    reader->is_waiting = false;
}

// Returns whether to go on with the batch.
static bool deliver_next(struct pt_share_reader *reader)
{
    const struct pt_resp_value *item = &reader->items->items[reader->next_item++];
    if (reader->question == QUESTION_ENTRIES)
        return deliver_log_entry(reader, item);
    deliver_kept(reader, item);
    return true;
}

// How many entries are read at once: where there is more, twice as many, but what such answers come
// to is bounded as if all were as large as those of this batch. Larger ones break the connection,
// and the next one begins with few.
static void set_most(struct pt_share_reader *reader, size_t count)
{
    size_t most = reader->most * 2;
    size_t fitting = PT_LIMIT_SHARE_PIECE_BYTES * count / (reader->batch_bytes + 1);
    if (most > PT_LIMIT_SHARE_MOST_ENTRIES)
        most = PT_LIMIT_SHARE_MOST_ENTRIES;
    if (most > fitting)
        most = fitting;
    reader->most = most > PT_LIMIT_SHARE_ENTRIES ? most : PT_LIMIT_SHARE_ENTRIES;
}

static void end_entries(struct pt_share_reader *reader, size_t count)
{
    bool was_full = count >= reader->most, has_come = reader->items;
    if (was_full) {
        set_most(reader, count);
        pt_loop_skip_rest(reader->loop);
    }
    look_how_far(reader, !was_full);
    // A log that began anew may do so before the place where this reader waits.
    ask(reader, has_come || !reader->has_place ? QUESTION_ENTRIES : QUESTION_NEWEST);
}

static void end_latest(struct pt_share_reader *reader, size_t count)
{
    reader->looked += count;
    if (strcmp(reader->cursor, "0") != 0 && reader->looked < PT_LIMIT_SHARE_LATEST) {
        ask(reader, QUESTION_LATEST);
        return;
    }
    if (reader->looked >= PT_LIMIT_SHARE_LATEST)
        reader->options.on_invalid(reader->options.context, "further nodes than may be");
    reader->is_loading = false;
    pt_share_past_forget(&reader->past);
    ask(reader, QUESTION_ENTRIES);
}

// Behind the first walk it is noted where the log ends, behind the second one nodes follow.
static void go_on_with_past(struct pt_share_reader *reader)
{
    if (reader->past.count > 0) {
        ask(reader, QUESTION_FINISHED);
    } else if (!reader->past.is_over) {
        ask(reader, QUESTION_IDS);
    } else if (!reader->has_past) {
        reader->has_past = true;
        ask(reader, QUESTION_NEWEST);
    } else {
        ask(reader, QUESTION_LATEST);
    }
}

static void end_batch(struct pt_share_reader *reader)
{
    size_t count = reader->items ? reader->items->count : 0;
    if (reader->question == QUESTION_ENTRIES) {
        end_entries(reader, count);
        return;
    }
    pt_loop_skip_rest(reader->loop);
    if (reader->question == QUESTION_FINISHED) {
        pt_share_past_take(&reader->past, count);
        go_on_with_past(reader);
    } else {
        end_latest(reader, count);
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
        if (!reader->items || reader->next_item == reader->items->count)
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
    if (is_lost)
        reader->options.on_lost(reader->options.context, PT_SHARE_LOSS_END);
    if (goes_on(reader) && !is_lost) {
        ask(reader, QUESTION_ENTRIES);
        return;
    }
    reader->has_past &= !is_lost;
    reader->is_loading = true;
    reader->is_new_connection = false; // what goes from now on was let go, not lost
    reader->last = entry.id;
    reader->has_place = reader->has_past && !is_empty;
    reader->next_offset = entry.end;
    pt_share_past_walk(&reader->past);
    ask(reader, QUESTION_IDS);
}

static void keep_ids(struct pt_share_reader *reader, const struct pt_resp_value *ids)
{
    const struct pt_share_reader_options *options = &reader->options;
    int r = pt_share_past_note(&reader->past, ids, options->has_end, options->context);
    pt_loop_skip_rest(reader->loop);
    if (r > 0)
        options->on_invalid(options->context, "the id of a finished pull");
    reader->past.is_over = ids->count == 0 || reader->past.rank >= (size_t)options->max_finished;
    if (r < 0)
        pt_valkey_link_reset(reader->link, strerror(-r));
    else
        go_on_with_past(reader);
}

static bool keep_batch(struct pt_share_reader *reader, struct pt_resp_value *reply)
{
    if (reader->question == QUESTION_ENTRIES && reply->kind == PT_RESP_NIL && reader->waits &&
        pt_clock_monotonic_ns(reader->clock) - reader->asked_ns < SOON_NS) {
        pt_valkey_link_reset(reader->link, "it does not wait for entries");
        return false;
    }
    reader->items = reply;
    if (reader->question == QUESTION_LATEST)
        reader->items = pt_share_read_latest(reply, reader->cursor);
    else if (reader->question == QUESTION_ENTRIES)
        reader->items = reply->kind == PT_RESP_NIL ? NULL : pt_share_read_entries(reply);
    reader->breaks = reader->question == QUESTION_ENTRIES ? 0 : reader->breaks;
    if (!reader->items && reply->kind != PT_RESP_NIL) {
        pt_valkey_link_reset(reader->link, "it answers strangely");
        return false;
    }
    reader->batch = reply;
    pt_timer_start_now(reader->timer);
    return true;
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
    assert(!reader->batch);
    if (reader->question == QUESTION_NEWEST)
        begin_at(reader, reply);
    else if (reader->question == QUESTION_IDS)
        keep_ids(reader, reply);
    else
        return keep_batch(reader, reply);
    return false;
}

static int send_question(struct pt_share_reader *reader)
{
    const struct pt_share_questions questions = {reader->link, reader->keys, on_answer, reader};
    switch (reader->question) {
    case QUESTION_NONE:
        break;
    case QUESTION_NEWEST:
        return pt_share_ask_for_newest(&questions);
    case QUESTION_IDS:
        return pt_share_ask_for_ids(&questions, reader->past.rank,
                                    (size_t)reader->options.max_finished - reader->past.rank);
    case QUESTION_FINISHED:
        return pt_share_ask_for_finished(&questions, reader->past.wanted, reader->past.count);
    case QUESTION_LATEST:
        return pt_share_ask_for_latest(&questions, reader->cursor);
    case QUESTION_ENTRIES:
        return pt_share_ask_for_entries(&questions, reader->last, reader->most, reader->waits);
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
        reader->looked = 0;
    }
    reader->asked_ns = pt_clock_monotonic_ns(reader->clock);
    reader->waits = reader->state == PT_SHARE_READY;
    int r = send_question(reader);
    if (r < 0)
        pt_valkey_link_reset(reader->link, strerror(-r));
}

static void on_open(void *context)
{
    struct pt_share_reader *reader = context;
    reader->is_new_connection = true;
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
    reader->has_past = false; // what it has seen has not all been read
    pt_share_past_forget(&reader->past);
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
    int r = pt_share_past_init(&reader->past);
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
    if (r < 0 || !reader->timer || !reader->link) {
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
    pt_share_past_finish(&reader->past);
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
    if (reader->state == PT_SHARE_READY && reader->is_at_end && !reader->batch)
        return 0;
    return (pt_clock_monotonic_ns(reader->clock) - reader->at_end_ns) / PT_NS_PER_MS;
}

enum pt_share_state pt_share_reader_state(const struct pt_share_reader *reader)
{
    return reader->state;
}
