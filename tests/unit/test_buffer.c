// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include "check.h"

static void grows_up_to_its_maximum(void **state)
{
    (void)state;
    struct pt_buffer buffer;
    pt_buffer_init(&buffer, 100);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pt_buffer_append_text(&buffer, "0123456789"), 0);
    assert_int_equal(buffer.length, 100);
    assert_int_equal(strlen(buffer.data), 100);
    assert_int_equal(pt_buffer_append_text(&buffer, "x"), -EMSGSIZE);
    assert_int_equal(buffer.length, 100);
    pt_buffer_finish(&buffer);
}

static void takes_back_what_did_not_fit(void **state)
{
    (void)state;
    struct pt_buffer buffer;
    pt_buffer_init(&buffer, 4);
    pt_buffer_rewind(&buffer, 0); // owns nothing yet
    assert_int_equal(pt_buffer_append_text(&buffer, "abc"), 0);
    assert_int_equal(pt_buffer_append_text(&buffer, "d"), 0);
    assert_int_equal(pt_buffer_append_text(&buffer, "e"), -EMSGSIZE);
    pt_buffer_rewind(&buffer, 3);
    assert_string_equal(buffer.data, "abc");
    assert_int_equal(pt_buffer_append_text(&buffer, "f"), 0);
    assert_string_equal(buffer.data, "abcf");
    pt_buffer_finish(&buffer);
}

static void keeps_its_first_failure(void **state)
{
    (void)state;
    struct pt_buffer buffer;
    pt_buffer_init(&buffer, 4);
    assert_int_equal(pt_buffer_printf(&buffer, "%d", 12345), -EMSGSIZE);
    assert_int_equal(pt_buffer_append_text(&buffer, "a"), -EMSGSIZE);
    assert_int_equal(buffer.length, 0);
    pt_buffer_clear(&buffer);
    assert_int_equal(pt_buffer_printf(&buffer, "%d", 1234), 0);
    assert_string_equal(buffer.data, "1234");
    pt_buffer_finish(&buffer);
}

static void consumes_from_the_front(void **state)
{
    (void)state;
    struct pt_buffer buffer;
    pt_buffer_init(&buffer, 100);
    assert_int_equal(pt_buffer_append(&buffer, "headtail", 8), 0);
    pt_buffer_consume(&buffer, 4);
    assert_string_equal(buffer.data, "tail");
    pt_buffer_consume(&buffer, 4);
    assert_int_equal(buffer.length, 0);
    pt_buffer_consume(&buffer, 0);
    pt_buffer_finish(&buffer);
    pt_buffer_consume(&buffer, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_maximum),
        cmocka_unit_test(takes_back_what_did_not_fit),
        cmocka_unit_test(keeps_its_first_failure),
        cmocka_unit_test(consumes_from_the_front),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
