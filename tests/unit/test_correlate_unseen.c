// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// Rows of nodes from which no agent reports: what the kubelet says is all that is known.

#define ROW "ka.io/b:1"
#define IMAGE "a.io/b:1"
#define WEB " a.io/b:1! ns/web/c"

static bool has_no_agent(void *context, const char *node_name)
{
    (void)context;
    assert_string_equal(node_name, NODE);
    return false;
}

static void without_an_agent(struct scene *scene)
{
    pt_correlate_destroy(scene->correlate);
    struct pt_correlate_output output = {.on_join = on_join,
                                         .on_row = on_row,
                                         .has_agent = has_no_agent,
                                         .on_dirty = on_dirty,
                                         .context = scene};
    assert_int_equal(pt_correlate_create(&scene->clock, MAX_NODES, &output, &scene->correlate), 0);
}

static void says_pulled(struct scene *scene, const char *words)
{
    char message[300];
    snprintf(message, sizeof(message), "Successfully pulled image \"%s\" %s", IMAGE, words);
    event_at(scene, "web", "Pulled", message, "pulled", 1, scene->seconds);
}

static void what_was_asked_for_is_pulled_by_nobody_that_reports(void **state)
{
    struct scene *scene = *state;
    without_an_agent(scene);
    pod_waits(scene, "web", IMAGE);
    pass(scene, 3);
    expect(scene, ROW, "queued" WEB " queued=0");
    pulling(scene, "web", IMAGE, scene->seconds);
    expect(scene, ROW, "resolving" WEB);
    pass(scene, 60);
    expect(scene, ROW, "resolving" WEB);
}

static void its_end_has_the_kubelets_figures(void **state)
{
    struct scene *scene = *state;
    without_an_agent(scene);
    pod_waits(scene, "web", IMAGE);
    pulling(scene, "web", IMAGE, 1000);
    settle(scene);
    scene->seconds += 9;
    says_pulled(scene, "in 5.5s (8.5s including waiting). Image size: 72950530 bytes.");
    expect(scene, ROW, "completed" WEB " queued=3");
    check_int("pull", scene->pull_ns, 5500 * PT_NS_PER_MS);
    check_int("bytes", scene->image_bytes, 72950530);
    check_int("ended", scene->ended_at, 1009 * PT_NS_PER_S);
}

// A small image, and a watch that is late: both words come at once.
static void a_pull_that_is_over_when_it_is_heard_of_is_a_row(void **state)
{
    struct scene *scene = *state;
    without_an_agent(scene);
    pod_waits(scene, "web", IMAGE);
    pulling(scene, "web", IMAGE, 1000);
    scene->seconds += 1;
    says_pulled(scene, "in 700ms (900ms including waiting). Image size: 77 bytes.");
    expect(scene, ROW, "completed" WEB " queued=0.2");
    check_int("pull", scene->pull_ns, 700 * PT_NS_PER_MS);
    check_int("bytes", scene->image_bytes, 77);
}

static void what_the_kubelet_does_not_say_is_unknown(void **state)
{
    struct scene *scene = *state;
    without_an_agent(scene);
    pod_waits(scene, "web", IMAGE);
    pulling(scene, "web", IMAGE, 1000);
    settle(scene);
    scene->seconds += 9;
    says_pulled(scene, "");
    expect(scene, ROW, "completed" WEB);
    check_int("pull", scene->pull_ns, 0);
    check_int("bytes", scene->image_bytes, 0);
}

static void attempts_go_on_in_one_row(void **state)
{
    struct scene *scene = *state;
    without_an_agent(scene);
    pod_waits(scene, "web", IMAGE);
    pulling(scene, "web", IMAGE, 1000);
    settle(scene);
    scene->seconds += 2;
    failed(scene, "web", IMAGE, "no such host", 1);
    expect(scene, ROW, "failed" WEB " error=no such host(network) attempts=1 next=1012");
    scene->seconds += 10;
    pulling(scene, "web", IMAGE, scene->seconds);
    expect(scene, ROW, "resolving" WEB " attempts=1");
    scene->seconds += 2;
    says_pulled(scene, "in 2s");
    expect(scene, ROW, "completed" WEB " attempts=1");
}

// The agent was merely slow to come.
static void an_agents_pull_goes_on_in_the_row(void **state)
{
    struct scene *scene = *state;
    without_an_agent(scene);
    pod_waits(scene, "web", IMAGE);
    pulling(scene, "web", IMAGE, 1000);
    expect(scene, ROW, "resolving" WEB);
    struct pt_pull pull = make_pull(1001, "a.io/b", NULL);
    check_text("row", row_taken_by(scene, &pull), ROW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(what_was_asked_for_is_pulled_by_nobody_that_reports),
        SCENE_TEST(its_end_has_the_kubelets_figures),
        SCENE_TEST(a_pull_that_is_over_when_it_is_heard_of_is_a_row),
        SCENE_TEST(what_the_kubelet_does_not_say_is_unknown),
        SCENE_TEST(attempts_go_on_in_one_row),
        SCENE_TEST(an_agents_pull_goes_on_in_the_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
