// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include "check.h"

// The published vectors of FNV-1a with 64 bits.
static void it_is_fnv_1a(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t hash;
    } rows[] = {
        {"", UINT64_C(0xcbf29ce484222325)},
        {"a", UINT64_C(0xaf63dc4c8601ec8c)},
        {"foobar", UINT64_C(0x85944171f73967e8)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t got = pt_hash_bytes(PT_HASH_EMPTY, rows[i].text, strlen(rows[i].text));
        assert_int_equal(got, rows[i].hash);
    }
}

static void texts_do_not_run_together(void **state)
{
    (void)state;
    uint64_t one = pt_hash_text(pt_hash_text(PT_HASH_EMPTY, "ab"), "c");
    uint64_t other = pt_hash_text(pt_hash_text(PT_HASH_EMPTY, "a"), "bc");
    assert_int_not_equal(one, other);
    assert_int_equal(pt_hash_text(PT_HASH_EMPTY, "ab"), pt_hash_bytes(PT_HASH_EMPTY, "ab", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_fnv_1a),
        cmocka_unit_test(texts_do_not_run_together),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
