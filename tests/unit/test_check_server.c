// SPDX-License-Identifier: Apache-2.0
#include "agent/check_server.h"

#include "agent/check.h"
#include "agent/check_lines.h"
#include "base/http_client.h"
#include "base/secret_file.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

// What --check prints of the server. The linker puts the function below in the place of the HTTP
// client's: what the server answers is the test's.

#define UNCHECKED "{\"status\":503,\"code\":\"report_token_unchecked\"}"

#define LONGEST_ADDRESS 3000

static struct pt_http_options request;
static char asked_url[LONGEST_ADDRESS + 100]; // of the last request
static unsigned sent, most_sent;

int __wrap_pt_http_client_start(struct pt_http_client *client,
                                const struct pt_http_options *options,
                                struct pt_http_request **ret_request, struct pt_error *err);

int __wrap_pt_http_client_start(struct pt_http_client *client,
                                const struct pt_http_options *options,
                                struct pt_http_request **ret_request, struct pt_error *err)
{
    (void)client, (void)ret_request;
    if (sent == most_sent)
        return pt_error_set(err, ENOMEM, "out of memory");
    sent++;
    request = *options;
    snprintf(asked_url, sizeof(asked_url), "%s", options->url);
    return 0;
}

static void on_done(void *context)
{
    ++*(unsigned *)context;
}

static const struct row {
    const char *name;
    bool has_identity;
    unsigned most_sent;
    struct pt_http_result result;
    const char *body;
    const char *words, *not_words;
} rows[] = {
    {"well", false, 1, {.status = 415}, "", "token: it is the right one", "FAULT"},
    {"busy",
     false,
     1,
     {.status = 503},
     "{\"code\":\"reading_limit\"}",
     "reached: HTTP status 503",
     "token:"},
    {"busy, with an identity", true, 1, {.status = 503}, "", "reached: HTTP status 503", "token:"},
    {"cannot look",
     true,
     1,
     {.status = 503},
     UNCHECKED,
     "token: the server cannot look at it yet",
     "HTTP status"},
    {"both refused",
     true,
     2,
     {.status = 401},
     "",
     "token: that of Kubernetes and the shared one",
     "out of memory"},
    {"the second is not sent",
     true,
     1,
     {.status = 401},
     "",
     "FAULT token: out of memory",
     "are wrong"},
    {"another CA",
     false,
     1,
     {.error = -EPERM, .message = "not trusted"},
     "",
     "PULLTRACE_CA_FILE",
     "network policy"},
    {"nobody",
     false,
     1,
     {.error = -ECONNREFUSED, .message = "refused"},
     "",
     "network policy",
     "PULLTRACE_CA_FILE"},
};

static void ask_at(const char *url, const struct row *row, struct pt_secret *identity,
                   struct pt_secret *token)
{
    char *text = NULL;
    size_t size;
    unsigned done = 0;
    FILE *out = open_memstream(&text, &size);
    struct pt_check_lines lines = {.out = out};
    const struct pt_check_options options = {
        .out = out,
        .server_url = url,
        .ca_file = "",
        .identity = row->has_identity ? identity : NULL,
        .token = token,
    };
    struct pt_check_server server = {
        .options = &options, .lines = &lines, .on_done = on_done, .context = &done};
    sent = 0;
    most_sent = row->most_sent;
    pt_check_server_ask(&server);
    for (unsigned answered = 0; answered < sent; answered++) {
        for (const char *at = row->body; *at; at++) // in the smallest pieces
            assert_int_equal(request.on_data(request.context, at, 1), 0);
        request.on_done(request.context, &row->result);
    }
    fclose(out);
    check_int(row->name, done, 1);
    if (!strstr(text, row->words) || strstr(text, row->not_words))
        fail_msg("%s: %s", row->name, text);
    free(text);
}

static void ask(const struct row *row, struct pt_secret *identity, struct pt_secret *token)
{
    ask_at("https://pulls.example", row, identity, token);
}

static void each_answer_has_its_line(void **state)
{
    (void)state;
    struct pt_secret *identity, *token;
    assert_int_equal(pt_secret_create("own", NULL, &identity, NULL), 0);
    assert_int_equal(pt_secret_create("shared", NULL, &token, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ask(&rows[i], identity, token);
    pt_secret_destroy(identity);
    pt_secret_destroy(token);
}

// A body without an end fills the place for it, and no more.
static void a_long_body_is_cut(void **state)
{
    (void)state;
    static char body[5000];
    struct pt_secret *token;
    memset(body, 'x', sizeof(body) - 1);
    const struct row row = {"long",     false, 1, {.status = 200}, body, "reached: HTTP status 200",
                            "token: it"};
    assert_int_equal(pt_secret_create("shared", NULL, &token, NULL), 0);
    ask(&row, NULL, token);
    pt_secret_destroy(token);
}

// What was behind 2 KB of it was cut off once.
static void an_address_of_any_length_is_asked_whole(void **state)
{
    (void)state;
    struct pt_secret *token;
    assert_int_equal(pt_secret_create("shared", NULL, &token, NULL), 0);
    for (size_t length = 100; length <= LONGEST_ADDRESS; length += 100) {
        char url[LONGEST_ADDRESS + 1] = "https://pulls.example/", wanted[sizeof(asked_url)];
        memset(url + strlen(url), 'x', length - strlen(url));
        snprintf(wanted, sizeof(wanted), "%s/api/v1/report", url);
        ask_at(url, &rows[0], NULL, token);
        check_text("address", asked_url, wanted);
    }
    pt_secret_destroy(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_has_its_line),
        cmocka_unit_test(a_long_body_is_cut),
        cmocka_unit_test(an_address_of_any_length_is_asked_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
