// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/round.h"

#include "base/limits.h"
#include "round_scene.h"

// Leases that show no pull are not asked for what they hold again and again, and one that proves to
// be a pull after all is seen.

#define IDLE_LEASES 2000
#define LONG_AGO (START - 3600 * PT_NS_PER_S)

static struct scene scene;

// Nothing is pulled, and this many leases are there since.
static void begin(unsigned idle_leases, int64_t since)
{
    scene_begin(&scene, "k8s.io");
    scene.world.is_over = true;
    scene.world.offset = BYTES;
    scene.world.idle_leases = idle_leases;
    scene.world.idle_since = since;
}

static void end(void)
{
    check_int("rounds that failed", scene.rounds_failed, 0);
    scene_end(&scene);
}

// So many looks, a second apart; returns how many idle leases were asked in them.
static unsigned look(unsigned times)
{
    unsigned before = scene.world.idle_asked;
    for (unsigned i = 0; i < times; i++)
        scene_look(&scene);
    return scene.world.idle_asked - before;
}

static void note_event(const char *digest)
{
    struct pt_seen_event event = {.kind = PT_SEEN_CONTENT_CREATED,
                                  .namespace = "k8s.io",
                                  .subject = digest,
                                  .at = scene.world.now};
    pt_round_note_event(scene.round, &event);
}

static void each_is_asked_once(void **state)
{
    (void)state;
    begin(IDLE_LEASES, LONG_AGO);
    check_int("as many as are looked at", look(1), PT_LIMIT_LEASES);
    check_int("then the others", look(1), IDLE_LEASES - PT_LIMIT_LEASES);
    check_int("for ten minutes", look(600), 0);
    end();
}

static void young_ones_are_asked_until_they_are_old(void **state)
{
    (void)state;
    begin(10, START);
    check_int("each second", look(30), 300);
    check_int("then no more", look(60), 0);
    end();
    begin(10, START);
    scene.world.is_sandboxes = true;
    check_int("those of image volumes once", look(30), 10);
    end();
}

// They were young for an hour then, and looked at thirty times a second.
static void a_clock_that_is_set_back_makes_none_young(void **state)
{
    (void)state;
    begin(10, START);
    look(5);
    scene_set_clock_back(&scene, 3600 * PT_NS_PER_S);
    check_int("asked once more", look(60), 10);
    end();
}

static void what_nothing_explains_has_them_all_asked_once_more(void **state)
{
    (void)state;
    begin(IDLE_LEASES, LONG_AGO);
    look(20);
    note_event(D("9"));
    check_int("not at once", look(1), 0);
    check_int("in parts", look(1), 200);
    check_int("all of them", look(9), IDLE_LEASES - 200);
    check_int("once", look(30), 0);
    for (int i = 0; i < 30; i++) {
        note_event(D("9"));
        look(1);
    }
    unsigned asked = look(20);
    check_int("not more often than each ten seconds", scene.world.idle_asked <= 6 * IDLE_LEASES,
              true);
    check_int("to its end", asked > 0, true);
    end();
}

static void those_of_a_pull_wake_none(void **state)
{
    (void)state;
    begin(IDLE_LEASES, LONG_AGO);
    look(20);
    scene.world.is_over = false;
    scene.world.offset = 100;
    note_event(MANIFEST);
    check_int("of its manifest, in its first look", look(1), 0);
    check_int("the pull is seen", scene.started, 1);
    scene.world.offset = 200;
    look(1);
    note_event(LAYER);
    check_int("of its layer", look(30), 0);
    end();
}

static void a_pull_that_begins_late_is_seen(void **state)
{
    (void)state;
    begin(IDLE_LEASES, LONG_AGO);
    look(20);
    scene.world.is_late = true;
    scene.world.offset = 100;
    note_event(MANIFEST);
    look(3);
    check_int("by an event", scene.started, 1);
    end();
    begin(IDLE_LEASES, LONG_AGO);
    look(20);
    scene.world.is_late = true;
    scene.world.offset = 100;
    look(13);
    check_int("by its ingest", scene.started, 1);
    unsigned asked = look(1);
    scene.world.offset = 200;
    check_int("which is its own then", look(30) + asked <= IDLE_LEASES + 60, true);
    end();
}

static void they_are_listed_seldom(void **state)
{
    (void)state;
    begin(IDLE_LEASES, LONG_AGO);
    look(20);
    scene.world.idle_listed = 0;
    look(180);
    check_int("each minute", scene.world.idle_listed, 3 * IDLE_LEASES);
    scene.world.idle_listed = 0;
    scene.world.expires = true;
    scene.world.is_over = false;
    scene.world.offset = 100;
    look(1);
    check_int("a pull is seen in the next look", scene.started, 1);
    scene.world.offset = BYTES;
    look(1);
    scene.world.is_over = true;
    look(8);
    check_int("which ends", scene.completed, 1);
    check_int("and does not change that", scene.world.idle_listed <= 2 * IDLE_LEASES, true);
    end();
    begin(50, LONG_AGO);
    look(60);
    check_int("few are listed each second", scene.world.idle_listed, 60 * 50);
    end();
}

// The one that fails says nothing of whether it would have had the pull's lease, which was seen in
// a list of all.
static void a_list_that_fails_has_them_listed_no_more_often(void **state)
{
    (void)state;
    begin(IDLE_LEASES, LONG_AGO);
    look(20);
    scene.world.expires = true;
    scene.world.is_over = false;
    scene.world.offset = 100;
    note_event(MANIFEST);
    look(1);
    check_int("the pull is seen", scene.started, 1);
    scene.world.fault = (struct pt_grpc_status){PT_GRPC_UNAVAILABLE, false, "away"};
    scene.world.broken = LIST_LEASES;
    look(1);
    scene.world.broken = CALL_COUNT;
    check_int("a round that fails", scene.rounds_failed, 1);
    scene.rounds_failed = 0;
    look(20); // all are asked anew
    scene.world.idle_listed = 0;
    look(120);
    check_int("each minute", scene.world.idle_listed, 2 * IDLE_LEASES);
    end();
}

static void they_are_listed_again_when_the_clock_was_set_back(void **state)
{
    (void)state;
    begin(IDLE_LEASES, LONG_AGO);
    look(20);
    scene_set_clock_back(&scene, 1000 * PT_NS_PER_S);
    scene.world.idle_listed = 0;
    look(180);
    check_int("each minute, as before", scene.world.idle_listed, 3 * IDLE_LEASES);
    end();
}

static void a_lease_that_never_expires_is_followed_to_its_end(void **state)
{
    (void)state;
    begin(IDLE_LEASES, LONG_AGO);
    look(20);
    scene.world.is_over = false;
    scene.world.offset = 100;
    note_event(MANIFEST);
    look(40);
    check_int("it is seen", scene.started, 1);
    check_int("it has not ended", scene.completed, 0);
    scene.world.offset = BYTES;
    look(1);
    scene.world.is_over = true;
    look(2);
    check_int("its end", scene.completed, 1);
    end();
}

static void those_that_are_gone_are_forgotten(void **state)
{
    (void)state;
    begin(100, LONG_AGO);
    check_int("asked", look(5), 100);
    scene.world.idle_leases = 40;
    check_int("none", look(60), 0);
    scene.world.idle_leases = 100;
    check_int("new ones", look(60), 60);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_asked_once),
        cmocka_unit_test(young_ones_are_asked_until_they_are_old),
        cmocka_unit_test(a_clock_that_is_set_back_makes_none_young),
        cmocka_unit_test(what_nothing_explains_has_them_all_asked_once_more),
        cmocka_unit_test(those_of_a_pull_wake_none),
        cmocka_unit_test(a_pull_that_begins_late_is_seen),
        cmocka_unit_test(they_are_listed_seldom),
        cmocka_unit_test(a_list_that_fails_has_them_listed_no_more_often),
        cmocka_unit_test(they_are_listed_again_when_the_clock_was_set_back),
        cmocka_unit_test(a_lease_that_never_expires_is_followed_to_its_end),
        cmocka_unit_test(those_that_are_gone_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
