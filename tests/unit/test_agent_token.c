// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/secret_file.h"
#include "server/api/agent_token.h"

#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void the_header_must_hold_the_token(void **state)
{
    (void)state;
    static const struct {
        const char *name, *token, *header;
        bool is_admitted;
    } cases[] = {
        {"the token", "s3cret", "Bearer s3cret", true},
        {"the scheme in other letters", "s3cret", "bearer s3cret", true},
        {"no header", "s3cret", NULL, false},
        {"empty", "s3cret", "", false},
        {"the scheme alone", "s3cret", "Bearer ", false},
        {"another token", "s3cret", "Bearer s3creT", false},
        {"a shorter one", "s3cret", "Bearer s3cre", false},
        {"a longer one", "s3cret", "Bearer s3crets", false},
        {"the token twice", "s3cret", "Bearer s3crets3cret", false},
        {"another scheme", "s3cret", "Basic s3cret", false},
        {"no scheme", "s3cret", "s3cret", false},
        {"the first of two", "old\nnew", "Bearer old", true},
        {"the second of two", "old\r\n new \n\n", "Bearer new", true},
        {"both of two", "old\nnew", "Bearer old\nnew", false},
        {"neither of two", "old\nnew", "Bearer older", false},
        {"a part of the second", "old\nnew", "Bearer ne", false},
        {"none where there are two", "old\nnew", "Bearer ", false},
        {"none asked for, none given", NULL, NULL, true},
        {"none asked for, one given", NULL, "Bearer s3cret", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_agent_token token = {0};
        assert_int_equal(pt_secret_create_lines(cases[i].token, NULL, &token.secret, NULL), 0);
        check_int(cases[i].name, pt_agent_token_admits(&token, 1, cases[i].header),
                  cases[i].is_admitted);
        pt_secret_destroy(token.secret);
    }
}

static void write_token(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void its_file_is_looked_at_once_a_second_and_before_a_refusal(void **state)
{
    (void)state;
    char folder[] = "/tmp/pulltrace-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/token", folder);
    write_token(path, "a-long-token");
    struct pt_agent_token token = {0};
    assert_int_equal(pt_secret_create(NULL, path, &token.secret, NULL), 0);
    assert_true(pt_agent_token_admits(&token, 5 * PT_NS_PER_S, "Bearer a-long-token"));
    write_token(path, "short");
    assert_true(pt_agent_token_admits(&token, 6 * PT_NS_PER_S - 1, "Bearer a-long-token"));
    assert_false(pt_agent_token_admits(&token, 6 * PT_NS_PER_S, "Bearer a-long-token"));
    assert_false(pt_agent_token_admits(&token, 6 * PT_NS_PER_S, "Bearer short-token"));
    assert_true(pt_agent_token_admits(&token, 6 * PT_NS_PER_S, "Bearer short"));
    write_token(path, "the next"); // which its agent has read within that second
    assert_true(pt_agent_token_admits(&token, 6 * PT_NS_PER_S + 1, "Bearer the next"));
    assert_false(pt_agent_token_admits(&token, 6 * PT_NS_PER_S + 2, "Bearer short"));
    pt_secret_destroy(token.secret);
    unlink(path);
    rmdir(folder);
}

static void what_agents_are_known_by_has_a_word(void **state)
{
    (void)state;
    static const struct {
        const char *token, *word;
    } cases[] = {{NULL, "nothing"}, {"s3cret", "shared_token"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_agent_token token = {0};
        assert_int_equal(pt_secret_create_lines(cases[i].token, NULL, &token.secret, NULL), 0);
        check_text("word", pt_agent_token_known_by(&token), cases[i].word);
        pt_secret_destroy(token.secret);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_must_hold_the_token),
        cmocka_unit_test(its_file_is_looked_at_once_a_second_and_before_a_refusal),
        cmocka_unit_test(what_agents_are_known_by_has_a_word),
    };
    return cmocka_run_group_tests_name("agent_token", tests, NULL, NULL);
}
