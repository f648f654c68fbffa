// SPDX-License-Identifier: Apache-2.0
#include "base/secret_file.h"
#include "fake_delivery.h"
#include "held_log.h"

#define URL "http://127.0.0.1:8080/"

static const struct {
    const char *url;
    unsigned warnings;
} clear_urls[] = {
    {"http://server.example:8080", 1}, {"http://10.0.0.1", 1}, {"http://localhost.example", 1},
    {"https://server.example", 0},     {"http://[::1]:80", 0}, {"http://127.0.0.1:8080", 0},
    {"http://localhost:8080", 0},
};

static void a_token_in_clear_is_warned_of_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(clear_urls); i++) {
        struct delivery d;
        struct pt_secret *token;
        int log = held_log_open();
        assert_int_equal(pt_secret_create("hush", NULL, &token, NULL), 0);
        delivery_begin(&d, clear_urls[i].url, token);
        for (int report = 0; report < 3; report++) {
            delivery_run(&d, true);
            check_text("sent", d.authorization, "Bearer hush");
            delivery_answer(&d, 200, NULL);
            delivery_wait(&d, 10000);
            if (d.is_in_flight)
                delivery_answer(&d, 200, NULL);
        }
        delivery_end(&d);
        pt_secret_destroy(token);
        check_int(clear_urls[i].url, held_log_count(log, "server.token_in_clear"),
                  clear_urls[i].warnings);
        check_int("never in the log", held_log_count(log, "hush"), 0);
        held_log_close(log);
    }
}

// The rows are one story: what is sent, and how it is answered.
static const struct {
    const char *name, *sent;
    int status;
} offers[] = {
    {"its own first", "Bearer own", 200},          {"and again", "Bearer own", 503},
    {"not for want of a server", "Bearer own", 0}, {"nor for another's node", "Bearer own", 403},
    {"until it is refused", "Bearer own", 401},    {"then the shared one", "Bearer shared", 200},
    {"which stays", "Bearer shared", 500},         {"as long as it is taken", "Bearer shared", 401},
    {"then its own again", "Bearer own", 200},
};

// A delivery that has the ServiceAccount's token, and a shared one.
struct with_tokens {
    struct delivery d;
    struct pt_secret *own, *shared;
};

// `shared`: NULL for none.
static void with_tokens_begin(struct with_tokens *self, const char *shared)
{
    assert_int_equal(pt_secret_create("own", NULL, &self->own, NULL), 0);
    assert_int_equal(pt_secret_create(shared, NULL, &self->shared, NULL), 0);
    delivery_begin_with(&self->d, URL, self->own, self->shared);
}

static void with_tokens_end(struct with_tokens *self)
{
    delivery_answer(&self->d, 200, NULL);
    delivery_end(&self->d);
    pt_secret_destroy(self->own);
    pt_secret_destroy(self->shared);
}

static void answer_until_the_next(struct delivery *d, int status)
{
    delivery_answer(d, status, NULL);
    for (int wait = 0; wait < 60 && !d->is_in_flight; wait++)
        delivery_wait(d, 1000);
}

static void the_other_token_is_offered_when_one_is_refused(void **state)
{
    (void)state;
    struct with_tokens tokens;
    struct delivery *d = &tokens.d;
    with_tokens_begin(&tokens, "shared");
    delivery_run(d, true);
    for (size_t i = 0; i < COUNT_OF(offers); i++) {
        check_text(offers[i].name, d->authorization, offers[i].sent);
        answer_until_the_next(d, offers[i].status);
    }
    with_tokens_end(&tokens);
}

// The server takes neither: both are offered by turns for as long as that lasts.
static void tokens_that_are_both_refused_are_logged_once(void **state)
{
    (void)state;
    struct with_tokens tokens;
    struct delivery *d = &tokens.d;
    with_tokens_begin(&tokens, "shared");
    int log = held_log_open();
    delivery_run(d, true);
    for (size_t i = 0; i < 10; i++) {
        check_text("by turns", d->authorization, i % 2 == 0 ? "Bearer own" : "Bearer shared");
        answer_until_the_next(d, 401);
    }
    check_int("lines", held_log_count(log, "server.token_refused"), 1);
    held_log_close(log);
    with_tokens_end(&tokens);
}

static void a_refused_token_without_another_is_sent_again(void **state)
{
    (void)state;
    struct with_tokens tokens;
    struct delivery *d = &tokens.d;
    with_tokens_begin(&tokens, NULL);
    delivery_run(d, true);
    delivery_answer(d, 401, NULL);
    delivery_wait(d, 10000);
    check_text("again", d->authorization, "Bearer own");
    with_tokens_end(&tokens);
}

int main(void)
{
    pt_log_set_descriptor(-1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_in_clear_is_warned_of_once),
        cmocka_unit_test(the_other_token_is_offered_when_one_is_refused),
        cmocka_unit_test(tokens_that_are_both_refused_are_logged_once),
        cmocka_unit_test(a_refused_token_without_another_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
