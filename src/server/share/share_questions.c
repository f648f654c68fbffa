// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_questions.h"

#include "base/limits.h"

#include <inttypes.h>
#include <stdio.h>

#define WAIT_MS "1000"
#define NO_WAIT_MS "1" // 0 would be for ever
#define READ_ARGUMENTS 11
#define LONGEST_NUMBER 20
#define MOST_LATEST_BYTES (PT_LIMIT_REPORT_BYTES + PT_LIMIT_SHARE_WORD_BYTES)
#define MOST_READ_BYTES (PT_LIMIT_SHARE_BATCH_BYTES - PT_LIMIT_REPORT_BYTES) // of texts, in a part

extern const char pt_script_share_read[]; // share_read.lua

struct number {
    char text[24];
};

static struct number number_of(size_t value)
{
    struct number number;
    snprintf(number.text, sizeof(number.text), "%zu", value);
    return number;
}

// By share_read.lua; `most_bytes`: of a text. The last arguments are its own.
static int ask(const struct pt_share_questions *questions, const char *what, size_t most_bytes,
               const struct pt_valkey_argument *own, size_t own_count)
{
    struct pt_valkey_argument arguments[READ_ARGUMENTS + PT_LIMIT_SHARE_FINISHED];
    struct number most = number_of(most_bytes), all = number_of(MOST_READ_BYTES),
                  meant = number_of(PT_LIMIT_SHARE_PIECE_BYTES);
    size_t count = 0;
    arguments[count++] = pt_valkey_text("EVAL");
    arguments[count++] = pt_valkey_text(pt_script_share_read);
    arguments[count++] = pt_valkey_text("4");
    arguments[count++] = pt_valkey_text(questions->keys[PT_SHARE_KEY_LOG]);
    arguments[count++] = pt_valkey_text(questions->keys[PT_SHARE_KEY_LATEST]);
    arguments[count++] = pt_valkey_text(questions->keys[PT_SHARE_KEY_FINISHED]);
    arguments[count++] = pt_valkey_text(questions->keys[PT_SHARE_KEY_ORDER]);
    arguments[count++] = pt_valkey_text(what);
    arguments[count++] = pt_valkey_text(most.text);
    arguments[count++] = pt_valkey_text(all.text);
    arguments[count++] = pt_valkey_text(meant.text);
    for (size_t i = 0; i < own_count && i < PT_LIMIT_SHARE_FINISHED; i++)
        arguments[count++] = own[i];
    return pt_valkey_link_send(questions->link, arguments, count, questions->on_reply,
                               questions->context);
}

int pt_share_ask_for_newest(const struct pt_share_questions *questions)
{
    return ask(questions, "newest", LONGEST_NUMBER, NULL, 0);
}

int pt_share_ask_for_ids(const struct pt_share_questions *questions, size_t rank, size_t most)
{
    size_t count = most < PT_LIMIT_SHARE_FINISHED ? most : PT_LIMIT_SHARE_FINISHED;
    struct number first = number_of(rank), last = number_of(rank + count - 1);
    const struct pt_valkey_argument own[] = {pt_valkey_text(first.text), pt_valkey_text(last.text)};
    return ask(questions, "ids", PT_PULL_ID_LENGTH, own, 2);
}

int pt_share_ask_for_finished(const struct pt_share_questions *questions,
                              char (*ids)[PT_PULL_ID_SIZE], size_t count)
{
    struct pt_valkey_argument own[PT_LIMIT_SHARE_FINISHED];
    for (size_t i = 0; i < count; i++)
        own[i] = (struct pt_valkey_argument){ids[i], PT_PULL_ID_LENGTH};
    return ask(questions, "finished", PT_LIMIT_SHARE_END_BYTES, own, count);
}

int pt_share_ask_for_latest(const struct pt_share_questions *questions, const char *cursor)
{
    const struct pt_valkey_argument own = pt_valkey_text(cursor);
    return ask(questions, "latest", MOST_LATEST_BYTES, &own, 1);
}

int pt_share_ask_for_entries(const struct pt_share_questions *questions, struct pt_share_id last,
                             size_t most, bool waits)
{
    struct number count = number_of(most);
    char id[48];
    snprintf(id, sizeof(id), "%" PRIu64 "-%" PRIu64, last.ms, last.number);
    const struct pt_valkey_argument arguments[] = {
        pt_valkey_text("XREAD"),
        pt_valkey_text("COUNT"),
        pt_valkey_text(count.text),
        pt_valkey_text("BLOCK"),
        pt_valkey_text(waits ? WAIT_MS : NO_WAIT_MS),
        pt_valkey_text("STREAMS"),
        pt_valkey_text(questions->keys[PT_SHARE_KEY_LOG]),
        pt_valkey_text(id),
    };
    return pt_valkey_link_send(questions->link, arguments, 8, questions->on_reply,
                               questions->context);
}

const struct pt_resp_value *pt_share_read_latest(const struct pt_resp_value *answer,
                                                 char cursor[static PT_SHARE_CURSOR_SIZE])
{
    const struct pt_resp_value *next = answer->count == 2 ? &answer->items[0] : NULL;
    if (!next || next->kind != PT_RESP_TEXT || next->length >= PT_SHARE_CURSOR_SIZE ||
        answer->items[1].kind != PT_RESP_LIST)
        return NULL;
    memcpy(cursor, next->text, next->length + 1);
    return &answer->items[1];
}

const struct pt_resp_value *pt_share_read_entries(const struct pt_resp_value *answer)
{
    const struct pt_resp_value *stream = answer->count == 1 ? &answer->items[0] : NULL;
    bool is_stream = stream && stream->kind == PT_RESP_LIST && stream->count == 2 &&
                     stream->items[1].kind == PT_RESP_LIST;
    return is_stream ? &stream->items[1] : NULL;
}
