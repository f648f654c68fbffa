// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"
#include "server/identity/base64url.h"
#include "server/identity/jwks.h"

#include "check.h"
#include "identity_fixture.h"

static void test_key_sets(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"empty", ""},
        {"no JSON", "<html>"},
        {"an array", "[]"},
        {"no keys", "{\"keys\":[]}"},
        {"keys are an object", "{\"keys\":{}}"},
        {"symmetric", "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}]}"},
        {"Edwards curve", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":"
                          "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"},
        {"RSA of 8 bits",
         "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"_w\",\"e\":\"AQAB\"}]}"},
        {"RSA without exponent", "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"_w\"}]}"},
        {"a point that is not on the curve",
         "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":"
         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":"
         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}"},
        {"short coordinates",
         "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"AA\",\"y\":\"AA\"}]}"},
        {"another curve", "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"kid\":\"a\",\"x\":"
                          "\"AA\",\"y\":\"AA\"}]}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pt_jwks *none = NULL;
        if (pt_jwks_read(rows[i].text, strlen(rows[i].text), &none, NULL) != -EINVAL)
            fail_msg("%s: taken", rows[i].name);
    }
}

static size_t count_of(const char *id, const char *extra, const char *second_id)
{
    char text[4096];
    struct pt_jwks *read;
    char *end = text + sprintf(text, "{\"keys\":[");
    end = write_jwk(end, &signers[RSA_KEY], id, extra);
    if (second_id) {
        *end++ = ',';
        end = write_jwk(end, &signers[P256_KEY], second_id, "");
    }
    sprintf(end, "]}");
    if (pt_jwks_read(text, strlen(text), &read, NULL) < 0)
        return 0;
    size_t count = pt_jwks_count(read);
    pt_jwks_destroy(read);
    return count;
}

static void test_what_a_key_may_say(void **state)
{
    (void)state;
    assert_int_equal(count_of("a", "", NULL), 1);
    assert_int_equal(count_of("a", "\"alg\":\"RS256\",\"use\":\"sig\",", NULL), 1);
    assert_int_equal(count_of("a", "\"use\":\"enc\",", NULL), 0);
    assert_int_equal(count_of("a", "\"alg\":\"RS512\",", NULL), 0);
    assert_int_equal(count_of("a", "\"alg\":\"PS256\",", NULL), 0);
    assert_int_equal(count_of("", "", NULL), 0);
    assert_int_equal(count_of("a", "", "b"), 2);
    assert_int_equal(count_of("a", "", "a"), 1); // the first of that name
}

// The set of so many copies of a key, and of another one; false: nothing in it can be used.
static bool read_copies(const char *copy, size_t copies, size_t *ret_count)
{
    static char text[500000];
    struct pt_jwks *read;
    char *end = text + sprintf(text, "{\"keys\":[");
    for (size_t i = 0; i < copies; i++)
        end += sprintf(end, "%s,", copy);
    end = write_jwk(end, &signers[P256_KEY], "other", "");
    sprintf(end, "]}");
    if (pt_jwks_read(text, strlen(text), &read, NULL) < 0)
        return false;
    *ret_count = pt_jwks_count(read);
    pt_jwks_destroy(read);
    return true;
}

static void test_a_set_takes_its_time_by_the_keys_that_it_may_have(void **state)
{
    (void)state;
    char copy[2048];
    size_t count;
    (void)write_jwk(copy, &signers[P521_KEY], "copy", "");
    int64_t began_ns = pt_loop_cpu_ns();
    assert_true(read_copies(copy, 1000, &count));
    assert_int_equal(count, 2);
    check_int("takes a quarter of a second", pt_loop_cpu_ns() - began_ns > 250000000, 0);
    memset(strstr(copy, "\"x\":\"") + 5, 'A', 60); // no point of the curve
    assert_true(read_copies(copy, PT_LIMIT_CLUSTER_KEYS - 1, &count));
    assert_int_equal(count, 1);
    assert_false(read_copies(copy, PT_LIMIT_CLUSTER_KEYS, &count));
}

// No key says that this is its signature; -ENOENT: there is no key of that name.
static int verify_nothing_by(const struct pt_jwks *keys, const char *key_id)
{
    const struct pt_jwt jwt = {.signed_text = "e30.e30",
                               .signed_length = 7,
                               .signature_length = 256,
                               .algorithm = "RS256",
                               .key_id = key_id};
    struct pt_error err;
    return pt_jwks_verify(keys, &jwt, &err);
}

static void test_key_sets_are_compared(void **state)
{
    (void)state;
    struct pt_jwks *keys, *fewer, *same;
    const char *text = write_jwks(STRANGER);
    assert_int_equal(pt_jwks_read(text, strlen(text), &keys, NULL), 0);
    text = write_jwks(2);
    assert_int_equal(pt_jwks_read(text, strlen(text), &fewer, NULL), 0);
    text = write_jwks(STRANGER);
    assert_int_equal(pt_jwks_read(text, strlen(text), &same, NULL), 0);
    assert_true(pt_jwks_are_equal(keys, same));
    assert_false(pt_jwks_are_equal(keys, fewer));
    assert_false(pt_jwks_are_equal(NULL, keys));
    assert_int_equal(verify_nothing_by(fewer, "rsa"), -EPERM);
    assert_int_equal(verify_nothing_by(fewer, "p521"), -ENOENT);
    pt_jwks_destroy(keys);
    pt_jwks_destroy(fewer);
    pt_jwks_destroy(same);
}

static void test_base64url(void **state)
{
    (void)state;
    unsigned char out[8];
    size_t length;
    assert_int_equal(pt_base64url_decode("-_8", 3, out, 2, &length), 0);
    assert_int_equal(length, 2);
    assert_int_equal(out[0], 0xfb);
    assert_int_equal(out[1], 0xff);
    assert_int_equal(pt_base64url_decode("", 0, out, 0, &length), 0);
    assert_int_equal(length, 0);
    assert_int_equal(pt_base64url_decode("AAAA", 4, out, 2, &length), -EMSGSIZE);
    assert_int_equal(pt_base64url_decode("AAAAA", 5, out, 8, &length), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_sets),
        cmocka_unit_test(test_what_a_key_may_say),
        cmocka_unit_test(test_a_set_takes_its_time_by_the_keys_that_it_may_have),
        cmocka_unit_test(test_key_sets_are_compared),
        cmocka_unit_test(test_base64url),
    };
    return cmocka_run_group_tests(tests, signers_set_up, signers_tear_down);
}
