// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_waited.h"

#include "pull/join.h"

#include "check.h"

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
        pt_share_waited_write(&joins[i], &text);
        assert_int_equal(text.failure, 0);
        assert_null(memchr(text.data, '\n', text.length));
        struct pt_join *read = pt_share_waited_read(text.data, text.length);
        assert_non_null(read);
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
        free(read);
        pt_buffer_finish(&text);
    }
}

static void what_others_have_written_is_not_trusted(void **state)
{
    (void)state;
#define POD "{\"namespace\":\"a\",\"podName\":\"b\",\"container\":\"c\"}"
    static const struct {
        const char *text;
        bool is_read;
    } cases[] = {
        {"{\"pods\":[" POD "]}", true},
        {"{\"pods\":[" POD "],\"queuedSeconds\":-7,\"attempts\":-1}", true},
        {"{\"pods\":[" POD "],\"queuedSeconds\":\"x\",\"imageRef\":7}", true},
        {"{\"pods\":[]}", false},
        {"{\"pods\":{}}", false},
        {"{\"pods\":[7]}", false},
        {"{\"pods\":[{\"namespace\":\"a\"}]}", false},
        {"[]", false},
        {"{", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_join *read = pt_share_waited_read(cases[i].text, strlen(cases[i].text));
        check_int(cases[i].text, read != NULL, cases[i].is_read);
        if (read) {
            check_int("attempts", read->attempts, 0);
            assert_true(read->queued_seconds == -1);
            check_text("name", read->image_ref, NULL);
        }
        free(read);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_others_have_written_is_not_trusted),
    };
    return cmocka_run_group_tests_name("share_waited", tests, NULL, NULL);
}
