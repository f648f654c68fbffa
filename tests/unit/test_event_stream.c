// SPDX-License-Identifier: Apache-2.0
#include "stream_fixture.h"

#include <yyjson.h>

// Writes the types of all messages and the images of their pulls: `started:app progress:app`.
static const char *story(const struct client *client)
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

static void changes_are_sent_in_order(void **state)
{
    struct world *world = *state;
    struct client *client = join(world, "");
    check_text("hello", client->text.data, ": pulltrace " PT_VERSION "\nretry: 2000\n\n");
    download(world, "a", 10);
    report(world, "a", 20, PT_PULL_DOWNLOADING);
    download(world, "b", 10);
    report(world, "a", 100, PT_PULL_COMPLETED);
    report(world, "b", 20, PT_PULL_FAILED);
    run(world);
    check_text("story", story(client), "started:a progress:a started:b completed:a failed:b");
    check_int("last id", (int64_t)last_id(client), (int64_t)scene_version(&world->scene));
}

static void a_snapshot_comes_first_and_holds_each_pull_once(void **state)
{
    struct world *world = *state;
    report(world, "a", 10, PT_PULL_DOWNLOADING);
    report(world, "b", 10, PT_PULL_FAILED);
    download(world, "a", 20);
    check_text("snapshot", story(join(world, "")), "failed:b progress:a");
}

static void clients_in_step_share_one_block(void **state)
{
    struct world *world = *state;
    struct client *first = join(world, "layers=0");
    struct client *second = join(world, "layers=0");
    struct client *third = join(world, "layers=0");
    download(world, "a", 10);
    assert_ptr_equal(first->last_block, second->last_block);
    assert_ptr_equal(first->last_block, third->last_block);
}

static void a_slow_client_is_passed_over_and_gets_the_latest_state(void **state)
{
    struct world *world = *state;
    struct client *slow = join(world, "");
    struct client *quick = join(world, "");
    slow->slow = true;
    slow->untaken = 1 << 20;
    for (int i = 1; i < 10; i++) {
        report(world, "a", 10 * i, PT_PULL_DOWNLOADING);
        download(world, "b", 10 * i);
    }
    report(world, "b", 100, PT_PULL_COMPLETED);
    run(world);
    check_text("nothing more was sent", story(slow), "");
    assert_true(pt_event_stream_figures(world->stream).skipped > 0);
    slow->untaken = 0;
    pt_event_stream_drained(slow->member);
    run(world);
    check_text("caught up", story(slow), "started:a completed:b");
    assert_non_null(strstr(story(quick), "progress:b"));

    forget(slow);
    download(world, "a", 95);
    check_text("in step again", story(slow), "progress:a");
}

static void a_reconnect_gets_exactly_what_it_missed(void **state)
{
    struct world *world = *state;
    download(world, "a", 10);
    download(world, "b", 10);
    struct client *client = join(world, "");
    uint64_t first = world->scene.store->changes.first_version;
    const struct {
        const char *name, *wanted;
        uint64_t last_event_id;
    } cases[] = {
        {"missed", "progress:b started:c", last_id(client)},
        {"of an earlier run", "progress:a progress:b progress:c", first - 1000},
        {"of no run", "progress:a progress:b progress:c", first + 1000000},
    };
    leave(client);
    download(world, "b", 20);
    download(world, "c", 20);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        forget(client);
        assert_int_equal(ask(world, client, "", cases[i].last_event_id), 0);
        run(world);
        check_text(cases[i].name, story(client), cases[i].wanted);
        leave(client);
    }
}

static void an_id_of_another_run_gives_all(void **state)
{
    struct world *world = *state;
    download(world, "a", 10);
    struct client *client = join(world, "");
    const char *run_name = pt_event_stream_run(world->stream);
    char version[32], ours[64], strange[64], longer[64], signed_one[64];
    snprintf(version, sizeof(version), "%" PRIu64, last_id(client));
    snprintf(ours, sizeof(ours), "%s.%s", run_name, version);
    snprintf(strange, sizeof(strange), "%c%s.%s", *run_name == 'a' ? 'b' : 'a', run_name + 1,
             version);
    snprintf(longer, sizeof(longer), "%s.%sx", run_name, version);
    snprintf(signed_one, sizeof(signed_one), "%s.+%s", run_name, version);
    const struct {
        const char *name, *id, *wanted;
    } cases[] = {
        {"ours", ours, "started:b"},
        {"another", strange, "progress:a progress:b"},
        {"without a run, as earlier versions had it", version, "progress:a progress:b"},
        {"the run alone", run_name, "progress:a progress:b"},
        {"with a letter behind", longer, "progress:a progress:b"},
        {"with a sign", signed_one, "progress:a progress:b"},
    };
    leave(client);
    download(world, "b", 20);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        forget(client);
        assert_int_equal(ask_behind(world, client, "", cases[i].id), 0);
        run(world);
        check_text(cases[i].name, story(client), cases[i].wanted);
        leave(client);
    }
}

static void filters_apply(void **state)
{
    static const struct {
        const char *query, *wanted;
    } cases[] = {
        {"node=node-a", "progress:node-a"}, {"node=node", ""},
        {"image=ODE-B", "failed:node-b"},   {"status=active", "progress:node-a"},
        {"status=failed", "failed:node-b"}, {"namespace=default", ""},
        {"node=node-a&status=failed", ""},
    };
    struct world *world = *state;
    report(world, "node-a", 10, PT_PULL_DOWNLOADING);
    report(world, "node-b", 10, PT_PULL_FAILED);
    run(world);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_text(cases[i].query, story(join(world, cases[i].query)), cases[i].wanted);
}

static void a_stream_of_active_pulls_has_their_end(void **state)
{
    struct world *world = *state;
    download(world, "a", 10);
    struct client *client = join(world, "status=active");
    report(world, "a", 100, PT_PULL_COMPLETED);
    run(world);
    check_text("story", story(client), "progress:a completed:a");
}

static void layer_events_come_on_request(void **state)
{
    static const struct {
        int64_t bytes[2];
        enum pt_layer_phase phases[2];
    } steps[] = {
        {{10, 0}, {PT_LAYER_DOWNLOADING, PT_LAYER_QUEUED}},
        {{20, 5}, {PT_LAYER_DOWNLOADING, PT_LAYER_DOWNLOADING}},
        {{100, 5}, {PT_LAYER_DOWNLOADED, PT_LAYER_DOWNLOADING}},
        {{100, 5}, {PT_LAYER_EXTRACTING, PT_LAYER_DOWNLOADING}},
    };
    struct world *world = *state;
    struct scene *scene = &world->scene;
    struct client *both = join(world, "types=pull,layer");
    struct client *layers = join(world, "types=layer");
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        scene_two_layers(scene, steps[i].bytes[0], steps[i].bytes[1]);
        scene->layers[0].phase = steps[i].phases[0];
        scene->layers[1].phase = steps[i].phases[1];
        scene_deliver(scene);
        run(world);
    }
    check_text("both", story(both),
               "layer.started:sha256:a started:app:1 "
               "layer.progress:sha256:a layer.started:sha256:b progress:app:1 "
               "layer.completed:sha256:a layer.progress:sha256:b progress:app:1 "
               "layer.progress:sha256:a layer.progress:sha256:b progress:app:1"); // b is slower
    assert_null(strstr(story(layers), "started:app:1"));
}

static void layers_can_be_left_out(void **state)
{
    struct world *world = *state;
    struct client *with = join(world, "");
    struct client *without = join(world, "layers=0");
    download(world, "a", 10);
    assert_non_null(strstr(with->text.data, "\"layers\":["));
    assert_null(strstr(without->text.data, "\"layers\":["));
}

static void silence_is_broken_by_comments(void **state)
{
    struct world *world = *state;
    struct client *client = join(world, "");
    forget(client);
    for (int i = 0; i < 16; i++) {
        world->scene.now_ns += PT_NS_PER_S;
        pt_event_stream_heartbeat(world->stream);
    }
    check_text("after 15 s", client->text.data, ":\n\n");
}

static void clients_are_limited(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < MAX_CLIENTS; i++)
        join(world, i % 2 ? "node=a" : "");
    struct client *late = new_client(world);
    check_int("one too many", ask(world, late, "", 0), -ENOSPC);
    leave(&world->clients[0]);
    check_int("after one left", ask(world, late, "", 0), 0);
}

static void goodbye_says_when_to_come_back(void **state)
{
    struct world *world = *state;
    struct client *client = join(world, "");
    forget(client);
    pt_event_stream_say_goodbye(world->stream);
    check_text("last words", client->text.data, "retry: 1000\n\n");
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

static void a_long_snapshot_is_sent_in_slices(void **state)
{
    struct world *world = *state;
    join(world, "");
    begin_many(world);
    struct client *late = new_client(world);
    late->slow = true;
    assert_int_equal(ask(world, late, "", 0), 0);
    assert_false(pt_event_stream_pump(world->stream)); // blocked after the first slice
    assert_in_range(late->text.length, 64 * 1024, 256 * 1024);
    report(world, "p0", 100, PT_PULL_COMPLETED);
    for (int i = 0; i < 100 && last_id(late) < scene_version(&world->scene); i++) {
        late->untaken = 0;
        pt_event_stream_drained(late->member);
        run(world);
    }
    assert_true(late->blocks > 5);
    const char *end = strstr(late->text.data, "pull.completed");
    assert_non_null(end);
    assert_null(strstr(end, "pull.progress")); // the change comes last
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(changes_are_sent_in_order),
        WORLD_TEST(a_snapshot_comes_first_and_holds_each_pull_once),
        WORLD_TEST(clients_in_step_share_one_block),
        WORLD_TEST(a_slow_client_is_passed_over_and_gets_the_latest_state),
        WORLD_TEST(a_reconnect_gets_exactly_what_it_missed),
        WORLD_TEST(an_id_of_another_run_gives_all),
        WORLD_TEST(filters_apply),
        WORLD_TEST(a_stream_of_active_pulls_has_their_end),
        WORLD_TEST(layer_events_come_on_request),
        WORLD_TEST(layers_can_be_left_out),
        WORLD_TEST(silence_is_broken_by_comments),
        WORLD_TEST(clients_are_limited),
        WORLD_TEST(goodbye_says_when_to_come_back),
        cmocka_unit_test(bad_requests_are_named),
        WORLD_TEST(a_long_snapshot_is_sent_in_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
