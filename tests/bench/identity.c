// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "server/identity/jwks.h"
#include "server/identity/jwt.h"
#include "server/identity/known_tokens.h"
#include "server/identity/token_policy.h"

#include "../unit/identity_fixture.h"

#include <time.h>

// What an agent's token costs the server: when it is seen first, by a key of each kind, and with
// each report after that, among those of so many nodes; microseconds of CPU time. With `--tokens
// COUNT FOLDER` it writes such tokens instead, and the keys that they are signed with.

#define TURNS 2000
#define NODES 20000
#define HOUR_S 3600

static double seconds_of_cpu(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void verify(const struct pt_jwks *keys, const struct pt_token_policy *policy,
                   const char *token, int64_t wall_ns)
{
    struct pt_jwt jwt;
    struct pt_error err = {0};
    int r = pt_jwt_read(token, &jwt, &err);
    if (r == 0)
        r = pt_token_policy_judge(policy, &jwt.claims, NULL, wall_ns, &err);
    if (r == 0)
        r = pt_jwks_verify(keys, &jwt, &err);
    if (r < 0) {
        fprintf(stderr, "identity: %s\n", err.message);
        exit(1);
    }
    pt_jwt_finish(&jwt);
}

static void measure_first(const struct pt_jwks *keys, const struct pt_token_policy *policy,
                          int64_t now_s)
{
    for (int i = RSA_KEY; i <= P521_KEY; i++) {
        char *token = make_token(&signers[i], "node-1", now_s + HOUR_S);
        double began = seconds_of_cpu();
        for (int turn = 0; turn < TURNS; turn++)
            verify(keys, policy, token, now_s * PT_NS_PER_S);
        printf("%s, seen first: %.1f us (%zu bytes)\n", signers[i].algorithm,
               (seconds_of_cpu() - began) * 1e6 / TURNS, strlen(token));
        free(token);
    }
}

static void measure_known(int64_t now_s)
{
    static char texts[NODES][1300];
    char key[PT_TOKEN_KEY_SIZE], name[32];
    struct pt_known_tokens *known = pt_known_tokens_create(2 * NODES, 2);
    size_t found = 0;
    for (int i = 0; i < NODES; i++) {
        memset(texts[i], 'a', sizeof(texts[i]) - 1);
        snprintf(name, sizeof(name), "node-%05d", i);
        memcpy(texts[i], name, strlen(name));
        if (pt_token_key(texts[i], sizeof(texts[i]) - 1, key) == 0)
            pt_known_tokens_add(known, key, name, (now_s + HOUR_S) * PT_NS_PER_S, 0);
    }
    double began = seconds_of_cpu();
    for (int i = 0; i < NODES; i++) {
        if (pt_token_key(texts[i], sizeof(texts[i]) - 1, key) == 0)
            found += pt_known_tokens_find(known, key, now_s * PT_NS_PER_S) != NULL;
    }
    printf("known, of %zu: %.2f us\n", found, (seconds_of_cpu() - began) * 1e6 / NODES);
    pt_known_tokens_destroy(known);
}

static FILE *create(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    if (!out) {
        perror(path);
        exit(1);
    }
    return out;
}

static void write_tokens(int count, const char *folder, int64_t now_s)
{
    char name[32];
    FILE *keys = create(folder, "jwks.json");
    FILE *tokens = create(folder, "tokens");
    fputs(write_jwks(1), keys);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "node-%05d", i);
        char *token = make_token(&signers[RSA_KEY], name, now_s + HOUR_S);
        fprintf(tokens, "%s\n", token);
        free(token);
    }
    fclose(keys);
    fclose(tokens);
}

int main(int argc, char **argv)
{
    struct pt_jwks *keys;
    struct pt_token_policy policy;
    int64_t now_s = pt_clock_wall_ns(pt_clock_system()) / PT_NS_PER_S;
    made_at_s = now_s;
    make_signers();
    if (argc == 4 && strcmp(argv[1], "--tokens") == 0) {
        write_tokens(atoi(argv[2]), argv[3], now_s);
        return 0;
    }
    const char *text = write_jwks(STRANGER);
    if (pt_jwks_read(text, strlen(text), &keys, NULL) < 0 ||
        pt_token_policy_read("pulltrace", "pulltrace/pulltrace-agent", &policy, NULL) < 0)
        return 1;
    measure_first(keys, &policy, now_s);
    measure_known(now_s);
    pt_jwks_destroy(keys);
    pt_token_policy_finish(&policy);
    free_signers();
    return 0;
}
