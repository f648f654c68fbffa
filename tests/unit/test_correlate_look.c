// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

// A node with as many pods and pulls as it may have is looked at in steps, and what is compared
// there has its limit.

enum { PULLS = 4000, PODS = PT_LIMIT_CONTAINERS_PER_NODE, STEP = 250 };

// What is sent meanwhile.
struct sent {
    size_t joins, rows;
    size_t longest; // list of waiting containers
};

static void count_join(void *context, const char *node_name, const char *key,
                       const struct pt_join *join)
{
    struct sent *sent = context;
    (void)node_name;
    (void)key;
    sent->joins++;
    if (join->waiting_count > sent->longest)
        sent->longest = join->waiting_count;
}

static void count_row(void *context, const struct pt_image_row *row)
{
    struct sent *sent = context;
    (void)row;
    sent->rows++;
}

static void count_only(struct scene *scene, struct sent *sent)
{
    const struct pt_correlate_output output = {
        .on_join = count_join, .on_row = count_row, .context = sent};
    pt_correlate_destroy(scene->correlate);
    assert_int_equal(pt_correlate_create(&scene->clock, 1, &output, &scene->correlate), 0);
}

static void pods_wait(struct scene *scene, int count, int images)
{
    char name[20], image[40];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "p%04d", i);
        snprintf(image, sizeof(image), "a.io/b:%d", i % images);
        pod_waits(scene, name, image);
    }
}

static void pulls_run(struct scene *scene, int count)
{
    char key[20];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "i%d", i);
        pull_runs(scene, key, 1000, "a.io/b", NULL);
    }
}

// Flushes, each of which sends no more than its share; returns how many.
static int flush_in_steps(struct scene *scene, struct sent *sent)
{
    int flushes = 0;
    bool more;
    do {
        size_t before = sent->joins + sent->rows;
        more = pt_correlate_flush(scene->correlate, STEP);
        assert_in_range(sent->joins + sent->rows - before, 0, STEP);
        flushes++;
    } while (more);
    return flushes;
}

static void a_large_node_is_looked_at_in_steps(void **state)
{
    static const struct {
        const char *name;
        int pods, images, pulls;
    } cases[] = {
        {"one pod, many pulls", 1, 1, PULLS},       {"500 pods of one image", 500, 1, PULLS},
        {"as many pods as may be", PODS, 1, PULLS}, {"as many images", PODS, PODS, PULLS},
        {"images without a pull", PODS, PODS, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scene *scene = scene_anew(state);
        struct sent sent = {0};
        count_only(scene, &sent);
        pulls_run(scene, cases[i].pulls);
        pods_wait(scene, cases[i].pods, cases[i].images);
        (void)flush_in_steps(scene, &sent);
        check_int(cases[i].name, (int64_t)sent.joins, cases[i].pulls);
        scene->seconds += 3;
        pt_correlate_tick(scene->correlate);
        (void)flush_in_steps(scene, &sent);
        if (cases[i].pulls == 0)
            check_int(cases[i].name, (int64_t)sent.rows, cases[i].images);
    }
}

// The work of a flush is counted in what it compares, so that few of them mean little work.
static void what_is_compared_has_its_limit(void **state)
{
    struct scene *scene = *state;
    struct sent sent = {0};
    count_only(scene, &sent);
    pulls_run(scene, PULLS);
    pods_wait(scene, PODS, 1);
    int flushes = flush_in_steps(scene, &sent);
    assert_in_range(flushes, 100, 2 * 256 * PODS / STEP + PULLS);
    check_int("waiting containers of a pull", (int64_t)sent.longest, 256 * PODS / PULLS);
    assert_int_equal(pt_correlate_figures(scene->correlate).shortened, PULLS);
}

static void unnamed_pulls_run(struct scene *scene, int count)
{
    char key[20];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "i%d", i);
        pull_runs(scene, key, 1000, NULL, NULL);
    }
}

// Of what image a pull without a name is has to be guessed, which is comparing as well.
static void what_is_compared_for_a_guess_has_its_limit(void **state)
{
    static const struct {
        const char *name;
        int pods, images, pulls, shortened;
    } cases[] = {
        {"many pulls, one image", PODS, 1, PULLS, PULLS},
        {"many pulls and images", PODS, PODS, PULLS, PULLS},
        {"few pulls, one image", PODS - 1, 1, 256, 0},
        {"few pulls, many images", PODS / 2, PODS / 2, 256, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scene *scene = scene_anew(state);
        struct sent sent = {0};
        count_only(scene, &sent);
        unnamed_pulls_run(scene, cases[i].pulls);
        pods_wait(scene, cases[i].pods, cases[i].images);
        assert_in_range(flush_in_steps(scene, &sent), 100, 2 * 256 * PODS / STEP + PULLS);
        check_int(cases[i].name, (int64_t)pt_correlate_figures(scene->correlate).shortened,
                  cases[i].shortened);
    }
}

static void with_few_pulls_each_is_compared_with_all(void **state)
{
    struct scene *scene = *state;
    struct sent sent = {0};
    count_only(scene, &sent);
    pulls_run(scene, 256);
    pods_wait(scene, PODS, 1);
    (void)flush_in_steps(scene, &sent);
    check_int("waiting containers of a pull", (int64_t)sent.longest, PODS);
    assert_int_equal(pt_correlate_figures(scene->correlate).shortened, 0);
}

// So that an agent that reports without end does not keep the server at its node.
static void a_large_node_is_looked_at_once_a_second(void **state)
{
    struct scene *scene = *state;
    struct sent sent = {0};
    struct pt_pull pull = make_pull(1000, "a.io/b", NULL);
    count_only(scene, &sent);
    pulls_run(scene, 1000);
    pods_wait(scene, 500, 1);
    (void)flush_in_steps(scene, &sent);
    for (int i = 0; i < 10; i++) {
        pt_correlate_pull(scene->correlate, NODE, "i7", &pull);
        assert_int_equal(flush_in_steps(scene, &sent), 1);
    }
    scene->seconds++;
    pt_correlate_tick(scene->correlate);
    assert_in_range(flush_in_steps(scene, &sent), 100, SIZE_MAX);
    scene->set_seconds = -900; // the clock is set back
    pt_correlate_pull(scene->correlate, NODE, "i7", &pull);
    assert_int_equal(flush_in_steps(scene, &sent), 1);
    scene->seconds++;
    pt_correlate_tick(scene->correlate);
    assert_in_range(flush_in_steps(scene, &sent), 100, SIZE_MAX);
}

static void pull_is_gone(struct scene *scene, const char *key)
{
    pt_correlate_pull_gone(scene->correlate, NODE, key);
}

static void pod_is_deleted(struct scene *scene, const char *name)
{
    pod_ends(scene, name, PT_POD_DELETED);
}

static void pod_comes(struct scene *scene, const char *name)
{
    pod_waits(scene, name, "a.io/b:1");
}

// Whatever happens between two steps, what follows in the end is the same as without steps.
static void what_happens_between_two_steps_counts(void **state)
{
    static const struct {
        const char *name;
        void (*happens)(struct scene *scene, const char *what);
        const char *what;
        const char *waiting; // for each pull that is left, as is sent in the end
    } cases[] = {
        {"a pull is gone", pull_is_gone, "i1", "ns/one/c ns/two/c"},
        {"the next pull is gone", pull_is_gone, "i2", "ns/one/c ns/two/c"},
        {"a pod is deleted", pod_is_deleted, "one", "ns/two/c"},
        {"the last pod is deleted", pod_is_deleted, "two", "ns/one/c"},
        {"a pod comes", pod_comes, "three", "ns/one/c ns/three/c ns/two/c"},
    };
    static const char *const pulls[] = {"i1", "i2"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool more = true;
        for (int step = 0; more; step++) {
            struct scene *scene = scene_anew(state);
            pull_runs(scene, "i1", 1000, "a.io/b", NULL);
            pull_runs(scene, "i2", 1001, "a.io/b", NULL);
            pod_waits(scene, "one", "a.io/b:1");
            pod_waits(scene, "two", "a.io/b:1");
            for (int done = 0; done < step && more; done++)
                more = pt_correlate_flush(scene->correlate, 1);
            cases[i].happens(scene, cases[i].what);
            pass(scene, 1);
            for (size_t k = 0; k < COUNT_OF(pulls); k++) {
                if (strcmp(cases[i].what, pulls[k]) != 0)
                    check_text(cases[i].name, strstr(shown_slot(scene, pulls[k]), "ns/"),
                               cases[i].waiting);
            }
        }
    }
}

// Its agent reports pulls of an image that fail and fail; each would keep a row for the next one.
static void failed_pulls_of_an_image_have_their_limit(void **state)
{
    struct scene *scene = *state;
    struct sent sent = {0};
    char key[20];
    count_only(scene, &sent);
    pod_waits(scene, "web", "a.io/b:1");
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "i%d", i);
        pull_ends(scene, key, 1000 + i, "a.io/b", "a.io/b:1", PT_PULL_FAILED);
    }
    pass(scene, 11);
    size_t before = sent.joins;
    failed(scene, "web", "a.io/b:1", "no route", 1); // each row that is kept has these words
    pass(scene, 1);
    check_int("rows", (int64_t)(sent.joins - before), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_large_node_is_looked_at_in_steps),
        SCENE_TEST(what_is_compared_has_its_limit),
        SCENE_TEST(what_is_compared_for_a_guess_has_its_limit),
        SCENE_TEST(with_few_pulls_each_is_compared_with_all),
        SCENE_TEST(a_large_node_is_looked_at_once_a_second),
        SCENE_TEST(what_happens_between_two_steps_counts),
        SCENE_TEST(failed_pulls_of_an_image_have_their_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
