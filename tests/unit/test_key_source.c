// SPDX-License-Identifier: Apache-2.0
#include "server/identity/key_source.h"

#include "identity_fixture.h"
#include "kube_questions.h"

#define CONFIGURATION "{\"issuer\":\"https://kubernetes.default.svc\"}"
#define USUAL_MS (10 * 60 * 1000)
#define REFUSED_MS 2000

static int changes;

static void on_change(void *context)
{
    (void)context;
    changes++;
}

static struct pt_key_source *begin_with_keys(void)
{
    static const struct pt_kube_client client = {.clock = &questions_clock, .random = no_random};
    struct pt_key_source *source;
    questions_begin();
    changes = 0;
    assert_int_equal(pt_key_source_create(&client, on_change, NULL, &source, NULL), 0);
    pass(0);
    answer_good(last_question(), CONFIGURATION);
    answer_good(last_question(), write_jwks(STRANGER));
    check_int("keys", pt_key_source_proof(source), PT_PROOF_KEYS);
    return source;
}

static void keys_that_are_refused_are_asked_for_again(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int refused; // in a row, 403 and 404 in turn
        bool by_keys;
    } cases[] = {
        {"once", 1, true},
        {"twice", 2, true},
        {"three times", 3, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_key_source *source = begin_with_keys();
        pass(USUAL_MS);
        for (int k = 0; k < cases[i].refused; k++) {
            check_text(cases[i].name, last_question()->path, "/.well-known/openid-configuration");
            answer_refused(last_question(), k % 2 ? 404 : 403);
            if (k + 1 < cases[i].refused || cases[i].by_keys)
                pass(REFUSED_MS);
        }
        check_int(cases[i].name, pt_key_source_proof(source), PT_PROOF_KEYS);
        if (cases[i].by_keys)
            answer_good(last_question(), CONFIGURATION);
        answer_good(last_question(), cases[i].by_keys ? write_jwks(STRANGER) : "{}");
        check_int(cases[i].name, pt_key_source_proof(source),
                  cases[i].by_keys ? PT_PROOF_KEYS : PT_PROOF_REVIEWS);
        check_int(cases[i].name, changes, cases[i].by_keys ? 1 : 2);
        pt_key_source_destroy(source);
    }
}

static bool is_scarce;

int __real_pt_jwks_read(const char *text, size_t length, struct pt_jwks **ret_keys,
                        struct pt_error *err);
int __wrap_pt_jwks_read(const char *text, size_t length, struct pt_jwks **ret_keys,
                        struct pt_error *err);

int __wrap_pt_jwks_read(const char *text, size_t length, struct pt_jwks **ret_keys,
                        struct pt_error *err)
{
    return is_scarce ? pt_error_set(err, ENOMEM, "out of memory")
                     : __real_pt_jwks_read(text, length, ret_keys, err);
}

static void no_memory_for_the_keys_is_trouble(void **state)
{
    (void)state;
    struct pt_key_source *source = begin_with_keys();
    pass(USUAL_MS);
    answer_good(last_question(), CONFIGURATION);
    is_scarce = true;
    answer_good(last_question(), write_jwks(STRANGER));
    is_scarce = false;
    check_int("failures", (int64_t)pt_key_source_figures(source).failures, 1);
    check_int("by keys", pt_key_source_proof(source), PT_PROOF_KEYS);
    check_int("nothing is asked", last_question()->is_open, false);
    pt_key_source_destroy(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_are_refused_are_asked_for_again),
        cmocka_unit_test(no_memory_for_the_keys_is_trouble),
    };
    return cmocka_run_group_tests_name("key_source", tests, signers_set_up, signers_tear_down);
}
