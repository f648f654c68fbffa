// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_entry.h"
#include "server/valkey/resp.h"

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LARGE (3 * 1024 * 1024)

// An item of a stream as Valkey sends it.
static struct pt_resp_value *make_item(const char *id, const char *row_ids, const char *ended)
{
    struct pt_resp_reader reader;
    struct pt_resp_value *item;
    char text[512];
    int length = snprintf(text, sizeof(text),
                          "*2\r\n+%s\r\n*12\r\n+v\r\n+1\r\n+t\r\n+run\r\n+n\r\n+7\r\n+i\r\n+%s\r\n"
                          "+r\r\n+report\r\n+e\r\n+%s\r\n",
                          id, row_ids, ended);
    pt_resp_reader_init(&reader, sizeof(text), 64);
    assert_int_equal(pt_resp_reader_feed(&reader, text, (size_t)length), 0);
    assert_int_equal(pt_resp_reader_next(&reader, &item), 1);
    pt_resp_reader_finish(&reader);
    return item;
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *id, *row_ids, *ended;
        int result;
    } cases[] = {
        {"1700000000000-1", "0123456789abcdef----", "", 0},
        {"1700000000000-1", "", "1700000000000", 0},
        {"9223372036854-1", "", "9223372036854", 0},
        {"9223372036855-1", "", "", -EPROTO}, // too far away for nanoseconds
        {"18446744073709551615-1", "", "", -EPROTO},
        {"1-1", "", "9223372036855", -EINVAL},
        {"1-1", "", "9223372036854775807", -EINVAL},
        {"1-1", "", "-5", -EINVAL}, // which would be a report of now
        {"1-1", "", "never", -EINVAL},
        {"1-1", "", "99999999999999999999", -EINVAL},
        {"1-1", "0123\x01", "", -EINVAL},
        {"1-1", "ABCD", "", -EINVAL},
        {"1-1", "\"><i>", "", -EINVAL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char name[32];
        struct pt_share_entry entry;
        snprintf(name, sizeof(name), "case %zu", i);
        struct pt_resp_value *item = make_item(cases[i].id, cases[i].row_ids, cases[i].ended);
        check_int(name, pt_share_entry_read(item, &entry), cases[i].result);
        free(item);
    }
}

static void what_is_kept_names_rows_too(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"1-0\n01ab\nreport", 0},
        {"1-0\n<b>\nreport", -EINVAL},
        {"9223372036855-0\n01ab\nreport", -EINVAL},
        {"1-0 {\"pods\":[]}\n01ab\nreport", 0},
        {"1-0 \n01ab\nreport", 0},
        {" 1-0\n01ab\nreport", -EINVAL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_share_entry entry;
        check_int(cases[i].text, pt_share_kept_read(cases[i].text, strlen(cases[i].text), &entry),
                  cases[i].result);
    }
}

static void a_large_answer_leaves_no_memory_behind(void **state)
{
    (void)state;
    struct pt_resp_reader reader;
    struct pt_resp_value *answer;
    static char bytes[LARGE];
    char head[32];
    memset(bytes, 'x', sizeof(bytes));
    pt_resp_reader_init(&reader, (size_t)2 * LARGE, 4);
    int length = snprintf(head, sizeof(head), "$%d\r\n", LARGE);
    assert_int_equal(pt_resp_reader_feed(&reader, head, (size_t)length), 0);
    assert_int_equal(pt_resp_reader_feed(&reader, bytes, sizeof(bytes)), 0);
    assert_int_equal(pt_resp_reader_feed(&reader, "\r\n", 2), 0);
    assert_int_equal(pt_resp_reader_next(&reader, &answer), 1);
    check_int("length", (int64_t)answer->length, LARGE);
    free(answer);
    assert_in_range(reader.capacity, 0, 1 << 20);
    assert_int_equal(pt_resp_reader_feed(&reader, "+OK\r\n", 5), 0);
    assert_int_equal(pt_resp_reader_next(&reader, &answer), 1);
    check_text("the next one", answer->text, "OK");
    free(answer);
    pt_resp_reader_finish(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(what_is_kept_names_rows_too),
        cmocka_unit_test(a_large_answer_leaves_no_memory_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
