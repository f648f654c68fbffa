// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_give_back.h"

#include "base/http_client.h"
#include "base/loop.h"
#include "base/secret_file.h"
#include "base/timer.h"
#include "server/share/share_writer.h"
#include "server/store/pull_life.h"
#include "server/valkey/valkey_url.h"

#include "store_fixture.h"

#define WALK_MS 100 // of an empty store, which takes 20

static void on_pause(void *context)
{
    pt_loop_stop(context);
}

// So long a gap that a slow reader sees begins none anew.
static void it_is_recent_for_half_a_minute(void **state)
{
    static const struct {
        int after_s;
        bool is_recent;
    } cases[] = {{0, true}, {29, true}, {31, false}, {3600, false}};
    struct scene *scene = *state;
    struct pt_loop *loop;
    struct pt_error err;
    assert_int_equal(pt_loop_create(&loop, &err), 0);
    struct pt_timer *pause = pt_timer_create(pt_loop_base(loop), pt_clock_system(), on_pause, loop);
    struct pt_share_give_back *give_back =
        pt_share_give_back_create(loop, &scene->clock, scene->store, NULL);
    assert_non_null(give_back);
    check_int("not begun", pt_share_give_back_is_recent(give_back), false);
    pt_share_give_back_begin(give_back);
    int64_t begun_ns = scene->now_ns;
    scene->now_ns = begun_ns + 3600 * PT_NS_PER_S;
    check_int("under way", pt_share_give_back_is_recent(give_back), true);
    pt_timer_start(pause, WALK_MS);
    assert_int_equal(pt_loop_run(loop, on_pause, loop, &err), 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d s later", cases[i].after_s);
        scene->now_ns = begun_ns + cases[i].after_s * PT_NS_PER_S;
        check_int(name, pt_share_give_back_is_recent(give_back), cases[i].is_recent);
    }
    pt_share_give_back_destroy(give_back);
    pt_timer_destroy(pause);
    pt_loop_destroy(loop);
}

static void on_change(void *context, const char *why)
{
    (void)context, (void)why;
}

// A writer without a Valkey: what is to be given back waits for one.
struct waiting_writer {
    struct pt_http_client *client;
    struct pt_secret *password;
    struct pt_valkey_url url;
    struct pt_valkey_link_options link;
    struct pt_share_writer *writer;
};

static void open_writer(struct waiting_writer *waiting, struct pt_loop *loop)
{
    struct pt_error err;
    assert_int_equal(pt_http_client_create(pt_loop_base(loop), &waiting->client, &err), 0);
    assert_int_equal(pt_secret_create("", "", &waiting->password, &err), 0);
    assert_int_equal(pt_valkey_url_parse("valkey://127.0.0.1:1", &waiting->url, &err), 0);
    waiting->link = (struct pt_valkey_link_options){.client = waiting->client,
                                                    .url = &waiting->url,
                                                    .password = waiting->password,
                                                    .max_silence_ms = 5000};
    const struct pt_share_writer_options options = {
        .link = &waiting->link, .prefix = "test", .run = "run", .on_change = on_change};
    waiting->writer = pt_share_writer_create(pt_loop_base(loop), pt_clock_system(), &options);
    assert_non_null(waiting->writer);
}

static void close_writer(struct waiting_writer *waiting)
{
    pt_share_writer_destroy(waiting->writer);
    pt_http_client_destroy(waiting->client);
    pt_secret_destroy(waiting->password);
}

// Others may hear of it, and would take it for over.
static void what_was_given_up_is_not_given_back(void **state)
{
    static const struct {
        const char *name;
        enum pt_pull_phase phase;
        double wait_s;
        bool is_given;
    } rows[] = {{"given up", PT_PULL_DOWNLOADING, 601, false}, {"failed", PT_PULL_FAILED, 0, true}};
    struct scene *scene = *state;
    struct waiting_writer waiting;
    struct pt_loop *loop;
    struct pt_error err;
    assert_int_equal(pt_loop_create(&loop, &err), 0);
    struct pt_timer *pause = pt_timer_create(pt_loop_base(loop), pt_clock_system(), on_pause, loop);
    open_writer(&waiting, loop);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        scene_restart(scene);
        scene->pull.phase = rows[i].phase;
        scene_deliver(scene);
        scene_wait(scene, rows[i].wait_s);
        assert_true(pt_stored_pull_is_final(scene_last(scene)));
        struct pt_share_give_back *give_back =
            pt_share_give_back_create(loop, &scene->clock, scene->store, waiting.writer);
        assert_non_null(give_back);
        pt_share_give_back_begin(give_back);
        pt_timer_start(pause, WALK_MS);
        assert_int_equal(pt_loop_run(loop, on_pause, loop, &err), 0);
        scene->now_ns += 3600 * PT_NS_PER_S;
        check_int(rows[i].name, pt_share_give_back_is_recent(give_back), rows[i].is_given);
        pt_share_give_back_destroy(give_back);
    }
    close_writer(&waiting);
    pt_timer_destroy(pause);
    pt_loop_destroy(loop);
}

// They wait for the log, by a walk of their own: a gap that is seen meanwhile begins one through
// all.
static void rows_that_wait_to_be_given_are_no_loss(void **state)
{
    struct scene *scene = *state;
    struct waiting_writer waiting;
    struct pt_loop *loop;
    struct pt_error err;
    const struct pt_image_row row = {.node_name = "n1",
                                     .key = "ka.io/b:1",
                                     .image_ref = "a.io/b:1",
                                     .phase = PT_PULL_FAILED,
                                     .started_at = SCENE_START,
                                     .new_failures = 1};
    assert_int_equal(pt_loop_create(&loop, &err), 0);
    struct pt_timer *pause = pt_timer_create(pt_loop_base(loop), pt_clock_system(), on_pause, loop);
    open_writer(&waiting, loop);
    struct pt_share_give_back *give_back =
        pt_share_give_back_create(loop, &scene->clock, scene->store, waiting.writer);
    pt_store_apply_row(scene->store, &row);
    scene->now_ns += 10 * PT_NS_PER_S; // and Valkey has not said the time yet
    pt_share_give_back_row(give_back, scene_last(scene));
    check_int("it waits", !LIST_EMPTY(&scene->store->walks), true);
    pt_timer_start(pause, 2 * WALK_MS);
    assert_int_equal(pt_loop_run(loop, on_pause, loop, &err), 0);
    check_int("it waits", !LIST_EMPTY(&scene->store->walks), true);
    pt_share_give_back_note_failure(give_back);
    check_int("rows", pt_share_give_back_is_recent(give_back), false);
    pt_share_give_back_begin(give_back);
    pt_share_give_back_note_failure(give_back);
    pt_timer_start(pause, WALK_MS);
    assert_int_equal(pt_loop_run(loop, on_pause, loop, &err), 0);
    scene->now_ns += 3600 * PT_NS_PER_S;
    check_int("all", pt_share_give_back_is_recent(give_back), true);
    pt_life_remove(scene->store, scene_last(scene)); // at which the walk waits
    pt_share_give_back_destroy(give_back);
    close_writer(&waiting);
    pt_timer_destroy(pause);
    pt_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(it_is_recent_for_half_a_minute),
        SCENE_TEST(what_was_given_up_is_not_given_back),
        SCENE_TEST(rows_that_wait_to_be_given_are_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
