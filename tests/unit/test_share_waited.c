// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_waited.h"

#include "base/clock.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const struct pt_waiting_container waiting[] = {
        {"shop", "web-0", "app", "web:1"},
        {"sh\nop", "w\"eb-1", "app", NULL},
    };
    static const struct pt_join joins[] = {
        {.waiting = waiting, .waiting_count = 2, .queued_seconds = -1},
        {.waiting = waiting,
         .waiting_count = 1,
         .queued_seconds = 2.5,
         .image_ref = "registry.example/shop/web:1",
         .image_ref_exact = true,
         .attempts = 3},
    };
    for (size_t i = 0; i < COUNT_OF(joins); i++) {
        struct pt_buffer text;
        pt_buffer_init(&text, 4096);
        pt_share_waited_write(&joins[i], NULL, &text);
        assert_int_equal(text.failure, 0);
        assert_null(memchr(text.data, '\n', text.length));
        struct pt_share_waited waited;
        const struct pt_join *read = &waited.join;
        assert_int_equal(pt_share_waited_read(text.data, text.length, &waited), 0);
        check_int("row", waited.is_row, false);
        check_int("pods", (int64_t)read->waiting_count, (int64_t)joins[i].waiting_count);
        for (size_t k = 0; k < read->waiting_count; k++) {
            check_text("namespace", read->waiting[k].namespace, waiting[k].namespace);
            check_text("pod", read->waiting[k].pod, waiting[k].pod);
            check_text("image", read->waiting[k].image, waiting[k].image);
        }
        check_text("name", read->image_ref, joins[i].image_ref);
        check_int("exact", read->image_ref_exact, joins[i].image_ref_exact);
        check_int("attempts", read->attempts, joins[i].attempts);
        assert_true(read->queued_seconds == joins[i].queued_seconds);
        pt_share_waited_finish(&waited);
        pt_buffer_finish(&text);
    }
}

#define TIME (INT64_C(1790000000) * PT_NS_PER_S)

// All that there is of it.
static void a_row_that_no_agent_reported_is_read_as_it_was(void **state)
{
    (void)state;
    static const struct pt_waiting_container pod = {"shop", "web-0", "app", "web:1"};
    static const struct {
        const char *start; // what the script reads
        struct pt_pull row;
        struct pt_join join;
    } cases[] = {
        {"{\"rank\":7,",
         {.image_ref = "a.io/web:1",
          .repository = "a.io/web",
          .phase = PT_PULL_FAILED,
          .error = "no \"such\" image",
          .error_class = PT_FAILURE_NOT_FOUND,
          .started_at = TIME,
          .completed_at = TIME + PT_NS_PER_S},
         {.waiting = &pod, .waiting_count = 1, .queued_seconds = 1.5, .attempts = 3}},
        {"{\"rank\":6,",
         {.image_ref = "a.io/web:1",
          .phase = PT_PULL_FAILED,
          .started_at = TIME,
          .completed_at = TIME + PT_NS_PER_S},
         {.queued_seconds = -1, .attempts = 3}},
        {"{\"rank\":4294967296,",
         {.image_ref = "no reference",
          .phase = PT_PULL_COMPLETED,
          .started_at = TIME,
          .completed_at = TIME},
         {.queued_seconds = -1, .pull_ns = 4500000001, .image_bytes = 72950530}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_share_waited read;
        struct pt_buffer text;
        pt_buffer_init(&text, 4096);
        pt_share_waited_write(&cases[i].join, &cases[i].row, &text);
        assert_memory_equal(text.data, cases[i].start, strlen(cases[i].start));
        assert_int_equal(pt_share_waited_read(text.data, text.length, &read), 0);
        check_int("row", read.is_row, true);
        check_text("name", read.row.image_ref, cases[i].row.image_ref);
        check_text("name", read.join.image_ref, cases[i].row.image_ref);
        check_text("repository", read.row.repository, cases[i].row.repository);
        check_int("phase", read.row.phase, cases[i].row.phase);
        check_text("error", read.join.error, cases[i].row.error);
        check_int("class", read.join.error_class, cases[i].row.error_class);
        check_int("started", read.row.started_at, cases[i].row.started_at);
        check_int("ended", read.row.completed_at, cases[i].row.completed_at);
        check_int("pods", (int64_t)read.join.waiting_count, (int64_t)cases[i].join.waiting_count);
        check_int("attempts", read.join.attempts, cases[i].join.attempts);
        check_int("pull", read.join.pull_ns, cases[i].join.pull_ns);
        check_int("size", read.join.image_bytes, cases[i].join.image_bytes);
        assert_true(read.join.queued_seconds == cases[i].join.queued_seconds);
        pt_share_waited_finish(&read);
        pt_buffer_finish(&text);
    }
}

static void what_others_have_written_is_not_trusted(void **state)
{
    (void)state;
#define POD "{\"namespace\":\"a\",\"podName\":\"b\",\"container\":\"c\"}"
#define AT "\"2026-01-01T00:00:00Z\""
#define ROW(more) "{\"row\":{\"imageRef\":\"a\"" more "}}"
#define DONE ",\"phase\":\"completed\",\"completedAt\":" AT
    static const struct {
        const char *text;
        int answer;
    } cases[] = {
        {"{\"pods\":[" POD "]}", 0},
        {"{\"pods\":[" POD "],\"queuedSeconds\":-7,\"attempts\":-1}", 0},
        {"{\"pods\":[" POD "],\"queuedSeconds\":\"x\",\"imageRef\":7}", 0},
        {"{\"pods\":[]}", -EINVAL},
        {"{\"pods\":{}}", -EINVAL},
        {"{\"pods\":[7]}", -EINVAL},
        {"{\"pods\":[{\"namespace\":\"a\"}]}", -EINVAL},
        {"[]", -EINVAL},
        {"{", -EINVAL},
        {"", -EINVAL},
        {ROW(DONE), 0},
        {ROW(",\"phase\":\"failed\",\"completedAt\":" AT), 0},
        {ROW(",\"phase\":\"failed\""), -EBADMSG},
        {ROW(",\"phase\":\"cancelled\",\"completedAt\":" AT), -EBADMSG},
        {ROW(",\"phase\":\"downloading\",\"completedAt\":" AT), -EBADMSG},
        {ROW(DONE ",\"error\":7"), -EBADMSG},
        {"{\"row\":7}", -EBADMSG},
        {"{\"row\":{"
         "\"phase\":\"completed\"}}",
         -EBADMSG},
        {"{\"pods\":[7],\"row\":{\"imageRef\":\"a\"" DONE "}}", -EBADMSG},
        {"{\"row\":{\"imageRef\":\"a\"" DONE "},\"pullNs\":-1,\"imageBytes\":18446744073709551615}",
         0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_share_waited read;
        int r = pt_share_waited_read(cases[i].text, strlen(cases[i].text), &read);
        check_int(cases[i].text, r, cases[i].answer);
        if (r < 0)
            continue;
        check_int("attempts", read.join.attempts, 0);
        check_int("pull", read.join.pull_ns + read.join.image_bytes, 0);
        assert_true(read.join.queued_seconds == -1);
        check_text("name", read.join.image_ref, read.is_row ? "a" : NULL);
        pt_share_waited_finish(&read);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_row_that_no_agent_reported_is_read_as_it_was),
        cmocka_unit_test(what_others_have_written_is_not_trusted),
    };
    return cmocka_run_group_tests_name("share_waited", tests, NULL, NULL);
}
