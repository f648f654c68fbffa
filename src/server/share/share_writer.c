// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_writer.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/timer.h"
#include "server/share/share_keys.h"
#include "server/valkey/resp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define LOOK_AT_CLOCK_MS 1000
#define SHA1_SIZE 41
#define MAX_AGE "10000" // ms: an older report is not appended
#define KEPT "15000"    // ms: how long entries stay
#define KEYS "8"
#define LAST_SECOND (INT64_MAX / PT_NS_PER_S / 2) // of Valkey's clock: ages in ns have room
#define FIXED_ARGUMENTS (3 + PT_SHARE_KEY_COUNT + 14)

extern const char pt_script_share_take[]; // share_take.lua

struct taken {
    struct pt_share_writer *writer;
    uint64_t number;
    LIST_ENTRY(taken) link;
};

struct pt_share_writer {
    struct pt_share_writer_options options;
    const struct pt_clock *clock;
    struct pt_valkey_link *link;
    struct pt_timer *timer;
    char keys[PT_SHARE_KEY_COUNT][PT_SHARE_KEY_SIZE];
    char script[SHA1_SIZE]; // its name in Valkey; empty: not loaded on this connection
    uint64_t last_number;
    int64_t clock_distance_ms; // Valkey's clock less our monotonic one
    int64_t asked_ns;          // for the time
    bool is_asking;            // and it has not been answered
    bool has_clock;            // on this connection
    bool may_write;            // on this connection, as a trial has shown
    bool knows_clock;          // on one before it at least
    LIST_HEAD(, taken) under_way;
};

static bool is_ready(const struct pt_share_writer *writer)
{
    return *writer->script && writer->has_clock && writer->may_write;
}

// --- the clock ---

// Valkey looked at its clock between the question and the answer. What is known already stands if
// that can be, so that an answer that was long under way spoils nothing; else it was when it was
// asked, so that what is read is rather too old.
static void set_clock(struct pt_share_writer *writer, int64_t ms)
{
    int64_t now_ns = pt_clock_monotonic_ns(writer->clock);
    int64_t least_ms = ms - now_ns / PT_NS_PER_MS - 1,
            most_ms = ms - writer->asked_ns / PT_NS_PER_MS;
    bool stands = writer->knows_clock && writer->clock_distance_ms >= least_ms &&
                  writer->clock_distance_ms <= most_ms;
    if (!stands)
        writer->clock_distance_ms = most_ms;
    writer->has_clock = writer->knows_clock = true;
}

static bool on_time(void *context, struct pt_resp_value *reply)
{
    struct pt_share_writer *writer = context;
    writer->is_asking = false;
    if (!reply)
        return false;
    if (reply->kind != PT_RESP_LIST || reply->count != 2) {
        pt_valkey_link_reset(writer->link, "it does not say the time");
        return false;
    }
    int64_t seconds = strtoll(reply->items[0].text, NULL, 10);
    int64_t us = strtoll(reply->items[1].text, NULL, 10);
    if (seconds <= 0 || seconds >= LAST_SECOND || us < 0 || us >= 1000000) {
        pt_valkey_link_reset(writer->link, "it says a time that cannot be");
        return false;
    }
    bool was_ready = is_ready(writer);
    set_clock(writer, seconds * 1000 + us / 1000);
    if (is_ready(writer) && !was_ready)
        writer->options.on_change(writer->options.context, NULL);
    return false;
}

// One question at a time: an answer says nothing of when a later one was asked.
static void ask_for_time(struct pt_share_writer *writer)
{
    const struct pt_valkey_argument time = pt_valkey_text("TIME");
    if (writer->is_asking)
        return;
    writer->asked_ns = pt_clock_monotonic_ns(writer->clock);
    int r = pt_valkey_link_send(writer->link, &time, 1, on_time, writer);
    writer->is_asking = r == 0;
    // Where much waits to be sent, it is asked the next time.
    if (r < 0 && r != -ENOTCONN && r != -ENOBUFS)
        pt_valkey_link_reset(writer->link, strerror(-r));
}

static void on_timer(void *context)
{
    struct pt_share_writer *writer = context;
    if (*writer->script)
        ask_for_time(writer);
}

// --- how it is set up ---

// Behind the line's name in what INFO answers, up to the line's end.
static bool on_memory(void *context, struct pt_resp_value *reply)
{
    static const char name[] = "maxmemory_policy:";
    const struct pt_share_writer *writer = context;
    char policy[64];
    const char *at = reply && reply->kind == PT_RESP_TEXT ? strstr(reply->text, name) : NULL;
    if (!at)
        return false; // it does not say, or this user may not ask
    at += strlen(name);
    snprintf(policy, sizeof(policy), "%.*s", (int)strcspn(at, "\r\n"), at);
    if (strcmp(policy, "noeviction") != 0)
        writer->options.on_eviction(writer->options.context, policy);
    return false;
}

static int ask_for_memory(struct pt_share_writer *writer)
{
    const struct pt_valkey_argument info[] = {pt_valkey_text("INFO"), pt_valkey_text("memory")};
    return pt_valkey_link_send(writer->link, info, 2, on_memory, writer);
}

// --- opening ---

// What somebody else has written there the script mends.
static bool is_no_number(const struct pt_resp_value *reply)
{
    static const char words[] = "ERR value is not an integer";
    return reply->kind == PT_RESP_ERROR && strncmp(reply->text, words, sizeof(words) - 1) == 0;
}

// A Valkey that is full, a replica, or cannot save takes the script, and refuses what it is for.
static bool on_trial(void *context, struct pt_resp_value *reply)
{
    struct pt_share_writer *writer = context;
    if (!reply)
        return false;
    if (reply->kind == PT_RESP_NUMBER || is_no_number(reply)) {
        bool was_ready = is_ready(writer);
        writer->may_write = true;
        if (is_ready(writer) && !was_ready)
            writer->options.on_change(writer->options.context, NULL);
        return false;
    }
    pt_valkey_link_reset_refused(writer->link, reply->text);
    return false;
}

// Adds nothing to the offset, which asks for the rights and the memory that appending asks for.
static void try_to_write(struct pt_share_writer *writer)
{
    const struct pt_valkey_argument add[] = {pt_valkey_text("INCRBY"),
                                             pt_valkey_text(writer->keys[PT_SHARE_KEY_OFFSET]),
                                             pt_valkey_text("0")};
    int r = pt_valkey_link_send(writer->link, add, 3, on_trial, writer);
    if (r < 0)
        pt_valkey_link_reset(writer->link, strerror(-r));
}

static bool on_script(void *context, struct pt_resp_value *reply)
{
    struct pt_share_writer *writer = context;
    if (!reply)
        return false;
    if (reply->kind == PT_RESP_TEXT && strlen(reply->text) == SHA1_SIZE - 1) {
        memcpy(writer->script, reply->text, SHA1_SIZE);
        ask_for_time(writer); // which reading needs even where nothing can be written
        try_to_write(writer);
        return false;
    }
    pt_valkey_link_reset_refused(writer->link, reply->text);
    return false;
}

static void on_open(void *context)
{
    struct pt_share_writer *writer = context;
    const struct pt_valkey_argument load[] = {pt_valkey_text("SCRIPT"), pt_valkey_text("LOAD"),
                                              pt_valkey_text(pt_script_share_take)};
    int r = pt_valkey_link_send(writer->link, load, 3, on_script, writer);
    if (r == 0)
        r = ask_for_memory(writer);
    if (r < 0)
        pt_valkey_link_reset(writer->link, strerror(-r));
}

static void on_closed(void *context, const char *why)
{
    struct pt_share_writer *writer = context;
    *writer->script = '\0';
    writer->has_clock = writer->may_write = false;
    writer->options.on_change(writer->options.context, why);
}

// --- appending ---

static enum pt_share_outcome outcome_of(struct pt_share_writer *writer,
                                        const struct pt_resp_value *reply)
{
    if (!reply)
        return PT_SHARE_FAILED;
    if (reply->kind == PT_RESP_TEXT && strcmp(reply->text, "old") == 0)
        return PT_SHARE_OLD;
    if (reply->kind == PT_RESP_TEXT && strcmp(reply->text, "late") == 0)
        return PT_SHARE_LATE;
    if (reply->kind == PT_RESP_TEXT) {
        const char *early = strchr(reply->text, ' ');
        pt_valkey_link_note_use(writer->link);
        if (early)
            writer->options.on_dropped(writer->options.context, strtoull(early, NULL, 10));
        return PT_SHARE_APPENDED;
    }
    if (reply->kind == PT_RESP_ERROR)
        pt_valkey_link_reset_refused(writer->link, reply->text);
    else
        pt_valkey_link_reset(writer->link, "it answers the script strangely");
    return PT_SHARE_FAILED;
}

static bool on_take(void *context, struct pt_resp_value *reply)
{
    struct taken *taken = context;
    struct pt_share_writer *writer = taken->writer;
    uint64_t number = taken->number;
    enum pt_share_outcome outcome = outcome_of(writer, reply);
    LIST_REMOVE(taken, link);
    free(taken);
    writer->options.on_taken(writer->options.context, number, outcome);
    return false;
}

// The numbers among the arguments, as text.
struct numbers {
    char sequence[24], received[24], max_bytes[24], max_finished[24], ttl[24], number[24];
};

static void write_number(char text[static 24], int64_t number)
{
    snprintf(text, 24, "%lld", (long long)number);
}

static size_t write_arguments(const struct pt_share_writer *writer,
                              const struct pt_share_take *take, struct numbers *numbers,
                              struct pt_valkey_argument *arguments)
{
    size_t count = 0;
    write_number(numbers->sequence, take->sequence);
    write_number(numbers->received, take->received_ms);
    write_number(numbers->max_bytes, writer->options.max_bytes);
    write_number(numbers->max_finished, writer->options.max_finished);
    write_number(numbers->ttl, writer->options.finished_ttl_ms);
    write_number(numbers->number, (int64_t)writer->last_number);
    arguments[count++] = pt_valkey_text("EVALSHA");
    arguments[count++] = pt_valkey_text(writer->script);
    arguments[count++] = pt_valkey_text(KEYS);
    for (size_t i = 0; i < PT_SHARE_KEY_COUNT; i++)
        arguments[count++] = pt_valkey_text(writer->keys[i]);
    const char *const texts[] = {take->node_name,
                                 take->agent_run,
                                 numbers->sequence,
                                 numbers->received,
                                 MAX_AGE,
                                 KEPT,
                                 numbers->max_bytes,
                                 numbers->max_finished,
                                 numbers->ttl,
                                 writer->options.run,
                                 numbers->number,
                                 take->row_ids};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        arguments[count++] = pt_valkey_text(texts[i]);
    arguments[count++] = (struct pt_valkey_argument){take->report, take->report_length};
    arguments[count++] = pt_valkey_text(numbers->max_bytes);
    for (size_t i = 0; i < take->finished_count; i++) {
        arguments[count++] = pt_valkey_text(take->finished[i].id);
        arguments[count++] =
            (struct pt_valkey_argument){take->finished[i].json, take->finished[i].json_length};
    }
    return count;
}

int pt_share_writer_take(struct pt_share_writer *writer, const struct pt_share_take *take,
                         uint64_t *ret_number)
{
    struct numbers numbers;
    if (!is_ready(writer))
        return -ENOTCONN;
    struct pt_valkey_argument *arguments =
        calloc(FIXED_ARGUMENTS + 2 * take->finished_count, sizeof(*arguments));
    struct taken *taken = malloc(sizeof(*taken));
    int r = arguments && taken ? 0 : -ENOMEM;
    if (r == 0) {
        *taken = (struct taken){.writer = writer, .number = ++writer->last_number};
        size_t count = write_arguments(writer, take, &numbers, arguments);
        r = pt_valkey_link_send(writer->link, arguments, count, on_take, taken);
    }
    free(arguments);
    if (r < 0) {
        free(taken);
        return r;
    }
    LIST_INSERT_HEAD(&writer->under_way, taken, link);
    *ret_number = taken->number;
    return 0;
}

// --- the rest of what the header promises ---

struct pt_share_writer *pt_share_writer_create(struct event_base *base,
                                               const struct pt_clock *clock,
                                               const struct pt_share_writer_options *options)
{
    struct pt_share_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return NULL;
    writer->options = *options;
    writer->clock = clock;
    LIST_INIT(&writer->under_way);
    pt_share_keys_write(options->prefix, writer->keys);
    struct pt_valkey_link_options link = *options->link;
    link.max_pending_bytes = PT_LIMIT_SHARE_PENDING_BYTES;
    link.max_reply_bytes = PT_LIMIT_SHARE_WORD_BYTES;
    link.on_open = on_open;
    link.on_closed = on_closed;
    link.context = writer;
    writer->link = pt_valkey_link_create(base, clock, &link);
    writer->timer = pt_timer_create(base, clock, on_timer, writer);
    if (!writer->link || !writer->timer) {
        pt_share_writer_destroy(writer);
        return NULL;
    }
    pt_timer_start_every(writer->timer, LOOK_AT_CLOCK_MS);
    return writer;
}

void pt_share_writer_destroy(struct pt_share_writer *writer)
{
    struct taken *taken;
    if (!writer)
        return;
    while ((taken = LIST_FIRST(&writer->under_way))) {
        LIST_REMOVE(taken, link);
        free(taken);
    }
    pt_valkey_link_destroy(writer->link);
    pt_timer_destroy(writer->timer);
    free(writer);
}

int64_t pt_share_writer_now_ms(const struct pt_share_writer *writer)
{
    if (!writer->knows_clock)
        return 0;
    return writer->clock_distance_ms + pt_clock_monotonic_ns(writer->clock) / PT_NS_PER_MS;
}

struct pt_valkey_link *pt_share_writer_link(struct pt_share_writer *writer)
{
    return writer->link;
}
