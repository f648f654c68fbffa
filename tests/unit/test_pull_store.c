// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "fill_fields.h"
#include "pull/pull_fields.h"

#include "store_fixture.h"

// What reports change.

static void a_pull_goes_from_start_to_completion(void **state)
{
    struct scene *scene = *state;
    scene_two_layers(scene, 10, 0);
    scene_deliver(scene);
    check_int("started", scene->started, 1);
    const struct pt_stored_pull *stored = scene_last(scene);
    check_real("percent", stored->percent_floor, 5);
    uint64_t version = stored->version;

    scene_two_layers(scene, 60, 0);
    scene_deliver(scene);
    assert_true(stored->version > version);
    check_real("percent", stored->percent_floor, 30);
    check_real("speed", pt_stored_pull_speed(stored), 50);

    scene_two_layers(scene, 100, 100);
    scene->pull.phase = PT_PULL_COMPLETED;
    scene_deliver(scene);
    scene_deliver(scene); // until the agent knows it has arrived
    check_int("completed once", scene->completed, 1);
    check_int("active", (int64_t)scene->store->active_count, 0);
    check_int("received", (int64_t)scene->store->received_bytes, 200);
    check_real("speed", pt_stored_pull_speed(stored), 0);
}

// Two images with a base layer in common: each shows all of its bytes, the node received them once.
static void a_layer_of_two_pulls_is_received_once(void **state)
{
    struct scene *scene = *state;
    struct sharing_pulls it;
    make_sharing_pulls(&it);
    scene_deliver_pulls(scene, "n1", it.pulls, 2);
    const struct pt_stored_pull *stored = scene_last(scene);
    it.first[0].downloaded_bytes = it.second[0].downloaded_bytes = 40;
    it.first[1].downloaded_bytes = 10;
    scene_deliver_pulls(scene, "n1", it.pulls, 2);
    check_real("speed of the second pull", pt_stored_pull_speed(stored), 40);
    check_real("speed of the node", pt_node_speed(stored->node), 50);
    check_int("received", (int64_t)scene->store->received_bytes, 50);
}

static void a_report_that_changes_nothing_gives_no_version(void **state)
{
    struct scene *scene = *state;
    scene->layers[0] = make_layer("sha256:a", 100);
    scene->pull.phase = PT_PULL_EXTRACTING;
    scene_deliver(scene);
    uint64_t version = scene_version(scene);
    scene_deliver(scene);
    check_int("version", (int64_t)scene_version(scene), (int64_t)version);
}

static void a_pull_first_seen_at_its_end_is_started_and_ended(void **state)
{
    struct scene *scene = *state;
    scene->pull.phase = PT_PULL_FAILED;
    scene->pull.error = "manifest unknown";
    scene_deliver(scene);
    check_int("started", scene->started, 1);
    check_int("failed", scene->failed, 1);
    check_text("error", scene_last(scene)->pull.error, "manifest unknown");
}

static void percent_does_not_fall(void **state)
{
    struct scene *scene = *state;
    scene_two_layers(scene, 80, 20);
    scene_deliver(scene);
    scene_two_layers(scene, 0, 20); // the first one's download began anew
    scene_deliver(scene);
    struct pt_pull_status status = scene_last_status(scene);
    check_real("percent", status.totals.percent, 50);
    check_int("bytes", status.totals.downloaded_bytes, 20);
    check_int("received", (int64_t)scene->store->received_bytes, 100);
}

// Unless it was shown as there by mistake, for another snapshotter.
static void percent_falls_when_what_was_there_is_not(void **state)
{
    struct scene *scene = *state;
    scene_two_layers(scene, 100, 100);
    scene->layers[0].phase = scene->layers[1].phase = PT_LAYER_EXISTS;
    scene->layers[0].cached = scene->layers[1].cached = true;
    scene_deliver(scene);
    check_real("there", scene_last_status(scene).totals.percent, 100);
    scene_two_layers(scene, 0, 0);
    scene->layers[0].phase = scene->layers[1].phase = PT_LAYER_QUEUED;
    scene_deliver(scene);
    check_real("it is not", scene_last_status(scene).totals.percent, 0);
    check_int("received", (int64_t)scene->store->received_bytes, 0);
}

// Reports that come late, twice, or after the node's clock was set.
static void rates_bear_jitter(void **state)
{
    static const struct {
        const char *name;
        double after; // seconds since the report before, on the server
        double skew;  // of the node's clock
        int64_t bytes;
        double wanted;
    } steps[] = {
        {"first", 1, 0, 0, 0},
        {"steady", 1, 0, 10, 10},
        {"delayed by 0.8 s on its way", 1.8, -0.8, 20, 10},
        {"next in time", 1, -0.8, 30, 10},
        {"set back by an hour", 1, -3600, 40, 0},
        {"steady again", 1, -3600, 50, 10},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        scene->now_ns += (int64_t)((steps[i].after - 1) * 1e9);
        scene->node_skew_ns = (int64_t)(steps[i].skew * 1e9);
        scene->layers[0].downloaded_bytes = steps[i].bytes;
        scene_deliver(scene);
        check_real(steps[i].name, pt_stored_pull_speed(scene_last(scene)), steps[i].wanted);
    }
}

static void layers_that_come_and_go_keep_their_numbers(void **state)
{
    struct scene *scene = *state;
    struct pt_layer layers[] = {make_layer("sha256:b", 20), make_layer("sha256:c", 30)};
    layers[1].media_type = "application/x-unheard-of";
    scene->pull = make_pull("lease-1", "app:1", layers, 2);
    scene_deliver(scene);
    const struct pt_stored_pull *stored = scene_last(scene);
    uint64_t started = stored->versions[1].started;
    struct pt_layer more[] = {make_layer("sha256:a", 5), layers[1], layers[0],
                              make_layer("sha256:a", 5)};
    scene->pull = make_pull("lease-1", "app:1", more, 4);
    scene_deliver(scene);
    check_int("layers", (int64_t)stored->pull.layer_count, 4);
    check_text("digest", stored->pull.layers[1].digest, "sha256:c");
    check_text("media type", stored->pull.layers[1].media_type, "application/x-unheard-of");
    check_int("began when it did", (int64_t)stored->versions[1].started, (int64_t)started);
    check_int("what is new was received, and once", (int64_t)scene->store->received_bytes, 55);
}

// --- identities ---

static void agents_cannot_take_each_others_pulls(void **state)
{
    static const struct {
        const char *name, *node, *id, *image;
    } evil[] = {
        {"the same id on another node", "n2", "lease-1", "app:1"},
        {"node and id shifted", "n", "1lease-1", "app:1"},
        {"an image named like the key", "n1", NULL, "ilease-1"},
        {"an image named like the id", "n1", NULL, "lease-1"},
        {"an id named like the merged key", "n1", "m", "app:1"},
        {"an id with odd characters", "n1", "../../x?y#z\n", "app:1"},
    };
    struct scene *scene = *state;
    scene_deliver(scene);
    char first_id[PT_PULL_ID_SIZE];
    strcpy(first_id, scene->last_id);
    for (size_t i = 0; i < COUNT_OF(evil); i++) {
        int started = scene->started;
        struct pt_pull pull = make_pull(evil[i].id, evil[i].image, NULL, 0);
        scene_deliver_pulls(scene, evil[i].node, &pull, 1);
        check_int(evil[i].name, scene->started, started + 1);
        assert_string_not_equal(scene->last_id, first_id);
        check_int("only hexadecimal digits", (int64_t)strspn(scene->last_id, "0123456789abcdef"),
                  32);
    }
}

static void an_id_survives_a_restart_of_the_server(void **state)
{
    struct scene *scene = *state;
    scene_deliver(scene);
    char id[PT_PULL_ID_SIZE];
    strcpy(id, scene->last_id);
    scene_restart(scene);
    scene->now_ns += 3600 * PT_NS_PER_S;
    scene_deliver(scene);
    assert_string_equal(scene->last_id, id);
}

// --- limits ---

static void limits_have_their_answers(void **state)
{
    struct scene *scene = *state;
    scene->store->settings.max_pulls = scene->store->settings.max_nodes = 2;
    struct pt_pull pulls[] = {make_pull("1", "a", NULL, 0), make_pull("2", "b", NULL, 0),
                              make_pull("3", "c", NULL, 0)};
    pulls[0].phase = PT_PULL_COMPLETED;
    check_int("finished ones make room", scene_report(scene, "n1", pulls, 3), 0);
    check_int("pulls", (int64_t)scene->store->pulls.count, 2);
    check_int("all active", scene_report(scene, "n2", pulls, 1), -EDQUOT);
    check_text("words", scene->err.message, "the server holds its maximum of 2 pulls");
    check_int("a third node", scene_report(scene, "n3", NULL, 0), -ENOSPC);
    scene->now_ns -= 1600 * PT_NS_PER_MS;
    check_int("400 ms after the last", scene_report(scene, "n2", NULL, 0), -EAGAIN);
    scene->now_ns -= 900 * PT_NS_PER_MS;
    check_int("500 ms after the last", scene_report(scene, "n2", NULL, 0), 0);
}

// A node's own limit: its pulls make no room at the cost of other nodes'.
static void one_node_cannot_fill_the_store(void **state)
{
    struct scene *scene = *state;
    static struct pt_pull pulls[PT_LIMIT_PULLS_PER_NODE + 1];
    static char ids[PT_LIMIT_PULLS_PER_NODE + 1][8];
    size_t count = COUNT_OF(pulls);
    scene->store->settings.max_pulls = 2 * count;
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%zu", i);
        pulls[i] = make_pull(ids[i], "a", NULL, 0);
    }
    pulls[7].phase = PT_PULL_COMPLETED;
    check_int("a finished one makes room", scene_report(scene, "n1", pulls, count), 0);
    check_int("pulls", (int64_t)scene->store->pulls.count, PT_LIMIT_PULLS_PER_NODE);
    struct pt_pull more = make_pull("more", "a", NULL, 0);
    pulls[count - 1] = more;
    check_int("all active", scene_report(scene, "n1", pulls, count), -E2BIG);
    check_text("words", scene->err.message,
               "the server holds its maximum of 4000 pulls of this node");
    check_int("pulls", (int64_t)scene->store->pulls.count, PT_LIMIT_PULLS_PER_NODE);
    check_int("another node", scene_report(scene, "n2", &more, 1), 0);
}

// Sums that a hostile agent's sizes make: they stay at their maximum, as UBSan sees.
static void sizes_do_not_add_up_beyond_their_type(void **state)
{
    struct scene *scene = *state;
    struct pt_pull pulls[2048];
    static struct pt_layer layers[COUNT_OF(pulls)];
    static char ids[COUNT_OF(pulls)][8];
    for (size_t i = 0; i < COUNT_OF(pulls); i++) {
        snprintf(ids[i], sizeof(ids[i]), "%zu", i);
        layers[i] = make_layer(ids[i], 0);
        layers[i].total_bytes = layers[i].downloaded_bytes = INT64_MAX / 1000;
        pulls[i] = make_pull(ids[i], "a", &layers[i], 1);
        pulls[i].repository = NULL;
    }
    scene->store->settings.max_pulls = COUNT_OF(pulls);
    scene_deliver_pulls(scene, "n1", pulls, COUNT_OF(pulls));
    const struct pt_node *node = pt_map_get(&scene->store->nodes, "n1");
    assert_true(node->received_bytes == INT64_MAX);
    assert_true(scene->store->received_bytes == INT64_MAX);
}

// How soon a report may follow another depends on the interval that it says its agent has.
static void reports_keep_their_distance(void **state)
{
    static const struct {
        const char *name;
        int64_t interval_ms;
        int64_t after_ms;
        int result;
    } distances[] = {
        {"none said, too soon", 0, 499, -EAGAIN},
        {"none said", 0, 500, 0},
        {"ten seconds, too soon", 10000, 499, -EAGAIN},
        {"a quarter second, too soon", 250, 124, -EAGAIN},
        {"a quarter second", 250, 125, 0},
        {"a millisecond, too soon", 1, 99, -EAGAIN},
        {"a millisecond", 1, 100, 0},
        {"the longest", INT64_MAX / 4096, 499, -EAGAIN},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(distances); i++) {
        scene_deliver_pulls(scene, "n1", NULL, 0);
        scene->now_ns += distances[i].after_ms * PT_NS_PER_MS;
        const struct pt_report report = {
            .node_name = "n1", .timestamp = scene->now_ns, .interval_ms = distances[i].interval_ms};
        check_int(distances[i].name, pt_store_apply(scene->store, &report, &scene->err),
                  distances[i].result);
    }
}

// Each value that the agent reports is shown under the same name, unless it stands in this list.
static void check_shown(const char *what, yyjson_val *reported, yyjson_val *shown)
{
    static const char *const kept_back[] = {"id", "namespace", "layers", "bytesUnreported"};
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(reported, index, count, key, value)
    {
        const char *name = yyjson_get_str(key);
        bool is_kept_back = false;
        for (size_t i = 0; i < COUNT_OF(kept_back); i++)
            is_kept_back |= strcmp(name, kept_back[i]) == 0;
        if (!is_kept_back && !yyjson_equals(value, yyjson_obj_get(shown, name)))
            fail_msg("%s: %s is reported and not shown so", what, name);
    }
}

static yyjson_val *first(yyjson_val *object, const char *list)
{
    return yyjson_arr_get_first(yyjson_obj_get(object, list));
}

// A field that the store forgets to keep shows here.
static void every_field_of_a_report_is_shown(void **state)
{
    struct scene *scene = *state;
    static char texts[2][64][24];
    struct pt_layer layer = {0};
    struct pt_pull pull = {0};
    struct pt_report report = {.node_name = "n1", .timestamp = 1, .pulls = &pull, .pull_count = 1};
    struct pt_buffer reported, shown;
    scene_deliver(scene); // so that what comes differs from it
    fill_fields(&pt_layer_fields, &layer, texts[0]);
    fill_fields(&pt_pull_fields, &pull, texts[1]);
    layer.downloaded_bytes = layer.total_bytes;
    pull.id = scene->pull.id;
    pull.layers = &layer;
    pull.layer_count = 1;
    scene_deliver_pulls(scene, "n1", &pull, 1);
    struct pt_pull_status status = scene_last_status(scene);
    pt_buffer_init(&reported, PT_LIMIT_REPORT_BYTES);
    pt_buffer_init(&shown, PT_LIMIT_REPORT_BYTES);
    assert_int_equal(pt_report_encode(&report, &reported), 0);
    assert_int_equal(pt_pull_status_encode(&status, true, &shown), 0);
    yyjson_doc *one = yyjson_read(reported.data, reported.length, YYJSON_READ_NOFLAG);
    yyjson_doc *other = yyjson_read(shown.data, shown.length, YYJSON_READ_NOFLAG);
    yyjson_val *sent = first(yyjson_doc_get_root(one), "pulls");
    yyjson_val *seen = yyjson_doc_get_root(other);
    check_shown("pull", sent, seen);
    check_shown("layer", first(sent, "layers"), first(seen, "layers"));
    yyjson_doc_free(one);
    yyjson_doc_free(other);
    pt_buffer_finish(&reported);
    pt_buffer_finish(&shown);
}

// The agent knows which of several pulls a layer came by: its word counts, not the layers.
static void what_a_pull_has_fetched(void **state)
{
    struct scene *scene = *state;
    struct sharing_pulls made;
    make_sharing_pulls(&made);
    made.pulls[0].kind = made.pulls[1].kind = PT_KIND_PULL;
    made.first[0].downloaded_bytes = made.second[0].downloaded_bytes = 60;
    made.pulls[0].bytes_fetched = 60;
    scene_deliver_pulls(scene, "n1", made.pulls, 2);
    check_int("once", (int64_t)scene->store->received_bytes, 60);
    made.second[0].downloaded_bytes = 100; // seen first by the pull that only waits for it
    scene_deliver_pulls(scene, "n1", &made.pulls[1], 1);
    check_int("not by the other", (int64_t)scene->store->received_bytes, 60);
    made.first[0].downloaded_bytes = 100;
    made.pulls[0].bytes_fetched = 100;
    scene_deliver_pulls(scene, "n1", made.pulls, 2);
    check_int("all", (int64_t)scene->store->received_bytes, 100);
    check_int("nothing", scene_last_status(scene).pull.bytes_fetched, 0);
}

// Of a pull that began before this server only what comes from now on counts: the one before has
// counted the rest, and the sum of both must not grow by a restart.
static void a_server_that_starts_in_the_middle_of_a_pull(void **state)
{
    struct scene *scene = *state;
    static const struct {
        const char *name;
        double age_s, uptime_s;
        int64_t unreported, counted, counted_later;
    } rows[] = {
        {"begun before", 30, 10, 0, 0, 25},
        {"begun before, and more came since", 30, 10, 20, 20, 45},
        {"begun before, by an agent that lies", 30, 10, 100, 60, 85},
        {"begun since", 5, 10, 60, 60, 85},
        {"begun since, by an agent of before", 5, 10, 0, 60, 85},
        {"by a clock of its own", 30, 40, 0, 60, 85},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        scene_restart(scene);
        scene->node_skew_ns = i == 5 ? -7200 * PT_NS_PER_S : 0;
        scene_wait(scene, rows[i].uptime_s - 1);
        scene->layers[0] = make_layer("sha256:a", 60);
        scene->pull.kind = PT_KIND_PULL;
        scene->pull.bytes_fetched = 60;
        scene->pull.bytes_unreported = rows[i].unreported;
        scene->pull.started_at = scene->now_ns + PT_NS_PER_S + scene->node_skew_ns -
                                 (int64_t)(rows[i].age_s * (double)PT_NS_PER_S);
        scene_deliver(scene);
        check_int(rows[i].name, (int64_t)scene->store->received_bytes, rows[i].counted);
        check_int("is shown", scene_last_status(scene).pull.bytes_fetched, 60);
        scene->layers[0].downloaded_bytes = scene->pull.bytes_fetched = 85;
        scene_deliver(scene);
        check_int(rows[i].name, (int64_t)scene->store->received_bytes, rows[i].counted_later);
        check_int("is shown", scene_last_status(scene).pull.bytes_fetched, 85);
    }
}

static void an_agent_that_does_not_say_what_it_fetched(void **state)
{
    struct scene *scene = *state;
    scene_two_layers(scene, 40, 100);
    scene->layers[1].cached = true;
    scene_deliver(scene);
    check_int("a pull", scene_last_status(scene).pull.kind, PT_KIND_PULL);
    check_int("without what was there", scene_last_status(scene).pull.bytes_fetched, 40);
}

static void checks_are_counted_apart(void **state)
{
    struct scene *scene = *state;
    scene->layers[0] = make_layer("sha256:a", 100);
    scene->layers[0].cached = true;
    scene->layers[0].phase = PT_LAYER_EXISTS;
    scene->pull.kind = PT_KIND_CHECK;
    scene->pull.phase = PT_PULL_COMPLETED;
    scene->pull.completed_at = SCENE_START + 1;
    scene_deliver(scene);
    check_int("its end is an event", scene->completed, 1);
    check_int("a check", scene_last_status(scene).pull.kind, PT_KIND_CHECK);
    check_int("checks", (int64_t)scene->store->check_count, 1);
    check_int("pulls", (int64_t)scene->store->completed_count, 0);
    check_int("durations", (int64_t)scene->store->durations.count, 0);
    scene_wait(scene, 1801);
    check_int("gone", (int64_t)scene->store->check_count, 0);
}

static const char *name_after(const struct scene *scene, const struct pt_node *node)
{
    struct pt_node *next = pt_store_node_after(scene->store, node);
    return next ? next->name : "none";
}

// A reader goes through the nodes in many turns, and keeps the one that it is at.
static void nodes_are_met_as_they_came(void **state)
{
    struct scene *scene = *state;
    check_text("empty", name_after(scene, NULL), "none");
    scene_deliver_pulls(scene, "n2", NULL, 0);
    scene_deliver_pulls(scene, "n1", NULL, 0);
    scene_deliver_pulls(scene, "n3", NULL, 0);
    scene_deliver_pulls(scene, "n2", NULL, 0); // the newest report
    struct pt_node *first = pt_store_node_after(scene->store, NULL);
    struct pt_node *second = pt_store_node_after(scene->store, first);
    check_text("first", first->name, "n2");
    check_text("second", second->name, "n1");
    check_text("third", name_after(scene, second), "n3");
    check_int("the first", pt_node_came_after(first, NULL), true);
    check_int("the second", pt_node_came_after(second, first), true);
    check_int("the other way", pt_node_came_after(first, second), false);
    pt_node_pin(second);
    scene_wait(scene, 3601);
    check_text("all others are gone", name_after(scene, NULL), "n1");
    scene_deliver_pulls(scene, "n4", NULL, 0);
    check_text("it goes on", name_after(scene, second), "n4");
    pt_node_unpin(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_pull_goes_from_start_to_completion),
        SCENE_TEST(every_field_of_a_report_is_shown),
        SCENE_TEST(a_layer_of_two_pulls_is_received_once),
        SCENE_TEST(a_report_that_changes_nothing_gives_no_version),
        SCENE_TEST(a_pull_first_seen_at_its_end_is_started_and_ended),
        SCENE_TEST(percent_does_not_fall),
        SCENE_TEST(percent_falls_when_what_was_there_is_not),
        SCENE_TEST(rates_bear_jitter),
        SCENE_TEST(layers_that_come_and_go_keep_their_numbers),
        SCENE_TEST(agents_cannot_take_each_others_pulls),
        SCENE_TEST(an_id_survives_a_restart_of_the_server),
        SCENE_TEST(limits_have_their_answers),
        SCENE_TEST(one_node_cannot_fill_the_store),
        SCENE_TEST(sizes_do_not_add_up_beyond_their_type),
        SCENE_TEST(reports_keep_their_distance),
        SCENE_TEST(what_a_pull_has_fetched),
        SCENE_TEST(an_agent_that_does_not_say_what_it_fetched),
        SCENE_TEST(a_server_that_starts_in_the_middle_of_a_pull),
        SCENE_TEST(checks_are_counted_apart),
        SCENE_TEST(nodes_are_met_as_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
