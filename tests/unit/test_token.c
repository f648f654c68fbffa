// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "server/identity/jwks.h"
#include "server/identity/jwt.h"
#include "server/identity/token_policy.h"

#include "check.h"
#include "identity_fixture.h"

#include <errno.h>
#include <yyjson.h>

static struct pt_jwks *keys;
static struct pt_token_policy policy;

static int set_up(void **state)
{
    (void)state;
    make_signers();
    const char *text = write_jwks(STRANGER);
    int r = pt_jwks_read(text, strlen(text), &keys, NULL);
    return r < 0 ? r
                 : pt_token_policy_read("pulltrace", "pulltrace/pulltrace-agent, other/agent",
                                        &policy, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    pt_jwks_destroy(keys);
    pt_token_policy_finish(&policy);
    free_signers();
    return 0;
}

// What is wrong with a token, NULL: nothing.
static const char *judge(const char *token, int64_t now_s)
{
    static struct pt_error err;
    struct pt_jwt jwt;
    if (pt_jwt_read(token, &jwt, &err) < 0)
        return err.message;
    int r = pt_token_policy_judge(&policy, &jwt.claims, "https://kubernetes.default.svc",
                                  now_s * PT_NS_PER_S, &err);
    if (r == 0)
        r = pt_jwks_verify(keys, &jwt, &err);
    pt_jwt_finish(&jwt);
    return r < 0 ? err.message : NULL;
}

static void check_refused(const char *name, const char *token, const char *words)
{
    const char *why = judge(token, NOW_S);
    if (!why || !strstr(why, words))
        fail_msg("%s: wanted \"%s\", got \"%s\"", name, words, why ? why : "taken");
}

// --- good ones ---

static void test_each_kind_of_key_signs(void **state)
{
    (void)state;
    for (int i = RSA_KEY; i <= P521_KEY; i++) {
        char *token = make_token(&signers[i], "node-1", NOW_S + 3600);
        const char *why = judge(token, NOW_S);
        if (why)
            fail_msg("%s: %s", signers[i].algorithm, why);
        free(token);
    }
}

static void test_what_a_token_says_is_read(void **state)
{
    (void)state;
    struct pt_jwt jwt;
    char *token = make_token(&signers[RSA_KEY], "node-1", NOW_S + 3600);
    assert_int_equal(pt_jwt_read(token, &jwt, NULL), 0);
    assert_string_equal(jwt.algorithm, "RS256");
    assert_string_equal(jwt.key_id, "rsa");
    assert_string_equal(jwt.claims.node_name, "node-1");
    assert_string_equal(jwt.claims.pod_name, "agent-x");
    assert_string_equal(jwt.claims.pod_uid, "p-1");
    assert_string_equal(jwt.claims.namespace_name, "pulltrace");
    assert_int_equal(jwt.claims.expires_at, NOW_S + 3600);
    pt_jwt_finish(&jwt);
    free(token);
}

static void test_a_token_that_names_no_node_is_bound_to_its_pod(void **state)
{
    (void)state;
    char *token = make_token(&signers[P256_KEY], NULL, NOW_S + 3600);
    assert_null(judge(token, NOW_S));
    free(token);
}

static void test_times_have_a_leeway(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t now_s;
        bool is_good;
    } rows[] = {
        {"a clock that is behind", NOW_S - PT_TOKEN_LEEWAY_S, true},
        {"one that is too far behind", NOW_S - PT_TOKEN_LEEWAY_S - 1, false},
        {"just expired", NOW_S + 600 + PT_TOKEN_LEEWAY_S - 1, true},
        {"expired", NOW_S + 600 + PT_TOKEN_LEEWAY_S, false},
    };
    char *token = make_token(&signers[RSA_KEY], "node-1", NOW_S + 600);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *why = judge(token, rows[i].now_s);
        if ((why == NULL) != rows[i].is_good)
            fail_msg("%s: %s", rows[i].name, why ? why : "taken");
    }
    free(token);
}

static void test_audience_and_account_may_be_one_of_several(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "{\"aud\":\"pulltrace\",\"exp\":1800003600,\"iat\":1800000000,\"nbf\":1800000000,"
        "\"iss\":\"https://kubernetes.default.svc\",\"kubernetes.io\":{\"namespace\":\"other\","
        "\"node\":{\"name\":\"n\"}},\"sub\":\"system:serviceaccount:other:agent\"}",
        "{\"aud\":[\"x\",\"pulltrace\"],\"exp\":1800003600,\"iat\":1800000000,\"nbf\":1800000000,"
        "\"iss\":\"https://kubernetes.default.svc\",\"kubernetes.io\":{\"namespace\":\"other\","
        "\"node\":{\"name\":\"n\"}},\"sub\":\"system:serviceaccount:other:agent\"}",
    };
    for (size_t i = 0; i < COUNT_OF(payloads); i++) {
        char *token = sign_token(&signers[RSA_KEY], usual_header(&signers[RSA_KEY]), payloads[i]);
        const char *why = judge(token, NOW_S);
        if (why)
            fail_msg("%zu: %s", i, why);
        free(token);
    }
}

// --- headers ---

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *header, *words;
    } rows[] = {
        {"none", "{\"alg\":\"none\",\"kid\":\"rsa\"}", "algorithm is not that"},
        {"None", "{\"alg\":\"None\",\"kid\":\"rsa\"}", "algorithm is not that"},
        {"symmetric", "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", "algorithm is not that"},
        {"PSS", "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", "algorithm is not that"},
        {"another hash", "{\"alg\":\"RS512\",\"kid\":\"rsa\"}", "algorithm is not that"},
        {"another key's", "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", "algorithm is not that"},
        {"in small letters", "{\"alg\":\"rs256\",\"kid\":\"rsa\"}", "algorithm is not that"},
        {"no algorithm", "{\"kid\":\"rsa\"}", "no algorithm"},
        {"algorithm is a number", "{\"alg\":256,\"kid\":\"rsa\"}", "no algorithm"},
        {"no key", "{\"alg\":\"RS256\"}", "no key"},
        {"empty key", "{\"alg\":\"RS256\",\"kid\":\"\"}", "no key"},
        {"key is an array", "{\"alg\":\"RS256\",\"kid\":[\"rsa\"]}", "no key"},
        {"key with a NUL", "{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000\"}", "no key"},
        {"unknown key", "{\"alg\":\"RS256\",\"kid\":\"other\"}", "a key that the cluster has not"},
        {"a key of its own",
         "{\"alg\":\"RS256\",\"kid\":\"own\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}",
         "a key that the cluster has not"},
        {"critical extension",
         "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"b64\"],\"b64\":false}",
         "critical extensions"},
        {"empty critical", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[]}",
         "critical extensions"},
        {"encrypted", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"JWE\"}", "another type"},
        {"type is a number", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":1}", "another type"},
        {"algorithm twice", "{\"alg\":\"RS256\",\"alg\":\"none\",\"kid\":\"rsa\"}",
         "header is no proper JSON"},
        {"an array", "[\"RS256\"]", "header is no proper JSON"},
        {"no JSON", "alg=RS256", "header is no proper JSON"},
        {"text behind it", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}x", "header is no proper JSON"},
        {"empty", "", "header is no proper JSON"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *token =
            sign_token(&signers[RSA_KEY], rows[i].header, usual_payload("node-1", NOW_S + 3600));
        check_refused(rows[i].name, token, rows[i].words);
        free(token);
    }
}

static void test_a_type_may_stand_there(void **state)
{
    (void)state;
    char *token =
        sign_token(&signers[RSA_KEY], "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"jwt\"}",
                   usual_payload("node-1", NOW_S + 3600));
    assert_null(judge(token, NOW_S));
    free(token);
}

// --- claims ---

#define TIMES "\"exp\":1800003600,\"iat\":1800000000,\"nbf\":1800000000,"
#define ISSUER "\"iss\":\"https://kubernetes.default.svc\","
#define AUDIENCE "\"aud\":[\"pulltrace\"],"
#define SUBJECT "\"sub\":\"system:serviceaccount:pulltrace:pulltrace-agent\","
#define BOUND "\"kubernetes.io\":{\"namespace\":\"pulltrace\",\"node\":{\"name\":\"n\"}}"

static void test_bad_claims(void **state)
{
    (void)state;
    static const struct {
        const char *name, *payload, *words;
    } rows[] = {
        {"no issuer", "{" TIMES AUDIENCE SUBJECT BOUND "}", "no issuer"},
        {"another issuer", "{" TIMES AUDIENCE SUBJECT "\"iss\":\"https://evil\"," BOUND "}",
         "another issuer"},
        {"issuer with more",
         "{" TIMES AUDIENCE SUBJECT "\"iss\":\"https://kubernetes.default.svc/\"," BOUND "}",
         "another issuer"},
        {"no audience", "{" TIMES ISSUER SUBJECT BOUND "}", "no audience"},
        {"another audience", "{" TIMES ISSUER SUBJECT "\"aud\":[\"pulltrace2\"]," BOUND "}",
         "another audience"},
        {"the API server's",
         "{" TIMES ISSUER SUBJECT "\"aud\":[\"https://kubernetes.default.svc\"]," BOUND "}",
         "another audience"},
        {"empty audience", "{" TIMES ISSUER SUBJECT "\"aud\":[]," BOUND "}", "another audience"},
        {"audience is a number", "{" TIMES ISSUER SUBJECT "\"aud\":[1]," BOUND "}", "no audience"},
        {"audience is an object", "{" TIMES ISSUER SUBJECT "\"aud\":{\"pulltrace\":1}," BOUND "}",
         "no audience"},
        {"no subject", "{" TIMES ISSUER AUDIENCE BOUND "}", "no subject"},
        {"another account",
         "{" TIMES ISSUER AUDIENCE "\"sub\":\"system:serviceaccount:pulltrace:default\"," BOUND "}",
         "may not report"},
        {"another namespace",
         "{" TIMES ISSUER AUDIENCE "\"sub\":\"system:serviceaccount:evil:pulltrace-agent\"," BOUND
         "}",
         "may not report"},
        {"a user of that name", "{" TIMES ISSUER AUDIENCE "\"sub\":\"pulltrace-agent\"," BOUND "}",
         "may not report"},
        {"account with more",
         "{" TIMES ISSUER AUDIENCE
         "\"sub\":\"system:serviceaccount:pulltrace:pulltrace-agent:x\"," BOUND "}",
         "may not report"},
        {"subject with a NUL",
         "{" TIMES ISSUER AUDIENCE
         "\"sub\":\"system:serviceaccount:pulltrace:pulltrace-agent\\u0000x\"," BOUND "}",
         "no subject"},
        {"no end", "{\"iat\":1800000000,\"nbf\":1800000000," ISSUER AUDIENCE SUBJECT BOUND "}",
         "no end"},
        {"end is a text",
         "{\"exp\":\"1800003600\",\"iat\":1800000000,\"nbf\":1800000000," ISSUER AUDIENCE SUBJECT
             BOUND "}",
         "no end"},
        {"end is negative",
         "{\"exp\":-1,\"iat\":1800000000,\"nbf\":1800000000," ISSUER AUDIENCE SUBJECT BOUND "}",
         "no end"},
        {"end is beyond all",
         "{\"exp\":99999999999999,\"iat\":1800000000,\"nbf\":1800000000," ISSUER AUDIENCE SUBJECT
             BOUND "}",
         "no end"},
        {"end beyond the year 2261",
         "{\"exp\":9214646400,\"iat\":1800000000,\"nbf\":1800000000," ISSUER AUDIENCE SUBJECT BOUND
         "}",
         "no end"},
        {"end is a fraction",
         "{\"exp\":1.8e9,\"iat\":1800000000,\"nbf\":1800000000," ISSUER AUDIENCE SUBJECT BOUND "}",
         "no end"},
        {"expired",
         "{\"exp\":1799999900,\"iat\":1799990000,\"nbf\":1799990000," ISSUER AUDIENCE SUBJECT BOUND
         "}",
         "expired"},
        {"no beginning",
         "{\"exp\":1800003600,\"iat\":1800000000," ISSUER AUDIENCE SUBJECT BOUND "}",
         "no beginning"},
        {"not yet",
         "{\"exp\":1800003600,\"iat\":1800000000,\"nbf\":1800000900," ISSUER AUDIENCE SUBJECT BOUND
         "}",
         "not valid yet"},
        {"does not say when",
         "{\"exp\":1800003600,\"nbf\":1800000000," ISSUER AUDIENCE SUBJECT BOUND "}",
         "when it was made"},
        {"made in the future",
         "{\"exp\":1800003600,\"nbf\":1800000000,\"iat\":1800000900," ISSUER AUDIENCE SUBJECT BOUND
         "}",
         "not valid yet"},
        {"end twice", "{\"exp\":1799999900," TIMES ISSUER AUDIENCE SUBJECT BOUND "}",
         "payload is no proper JSON"},
        {"node twice",
         "{" TIMES ISSUER AUDIENCE SUBJECT
         "\"kubernetes.io\":{\"namespace\":\"pulltrace\",\"node\":{\"name\":\"a\"},\"node\":{"
         "\"name\":\"b\"}}}",
         "payload is no proper JSON"},
        {"bound to nothing",
         "{" TIMES ISSUER AUDIENCE SUBJECT "\"kubernetes.io\":{\"namespace\":\"pulltrace\"}}",
         "bound to no node"},
        {"of an old Secret",
         "{" TIMES ISSUER AUDIENCE SUBJECT
         "\"kubernetes.io/serviceaccount/namespace\":\"pulltrace\"}",
         "namespace is not that"},
        {"bound in another namespace",
         "{" TIMES ISSUER AUDIENCE SUBJECT
         "\"kubernetes.io\":{\"namespace\":\"evil\",\"node\":{\"name\":\"n\"}}}",
         "namespace is not that"},
        {"a pod without uid",
         "{" TIMES ISSUER AUDIENCE SUBJECT
         "\"kubernetes.io\":{\"namespace\":\"pulltrace\",\"pod\":{\"name\":\"a\"}}}",
         "bound to no node"},
        {"a node without name",
         "{" TIMES ISSUER AUDIENCE SUBJECT
         "\"kubernetes.io\":{\"namespace\":\"pulltrace\",\"node\":{\"name\":\"\"}}}",
         "no proper name"},
        {"a node's name twice",
         "{" TIMES ISSUER AUDIENCE SUBJECT "\"kubernetes.io\":{\"namespace\":\"pulltrace\","
         "\"node\":{\"name\":\"a\",\"name\":\"b\"}}}",
         "payload is no proper JSON"},
        {"node is a text",
         "{" TIMES ISSUER AUDIENCE SUBJECT
         "\"kubernetes.io\":{\"namespace\":\"pulltrace\",\"node\":\"n\"}}",
         "bound to no node"},
        {"a text", "\"payload\"", "payload is no proper JSON"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *token =
            sign_token(&signers[RSA_KEY], usual_header(&signers[RSA_KEY]), rows[i].payload);
        check_refused(rows[i].name, token, rows[i].words);
        free(token);
    }
}

// --- the shape, and the signature ---

static void test_bad_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *name, *token, *words;
    } rows[] = {
        {"empty", "", "three parts"},
        {"a shared token", "s3cret", "three parts"},
        {"two parts", "e30.e30", "three parts"},
        {"four parts", "e30.e30.e30.e30", "three parts"},
        {"five parts, encrypted", "e30.e30.e30.e30.e30", "three parts"},
        {"dots alone", "..", "header is no proper JSON"},
        {"padding", "e30=.e30.AA", "header is no base64url"},
        {"plain base64", "e3+/.e30.AA", "header is no base64url"},
        {"a space", "e30 .e30.AA", "header is no base64url"},
        {"a line feed", "e30\n.e30.AA", "header is no base64url"},
        {"a length that cannot be", "e30aa.e30.AA", "header is no base64url"},
        {"bits left over", "e31.e30.AA", "header is no base64url"},
        {"signature with padding", "e30.e30.AA==", "signature is no base64url"},
        {"signature of one letter", "e30.e30.A", "signature is no base64url"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_refused(rows[i].name, rows[i].token, rows[i].words);
}

static void test_a_token_that_is_too_long(void **state)
{
    (void)state;
    char token[PT_LIMIT_TOKEN_BYTES + 2];
    memset(token, 'a', sizeof(token) - 1);
    token[sizeof(token) - 1] = '\0';
    check_refused("too long", token, "longer than");
}

// Each signature, changed by one bit, cut, made longer, empty, or another's.
static void test_bad_signatures(void **state)
{
    (void)state;
    for (int i = RSA_KEY; i <= P521_KEY; i++) {
        char *token = make_token(&signers[i], "node-1", NOW_S + 3600);
        char *signature = strrchr(token, '.') + 1;
        size_t length = strlen(signature);
        char first = signature[0];
        signature[0] = first == 'A' ? 'B' : 'A';
        check_refused("a changed signature", token, "signature is wrong");
        signature[0] = first;
        signature[length - 4] = '\0';
        check_refused("a short one", token, "signature");
        signature[0] = '\0';
        check_refused("an empty one", token, "signature is wrong");
        free(token);
    }
    char *strange = make_token(&signers[STRANGER], "node-1", NOW_S + 3600);
    check_refused("of another key of that name", strange, "signature is wrong");
    free(strange);
}

static void test_a_changed_payload(void **state)
{
    (void)state;
    char *token = make_token(&signers[P256_KEY], "node-1", NOW_S + 3600);
    char *other = make_token(&signers[P256_KEY], "node-2", NOW_S + 3600);
    memcpy(strchr(token, '.'), strchr(other, '.'),
           (size_t)(strrchr(other, '.') - strchr(other, '.')));
    check_refused("another's payload", token, "signature is wrong");
    free(token);
    free(other);
}

static void test_an_ecdsa_signature_of_nothing(void **state)
{
    (void)state;
    unsigned char zeros[64] = {0};
    char *token = make_token(&signers[P256_KEY], "node-1", NOW_S + 3600);
    encode(strrchr(token, '.') + 1, zeros, sizeof(zeros));
    check_refused("r and s are 0", token, "signature is wrong"); // CVE-2022-21449 elsewhere
    free(token);
}

// --- the policy ---

static void test_accounts_that_cannot_be(void **state)
{
    (void)state;
    static const char *const rows[] = {"",    "a",    "/",     "a/",       "/b",
                                       "a/B", "a/b,", "a/b/c", "a/b,,c/d", "A_b/c"};
    struct pt_token_policy other;
    struct pt_error err;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (pt_token_policy_read("pulltrace", rows[i], &other, &err) != -EINVAL)
            fail_msg("\"%s\": taken", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_key_signs),
        cmocka_unit_test(test_what_a_token_says_is_read),
        cmocka_unit_test(test_a_token_that_names_no_node_is_bound_to_its_pod),
        cmocka_unit_test(test_times_have_a_leeway),
        cmocka_unit_test(test_audience_and_account_may_be_one_of_several),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_a_type_may_stand_there),
        cmocka_unit_test(test_bad_claims),
        cmocka_unit_test(test_bad_shapes),
        cmocka_unit_test(test_a_token_that_is_too_long),
        cmocka_unit_test(test_bad_signatures),
        cmocka_unit_test(test_a_changed_payload),
        cmocka_unit_test(test_an_ecdsa_signature_of_nothing),
        cmocka_unit_test(test_accounts_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
