// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_STREAM_FIXTURE_H
#define PT_TESTS_STREAM_FIXTURE_H

#include "server/stream/event_stream.h"

#include "store_fixture.h"

#include <inttypes.h>

// A client that takes what it is sent at once, or lets it lie, and remembers what it was sent.
struct client {
    struct pt_stream_client *member; // NULL: not joined
    bool slow;
    size_t untaken;
    struct pt_buffer text;
    size_t blocks;
    struct pt_stream_block *last_block; // only to compare, held so that no other has its address
};

#define MAX_CLIENTS 8 // of the stream

// A store whose changes are sent to clients.
struct world {
    struct scene scene;
    struct pt_event_stream *stream;
    struct client clients[MAX_CLIENTS + 1];
    size_t client_count;
};

static inline size_t client_pending(void *context)
{
    const struct client *client = context;
    return client->untaken;
}

static inline void client_send(void *context, struct pt_stream_block *block)
{
    struct client *client = context;
    assert_int_equal(
        pt_buffer_append(&client->text, block->data + block->body_offset, block->body_length), 0);
    client->blocks++;
    if (client->slow)
        client->untaken += block->body_length;
    pt_stream_block_unref(client->last_block);
    client->last_block = block;
}

static struct world *present_world; // of the test that runs

static inline void leave(struct client *client)
{
    if (client->member)
        pt_event_stream_leave(client->member);
    client->member = NULL;
    client->untaken = 0;
    pt_stream_block_unref(client->last_block);
    client->last_block = NULL;
}

static inline bool client_make_room(void *context)
{
    (void)context;
    for (size_t i = 0; i < present_world->client_count; i++) {
        struct client *client = &present_world->clients[i];
        if (client->member && client->untaken > 0) {
            leave(client);
            return true;
        }
    }
    return false;
}

static inline int world_setup(void **state)
{
    static const struct pt_stream_output output = {client_pending, client_send, client_make_room};
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    scene_begin(&world->scene);
    assert_int_equal(pt_event_stream_create(world->scene.store, &world->scene.clock, MAX_CLIENTS,
                                            &output, &world->stream),
                     0);
    *state = present_world = world;
    return 0;
}

// Forgets what the client was sent so far.
static inline void forget(struct client *client)
{
    pt_buffer_clear(&client->text);
    client->blocks = 0;
}

static inline int world_teardown(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < world->client_count; i++) {
        leave(&world->clients[i]);
        pt_buffer_finish(&world->clients[i].text);
    }
    pt_event_stream_destroy(world->stream);
    scene_end(&world->scene);
    free(world);
    return 0;
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

// Sends the clients all there is to send.
static inline void run(struct world *world)
{
    pt_event_stream_flush(world->stream);
    for (int i = 0; pt_event_stream_pump(world->stream); i++)
        assert_in_range(i, 0, 100000);
}

// Asks for a stream behind an id, for a client that has none; returns what is answered.
static inline int ask_behind(struct world *world, struct client *client, const char *query_text,
                             const char *last_event_id)
{
    struct pt_query query;
    struct pt_stream_request request;
    assert_int_equal(pt_query_parse(query_text, &query, NULL), 0);
    assert_int_equal(pt_stream_request_read(&query, &request, &world->scene.err), 0);
    pt_stream_request_go_on_behind(&request, last_event_id);
    return pt_event_stream_join(world->stream, &request, client, &client->member,
                                &world->scene.err);
}

// The same behind a version of this run; 0: behind none.
static inline int ask(struct world *world, struct client *client, const char *query_text,
                      uint64_t version)
{
    char id[64];
    snprintf(id, sizeof(id), "%s.%" PRIu64, pt_event_stream_run(world->stream), version);
    return ask_behind(world, client, query_text, version ? id : "");
}

static inline struct client *new_client(struct world *world)
{
    assert_in_range(world->client_count, 0, COUNT_OF(world->clients) - 1);
    struct client *client = &world->clients[world->client_count++];
    pt_buffer_init(&client->text, 64 << 20);
    return client;
}

// A new client, which has been sent the snapshot.
static inline struct client *join(struct world *world, const char *query_text)
{
    struct client *client = new_client(world);
    assert_int_equal(ask(world, client, query_text, 0), 0);
    run(world);
    return client;
}

// The version in the id of the message that came last.
static inline uint64_t last_id(const struct client *client)
{
    uint64_t id = 0;
    for (const char *at = client->text.data; (at = strstr(at, "id: ")); at += 4)
        id = strtoull(strchr(at, '.') + 1, NULL, 10);
    return id;
}

// Node and image stand for each other here, so that every pull is of its own node.
static inline void report(struct world *world, const char *image, int64_t bytes,
                          enum pt_pull_phase phase)
{
    struct scene *scene = &world->scene;
    scene->layers[0] = make_layer("sha256:a", bytes);
    scene->pull.image_ref = image;
    scene->pull.phase = phase;
    scene_deliver_pulls(scene, image, &scene->pull, 1);
}

// The same of a download that goes on, and its clients hear of it.
static inline void download(struct world *world, const char *image, int64_t bytes)
{
    report(world, image, bytes, PT_PULL_DOWNLOADING);
    run(world);
}

// Pulls whose snapshot, with all their layers, is more than a client is sent at once.
static inline void begin_many(struct world *world)
{
    char image[16];
    struct pt_layer layers[60];
    for (size_t i = 0; i < COUNT_OF(layers); i++)
        layers[i] = make_layer("sha256:a", 10);
    for (int i = 0; i < 100; i++) {
        snprintf(image, sizeof(image), "p%d", i);
        struct pt_pull pull = make_pull("lease-1", image, layers, COUNT_OF(layers));
        scene_deliver_pulls(&world->scene, image, &pull, 1);
    }
    run(world);
}

#endif
