// SPDX-License-Identifier: Apache-2.0
#include "server/store/stored_pull.h"

#include "store_fixture.h"

#include <openssl/evp.h>

// Digests are made only as often as the test lets them: the linker turns the calls to these.
EVP_MD_CTX *__real_EVP_MD_CTX_new(void);
EVP_MD_CTX *__wrap_EVP_MD_CTX_new(void);

static int digests_left = -1; // -1: without end

EVP_MD_CTX *__wrap_EVP_MD_CTX_new(void)
{
    if (digests_left == 0)
        return NULL;
    if (digests_left > 0)
        digests_left--;
    return __real_EVP_MD_CTX_new();
}

static void an_id_belongs_to_node_key_and_salt(void **state)
{
    (void)state;
    char id[PT_PULL_ID_SIZE], other[PT_PULL_ID_SIZE];
    assert_int_equal(pt_pull_id_make("a", "bc", 1, id), 0);
    assert_int_equal(strspn(id, "0123456789abcdef"), PT_PULL_ID_SIZE - 1);
    assert_int_equal(pt_pull_id_make("a", "bc", 1, other), 0);
    assert_string_equal(id, other);
    static const struct {
        const char *node, *key;
        int64_t salt;
    } others[] = {{"ab", "c", 1}, {"a", "b", 1}, {"a", "bc", 2}, {"bc", "a", 1}};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_int_equal(pt_pull_id_make(others[i].node, others[i].key, others[i].salt, other), 0);
        assert_string_not_equal(id, other);
    }
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    char id[PT_PULL_ID_SIZE] = "as it was";
    digests_left = 0;
    assert_int_equal(pt_pull_id_make("a", "bc", 1, id), -ENOMEM);
    digests_left = -1;
    assert_string_equal(id, "as it was");
}

// It once ended the whole server.
static void a_report_without_memory_for_ids_comes_again(void **state)
{
    struct scene *scene = *state;
    struct sharing_pulls made;
    make_sharing_pulls(&made);
    for (int left = 0; left < 2; left++) {
        digests_left = left;
        check_int("report", scene_report(scene, "n1", made.pulls, 2), -ENOMEM);
        digests_left = -1;
        check_int("kept", (int64_t)scene->store->pulls.count, left);
    }
    scene_deliver_pulls(scene, "n1", made.pulls, 2);
    assert_int_equal(scene->store->pulls.count, 2);
    assert_int_equal(scene->started, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_belongs_to_node_key_and_salt),
        cmocka_unit_test(without_memory_there_is_none),
        SCENE_TEST(a_report_without_memory_for_ids_comes_again),
    };
    return cmocka_run_group_tests_name("pull_id", tests, NULL, NULL);
}
