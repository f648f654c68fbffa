// SPDX-License-Identifier: Apache-2.0

// The link is the test's: it keeps what it is sent, and answers when a test does.

#include "base/limits.h"
#include "server/share/share_claims.h"
#include "server/valkey/resp.h"
#include "server/valkey/valkey_link.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_SENT 64

static struct {
    bool is_open;
    size_t count;
    char keys[MAX_SENT][160];
    pt_valkey_reply_fn *on_reply[MAX_SENT];
    void *contexts[MAX_SENT];
} sent;

int __wrap_pt_valkey_link_send(struct pt_valkey_link *link,
                               const struct pt_valkey_argument *arguments, size_t count,
                               pt_valkey_reply_fn *on_reply, void *context);

int __wrap_pt_valkey_link_send(struct pt_valkey_link *link,
                               const struct pt_valkey_argument *arguments, size_t count,
                               pt_valkey_reply_fn *on_reply, void *context)
{
    assert_null(link);
    assert_int_equal(count, 6);
    assert_string_equal(arguments[0].data, "SET");
    if (!sent.is_open)
        return -ENOTCONN;
    assert_true(sent.count < MAX_SENT);
    snprintf(sent.keys[sent.count], sizeof(sent.keys[0]), "%s", (const char *)arguments[1].data);
    sent.on_reply[sent.count] = on_reply;
    sent.contexts[sent.count++] = context;
    return 0;
}

static void on_won(void *context, const struct pt_share_claim *claim)
{
    assert_int_equal(claim->json[0], '{');
    ++*(int *)context;
}

static int unclaimed(const struct pt_share_claims *claims)
{
    struct pt_buffer text;
    pt_buffer_init(&text, 4096);
    pt_share_claims_write_metrics(claims, &text);
    assert_int_equal(pt_buffer_append(&text, "", 1), 0);
    int count = atoi(strstr(text.data, "\npulltrace_share_outcomes_unclaimed_total ") + 42);
    pt_buffer_finish(&text);
    return count;
}

static const struct pt_share_claim a_claim = {
    .id = "0123", .type = PT_EVENT_PULL_FAILED, .attempt = 2, .json = "{}"};

// What Valkey says, and whether this server counts it: rather twice than never.
static void who_was_first_counts_it(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_open, is_answered;
        struct pt_resp_value answer;
        int won, unclaimed;
    } cases[] = {
        {"it is ours", true, true, {.kind = PT_RESP_TEXT, .text = "OK"}, 1, 0},
        {"another one has it", true, true, {.kind = PT_RESP_NIL}, 0, 0},
        {"it refuses", true, true, {.kind = PT_RESP_ERROR, .text = "OOM"}, 1, 1},
        {"the connection broke", true, false, {.kind = PT_RESP_NIL}, 1, 1},
        {"it is away", false, false, {.kind = PT_RESP_NIL}, 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int won = 0;
        struct pt_resp_value answer = cases[i].answer;
        struct pt_share_claims *claims = pt_share_claims_create("test", on_won, &won);
        sent.is_open = cases[i].is_open;
        sent.count = 0;
        pt_share_claims_make(claims, NULL, &a_claim);
        if (sent.is_open) {
            check_text(cases[i].name, sent.keys[0], "{test}:attempt:0123:3:2");
            check_int(cases[i].name, won, 0);
            sent.on_reply[0](sent.contexts[0], cases[i].is_answered ? &answer : NULL);
        }
        check_int(cases[i].name, won, cases[i].won);
        check_int(cases[i].name, unclaimed(claims), cases[i].unclaimed);
        pt_share_claims_destroy(claims);
    }
}

// A Valkey that answers nothing.
static void what_is_being_claimed_is_bounded(void **state)
{
    (void)state;
    static char json[PT_LIMIT_SHARE_CLAIMS_BYTES / 16];
    struct pt_share_claim claim = a_claim;
    int won = 0;
    struct pt_share_claims *claims = pt_share_claims_create("test", on_won, &won);
    memset(json, '{', sizeof(json) - 1);
    claim.json = json;
    sent.is_open = true;
    sent.count = 0;
    for (int i = 0; i < 20; i++)
        pt_share_claims_make(claims, NULL, &claim);
    check_int("that are under way", (int64_t)sent.count, 15);
    check_int("counted at once", won, 5);
    check_int("which is said", unclaimed(claims), 5);
    sent.on_reply[0](sent.contexts[0], NULL);
    pt_share_claims_make(claims, NULL, &claim);
    check_int("there is room again", (int64_t)sent.count, 16);
    pt_share_claims_destroy(claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_first_counts_it),
        cmocka_unit_test(what_is_being_claimed_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
