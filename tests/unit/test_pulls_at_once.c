// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"

// Several pulls of one image on one node at the same time: a kubelet that pulls several images at
// once asks the runtime for each pod, and a node's first sandboxes each ask for theirs. One
// fetches.

#define ROOT "sha256:7777777777777777777777777777777777777777777777777777777777777777"

static struct pt_pull a_pull(const struct scene *scene, const char *id, double seconds,
                             int64_t fetched)
{
    return (struct pt_pull){.id = id,
                            .image_ref = "a.io/b",
                            .repository = "a.io/b",
                            .root_digest = ROOT,
                            .kind = PT_KIND_PULL,
                            .bytes_fetched = fetched,
                            .started_at = scene->now_ns + (int64_t)(seconds * 1e9),
                            .phase = PT_PULL_DOWNLOADING};
}

static void end(const struct scene *scene, struct pt_pull *pull, enum pt_pull_phase phase)
{
    pull->phase = phase;
    pull->completed_at = scene->now_ns;
}

static void report(struct scene *scene, struct pt_pull *pulls, size_t count)
{
    scene_wait(scene, 1);
    scene_deliver_pulls(scene, "n1", pulls, count);
}

static int rows(const struct scene *scene)
{
    return (int)scene->store->pulls.count;
}

static void one_stands_for_those_that_wait_for_its_bytes(void **state)
{
    struct scene *scene = *state;
    struct pt_pull pulls[] = {a_pull(scene, "a", -2, 0), a_pull(scene, "b", -1.7, 0),
                              a_pull(scene, "c", -1.7, 0)};
    report(scene, pulls, 3);
    check_int("rows", rows(scene), 1);
    pulls[0].bytes_fetched = 500;
    report(scene, pulls, 3);
    check_int("rows", rows(scene), 1);
    for (int i = 0; i < 3; i++)
        end(scene, &pulls[i], PT_PULL_COMPLETED);
    report(scene, pulls, 3);
    report(scene, pulls, 3); // until the agent knows that it has arrived
    check_int("rows", rows(scene), 3);
    struct pt_store_figures figures = pt_store_figures(scene->store);
    check_int("completed", (int64_t)figures.completed, 1);
    check_int("checks", (int64_t)figures.checks, 2);
}

static void an_end_may_be_reported_before_that_of_the_one_it_waited_for(void **state)
{
    struct scene *scene = *state;
    struct pt_pull pulls[] = {a_pull(scene, "b", -1, 0), a_pull(scene, "a", -2, 500)};
    report(scene, &pulls[1], 1);
    end(scene, &pulls[0], PT_PULL_COMPLETED);
    end(scene, &pulls[1], PT_PULL_COMPLETED);
    report(scene, pulls, 2);
    check_int("checks", (int64_t)pt_store_figures(scene->store).checks, 1);
    check_int("completed", (int64_t)pt_store_figures(scene->store).completed, 1);
}

// Its root was not known when it began.
static void one_that_had_a_row_turns_out_to_be_a_check(void **state)
{
    struct scene *scene = *state;
    struct pt_pull pulls[] = {a_pull(scene, "a", -2, 0), a_pull(scene, "b", -1, 0)};
    pulls[1].root_digest = pulls[1].repository = NULL;
    report(scene, pulls, 2);
    check_int("rows", rows(scene), 2);
    pulls[1].root_digest = ROOT;
    pulls[1].repository = "a.io/b";
    pulls[0].bytes_fetched = 500;
    report(scene, pulls, 2);
    end(scene, &pulls[0], PT_PULL_COMPLETED);
    end(scene, &pulls[1], PT_PULL_COMPLETED);
    report(scene, pulls, 2);
    check_int("checks", (int64_t)pt_store_figures(scene->store).checks, 1);
}

static void one_that_goes_on_when_the_other_has_failed_is_shown(void **state)
{
    struct scene *scene = *state;
    struct pt_pull pulls[] = {a_pull(scene, "a", -2, 300), a_pull(scene, "b", -1, 0)};
    report(scene, pulls, 2);
    check_int("rows", rows(scene), 1);
    end(scene, &pulls[0], PT_PULL_FAILED);
    report(scene, pulls, 2);
    check_int("rows", rows(scene), 2);
    pulls[1].bytes_fetched = 700;
    end(scene, &pulls[1], PT_PULL_COMPLETED);
    report(scene, &pulls[1], 1);
    check_int("completed", (int64_t)pt_store_figures(scene->store).completed, 1);
}

static void what_fetches_itself_or_something_else_has_a_row(void **state)
{
    static const struct {
        const char *name;
        const char *repository, *root_digest;
        int64_t fetched;
        double seconds;
    } others[] = {
        {"fetches", "a.io/b", ROOT, 1, -1},
        {"another image", "a.io/b", "sha256:8", 0, -1},
        {"another repository", "a.io/c", ROOT, 0, -1},
        {"nobody knows what", "a.io/b", NULL, 0, -1},
        {"began first", "a.io/b", ROOT, 0, -3},
    };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct scene *scene = *state;
        scene_restart(scene);
        struct pt_pull pulls[] = {a_pull(scene, "a", -2, 0),
                                  a_pull(scene, "b", others[i].seconds, others[i].fetched)};
        pulls[1].repository = others[i].repository;
        pulls[1].root_digest = others[i].root_digest;
        report(scene, pulls, 2);
        check_int(others[i].name, rows(scene), 2);
    }
}

// It had only to be unpacked: that is no work of another one.
static void a_later_one_that_fetches_nothing_is_a_pull(void **state)
{
    struct scene *scene = *state;
    struct pt_pull pull = a_pull(scene, "a", -2, 500);
    end(scene, &pull, PT_PULL_COMPLETED);
    report(scene, &pull, 1);
    struct pt_pull later = a_pull(scene, "b", 1, 0);
    scene_wait(scene, 3);
    end(scene, &later, PT_PULL_COMPLETED);
    report(scene, &later, 1);
    check_int("completed", (int64_t)pt_store_figures(scene->store).completed, 2);
    check_int("checks", (int64_t)pt_store_figures(scene->store).checks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(one_stands_for_those_that_wait_for_its_bytes),
        SCENE_TEST(an_end_may_be_reported_before_that_of_the_one_it_waited_for),
        SCENE_TEST(one_that_had_a_row_turns_out_to_be_a_check),
        SCENE_TEST(one_that_goes_on_when_the_other_has_failed_is_shown),
        SCENE_TEST(what_fetches_itself_or_something_else_has_a_row),
        SCENE_TEST(a_later_one_that_fetches_nothing_is_a_pull),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
