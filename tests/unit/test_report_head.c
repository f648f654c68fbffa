// SPDX-License-Identifier: Apache-2.0
#include "pull/report.h"
#include "server/api/api.h"
#include "server/http/http_connection.h"
#include "server/http/http_reply.h"
#include "server/ingest/report_queue.h"

#include "check.h"

// A report with a body is judged before a byte of it is read. What was found then is the answer.

static struct {
    enum pt_token_answer answers[2]; // of the first judgement and of the second
    int judged, replies;
    enum pt_problem problem;
} world;

void __wrap_pt_agent_token_judge(struct pt_agent_token *token, int64_t now,
                                 const char *authorization, const char *peer,
                                 struct pt_admission *ret_admission);
const struct pt_peer *__wrap_pt_connection_peer(const struct pt_http_connection *connection);
const char *__wrap_pt_agent_token_node(const struct pt_agent_token *token, const char *key);
void __wrap_pt_reply_error(struct pt_request *request, enum pt_problem problem, int retry_after_s,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

void __wrap_pt_agent_token_judge(struct pt_agent_token *token, int64_t now,
                                 const char *authorization, const char *peer,
                                 struct pt_admission *ret_admission)
{
    (void)token, (void)now, (void)authorization;
    assert_string_equal(peer, "192.0.2.1");
    assert_true(world.judged < 2);
    *ret_admission =
        (struct pt_admission){.answer = world.answers[world.judged++], .words = "words"};
}

const struct pt_peer *__wrap_pt_connection_peer(const struct pt_http_connection *connection)
{
    static const struct pt_peer peer = {.name = "192.0.2.1"};
    (void)connection;
    return &peer;
}

void __wrap_pt_reply_error(struct pt_request *request, enum pt_problem problem, int retry_after_s,
                           const char *format, ...)
{
    (void)request, (void)retry_after_s, (void)format;
    world.replies++;
    world.problem = problem;
}

const char *__wrap_pt_agent_token_node(const struct pt_agent_token *token, const char *key)
{
    (void)token, (void)key;
    return "n2";
}

static void what_was_found_of_the_head_is_the_answer(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum pt_token_answer answers[2];
        enum pt_rejection reason;
        enum pt_problem problem;
    } cases[] = {
        {"wrong", {PT_TOKEN_WRONG, PT_TOKEN_WRONG}, PT_REJECTED_TOKEN, PT_PROBLEM_REPORT_TOKEN},
        {"wrong, then good",
         {PT_TOKEN_WRONG, PT_TOKEN_ADMITTED},
         PT_REJECTED_TOKEN,
         PT_PROBLEM_REPORT_TOKEN},
        {"not known yet, then good",
         {PT_TOKEN_UNCHECKED, PT_TOKEN_ADMITTED},
         PT_REJECTED_TOKEN_UNCHECKED,
         PT_PROBLEM_REPORT_TOKEN_UNCHECKED},
        {"good, but no JSON",
         {PT_TOKEN_ADMITTED, PT_TOKEN_WRONG},
         PT_REJECTED_CONTENT_TYPE,
         PT_PROBLEM_REPORT_TYPE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_metrics metrics = {0};
        struct pt_api api = {.clock = pt_clock_system(), .metrics = &metrics, .allowed_hosts = ""};
        struct pt_request *request = pt_request_new();
        assert_non_null(request);
        request->method = PT_HTTP_POST;
        request->path = "/api/v1/report";
        world.judged = world.replies = 0;
        memcpy(world.answers, cases[i].answers, sizeof(world.answers));
        check_int(cases[i].name, pt_api_wants_report(&api, request), false);
        request->body_left_out = true;
        pt_api_handle_agents(&api, request);
        check_int(cases[i].name, world.judged, 1);
        check_int(cases[i].name, world.replies, 1);
        check_int(cases[i].name, world.problem, cases[i].problem);
        check_int(cases[i].name, (int64_t)metrics.rejected[cases[i].reason], 1);
        pt_request_free(request);
    }
}

// Of a report for another node than that of its token nothing counts but that, at once or in turns.
static void what_is_left_out_of_a_report_for_another_node_does_not_count(void **state)
{
    (void)state;
    static const char body[] = "{\"nodeName\":\"n1\",\"timestamp\":\"2026-09-21T14:13:20Z\","
                               "\"pulls\":[{\"id\":\"a\",\"phase\":7}]}";
    struct pt_metrics metrics = {0};
    struct pt_api api = {.clock = pt_clock_system(), .metrics = &metrics, .allowed_hosts = ""};
    struct pt_request *request = pt_request_new();
    struct pt_report report;
    struct pt_error err;
    assert_non_null(request);
    request->is_admitted = true;
    strcpy(request->admission, "key");
    request->body = body;
    request->body_length = strlen(body);
    world.replies = 0;
    pt_api_report(&api, request);
    check_int("refused", world.problem, PT_PROBLEM_REPORT_NODE);
    assert_int_equal(pt_report_decode(body, strlen(body), &report, &err), 0);
    check_int("left out", (int64_t)report.left_out.invalid, 1);
    int r = pt_report_check_node(&report, "n2", &err);
    pt_api_report_done(&api, request, &report, r, &err);
    check_int("replies", world.replies, 2);
    check_int("of another node", (int64_t)metrics.rejected[PT_REJECTED_NODE], 2);
    check_int("left out and counted", (int64_t)metrics.pulls_invalid, 0);
    pt_report_finish(&report);
    pt_request_free(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_found_of_the_head_is_the_answer),
        cmocka_unit_test(what_is_left_out_of_a_report_for_another_node_does_not_count),
    };
    return cmocka_run_group_tests_name("report_head", tests, NULL, NULL);
}
