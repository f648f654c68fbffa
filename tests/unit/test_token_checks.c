// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "server/identity/known_tokens.h"
#include "server/identity/token_checks.h"
#include "server/identity/token_policy.h"

#include "identity_fixture.h"
#include "kube_questions.h"

#define STRANGERS "192.0.2.1"
#define AGENT "192.0.2.2"

static int verdicts;

static void on_verdict(void *context, const char *key, const struct pt_token_verdict *verdict)
{
    (void)context, (void)key, (void)verdict;
    verdicts++;
}

static void on_refused(void *context)
{
    (void)context;
}

static const struct pt_kube_client client = {.clock = &questions_clock, .random = no_random};
static const struct pt_token_policy policy = {.audience = "pulltrace"};

static struct pt_token_checks *begin(void)
{
    static const struct pt_token_checks_handler handler = {on_verdict, on_refused, NULL};
    struct pt_token_checks *checks;
    questions_begin();
    verdicts = 0;
    assert_int_equal(pt_token_checks_create(&client, &policy, &handler, &checks, NULL), 0);
    return checks;
}

// Adds checks of one address until there is no room, or so many.
static int add_many(struct pt_token_checks *checks, const char *token, const char *peer, int count)
{
    for (int i = 0; i < count; i++) {
        char key[PT_TOKEN_KEY_SIZE];
        snprintf(key, sizeof(key), "%s-%d", peer, i);
        if (pt_token_checks_add(checks, key, token, peer, false) < 0)
            return i;
    }
    return count;
}

static void addresses_take_turns(void **state)
{
    (void)state;
    char *token = make_token(&signers[P256_KEY], "n1", NOW_S + 600);
    struct pt_token_checks *checks = begin();
    check_int("strangers", add_many(checks, token, STRANGERS, 1000), 1000);
    assert_int_equal(pt_token_checks_add(checks, "agent", token, AGENT, false), 0);
    check_int("before the agent's", (int64_t)pt_token_checks_ahead(checks, "agent"), 2);
    check_int("before a stranger's", (int64_t)pt_token_checks_ahead(checks, STRANGERS "-7"), 1001);
    pass(0);
    check_int("asked", (int64_t)questions.count, PT_LIMIT_TOKEN_REQUESTS);
    check_int("waiting", (int64_t)pt_token_checks_figures(checks).waiting,
              1001 - PT_LIMIT_TOKEN_REQUESTS);
    // The agent's is among them.
    check_int("is there", pt_token_checks_has(checks, "agent"), true);
    check_int("waits no more", (int64_t)pt_token_checks_ahead(checks, "agent"), 0);
    pt_token_checks_destroy(checks);
    free(token);
}

static void an_address_has_half_of_the_room(void **state)
{
    (void)state;
    char *token = make_token(&signers[P256_KEY], "n1", NOW_S + 600);
    struct pt_token_checks *checks = begin();
    int most = PT_LIMIT_WAITING_TOKEN_BYTES_PER_PEER / (int)strlen(token);
    int held = add_many(checks, token, STRANGERS, most);
    assert_true(held > most / 2 && held < most);
    check_int("left out", (int64_t)pt_token_checks_figures(checks).left_out, 1);
    check_int("an agent's", pt_token_checks_add(checks, "agent", token, AGENT, false), 0);
    check_int("one more", add_many(checks, token, "192.0.2.3", most) > held / 2, true);
    check_int("all room is taken", add_many(checks, token, "192.0.2.4", most), 0);
    pt_token_checks_destroy(checks);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_take_turns),
        cmocka_unit_test(an_address_has_half_of_the_room),
    };
    return cmocka_run_group_tests_name("token_checks", tests, signers_set_up, signers_tear_down);
}
