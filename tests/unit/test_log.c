// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/log.h"

#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <yyjson.h>

static int pipe_ends[2];

static int open_pipe(void **state)
{
    (void)state;
    return pipe(pipe_ends);
}

static int close_pipe(void **state)
{
    (void)state;
    close(pipe_ends[0]);
    return close(pipe_ends[1]);
}

// Returns the one line that was logged, parsed; NULL if nothing was.
static yyjson_doc *read_line(void)
{
    char line[16384];
    assert_int_equal(write(pipe_ends[1], "$", 1), 1); // so that reading never waits
    ssize_t n = read(pipe_ends[0], line, sizeof(line));
    assert_true(n >= 1 && line[n - 1] == '$');
    if (n == 1)
        return NULL;
    assert_int_equal(line[n - 2], '\n');
    assert_null(memchr(line, '\n', (size_t)n - 2));
    return yyjson_read(line, (size_t)n - 2, 0);
}

static void a_line_is_one_json_object(void **state)
{
    (void)state;
    pt_log_set_descriptor(pipe_ends[1]);
    pt_log_set_level(PT_LOG_INFO);
    pt_log_info("hello", pt_log_text("who", "a \"b\"\n\xff"), pt_log_text("absent", NULL),
                pt_log_int("count", -7), pt_log_json("event", "{\"a\":[1]}"));
    yyjson_doc *doc = read_line();
    assert_non_null(doc);
    yyjson_val *line = yyjson_doc_get_root(doc);
    assert_int_equal(yyjson_get_len(yyjson_obj_get(line, "time")), 24);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(line, "level")), "info");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(line, "msg")), "hello");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(line, "who")), "a \"b\"\n?");
    assert_null(yyjson_obj_get(line, "absent"));
    assert_int_equal(yyjson_get_sint(yyjson_obj_get(line, "count")), -7);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(yyjson_obj_get(line, "event"), "a")), 1);
    yyjson_doc_free(doc);
    pt_log_set_descriptor(STDOUT_FILENO);
}

static void lines_below_the_level_are_dropped(void **state)
{
    (void)state;
    pt_log_set_descriptor(pipe_ends[1]);
    pt_log_set_level(PT_LOG_WARN);
    pt_log_info("quiet");
    assert_null(read_line());
    pt_log_error("loud");
    yyjson_doc *doc = read_line();
    assert_non_null(doc);
    yyjson_doc_free(doc);
    pt_log_set_descriptor(-1);
    pt_log_error("nowhere");
    assert_null(read_line());
    pt_log_set_descriptor(STDOUT_FILENO);
}

static void long_text_is_cut(void **state)
{
    (void)state;
    char text[8000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    pt_log_set_descriptor(pipe_ends[1]);
    pt_log_error("long", pt_log_text("text", text));
    yyjson_doc *doc = read_line();
    assert_int_equal(yyjson_get_len(yyjson_obj_get(yyjson_doc_get_root(doc), "text")), 4096);
    yyjson_doc_free(doc);
    pt_log_set_descriptor(STDOUT_FILENO);
}

// kubectl logs on a terminal with 8-bit controls would obey U+009B as it does ESC [.
static void no_control_stands_as_it_is(void **state)
{
    (void)state;
    char line[1024];
    pt_log_set_descriptor(pipe_ends[1]);
    pt_log_error("x",
                 pt_log_text("text", "\x1b[1m \x7f \xc2\x80 \xc2\x9b \xc2\x9f \xc2\xa0 \xc3\xa9"),
                 pt_log_json("event", "{\"a\":\"\xc2\x9b\"}"));
    ssize_t n = read(pipe_ends[0], line, sizeof(line) - 1);
    assert_true(n > 0);
    line[n] = '\0';
    assert_non_null(
        strstr(line, "\"\\u001B[1m \\u007f \\u0080 \\u009b \\u009f \xc2\xa0 \xc3\xa9\""));
    assert_non_null(strstr(line, "{\"a\":\"\\u009b\"}"));
    pt_log_set_descriptor(STDOUT_FILENO);
}

// What has come would be read as something else.
static void nothing_turns_a_line_around(void **state)
{
    (void)state;
    static const struct {
        const char *text, *written;
    } rows[] = {
        {"\u061b\u061c\u061d", "\u061b\\u061c\u061d"},
        {"\u200a\u200b\u200f\u2010", "\u200a\\u200b\\u200f\u2010"},
        {"\u2027\u2028\u202e\u202f", "\u2027\\u2028\\u202e\u202f"},
        {"\u205f\u2060\u2069\u206a", "\u205f\\u2060\\u2069\u206a"},
        {"\ufefe\ufeff\uff00", "\ufefe\\ufeff\uff00"},
        {"\u20ac\u1028\u0428", "\u20ac\u1028\u0428"},
    };
    char line[1024], wanted[64];
    pt_log_set_descriptor(pipe_ends[1]);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        pt_log_error("x", pt_log_text("text", rows[i].text));
        ssize_t n = read(pipe_ends[0], line, sizeof(line) - 1);
        assert_true(n > 0);
        line[n] = '\0';
        snprintf(wanted, sizeof(wanted), "\"text\":\"%s\"", rows[i].written);
        if (!strstr(line, wanted))
            fail_msg("%s is not in %s", wanted, line);
    }
    pt_log_set_descriptor(STDOUT_FILENO);
}

// --- a reader that does not read ---

static int64_t hands_ns; // of the test's clock

static int64_t read_hands(void *context)
{
    (void)context;
    return hands_ns;
}

static const struct pt_clock test_clock = {read_hands, read_hands, NULL};

// Reads all that is in the pipe now, and returns the line that says how many are missing, parsed;
// NULL: there is none. Every line must be whole.
static yyjson_doc *read_all(size_t *ret_lines)
{
    static char text[4 * 1024 * 1024];
    size_t length = 0;
    ssize_t n;
    yyjson_doc *found = NULL;
    *ret_lines = 0;
    while ((n = read(pipe_ends[0], text + length, sizeof(text) - 1 - length)) > 0) {
        length += (size_t)n;
        pt_log_flush();
    }
    for (char *at = text, *end; at < text + length; at = end + 1, (*ret_lines)++) {
        end = memchr(at, '\n', (size_t)(text + length - at));
        assert_non_null(end);
        yyjson_doc *doc = yyjson_read(at, (size_t)(end - at), 0);
        assert_non_null(doc);
        bool is_it = strcmp(yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "msg")),
                            "log.lines_missing") == 0;
        if (is_it) {
            assert_null(found);
            found = doc;
        } else {
            yyjson_doc_free(doc);
        }
    }
    return found;
}

static int64_t number(yyjson_doc *doc, const char *key)
{
    return yyjson_get_sint(yyjson_obj_get(yyjson_doc_get_root(doc), key));
}

// It once stopped the whole program.
static void a_reader_that_stalls_stops_nobody(void **state)
{
    (void)state;
    static const bool starts[] = {true, false}; // with a descriptor of the log's own, and without
    assert_int_equal(fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK), 0);
    pt_log_set_clock(&test_clock);
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        const int written = 1000;
        char text[4000];
        size_t lines;
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        hands_ns += 2 * PT_NS_PER_S;
        struct pt_log_drops before = pt_log_drops();
        pt_log_set_descriptor(pipe_ends[1]);
        if (starts[i])
            pt_log_start();
        for (int line = 0; line < written; line++)
            pt_log_error("long", pt_log_text("text", text));
        int64_t dropped = (int64_t)(pt_log_drops().unread - before.unread);
        assert_true(dropped > 0 && dropped < written);

        yyjson_doc *missing = read_all(&lines);

        assert_non_null(missing);
        check_int("lines missing", number(missing, "lines"), dropped);
        check_int("lines read", (int64_t)lines, written - dropped + 1);
        yyjson_doc_free(missing);
    }
    assert_int_equal(fcntl(pipe_ends[1], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(pipe_ends[0], F_SETFL, 0), 0);
    pt_log_set_clock(NULL);
    pt_log_set_descriptor(STDOUT_FILENO);
}

static void a_reader_that_is_gone_stops_nobody(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    pt_log_set_descriptor(ends[1]);
    struct pt_log_drops before = pt_log_drops();
    pt_log_error("to nobody");
    assert_int_equal(pt_log_drops().unread - before.unread, 1);
    pt_log_set_descriptor(STDOUT_FILENO);
    close(ends[1]);
}

// --- the ceiling ---

static unsigned log_events(unsigned count)
{
    unsigned admitted = 0;
    for (unsigned i = 0; i < count; i++)
        admitted += pt_log_admits_event(PT_LOG_ERROR);
    return admitted;
}

static void events_have_a_ceiling(void **state)
{
    (void)state;
    const unsigned most = PT_LIMIT_LOG_EVENTS_PER_S;
    size_t lines;
    hands_ns += 2 * PT_NS_PER_S;
    pt_log_set_clock(&test_clock);
    pt_log_set_descriptor(pipe_ends[1]);
    assert_int_equal(fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK), 0);
    struct pt_log_drops before = pt_log_drops();
    assert_int_equal(log_events(most + 20), most);
    assert_int_equal(pt_log_drops().too_many - before.too_many, 20);
    hands_ns += PT_NS_PER_S;
    assert_int_equal(log_events(most), most);
    pt_log_error("another line");
    yyjson_doc *missing = read_all(&lines);
    assert_non_null(missing);
    assert_int_equal(number(missing, "lines"), 20);
    assert_int_equal(lines, 2);
    yyjson_doc_free(missing);
    pt_log_set_descriptor(-1);
    assert_false(pt_log_admits_event(PT_LOG_ERROR));
    assert_int_equal(pt_log_drops().too_many - before.too_many, 20);
    assert_int_equal(fcntl(pipe_ends[0], F_SETFL, 0), 0);
    pt_log_set_clock(NULL);
    pt_log_set_descriptor(STDOUT_FILENO);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_json_object),
        cmocka_unit_test(lines_below_the_level_are_dropped),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(no_control_stands_as_it_is),
        cmocka_unit_test(nothing_turns_a_line_around),
        cmocka_unit_test(a_reader_that_stalls_stops_nobody),
        cmocka_unit_test(events_have_a_ceiling),
        cmocka_unit_test(a_reader_that_is_gone_stops_nobody),
    };
    return cmocka_run_group_tests_name("log", tests, open_pipe, close_pipe);
}
