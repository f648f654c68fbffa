// SPDX-License-Identifier: Apache-2.0
#include "base/shared_text.h"

#include "check.h"

static void equal_texts_are_one(void **state)
{
    (void)state;
    struct pt_map texts;
    const char *a = NULL, *b = NULL;
    char own[] = "1.6.33";
    pt_map_init(&texts);
    assert_int_equal(pt_shared_text_replace(&texts, &a, own), 0);
    own[0] = '2'; // it is a copy
    check_text("copy", a, "1.6.33");
    assert_int_equal(pt_shared_text_replace(&texts, &b, "1.6.33"), 0);
    assert_ptr_equal(a, b);
    check_int("texts", (int64_t)texts.count, 1);
    assert_int_equal(pt_shared_text_replace(&texts, &a, a), 0); // as itself
    assert_int_equal(pt_shared_text_replace(&texts, &a, "2.1.4"), 0);
    check_text("the other one stays", b, "1.6.33");
    check_int("texts", (int64_t)texts.count, 2);
    pt_shared_text_release(&texts, a);
    assert_int_equal(pt_shared_text_replace(&texts, &b, NULL), 0);
    assert_null(b);
    pt_shared_text_release(&texts, b);
    check_int("nobody uses one", (int64_t)texts.count, 0);
    pt_map_finish(&texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_are_one),
    };
    return cmocka_run_group_tests_name("shared_text", tests, NULL, NULL);
}
