// SPDX-License-Identifier: Apache-2.0
#include "base/memory_share.h"

#include "held_log.h"

static int64_t now_ns;

static int64_t read_now(void *context)
{
    (void)context;
    return now_ns;
}

static const struct pt_clock test_clock = {read_now, read_now, NULL};

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct pt_memory_share share;
    pt_memory_share_init(&share, "store", 100, NULL);
    assert_true(pt_memory_share_take(&share, 60));
    assert_true(pt_memory_share_has_room(&share, 40));
    assert_false(pt_memory_share_has_room(&share, 41));
    assert_false(pt_memory_share_take(&share, 41));
    assert_int_equal(share.refused, 1);
    assert_true(pt_memory_share_take(&share, 40));
    pt_memory_share_add(&share, 20); // in use in any case
    assert_false(pt_memory_share_take(&share, 1));
    pt_memory_share_add(&share, -120);
    assert_int_equal(share.used_bytes, 0);
    assert_true(pt_memory_share_take(&share, 100));
}

static void without_a_maximum_all_fits(void **state)
{
    (void)state;
    struct pt_memory_share share, zero = {0};
    pt_memory_share_init(&share, "store", PT_MEMORY_WITHOUT_END, NULL);
    assert_true(pt_memory_share_take(&share, INT64_C(1) << 60));
    assert_true(pt_memory_share_take(&zero, INT64_C(1) << 60));
    assert_true(pt_memory_share_take(&zero, INT64_C(1) << 60));
}

static void a_full_share_is_logged_once_a_minute(void **state)
{
    (void)state;
    struct pt_memory_share share;
    int log = held_log_open();
    now_ns = PT_NS_PER_S;
    pt_memory_share_init(&share, "store", 100, &test_clock);
    for (unsigned minute = 1; minute <= 3; minute++) {
        for (int i = 0; i < 50; i++)
            assert_false(pt_memory_share_take(&share, 101));
        check_int("warnings", held_log_count(log, "memory.full"), minute);
        now_ns += 60 * PT_NS_PER_S;
    }
    assert_int_equal(share.refused, 150);
    held_log_close(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(without_a_maximum_all_fits),
        cmocka_unit_test(a_full_share_is_logged_once_a_minute),
    };
    return cmocka_run_group_tests_name("memory_share", tests, NULL, NULL);
}
