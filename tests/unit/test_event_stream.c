// SPDX-License-Identifier: Apache-2.0
#include "server/stream/event_stream.h"

#include "store_fixture.h"

#include <stdlib.h>
#include <yyjson.h>

#define PULLS 40

// A client that takes what it is sent at once, or lets it lie, and remembers what it was told.
struct client {
    struct pt_stream_client *member;
    bool slow;
    size_t untaken;
    struct pt_buffer text;
    size_t blocks;
    const struct pt_stream_block *last_block; // only to compare
};

static size_t pending(void *context)
{
    const struct client *client = context;
    return client->untaken;
}

static void receive(void *context, struct pt_stream_block *block)
{
    struct client *client = context;
    assert_int_equal(
        pt_buffer_append(&client->text, block->data + block->body_offset, block->body_length), 0);
    client->blocks++;
    client->last_block = block;
    if (client->slow)
        client->untaken += block->body_length;
    pt_stream_block_unref(block);
}

static const struct pt_stream_output output = {pending, receive};

struct world {
    struct fixture f;
    struct pt_event_stream *stream;
};

static void world_init(struct world *world, size_t max_clients)
{
    fixture_init(&world->f, 1000, 100);
    assert_int_equal(pt_event_stream_create(&world->f.store, max_clients, &output, &world->stream),
                     0);
}

static void world_finish(struct world *world)
{
    pt_event_stream_destroy(world->stream);
    fixture_finish(&world->f);
}

static void run(struct world *world)
{
    pt_event_stream_flush(world->stream);
    for (int i = 0; pt_event_stream_pump(world->stream); i++)
        assert_in_range(i, 0, 100000);
}

static int try_to_join(struct world *world, struct client *client, const char *query_text,
                       uint64_t last_event_id)
{
    struct pt_query query;
    struct pt_stream_request request;
    *client = (struct client){0};
    pt_buffer_init(&client->text, 64 << 20);
    assert_int_equal(pt_query_parse(query_text, &query, NULL), 0);
    assert_int_equal(pt_stream_request_read(&query, &request, &world->f.err), 0);
    request.last_event_id = last_event_id;
    return pt_event_stream_join(world->stream, &request, client, &client->member, &world->f.err);
}

static void join(struct world *world, struct client *client, const char *query_text)
{
    assert_int_equal(try_to_join(world, client, query_text, 0), 0);
}

static void leave(struct client *client)
{
    if (client->member)
        pt_event_stream_leave(client->member);
    pt_buffer_finish(&client->text);
}

// Writes the types of all messages and the images of their pulls: `started:app progress:app`.
static const char *story(struct client *client)
{
    static char text[4096];
    size_t length = 0;
    text[0] = '\0';
    for (char *line = strstr(client->text.data, "data: "); line; line = strstr(line, "data: ")) {
        line += 6;
        char *end = strchr(line, '\n');
        yyjson_doc *doc = yyjson_read(line, (size_t)(end - line), 0);
        assert_non_null(doc);
        yyjson_val *root = yyjson_doc_get_root(doc);
        const char *type = yyjson_get_str(yyjson_obj_get(root, "type"));
        yyjson_val *pull = yyjson_obj_get(root, "pull");
        yyjson_val *name = pull ? yyjson_obj_get(pull, "imageRef")
                                : yyjson_obj_get(yyjson_obj_get(root, "layer"), "digest");
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s:%s",
                                   length ? " " : "", pull ? type + 5 : type, yyjson_get_str(name));
        yyjson_doc_free(doc);
        line = end;
    }
    return text;
}

static uint64_t last_id(const struct client *client)
{
    uint64_t id = 0;
    for (const char *at = client->text.data; (at = strstr(at, "id: ")); at += 4)
        id = strtoull(at + 4, NULL, 10);
    return id;
}

static void forget(struct client *client)
{
    pt_buffer_clear(&client->text);
    client->blocks = 0;
}

// Node and image stand for each other here, so that every pull is of its own node.
static void tell(struct world *world, const char *image, int64_t bytes, enum pt_pull_phase phase)
{
    struct pt_layer layer = make_layer("sha256:a", bytes);
    struct pt_pull pull = make_pull("lease", image, &layer, 1);
    pull.phase = phase;
    assert_int_equal(fixture_tell(&world->f, image, &pull, 1), 0);
}

static void changes_are_told_in_order(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_init(&world, 10);
    join(&world, &client, "");
    run(&world);
    check_text("hello", client.text.data, ": pulltrace " PT_VERSION "\n\n");
    tell(&world, "a", 10, PT_PULL_DOWNLOADING);
    run(&world);
    tell(&world, "a", 20, PT_PULL_DOWNLOADING);
    tell(&world, "b", 10, PT_PULL_DOWNLOADING);
    run(&world);
    tell(&world, "a", 100, PT_PULL_COMPLETED);
    tell(&world, "b", 20, PT_PULL_FAILED);
    run(&world);
    check_text("story", story(&client), "started:a progress:a started:b completed:a failed:b");
    check_int("last id", (int64_t)last_id(&client), (int64_t)world.f.store.changes.newest_version);
    leave(&client);
    world_finish(&world);
}

static void a_snapshot_comes_first_and_holds_each_pull_once(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_init(&world, 10);
    tell(&world, "a", 10, PT_PULL_DOWNLOADING);
    tell(&world, "b", 10, PT_PULL_FAILED);
    tell(&world, "a", 20, PT_PULL_DOWNLOADING);
    run(&world);
    join(&world, &client, "");
    run(&world);
    check_text("snapshot", story(&client), "failed:b progress:a");
    leave(&client);
    world_finish(&world);
}

static void clients_in_step_share_one_block(void **state)
{
    (void)state;
    struct world world;
    struct client clients[3];
    world_init(&world, 10);
    for (size_t i = 0; i < 3; i++)
        join(&world, &clients[i], "layers=0");
    run(&world);
    tell(&world, "a", 10, PT_PULL_DOWNLOADING);
    run(&world);
    assert_ptr_equal(clients[0].last_block, clients[1].last_block);
    assert_ptr_equal(clients[0].last_block, clients[2].last_block);
    for (size_t i = 0; i < 3; i++)
        leave(&clients[i]);
    world_finish(&world);
}

static void a_slow_client_is_passed_over_and_gets_the_latest_state(void **state)
{
    (void)state;
    struct world world;
    struct client slow, quick;
    world_init(&world, 10);
    join(&world, &slow, "");
    join(&world, &quick, "");
    run(&world);
    slow.slow = true;
    slow.untaken = 1 << 20;
    for (int i = 1; i < 10; i++) {
        tell(&world, "a", 10 * i, PT_PULL_DOWNLOADING);
        tell(&world, "b", 10 * i, PT_PULL_DOWNLOADING);
        run(&world);
    }
    tell(&world, "b", 100, PT_PULL_COMPLETED);
    run(&world);
    check_text("nothing more was sent", story(&slow), "");
    assert_true(pt_event_stream_figures(world.stream).skipped > 0);
    slow.untaken = 0;
    pt_event_stream_drained(slow.member);
    run(&world);
    check_text("caught up", story(&slow), "started:a completed:b");
    assert_non_null(strstr(story(&quick), "progress:b"));

    forget(&slow);
    tell(&world, "a", 95, PT_PULL_DOWNLOADING);
    run(&world);
    check_text("in step again", story(&slow), "progress:a");
    leave(&slow);
    leave(&quick);
    world_finish(&world);
}

static void a_reconnect_gets_exactly_what_it_missed(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_init(&world, 10);
    tell(&world, "a", 10, PT_PULL_DOWNLOADING);
    tell(&world, "b", 10, PT_PULL_DOWNLOADING);
    run(&world);
    join(&world, &client, "");
    run(&world);
    uint64_t id = last_id(&client);
    leave(&client);
    tell(&world, "b", 20, PT_PULL_DOWNLOADING);
    tell(&world, "c", 20, PT_PULL_DOWNLOADING);
    run(&world);

    assert_int_equal(try_to_join(&world, &client, "", id), 0);
    run(&world);
    check_text("missed", story(&client), "progress:b started:c");
    leave(&client);
    static const struct {
        const char *name;
        int64_t id_offset; // from the first version of this run
    } strange[] = {{"of an earlier run", -1000}, {"of no run", 1000000}};
    for (size_t i = 0; i < COUNT_OF(strange); i++) {
        uint64_t first = world.f.store.changes.first_version;
        assert_int_equal(try_to_join(&world, &client, "", first + (uint64_t)strange[i].id_offset),
                         0);
        run(&world);
        check_text(strange[i].name, story(&client), "progress:a progress:b progress:c");
        leave(&client);
    }
    world_finish(&world);
}

static void filters_apply(void **state)
{
    (void)state;
    static const struct {
        const char *query, *wanted;
    } cases[] = {
        {"node=node-a", "progress:node-a"}, {"node=node", ""},
        {"image=ODE-B", "failed:node-b"},   {"status=active", "progress:node-a"},
        {"status=failed", "failed:node-b"}, {"namespace=default", ""},
        {"node=node-a&status=failed", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world world;
        struct client client;
        world_init(&world, 10);
        tell(&world, "node-a", 10, PT_PULL_DOWNLOADING);
        tell(&world, "node-b", 10, PT_PULL_FAILED);
        run(&world);
        join(&world, &client, cases[i].query);
        run(&world);
        check_text(cases[i].query, story(&client), cases[i].wanted);
        leave(&client);
        world_finish(&world);
    }
}

static void a_stream_of_active_pulls_tells_their_end(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_init(&world, 10);
    tell(&world, "a", 10, PT_PULL_DOWNLOADING);
    run(&world);
    join(&world, &client, "status=active");
    run(&world);
    tell(&world, "a", 100, PT_PULL_COMPLETED);
    run(&world);
    check_text("story", story(&client), "progress:a completed:a");
    leave(&client);
    world_finish(&world);
}

static void layer_events_come_on_request(void **state)
{
    (void)state;
    struct world world;
    struct client both, layers;
    world_init(&world, 10);
    join(&world, &both, "types=pull,layer");
    join(&world, &layers, "types=layer");
    run(&world);
    struct pt_layer two[] = {make_layer("L1", 10), make_layer("L2", 0)};
    two[1].phase = PT_LAYER_QUEUED;
    struct pt_pull pull = make_pull("lease", "a", two, 2);
    assert_int_equal(fixture_tell(&world.f, "a", &pull, 1), 0);
    run(&world);
    two[0].downloaded_bytes = 20;
    two[1] = make_layer("L2", 5);
    assert_int_equal(fixture_tell(&world.f, "a", &pull, 1), 0);
    run(&world);
    two[0] = make_layer("L1", 100);
    assert_int_equal(fixture_tell(&world.f, "a", &pull, 1), 0);
    run(&world);
    two[0].phase = PT_LAYER_EXTRACTING;
    assert_int_equal(fixture_tell(&world.f, "a", &pull, 1), 0);
    run(&world);
    check_text("both", story(&both),
               "layer.started:L1 started:a "
               "layer.progress:L1 layer.started:L2 progress:a "
               "layer.completed:L1 layer.progress:L2 progress:a "
               "layer.progress:L1 layer.progress:L2 progress:a"); // L2 has become slower
    assert_null(strstr(story(&layers), "started:a"));
    leave(&both);
    leave(&layers);
    world_finish(&world);
}

static void layers_can_be_left_out(void **state)
{
    (void)state;
    struct world world;
    struct client with, without;
    world_init(&world, 10);
    join(&world, &with, "");
    join(&world, &without, "layers=0");
    tell(&world, "a", 10, PT_PULL_DOWNLOADING);
    run(&world);
    assert_non_null(strstr(with.text.data, "\"layers\":["));
    assert_null(strstr(without.text.data, "\"layers\":["));
    leave(&with);
    leave(&without);
    world_finish(&world);
}

static void silence_is_broken_by_comments(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_init(&world, 10);
    join(&world, &client, "");
    run(&world);
    forget(&client);
    for (int i = 0; i < 16; i++) {
        world.f.now_ns += PT_NS_PER_S;
        pt_event_stream_heartbeat(world.stream);
    }
    check_text("after 15 s", client.text.data, ":\n\n");
    leave(&client);
    world_finish(&world);
}

static void clients_are_limited(void **state)
{
    (void)state;
    struct world world;
    struct client clients[3];
    world_init(&world, 2);
    join(&world, &clients[0], "");
    join(&world, &clients[1], "node=a");
    check_int("the third", try_to_join(&world, &clients[2], "", 0), -ENOSPC);
    leave(&clients[0]);
    pt_buffer_finish(&clients[2].text);
    check_int("after one left", try_to_join(&world, &clients[2], "", 0), 0);
    leave(&clients[1]);
    leave(&clients[2]);
    world_finish(&world);
}

static void goodbye_says_when_to_come_back(void **state)
{
    (void)state;
    struct world world;
    struct client client;
    world_init(&world, 2);
    join(&world, &client, "");
    run(&world);
    forget(&client);
    pt_event_stream_say_goodbye(world.stream);
    check_text("last words", client.text.data, "retry: 1000\n\n");
    leave(&client);
    world_finish(&world);
}

static void bad_requests_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *query, *wanted;
    } cases[] = {
        {"types=pods", "types: must be pull, layer or pull,layer"},
        {"layers=2", "layers: must be 0 or 1"},
        {"status=done", "status: must be active, completed or failed"},
        {"lastEventId=-1", "lastEventId: must be a whole number from 0 to 9223372036854775807"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_query query;
        struct pt_stream_request request;
        struct pt_error err;
        assert_int_equal(pt_query_parse(cases[i].query, &query, NULL), 0);
        check_int(cases[i].query, pt_stream_request_read(&query, &request, &err), -EINVAL);
        check_text(cases[i].query, err.message, cases[i].wanted);
    }
}

// --- whatever the order, each client ends with the truth ---

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
    tell(world, image, done && !failed ? 100 : progress[which] % 100,
         !done    ? PT_PULL_DOWNLOADING
         : failed ? PT_PULL_FAILED
                  : PT_PULL_COMPLETED);
}

static void reconnect(struct world *world, struct client *client)
{
    uint64_t id = last_id(client);
    pt_event_stream_leave(client->member);
    struct pt_buffer text = client->text;
    assert_int_equal(try_to_join(world, client, "layers=0", id), 0);
    pt_buffer_finish(&client->text);
    client->text = text;
}

static void each_client_ends_with_the_true_state(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++) {
        struct world world;
        struct client clients[8];
        int progress[PULLS] = {0};
        unsigned random = seed;
        world_init(&world, 10);
        for (size_t i = 0; i < COUNT_OF(clients); i++) {
            join(&world, &clients[i], "layers=0");
            clients[i].slow = i % 2 == 1;
        }
        for (int round = 0; round < 1500; round++) {
            step(&world, &random, progress);
            struct client *client = &clients[random_number(&random, COUNT_OF(clients))];
            if (random_number(&random, 4) == 0)
                pt_event_stream_flush(world.stream);
            if (random_number(&random, 2) == 0)
                pt_event_stream_pump(world.stream);
            if (client->slow && random_number(&random, 30) == 0) {
                client->untaken = 0;
                pt_event_stream_drained(client->member);
            }
            if (random_number(&random, 100) == 0)
                reconnect(&world, client);
        }
        run(&world);
        for (size_t i = 0; i < COUNT_OF(clients); i++) {
            clients[i].untaken = 0;
            clients[i].slow = false;
            pt_event_stream_drained(clients[i].member);
        }
        run(&world);
        for (size_t i = 0; i < COUNT_OF(clients); i++) {
            char states[PULLS][16];
            last_states(&clients[i], states);
            for (unsigned j = 0; j < PULLS; j++) {
                bool done = progress[j] > 100;
                const char *wanted = !done ? NULL : j % 5 == 0 ? "failed" : "completed";
                if (wanted && strcmp(states[j], wanted) != 0)
                    fail_msg("seed %u, client %zu, pull %u: got %s, wanted %s", seed, i, j,
                             states[j], wanted);
                if (!wanted && progress[j] > 0 && strcmp(states[j], "progress") != 0 &&
                    strcmp(states[j], "started") != 0)
                    fail_msg("seed %u, client %zu, pull %u: got %s", seed, i, j, states[j]);
            }
            leave(&clients[i]);
        }
        world_finish(&world);
    }
}

static void a_long_snapshot_is_sent_in_slices(void **state)
{
    (void)state;
    struct world world;
    struct client quick, late;
    char image[16];
    world_init(&world, 10);
    join(&world, &quick, "");
    run(&world);
    struct pt_layer layers[60];
    for (int i = 0; i < 60; i++)
        layers[i] = make_layer("sha256:a", 10);
    for (int i = 0; i < 100; i++) {
        snprintf(image, sizeof(image), "p%d", i);
        struct pt_pull pull = make_pull("lease", image, layers, 60);
        assert_int_equal(fixture_tell(&world.f, image, &pull, 1), 0);
    }
    run(&world);
    join(&world, &late, "");
    late.slow = true;
    assert_false(pt_event_stream_pump(world.stream)); // blocked after the first slice
    assert_in_range(late.text.length, 64 * 1024, 256 * 1024);
    tell(&world, "p0", 100, PT_PULL_COMPLETED);
    for (int i = 0; i < 100 && last_id(&late) < world.f.store.changes.newest_version; i++) {
        late.untaken = 0;
        pt_event_stream_drained(late.member);
        run(&world);
    }
    assert_true(late.blocks > 5);
    const char *told = strstr(late.text.data, "pull.completed");
    assert_non_null(told);
    assert_null(strstr(told, "pull.progress")); // the change comes last
    leave(&quick);
    leave(&late);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_in_order),
        cmocka_unit_test(a_snapshot_comes_first_and_holds_each_pull_once),
        cmocka_unit_test(clients_in_step_share_one_block),
        cmocka_unit_test(a_slow_client_is_passed_over_and_gets_the_latest_state),
        cmocka_unit_test(a_reconnect_gets_exactly_what_it_missed),
        cmocka_unit_test(filters_apply),
        cmocka_unit_test(a_stream_of_active_pulls_tells_their_end),
        cmocka_unit_test(layer_events_come_on_request),
        cmocka_unit_test(layers_can_be_left_out),
        cmocka_unit_test(silence_is_broken_by_comments),
        cmocka_unit_test(clients_are_limited),
        cmocka_unit_test(goodbye_says_when_to_come_back),
        cmocka_unit_test(bad_requests_are_named),
        cmocka_unit_test(each_client_ends_with_the_true_state),
        cmocka_unit_test(a_long_snapshot_is_sent_in_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
