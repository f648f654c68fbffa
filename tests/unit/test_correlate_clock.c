// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// The server's wall clock is set, by a quarter of an hour and more than any interval that correlate
// measures, while the kubelet's and the API server's stay right: nothing ends, lingers or comes
// back by that.

#define ROW "ka.io/b:1"
#define IMAGE "a.io/b:1"
#define SET_S 900
#define STEPS 12

static void waits(struct scene *scene)
{
    pod_waits(scene, "web", IMAGE);
}

static void asks(struct scene *scene)
{
    pulling(scene, "web", IMAGE, scene->seconds);
}

static void has_it(struct scene *scene)
{
    pulled(scene, "web", IMAGE);
}

static void starts(struct scene *scene)
{
    pod_ends(scene, "web", PT_POD_STARTED);
}

static void is_deleted(struct scene *scene)
{
    pod_ends(scene, "web", PT_POD_DELETED);
}

static void comes_again(struct scene *scene)
{
    pod_waits(scene, "again", IMAGE);
}

static void fails(struct scene *scene)
{
    failed(scene, "web", IMAGE, "not found", 1);
}

static void pull_begins(struct scene *scene)
{
    struct pt_pull pull = make_pull(scene->seconds, "a.io/b", NULL);
    const char *row = row_taken_by(scene, &pull);
    snprintf(shown_slot(scene, "taken"), sizeof(scene->shown[0]), "%s", row ? row : "none");
    pt_correlate_pull(scene->correlate, NODE, "i1", &pull);
}

static void pull_completes(struct scene *scene)
{
    pull_ends(scene, "i1", 1005, "a.io/b", IMAGE, PT_PULL_COMPLETED);
}

static void unnamed_is_heard(struct scene *scene)
{
    struct pt_pull pull = {
        .id = "u", .started_at = scene->seconds * PT_NS_PER_S, .phase = PT_PULL_RESOLVING};
    bool is_held = pt_correlate_hold_back(scene->correlate, NODE, "iu", &pull, false);
    snprintf(shown_slot(scene, "held"), sizeof(scene->shown[0]), "%s", is_held ? "yes" : "no");
}

// Each step waits before it happens. Where nothing happens, what is shown is compared with that of
// a server whose clock was not set: who waits may be shown as queued two seconds sooner.
struct step {
    int wait_s;
    void (*happens)(struct scene *scene);
};

static const struct {
    const char *name;
    struct step steps[STEPS];
} stories[] = {
    {"a queued row waits", {{0, waits}, {4, NULL}, {30, NULL}, {700, NULL}}},
    {"an event's row waits", {{0, waits}, {1, asks}, {4, NULL}, {30, NULL}, {700, NULL}}},
    {"an event's pod that no list names is forgotten",
     {{0, asks}, {3, NULL}, {590, NULL}, {20, NULL}, {130, NULL}}},
    {"what has come lingers and ends",
     {{0, waits}, {4, NULL}, {1, asks}, {2, has_it}, {1, starts}, {2, NULL}, {5, NULL}}},
    {"whoever waits again waits in the row",
     {{0, waits}, {4, NULL}, {1, is_deleted}, {1, NULL}, {60, NULL}, {30, comes_again}, {4, NULL}}},
    {"but not for ever",
     {{0, waits}, {4, NULL}, {1, is_deleted}, {1, NULL}, {60, NULL}, {70, comes_again}, {4, NULL}}},
    {"a pull goes on in its row",
     {{0, waits}, {4, NULL}, {1, pull_begins}, {1, NULL}, {30, pull_completes}, {1, NULL}}},
    {"a pull that has ended takes in the pods that come late",
     {{0, waits}, {5, pull_begins}, {2, pull_completes}, {1, starts}, {4, NULL}, {9, NULL}}},
    {"one that is heard of behind the kubelet's word goes on in the row",
     {{0, waits},
      {4, NULL},
      {1, asks},
      {2, has_it},
      {1, starts},
      {9, NULL},
      {50, pull_begins},
      {1, NULL}}},
    {"and later does not",
     {{0, waits},
      {4, NULL},
      {1, asks},
      {2, has_it},
      {1, starts},
      {9, NULL},
      {130, pull_begins},
      {1, NULL}}},
    {"a row fails and is tried again",
     {{0, waits}, {1, asks}, {2, fails}, {3, NULL}, {20, asks}, {4, NULL}, {2, fails}, {9, NULL}}},
    {"a pull without a name is held back, as long as it is heard of",
     {{0, waits}, {1, asks}, {3, unnamed_is_heard}, {3, unnamed_is_heard}, {2, NULL}, {9, NULL}}},
};

// What is shown of a row, but for how long it is queued and when it is tried next: those are by the
// kubelet's clock and this server's, and right again as soon as both are.
static void write_shown(struct scene *scene, char *out, size_t size)
{
    size_t at = 0;
    *out = '\0';
    for (size_t i = 0; i < scene->key_count; i++) {
        char text[400];
        snprintf(text, sizeof(text), "%s", scene->shown[i]);
        text[strcspn(text, "=")] = '\0';
        at += (size_t)snprintf(out + at, size - at, "[%s: %s]", scene->keys[i], text);
        assert_in_range(at, 0, size - 1);
    }
    const struct pt_correlate_figures figures = pt_correlate_figures(scene->correlate);
    snprintf(out + at, size - at, " %zu waiting, %zu nodes", figures.waiting_containers,
             figures.nodes);
}

#define SHOWN_SIZE 1000

// The clock is set in the middle of the wait before `set_at`; STEPS: never.
static void play(struct scene *scene, const struct step *steps, size_t set_at, int64_t set_s,
                 char shown[STEPS][SHOWN_SIZE])
{
    for (size_t i = 0; i < STEPS && (i == 0 || steps[i].wait_s > 0); i++) {
        pass(scene, steps[i].wait_s / 2);
        if (i == set_at)
            scene->set_seconds += set_s;
        pass(scene, steps[i].wait_s - steps[i].wait_s / 2);
        if (steps[i].happens)
            steps[i].happens(scene);
        else
            write_shown(scene, shown[i], SHOWN_SIZE);
        settle(scene);
    }
}

static void check_story(void **state, size_t story, size_t set_at, int64_t set_s,
                        char right[STEPS][SHOWN_SIZE])
{
    static char shown[STEPS][SHOWN_SIZE];
    memset(shown, 0, sizeof(shown));
    play(scene_anew(state), stories[story].steps, set_at, set_s, shown);
    for (size_t i = 0; i < STEPS; i++) {
        if (strcmp(shown[i], right[i]) != 0)
            fail_msg("%s: set by %lld s before step %zu: at step %zu %s instead of %s",
                     stories[story].name, (long long)set_s, set_at, i, shown[i], right[i]);
    }
}

static void setting_the_clock_changes_no_row(void **state)
{
    static char right[STEPS][SHOWN_SIZE];
    for (size_t story = 0; story < COUNT_OF(stories); story++) {
        memset(right, 0, sizeof(right));
        play(scene_anew(state), stories[story].steps, STEPS, 0, right);
        for (size_t set_at = 1; set_at < STEPS && stories[story].steps[set_at].wait_s; set_at++) {
            check_story(state, story, set_at, SET_S, right);
            check_story(state, story, set_at, -SET_S, right);
        }
    }
}

// By the API server's time a container would wait only from a quarter of an hour on.
static void who_waits_is_shown_though_the_clock_was_set_back_meanwhile(void **state)
{
    struct scene *scene = *state;
    waits(scene);
    pass(scene, 1);
    scene->set_seconds = -SET_S;
    pass(scene, 2);
    expect(scene, ROW, "queued a.io/b:1! ns/web/c queued=0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(setting_the_clock_changes_no_row),
        SCENE_TEST(who_waits_is_shown_though_the_clock_was_set_back_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
