// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/secret_file.h"
#include "input_file.h"
#include "server/api/agent_token.h"
#include "source.h"

#include <assert.h>
#include <stdio.h>

// A token's file, and what an agent sends in its header. Nobody comes in who does not send a line
// of the file, and whoever sends the first does.

// As strstr, in a file that may hold NULs.
static bool holds(const uint8_t *data, size_t size, const char *text)
{
    return memmem(data, size, text, strlen(text)) != NULL;
}

static void check(struct pt_secret *secret, const uint8_t *file, size_t file_size,
                  const char *authorization)
{
    struct pt_agent_token token = {.secret = secret};
    char first[5000];
    bool is_admitted = pt_agent_token_admits(&token, PT_NS_PER_S, authorization);
    if (is_admitted) {
        assert(strlen(authorization) > 7 && authorization[6] == ' ');
        assert(holds(file, file_size, authorization + 7));
    }
    snprintf(first, sizeof(first), "Bearer %s", pt_secret_get(secret));
    assert(strlen(first) > 7);
    assert(pt_agent_token_admits(&token, PT_NS_PER_S, first));
    assert(!pt_agent_token_admits(&token, PT_NS_PER_S, NULL));
    for (const char *at = first; *at; at++)
        assert((unsigned char)*at >= ' ' && *at != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct pt_secret *secret;
    pt_log_set_descriptor(-1);
    unsigned how = take(&source);
    char *authorization = take_text(&source, 1);
    struct input_file file = input_file_open(source.data, source.size);
    int r = how & 1 ? pt_secret_create_lines(NULL, file.path, &secret, NULL)
                    : pt_secret_create(NULL, file.path, &secret, NULL);
    if (r == 0) {
        check(secret, source.data, source.size, authorization);
        pt_secret_destroy(secret);
    }
    free(authorization);
    input_file_close(&file);
    return 0;
}
