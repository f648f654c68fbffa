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

static void answer_all(size_t from, void (*answer)(struct pt_question *question))
{
    for (size_t i = from, end = questions.count; i < end; i++)
        answer(&questions.asked[i]);
}

static void answer_trouble(struct pt_question *question)
{
    assert_true(question->is_open);
    question->is_open = false;
    question->on_answer(question->context, &(struct pt_answer){.sort = PT_ANSWER_TROUBLE,
                                                               .status = 429,
                                                               .words = "too many requests"});
}

static void answer_no(struct pt_question *question)
{
    answer_good(question, "{\"status\":{\"authenticated\":false}}");
}

// As one that is asked too much of does, or that starts again.
static void an_api_server_that_stumbles_costs_nobody_their_turn(void **state)
{
    (void)state;
    char *token = make_token(&signers[P256_KEY], "n1", NOW_S + 600);
    struct pt_token_checks *checks = begin();
    const int count = PT_LIMIT_TOKEN_REQUESTS + 20;
    check_int("added", add_many(checks, token, AGENT, count), count);
    pass(0);
    check_int("asked", (int64_t)questions.count, PT_LIMIT_TOKEN_REQUESTS);
    answer_all(0, answer_trouble);
    check_int("failed", (int64_t)pt_token_checks_figures(checks).failed, PT_LIMIT_TOKEN_REQUESTS);
    check_int("left out", (int64_t)pt_token_checks_figures(checks).left_out, 0);
    check_int("waiting", (int64_t)pt_token_checks_figures(checks).waiting, count);
    pass(200);
    check_int("asked meanwhile", (int64_t)questions.count, PT_LIMIT_TOKEN_REQUESTS);

    // All that failed at once has failed once: the wait is the shortest that there is.
    pass(800);
    check_int("asked again", (int64_t)questions.count, 2 * PT_LIMIT_TOKEN_REQUESTS);
    answer_all(PT_LIMIT_TOKEN_REQUESTS, answer_no);
    for (int i = 0; i < 10; i++) {
        size_t from = questions.count;
        pass(100);
        answer_all(from, answer_no);
    }
    check_int("verdicts", verdicts, count);
    check_int("waiting", (int64_t)pt_token_checks_figures(checks).waiting, 0);
    pt_token_checks_destroy(checks);
    free(token);
}

// It may be the token that the API server stumbles over.
static void a_token_without_an_answer_is_let_go(void **state)
{
    (void)state;
    char *token = make_token(&signers[P256_KEY], "n1", NOW_S + 600);
    struct pt_token_checks *checks = begin();
    check_int("added", add_many(checks, token, AGENT, 1), 1);
    for (int i = 0; i < 3; i++) {
        pass(20000);
        check_int("asked", (int64_t)questions.count, i + 1);
        answer_trouble(last_question());
    }
    check_int("is there", pt_token_checks_has(checks, AGENT "-0"), false);
    pass(20000);
    check_int("asked", (int64_t)questions.count, 3);
    pt_token_checks_destroy(checks);
    free(token);
}

static void who_may_not_ask_keeps_nobody_waiting(void **state)
{
    (void)state;
    char *token = make_token(&signers[P256_KEY], "n1", NOW_S + 600);
    struct pt_token_checks *checks = begin();
    add_many(checks, token, AGENT, PT_LIMIT_TOKEN_REQUESTS + 20);
    pass(0);
    answer_refused(&questions.asked[0], 403);
    check_int("left out", (int64_t)pt_token_checks_figures(checks).left_out, 20);
    check_int("waiting", (int64_t)pt_token_checks_figures(checks).waiting, 0);
    pt_token_checks_destroy(checks);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_take_turns),
        cmocka_unit_test(an_address_has_half_of_the_room),
        cmocka_unit_test(an_api_server_that_stumbles_costs_nobody_their_turn),
        cmocka_unit_test(a_token_without_an_answer_is_let_go),
        cmocka_unit_test(who_may_not_ask_keeps_nobody_waiting),
    };
    return cmocka_run_group_tests_name("token_checks", tests, signers_set_up, signers_tear_down);
}
