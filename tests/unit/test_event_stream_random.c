// SPDX-License-Identifier: Apache-2.0
#include "stream_fixture.h"

// Whatever the order in which pulls go on, clients read and come back, each ends with the truth.

#define PULLS 40

// What a client that keeps the last message of each pull knows of it.
static void last_states(struct client *client, char states[PULLS][16])
{
    memset(states, 0, PULLS * sizeof(states[0]));
    for (char *line = strstr(client->text.data, "data: "); line; line = strstr(line, "data: ")) {
        char *end = strchr(line, '\n');
        char *type = strstr(line, "\"type\":\"pull.") + 13;
        char *image = strstr(line, "\"imageRef\":\"p") + 13;
        assert_true(type < end && image < end);
        char *known = states[atoi(image)];
        snprintf(known, 16, "%.*s", (int)strcspn(type, "\""), type);
        line = end;
    }
}

static unsigned random_number(unsigned *seed, unsigned below)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % below;
}

// One of the pulls goes on, or ends: every fifth one as failed.
static void step(struct world *world, unsigned *seed, int progress[PULLS])
{
    char image[16];
    unsigned which = random_number(seed, PULLS);
    if (progress[which] > 100)
        return;
    progress[which] += (int)random_number(seed, 30);
    bool done = progress[which] > 100;
    bool failed = which % 5 == 0;
    snprintf(image, sizeof(image), "p%u", which);
    report(world, image, done && !failed ? 100 : progress[which] % 100,
           !done    ? PT_PULL_DOWNLOADING
           : failed ? PT_PULL_FAILED
                    : PT_PULL_COMPLETED);
}

static void take_all(struct client *client)
{
    client->untaken = 0;
    pt_event_stream_drained(client->member);
}

// What happens between the world and one of its clients.
static void shuffle(struct world *world, unsigned *seed)
{
    struct client *client = &world->clients[random_number(seed, MAX_CLIENTS)];
    if (random_number(seed, 4) == 0)
        pt_event_stream_flush(world->stream);
    if (random_number(seed, 2) == 0)
        pt_event_stream_pump(world->stream);
    if (client->slow && random_number(seed, 30) == 0)
        take_all(client);
    if (random_number(seed, 100) == 0) {
        leave(client);
        assert_int_equal(ask(world, client, "layers=0", last_id(client)), 0);
    }
}

static void check_states(struct client *client, const int progress[PULLS], const char *name)
{
    char states[PULLS][16];
    last_states(client, states);
    for (unsigned i = 0; i < PULLS; i++) {
        char row[64];
        snprintf(row, sizeof(row), "%s, pull %u", name, i);
        if (progress[i] > 100)
            check_text(row, states[i], i % 5 == 0 ? "failed" : "completed");
        else if (progress[i] > 0 && strcmp(states[i], "started") != 0)
            check_text(row, states[i], "progress");
    }
}

static void each_client_ends_with_the_true_state(void **state)
{
    for (unsigned seed = 1; seed <= 8; seed++) {
        int progress[PULLS] = {0};
        unsigned random = seed;
        world_teardown(state);
        world_setup(state);
        struct world *world = *state;
        for (size_t i = 0; i < MAX_CLIENTS; i++)
            join(world, "layers=0")->slow = i % 2 == 1;
        for (int round = 0; round < 1500; round++) {
            step(world, &random, progress);
            shuffle(world, &random);
        }
        run(world);
        for (size_t i = 0; i < MAX_CLIENTS; i++) {
            world->clients[i].slow = false;
            take_all(&world->clients[i]);
        }
        run(world);
        for (size_t i = 0; i < MAX_CLIENTS; i++) {
            char name[32];
            snprintf(name, sizeof(name), "seed %u, client %zu", seed, i);
            check_states(&world->clients[i], progress, name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(each_client_ends_with_the_true_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
