// SPDX-License-Identifier: Apache-2.0
#include "base/secret_file.h"
#include "server/api/agent_token.h"

#include "check.h"

static void the_header_must_hold_the_token(void **state)
{
    (void)state;
    static const struct {
        const char *name, *token, *header;
        int result;
    } cases[] = {
        {"the token", "s3cret", "Bearer s3cret", 0},
        {"the scheme in other letters", "s3cret", "bearer s3cret", 0},
        {"no header", "s3cret", NULL, -EACCES},
        {"empty", "s3cret", "", -EACCES},
        {"the scheme alone", "s3cret", "Bearer ", -EACCES},
        {"another token", "s3cret", "Bearer s3creT", -EACCES},
        {"a shorter one", "s3cret", "Bearer s3cre", -EACCES},
        {"a longer one", "s3cret", "Bearer s3crets", -EACCES},
        {"another scheme", "s3cret", "Basic s3cret", -EACCES},
        {"no scheme", "s3cret", "s3cret", -EACCES},
        {"none asked for, none given", NULL, NULL, 0},
        {"none asked for, one given", NULL, "Bearer s3cret", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_secret *secret;
        assert_int_equal(pt_secret_create(cases[i].token, NULL, &secret, NULL), 0);
        check_int(cases[i].name, pt_agent_token_check(secret, cases[i].header), cases[i].result);
        pt_secret_destroy(secret);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_must_hold_the_token),
    };
    return cmocka_run_group_tests_name("agent_token", tests, NULL, NULL);
}
