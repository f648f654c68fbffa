// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/connection.h"

#include "fake_containerd.h"
#include "held_log.h"

// How containerd comes and goes, and what the agent gets of it.

struct scene {
    struct pt_containerd world;
    struct pt_clock clock;
    struct pt_connection *connection;
    int log;
    unsigned runtimes, observations, troubles, losses, events;
    char runtime[64];
    struct pt_seen_event event; // the last one
    char subject[128];
    bool breaks_within; // a look, which is not lost
};

static int64_t cpu_ns, event_takes_ns;

int64_t __wrap_pt_loop_cpu_ns(void);

int64_t __wrap_pt_loop_cpu_ns(void)
{
    return cpu_ns;
}

static void on_runtime(void *context, const char *name, const char *version)
{
    struct scene *scene = context;
    scene->runtimes++;
    snprintf(scene->runtime, sizeof(scene->runtime), "%s %s", name, version);
}

static void on_observation(void *context, const struct pt_observation *observation)
{
    struct scene *scene = context;
    assert_true(pt_connection_is_up(scene->connection) || scene->breaks_within);
    check_int("its leases", (int64_t)observation->lease_count, 1);
    scene->observations++;
}

static void on_event(void *context, const struct pt_seen_event *event)
{
    struct scene *scene = context;
    scene->events++;
    cpu_ns += event_takes_ns;
    scene->event = *event;
    snprintf(scene->subject, sizeof(scene->subject), "%s", event->subject);
}

static void on_trouble(void *context, const char *message, bool has_lost_events)
{
    struct scene *scene = context;
    assert_true(message[0]);
    assert_false(pt_connection_is_up(scene->connection));
    scene->troubles++;
    scene->losses += has_lost_events;
}

static void scene_begin_at(struct scene *scene, const char *socket_path)
{
    *scene = (struct scene){.world = {.broken = CALL_COUNT, .now = START + PT_NS_PER_S}};
    scene->clock = (struct pt_clock){fake_now, fake_now, &scene->world};
    scene->log = held_log_open();
    containerd_world = &scene->world;
    const struct pt_connection_options options = {
        .clock = &scene->clock,
        .socket_path = socket_path,
        .socket_directories = "/run/containerd",
        .namespaces = "k8s.io",
        .on_runtime = on_runtime,
        .on_observation = on_observation,
        .on_event = on_event,
        .on_trouble = on_trouble,
        .context = scene,
    };
    assert_int_equal(pt_connection_create(&options, &scene->connection, NULL), 0);
}

static void scene_begin(struct scene *scene)
{
    scene_begin_at(scene, "/run/containerd/containerd.sock");
}

static void scene_end(struct scene *scene)
{
    pt_connection_destroy(scene->connection);
    held_log_close(scene->log);
}

static void come_up(struct scene *scene)
{
    pt_connection_look(scene->connection);
    answer_version(&scene->world, "1.7.2");
}

static void the_first_answer_begins_a_look(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    pt_connection_look(scene.connection);
    check_int("asked", scene.world.versions_asked, 1);
    check_int("not up yet", pt_connection_is_up(scene.connection), false);
    pt_connection_look(scene.connection);
    check_int("not asked twice", scene.world.versions_asked, 1);
    answer_version(&scene.world, "1.7.2");
    check_int("up", pt_connection_is_up(scene.connection), true);
    check_text("which runtime", scene.runtime, "containerd 1.7.2");
    check_int("its events are subscribed to", scene.world.subscriptions, 1);
    check_int("a look", scene.observations, 1);
    check_int("is logged", held_log_count(scene.log, "containerd.connected"), 1);
    pt_connection_look(scene.connection);
    check_int("another look", scene.observations, 2);
    check_int("without a question", scene.world.versions_asked, 1);
    check_int("of the same runtime", scene.runtimes, 1);
    scene_end(&scene);
}

static void the_same_trouble_is_logged_once(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    for (int i = 0; i < 3; i++) {
        pt_connection_look(scene.connection);
        refuse_version(&scene.world, "nobody is there");
    }
    check_int("each attempt is trouble", scene.troubles, 3);
    check_int("asked each time", scene.world.versions_asked, 3);
    check_int("logged once", held_log_count(scene.log, "containerd.unreachable"), 1);
    pt_connection_look(scene.connection);
    refuse_version(&scene.world, "not allowed");
    check_int("another one is logged", held_log_count(scene.log, "containerd.unreachable"), 2);
    come_up(&scene);
    break_events(&scene.world);
    pt_connection_look(scene.connection);
    refuse_version(&scene.world, "not allowed");
    check_int("and again after it was well", held_log_count(scene.log, "not allowed"), 2);
    check_int("no event was lost before", scene.losses, 1);
    scene_end(&scene);
}

static void a_look_in_vain_asks_for_the_version_next(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    come_up(&scene);
    scene.world.broken = LIST_LEASES;
    scene.world.fault = (struct pt_grpc_status){PT_GRPC_UNAVAILABLE, false, "unavailable"};
    pt_connection_look(scene.connection);
    check_int("trouble", scene.troubles, 1);
    check_int("the events still stand", scene.losses, 0);
    check_int("down", pt_connection_is_up(scene.connection), false);
    scene.world.broken = CALL_COUNT;
    pt_connection_look(scene.connection);
    check_int("asked anew", scene.world.versions_asked, 2);
    answer_version(&scene.world, "1.7.3");
    check_text("which runtime", scene.runtime, "containerd 1.7.3");
    check_int("subscribed to once", scene.world.subscriptions, 1);
    check_int("looks", scene.observations, 2);
    scene_end(&scene);
}

static void events_that_break_are_subscribed_to_again(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    come_up(&scene);
    break_events(&scene.world);
    check_int("lost", scene.losses, 1);
    check_int("down", pt_connection_is_up(scene.connection), false);
    come_up(&scene);
    check_int("subscribed to", scene.world.subscriptions, 2);
    check_int("looks", scene.observations, 2);
    scene_end(&scene);
}

// What a lease holds is asked for each three seconds. The first sight of it behind a restart is
// that from which its pull has to move: an answer from before would let a later one look like that.
static void events_that_break_let_the_next_look_ask_for_all(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    come_up(&scene);
    scene.world.now += PT_NS_PER_S;
    pt_connection_look(scene.connection);
    unsigned asked = scene.world.resources_asked;
    scene.world.now += PT_NS_PER_S;
    pt_connection_look(scene.connection);
    check_int("not at each look", scene.world.resources_asked, asked);
    break_events(&scene.world);
    come_up(&scene);
    check_int("at the first one behind", scene.world.resources_asked, asked + 1);
    scene_end(&scene);
}

// At whichever of its calls they break, what the look has asked was before there are events again.
static void a_look_in_which_events_break_answers_nothing_for_the_next(void **state)
{
    (void)state;
    unsigned calls = 0;
    for (unsigned i = 1; i <= 20; i++) {
        struct scene scene;
        char name[32];
        scene_begin(&scene);
        come_up(&scene);
        scene.world.now += 4 * PT_NS_PER_S;
        scene.world.events_break_in = i;
        scene.breaks_within = true;
        pt_connection_look(scene.connection);
        bool has_broken = scene.world.events_break_in == 0;
        calls += has_broken;
        unsigned asked = scene.world.resources_asked;
        snprintf(name, sizeof(name), "at call %u", i);
        check_int(name, scene.observations, 2);
        scene.world.now += PT_NS_PER_S;
        if (has_broken)
            come_up(&scene);
        check_int(name, scene.world.resources_asked, asked + has_broken);
        scene_end(&scene);
    }
    assert_in_range(calls, 3, 19); // all of the look's
}

// Without events much would be seen late, or never: it is tried again as what does not answer is.
static void events_that_cannot_be_subscribed_to_are_trouble(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.world.refuses_subscriptions = true;
    for (unsigned i = 1; i <= 2; i++) {
        come_up(&scene);
        check_int("trouble", scene.troubles, i);
        check_int("down", pt_connection_is_up(scene.connection), false);
    }
    check_int("logged once", held_log_count(scene.log, "out of memory"), 1);
    check_int("is not there", scene.runtimes + scene.observations, 0);
    scene.world.refuses_subscriptions = false;
    come_up(&scene);
    check_int("up", pt_connection_is_up(scene.connection), true);
    check_int("subscribed", scene.world.subscriptions, 1);
    check_int("a look", scene.observations, 1);
    scene_end(&scene);
}

// Trouble of something else while the version is asked for does not have it asked for twice.
static void trouble_meanwhile_leaves_the_question(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    come_up(&scene);
    scene.world.broken = LIST_LEASES;
    scene.world.fault = (struct pt_grpc_status){PT_GRPC_UNAVAILABLE, false, "unavailable"};
    pt_connection_look(scene.connection);
    pt_connection_look(scene.connection);
    check_int("asked", scene.world.versions_asked, 2);
    break_events(&scene.world);
    pt_connection_look(scene.connection);
    check_int("not once more", scene.world.versions_asked, 2);
    scene.world.broken = CALL_COUNT;
    answer_version(&scene.world, "1.7.2");
    check_int("up", pt_connection_is_up(scene.connection), true);
    scene_end(&scene);
}

static void events_say_whether_they_are_about_a_known_layer(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    come_up(&scene);
    emit_content(&scene.world, D("9"));
    check_int("unknown content", scene.event.is_known, false);
    check_int("its kind", scene.event.kind, PT_SEEN_CONTENT_CREATED);
    check_text("its digest", scene.subject, D("9"));
    emit_content(&scene.world, LAYER);
    check_int("the pull's layer", scene.event.is_known, true);
    emit_image(&scene.world, "registry.example/app:1");
    check_int("an image record", scene.event.kind, PT_SEEN_IMAGE_WRITTEN);
    check_text("its name", scene.subject, "registry.example/app:1");
    emit_removal(&scene.world, EXTRACTION);
    check_int("an extraction", scene.event.kind, PT_SEEN_EXTRACTION_REMOVED);
    check_text("its chain ID", scene.subject, DIFF_ID);
    check_int("of the pull's layer", scene.event.is_known, true);
    emit_removal(&scene.world, "a-container");
    check_int("all of them", scene.events, 4);
    scene_end(&scene);
}

#define K3S "/run/k3s/containerd/containerd.sock"
#define USUAL "/run/containerd/containerd.sock"

static void what_was_found_is_kept_for_a_while(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin_at(&scene, "");
    scene.world.place = "/nowhere";
    pt_connection_look(scene.connection);
    pt_connection_look(scene.connection);
    check_int("each search in vain is trouble", scene.troubles, 2);
    check_int("logged once", held_log_count(scene.log, "no socket is at any of the usual places"),
              1);
    scene.world.place = K3S;
    pt_connection_look(scene.connection);
    answer_version(&scene.world, "1.7.2"); // to the search
    answer_version(&scene.world, "1.7.2");
    check_int("up", pt_connection_is_up(scene.connection), true);
    check_text("where", scene.world.connected, K3S);
    check_int("logged with its place", held_log_count(scene.log, K3S), 1);
    break_events(&scene.world);
    scene.world.now += 59 * PT_NS_PER_S;
    pt_connection_look(scene.connection);
    check_int("asked again", scene.world.versions_asked, 3);
    refuse_version(&scene.world, "nobody is there");
    check_text("without a search", scene.world.connected, K3S);
    scene.world.place = USUAL;
    scene.world.now += 2 * PT_NS_PER_S;
    pt_connection_look(scene.connection);
    answer_version(&scene.world, "2.1.0");
    check_text("then there is one", scene.world.connected, USUAL);
    answer_version(&scene.world, "2.1.0");
    check_int("up", pt_connection_is_up(scene.connection), true);
    check_text("another one", scene.runtime, "containerd 2.1.0");
    scene_end(&scene);
}

static void places_that_are_left_out_are_logged(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin_at(&scene, "");
    scene.world.place = USUAL;
    pt_connection_look(scene.connection);
    refuse_version(&scene.world, "nobody is there");
    check_int("trouble", scene.troubles, 1);
    check_int("says where and why", held_log_count(scene.log, USUAL ": nobody is there"), 1);
    check_int("down", pt_connection_is_up(scene.connection), false);
    scene_end(&scene);
}

// Each may be of any of 1,000 pulls with 512 layers, and thousands of them come in a turn.
static void a_flood_of_events_gets_50_ms_between_two_looks(void **state)
{
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    come_up(&scene);
    scene.world.now += 4 * PT_NS_PER_S;
    pt_connection_look(scene.connection);
    unsigned asked = scene.world.resources_asked;
    event_takes_ns = 5 * PT_NS_PER_MS;
    for (unsigned looks = 1; looks <= 3; looks++) {
        for (unsigned i = 0; i < 500; i++)
            emit_removal(&scene.world, "extract-1-a " D("9"));
        emit_image(&scene.world, "a.io/b:1");
        check_int("taken", scene.events, 10 * looks);
        pt_connection_look(scene.connection);
        check_int("all is asked for instead", scene.world.resources_asked, asked + looks);
    }
    event_takes_ns = 0;
    check_int("it is said", held_log_count(scene.log, "containerd.events_left_out"), 1);
    pt_connection_look(scene.connection);
    check_int("once", scene.world.resources_asked, asked + 3);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_answer_begins_a_look),
        cmocka_unit_test(the_same_trouble_is_logged_once),
        cmocka_unit_test(a_look_in_vain_asks_for_the_version_next),
        cmocka_unit_test(events_that_break_are_subscribed_to_again),
        cmocka_unit_test(events_that_break_let_the_next_look_ask_for_all),
        cmocka_unit_test(a_look_in_which_events_break_answers_nothing_for_the_next),
        cmocka_unit_test(events_that_cannot_be_subscribed_to_are_trouble),
        cmocka_unit_test(trouble_meanwhile_leaves_the_question),
        cmocka_unit_test(events_say_whether_they_are_about_a_known_layer),
        cmocka_unit_test(what_was_found_is_kept_for_a_while),
        cmocka_unit_test(places_that_are_left_out_are_logged),
        cmocka_unit_test(a_flood_of_events_gets_50_ms_between_two_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
