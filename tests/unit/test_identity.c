// SPDX-License-Identifier: Apache-2.0
#include "server/identity/identity.h"

#include "identity_fixture.h"
#include "kube_questions.h"

#include <event2/event.h>

#define CONFIGURATION "{\"issuer\":\"https://kubernetes.default.svc\"}"
#define USUAL_MS (10 * 60 * 1000)
#define POD                                                                                        \
    "{\"metadata\":{\"name\":\"agent-x\",\"namespace\":\"pulltrace\",\"uid\":\"p-1\"},"            \
    "\"spec\":{\"nodeName\":\"n1\"}}"

static struct world {
    struct event_base *base;
    struct pt_identity *identity;
    char authorization[8300];
} world;

static void answer_keys(int count)
{
    answer_good(last_question(), CONFIGURATION);
    answer_good(last_question(), write_jwks(count));
}

// Agents with a token that names no node, so that its pod is asked for.
static int begin(void **state)
{
    (void)state;
    const struct pt_kube_client client = {
        .base = world.base, .clock = &questions_clock, .random = no_random};
    static const struct pt_identity_settings settings = {"pulltrace", "pulltrace/pulltrace-agent",
                                                         10};
    char *token = make_token(&signers[P256_KEY], NULL, NOW_S + 7200);
    questions_begin();
    assert_int_equal(pt_identity_create(&client, &settings, &world.identity, NULL), 0);
    snprintf(world.authorization, sizeof(world.authorization), "Bearer %s", token);
    free(token);
    pass(0);
    answer_keys(STRANGER);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pt_identity_destroy(world.identity);
    return 0;
}

static enum pt_identity_answer look(void)
{
    struct pt_identity_verdict verdict;
    pt_identity_look(world.identity, world.authorization, "192.0.2.1", &verdict);
    return verdict.answer;
}

static void a_pod_says_the_node(void **state)
{
    (void)state;
    check_int("asked", look(), PT_IDENTITY_LATER);
    pass(0);
    check_text("asked", last_question()->path, "/api/v1/namespaces/pulltrace/pods/agent-x");
    answer_good(last_question(), POD);
    check_int("known", look(), PT_IDENTITY_KNOWN);
}

static void what_a_key_verified_that_is_gone_meanwhile_is_not_known(void **state)
{
    (void)state;
    pass(USUAL_MS); // the keys are asked for
    struct pt_question *configuration = last_question();
    check_int("asked", look(), PT_IDENTITY_LATER);
    pass(0);
    struct pt_question *pod = last_question();
    answer_good(configuration, CONFIGURATION);
    answer_good(last_question(), write_jwks(1)); // without the key that has signed the token
    answer_good(pod, POD);
    assert_int_not_equal(look(), PT_IDENTITY_KNOWN);
}

static void a_refusal_lasts_a_minute_whatever_the_time_of_day(void **state)
{
    (void)state;
    check_int("asked", look(), PT_IDENTITY_LATER);
    pass(0);
    answer_refused(last_question(), 404);
    questions.wall_ns -= 20 * PT_NS_PER_S; // within the leeway of its times
    pass(61 * 1000);
    questions.wall_ns = WALL_START + PT_NS_PER_S;
    check_int("asked again", look(), PT_IDENTITY_LATER);
}

static int group_setup(void **state)
{
    (void)state;
    make_signers();
    world.base = event_base_new();
    return world.base ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    event_base_free(world.base);
    free_signers();
    return 0;
}

#define IDENTITY_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IDENTITY_TEST(a_pod_says_the_node),
        IDENTITY_TEST(what_a_key_verified_that_is_gone_meanwhile_is_not_known),
        IDENTITY_TEST(a_refusal_lasts_a_minute_whatever_the_time_of_day),
    };
    return cmocka_run_group_tests_name("identity", tests, group_setup, group_teardown);
}
