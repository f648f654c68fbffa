// SPDX-License-Identifier: Apache-2.0
#include "base/journal.h"

#include "base/log.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *journal_stream;

static char *fake_getenv(const char *name)
{
    return strcmp(name, "JOURNAL_STREAM") == 0 ? (char *)journal_stream : NULL;
}

// Writes where a descriptor leads as the journal's stream.
static void name_stream(int fd, char name[static 64])
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    snprintf(name, 64, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
}

static void the_journal_is_known_by_its_stream(void **state)
{
    (void)state;
    char name[64];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    journal_stream = NULL;
    assert_false(pt_journal_keeps(ends[1], fake_getenv));
    name_stream(ends[1], name);
    journal_stream = name;
    assert_true(pt_journal_keeps(ends[1], fake_getenv));
    assert_false(pt_journal_keeps(-1, fake_getenv));
    journal_stream = "8:1"; // standard output was led elsewhere since
    assert_false(pt_journal_keeps(ends[1], fake_getenv));
    close(ends[0]);
    close(ends[1]);
}

static void lines_for_the_journal_begin_with_their_priority(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        enum pt_log_level level;
        bool is_journal;
        const char *begin;
    } rows[] = {
        {"debug", PT_LOG_DEBUG, true, "<7>{"},   {"info", PT_LOG_INFO, true, "<6>{"},
        {"warn", PT_LOG_WARN, true, "<4>{"},     {"error", PT_LOG_ERROR, true, "<3>{"},
        {"elsewhere", PT_LOG_ERROR, false, "{"},
    };
    int ends[2];
    char name[64], line[256];
    assert_int_equal(pipe(ends), 0);
    name_stream(ends[1], name);
    pt_log_set_level(PT_LOG_DEBUG);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].is_journal)
            setenv("JOURNAL_STREAM", name, true);
        else
            unsetenv("JOURNAL_STREAM");
        pt_log_set_descriptor(ends[1]);
        pt_log_start();
        pt_log_write(rows[i].level, "x", NULL, 0);
        ssize_t length = read(ends[0], line, sizeof(line) - 1);
        assert_true(length > 0);
        line[strlen(rows[i].begin)] = '\0';
        check_text(rows[i].row, line, rows[i].begin);
        pt_log_set_descriptor(STDOUT_FILENO);
    }
    close(ends[0]);
    close(ends[1]);
}

// Such as those of an API server that refuses to have its Secrets written.
static void others_words_are_one_line_and_steer_no_terminal(void **state)
{
    (void)state;
    char line[256];
    int ends[2], kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    unsetenv("JOURNAL_STREAM");
    fflush(stderr);
    dup2(ends[1], STDERR_FILENO);
    pt_journal_complain("pulltrace-server", "403 a\033[2J\n<0>b\r\xc2\x9bx");
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    ssize_t length = read(ends[0], line, sizeof(line) - 1);
    assert_true(length > 0);
    line[length] = '\0';
    check_text("line", line, "pulltrace-server: 403 a?[2J?<0>b???x\n");
    close(kept);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_journal_is_known_by_its_stream),
        cmocka_unit_test(lines_for_the_journal_begin_with_their_priority),
        cmocka_unit_test(others_words_are_one_line_and_steer_no_terminal),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
