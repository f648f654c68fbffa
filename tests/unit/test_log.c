// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include "check.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_json_object),
        cmocka_unit_test(lines_below_the_level_are_dropped),
        cmocka_unit_test(long_text_is_cut),
    };
    return cmocka_run_group_tests_name("log", tests, open_pipe, close_pipe);
}
