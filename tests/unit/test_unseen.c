// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/steps.h"
#include "base/clock.h"
#include "fake_containerd.h"

// How many pulls a list of written image records stands for, when no look has seen their leases.

#define TAG "registry.example/app:1"
#define BY_DIGEST "registry.example/app@" MANIFEST

static void on_observation(void *context, const struct pt_observation *observation)
{
    (void)context, (void)observation;
}

static void on_failure(void *context, const char *message)
{
    (void)context;
    fail_msg("%s", message);
}

struct scene {
    struct pt_containerd world;
    struct pt_clock clock;
    struct pt_round *round;
    int64_t written_at;
};

static void scene_begin(struct scene *scene)
{
    *scene = (struct scene){.world = {.broken = CALL_COUNT, .now = START + PT_NS_PER_S}};
    scene->clock = (struct pt_clock){fake_now, fake_now, &scene->world};
    const struct pt_round_options options = {
        .containerd = &scene->world,
        .clock = &scene->clock,
        .namespaces = "k8s.io",
        .on_observation = on_observation,
        .on_failure = on_failure,
    };
    assert_int_equal(pt_round_create(&options, &scene->round, NULL), 0);
    scene->round->began_at = scene->round->began_ns = scene->world.now;
    scene->written_at = START;
}

static void scene_end(struct scene *scene)
{
    pt_round_destroy(scene->round);
}

#include "scene_test.h"

static void end_round(struct pt_round *round)
{
    pt_round_adopt_images(round);
    round->images_asked = round->image_count = 0;
}

// It is over, and the round has found that out.
static void the_known_pull_ends(struct pt_round *round)
{
    struct pt_lease *lease = TAILQ_FIRST(&round->leases);
    TAILQ_REMOVE(&round->leases, lease, link);
    pt_round_remember(round, lease);
    pt_lease_destroy(lease);
}

// Whether the sign is none of a record: a space ends what one round learns of, `_` one that takes
// two seconds; in `.` containerd does nothing for two seconds, in `,` for twenty; `!` ends a pull.
static bool is_between(struct scene *scene, char sign)
{
    struct pt_round *round = scene->round;
    if (sign == ' ' || sign == '_')
        end_round(round);
    if (sign == '_')
        round->began_ns = scene->world.now += 2 * PT_NS_PER_S;
    if (sign == '.' || sign == ',')
        scene->written_at += (sign == '.' ? 2 : 20) * PT_NS_PER_S;
    if (sign == '!')
        the_known_pull_ends(round);
    return strchr(" _.,!", sign);
}

// A record is written: `+` is a new one, `=` one that is there; t by tag, d by digest, c the
// config's, T by tag, without the CRI plugin's labels.
static void records_are_written(struct scene *scene, const char *records)
{
    struct pt_round *round = scene->round;
    for (; *records; records++) {
        if (is_between(scene, *records))
            continue;
        bool is_repull = *records++ == '=';
        bool is_bare = *records == 'T';
        const char *name = *records == 'd' ? BY_DIGEST : *records == 'c' ? CONFIG : TAG;
        scene->written_at += PT_NS_PER_MS;
        round->images[round->image_count++] = (struct pt_seen_image){
            .namespace = (char *)"k8s.io",
            .name = (char *)name,
            .target_digest = (char *)MANIFEST,
            .written_at = scene->written_at,
            .record_updated_at = START + PT_NS_PER_S,
            .is_repull = is_repull,
            .is_bare = is_bare,
        };
        round->images_asked = round->image_count;
    }
    end_round(round);
}

// A lease that a look has seen.
static void a_pull_is_known(struct scene *scene)
{
    struct pt_lease *lease = pt_lease_create("k8s.io", "lease", START - PT_NS_PER_S);
    assert_non_null(lease);
    pt_lease_set_text(&lease->seen.root_digest, MANIFEST);
    TAILQ_INSERT_TAIL(&scene->round->leases, lease, link);
}

static const struct {
    const char *name;
    const char *records;
    int known;  // pulls
    int unseen; // that are made
} stories[] = {
    {"containerd 2: a new image", "+t+c+d", 0, 1},
    {"containerd 2: a new image that was seen", "+t+c+d", 1, 0},
    {"containerd 2: a check", "=t", 0, 1},
    {"containerd 2: three checks", "=t=t=t", 0, 3},
    {"containerd 2: three checks, a round each", "=t =t =t", 0, 3},
    {"containerd 2: a new image and two checks", "+t+c+d=t=t", 1, 2},
    {"containerd 2: the same, seen in between", "+t+c +d=t =t", 1, 2},
    {"containerd 2: a check that was seen, and another one", "=t=t", 1, 1},
    {"containerd 2: two at once, both seen", "+t=t+c+d", 2, 0},
    {"containerd 2: checks by digest", "=d=d", 0, 2},
    {"containerd 2: by tag, then by digest", "+t+c+d=d", 1, 1},
    {"containerd 2: a check by ctr", "=T=t", 0, 1},
    {"containerd 2: a check by ctr that was seen, a round in between", "=T =t", 1, 0},
    {"containerd 2: checks by ctr, and the kubelet's", "=T=t=T=t=t", 0, 3},
    {"containerd 2: a new image by ctr", "+T+c=t+d", 0, 1},
    {"containerd 2: a new image by ctr, and a check by the kubelet", "+T+c=t+d=t", 1, 1},
    {"without the CRI plugin: checks by ctr", "=T=T", 0, 2},
    {"containerd 1.6: a new image", "+t+c=t+d", 0, 1},
    {"containerd 1.6: a new image that was seen", "+t+c=t+d", 1, 0},
    {"containerd 1.6: a check", "=t=c=t=d", 0, 1},
    {"containerd 1.6: a check, a round in between", "=t=c =t=d", 0, 1},
    {"containerd 1.6: a new image and two checks", "+t+c=t+d=t=c=t=d=t=c=t=d", 1, 2},
    {"containerd 1.6: two at once, unseen", "=t=t=c=t=c=t=d=d", 0, 2},
    {"containerd 1.6: checks by digest", "=d=c=d=d=c=d", 0, 2},
    {"containerd 1.6: by digest, then by tag", "=d=c=d=t=c=t=d", 0, 2},
    {"looks of two seconds: a check", "=t=c_=t_=d", 0, 1},
    {"looks of two seconds: a check by digest", "=d_=c_=d", 0, 1},
    {"looks of two seconds: a check by ctr", "=T_=t", 0, 1},
    {"looks of two seconds: two checks", "=t=c_=t=d=t_=c=t_=d", 0, 2},
    {"looks of two seconds: a check whose end was seen first", "!_=t", 1, 0},
    {"looks of two seconds: the same, and another one", "!_=t=t", 1, 1},
    {"a busy containerd: a check", "=t=c. =t. =d", 0, 1},
    {"a busy containerd: a check by ctr", "=T. =t", 0, 1},
    {"what has not come for long does not come any more", "=t=c,=t=t", 0, 3},
    {"nor do the labels of a check by ctr", "=T,=t", 0, 2},
};

static void records_stand_for_pulls(void **state)
{
    for (size_t i = 0; i < COUNT_OF(stories); i++) {
        struct scene *scene = scene_anew(state);
        int unseen = 0;
        for (int known = 0; known < stories[i].known; known++)
            a_pull_is_known(scene);
        records_are_written(scene, stories[i].records);
        const struct pt_lease *lease;
        TAILQ_FOREACH(lease, &scene->round->leases, link)
        {
            unseen += pt_lease_is_unseen(lease);
            if (pt_lease_is_unseen(lease))
                check_text(stories[i].name, lease->seen.namespace, "k8s.io");
        }
        check_int(stories[i].name, unseen, stories[i].unseen);
    }
}

// Each is shown at the time of its own record, though containerd holds that of the last one only.
static void each_has_its_time(void **state)
{
    struct scene *scene = *state;
    records_are_written(scene, "=t=t");
    const struct pt_lease *first = TAILQ_FIRST(&scene->round->leases);
    const struct pt_lease *second = TAILQ_NEXT(first, link);
    check_int("the first", first->seen.image_updated_at, START + PT_NS_PER_MS);
    check_int("the second", second->seen.image_updated_at, START + 2 * PT_NS_PER_MS);
    check_int("its content came with another one", second->origin, PT_ORIGIN_REPEATED);
    check_int("not of the first", first->origin != PT_ORIGIN_REPEATED, true);
}

// Its lease is younger than the record that it has brought, and that is heard of late.
static void a_record_is_that_of_a_pull_in_which_the_clock_was_set_back(void **state)
{
    struct scene *scene = *state;
    a_pull_is_known(scene);
    struct pt_lease *lease = TAILQ_FIRST(&scene->round->leases);
    lease->seen.created_at = START + 3600 * PT_NS_PER_S;
    lease->seen.set_back_ns = 3601 * PT_NS_PER_S;
    records_are_written(scene, "!_=t");
    check_int("no pull is made of it", TAILQ_EMPTY(&scene->round->leases), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(records_stand_for_pulls), SCENE_TEST(each_has_its_time),
        SCENE_TEST(a_record_is_that_of_a_pull_in_which_the_clock_was_set_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
