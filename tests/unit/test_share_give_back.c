// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_give_back.h"

#include "base/loop.h"
#include "base/timer.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(it_is_recent_for_half_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
