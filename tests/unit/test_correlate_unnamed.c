// SPDX-License-Identifier: Apache-2.0
#include "correlate_fixture.h"

#include "pull/model.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_HEX "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static struct pt_pull make_unnamed(void)
{
    struct pt_pull pull = make_pull(1001, NULL, "sha256:7");
    pull.image_ref = "sha256:7";
    pull.phase = PT_PULL_RESOLVING;
    return pull;
}

static bool is_held_back(struct scene *scene, const char *key, const struct pt_pull *pull)
{
    return pt_correlate_hold_back(scene->correlate, NODE, key, pull, false);
}

// Pod web waits for a.io/b:1, and a pull without a name is that one for the time being.
static struct pt_pull web_is_pulled_unnamed(struct scene *scene)
{
    struct pt_pull unnamed = make_unnamed();
    pod_waits(scene, "web", "a.io/b:1");
    pulling(scene, "web", "a.io/b:1", 1000);
    assert_true(is_held_back(scene, "i1", &unnamed));
    return unnamed;
}

// Its name comes, by which it takes the row of that key; NULL: none.
static void name_comes(struct scene *scene, const char *repository, const char *row)
{
    struct pt_pull named = make_pull(1001, repository, "sha256:7");
    assert_false(is_held_back(scene, "i1", &named));
    check_text("row", row_taken_by(scene, &named), row);
    pt_correlate_pull(scene->correlate, NODE, "i1", &named);
}

static void a_pull_without_a_name_is_that_of_the_container_on_turn(void **state)
{
    struct scene *scene = *state;
    struct pt_pull unnamed = make_unnamed();
    assert_false(is_held_back(scene, "i1", &unnamed)); // nobody waits
    pod_waits(scene, "later", "a.io/later:1");
    pod_waits(scene, "web", "a.io/b:1");
    pulling(scene, "later", "a.io/later:1", 1001);
    pulling(scene, "web", "a.io/b:1", 1000);
    assert_true(is_held_back(scene, "i1", &unnamed));
    expect(scene, "ka.io/b:1", "resolving a.io/b:1! ns/web/c");
    expect(scene, "ka.io/later:1", "queued a.io/later:1! ns/later/c queued=0");
    name_comes(scene, "a.io/b", "ka.io/b:1");
    expect(scene, "i1", "a.io/b:1! ns/web/c queued=1");
}

static void a_name_that_is_another_one_takes_nothing_back_but_the_phase(void **state)
{
    struct scene *scene = *state;
    (void)web_is_pulled_unnamed(scene);
    expect(scene, "ka.io/b:1", "resolving a.io/b:1! ns/web/c");
    name_comes(scene, "a.io/other", NULL);
    expect(scene, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    expect(scene, "i1", "-");
}

static void a_pull_without_a_name_that_fails_has_the_kubelets_words(void **state)
{
    struct scene *scene = *state;
    struct pt_pull unnamed = web_is_pulled_unnamed(scene);
    settle(scene);
    scene->seconds++;
    failed(scene, "web", "a.io/b:1", "no such host", 1);
    unnamed.phase = PT_PULL_FAILED;
    assert_true(is_held_back(scene, "i1", &unnamed));
    expect(scene, "ka.io/b:1",
           "failed a.io/b:1! ns/web/c error=no such host(network) attempts=1 next=1011");
}

static void a_pull_without_a_name_that_is_not_heard_of_any_more_stands_for_nothing(void **state)
{
    struct scene *scene = *state;
    (void)web_is_pulled_unnamed(scene);
    settle(scene);
    pass(scene, 7);
    assert_non_null(strstr(shown_slot(scene, "ka.io/b:1"), "queued a.io/b:1!"));
}

// Three containers of an image are asked for at once, and the pulls of all three have no name yet.
static void as_many_pulls_without_a_name_as_were_asked_for_are_of_an_image(void **state)
{
    struct scene *scene = *state;
    static const char *const pods[] = {"a", "b", "c"};
    struct pt_pull unnamed = make_unnamed();
    for (size_t i = 0; i < COUNT_OF(pods); i++) {
        pod_waits(scene, pods[i], "a.io/b:1");
        pulling(scene, pods[i], "a.io/b:1", 1000);
    }
    pod_waits(scene, "later", "a.io/later:1");
    pulling(scene, "later", "a.io/later:1", 1001);
    static const char *const keys[] = {"i1", "i2", "i3", "i4"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_true(is_held_back(scene, keys[i], &unnamed));
    expect(scene, "ka.io/b:1", "resolving a.io/b:1! ns/a/c ns/b/c ns/c/c");
    expect(scene, "ka.io/later:1", "resolving a.io/later:1! ns/later/c");
    assert_false(is_held_back(scene, "i5", &unnamed)); // nobody's

    // One of them is known: the others still have no row.
    name_comes(scene, "a.io/b", "ka.io/b:1");
    expect(scene, "i1", "a.io/b:1! ns/a/c ns/b/c ns/c/c queued=1");
    assert_true(is_held_back(scene, "i2", &unnamed));
    assert_true(is_held_back(scene, "i3", &unnamed));
    assert_false(is_held_back(scene, "i5", &unnamed));
}

static void check_image(const char *row, struct scene *scene, const char *image)
{
    char shown[400];
    snprintf(shown, sizeof(shown), "%s", shown_slot(scene, "i1"));
    shown[strcspn(shown, "! ")] = '\0';
    check_text(row, shown, image);
}

// Who waits is heard of after the pull, whose digest comes last.
static void a_digest_decides_against_what_was_guessed(void **state)
{
    static const struct {
        const char *name, *guessed, *other; // images that are waited for
        const char *digest, *wanted;
    } rows[] = {
        {"no digest", "a.io/b:1", "a.io/c:1", NULL, "a.io/b:1"},
        {"a tag is not refuted", "a.io/b:1", "a.io/c:1", "sha256:" HEX, "a.io/b:1"},
        {"its own", "a.io/b@sha256:" HEX, "a.io/c:1", "sha256:" HEX, "a.io/b@sha256:" HEX},
        {"another one", "a.io/b@sha256:" OTHER_HEX, "a.io/c@sha256:" OTHER_HEX, "sha256:" HEX, "-"},
        {"a tag may be it", "a.io/b@sha256:" OTHER_HEX, "a.io/c:1", "sha256:" HEX, "a.io/c:1"},
        {"that of the next image", "a.io/b:1", "a.io/c@sha256:" HEX, "sha256:" HEX,
         "a.io/c@sha256:" HEX},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_anew(state);
        struct pt_pull pull = make_pull(1003, NULL, NULL);
        pt_correlate_pull(scene->correlate, NODE, "i1", &pull);
        pod_waits(scene, "web", rows[i].guessed);
        pulling(scene, "web", rows[i].guessed, 1000);
        pod_waits(scene, "later", rows[i].other);
        settle(scene);
        check_image(rows[i].name, scene, rows[i].guessed);
        pull.root_digest = rows[i].digest;
        pt_correlate_pull(scene->correlate, NODE, "i1", &pull);
        settle(scene);
        check_image(rows[i].name, scene, rows[i].wanted);
    }
}

// The kubelet asks for the image once for each pod, one after the other.
static void replicas_that_only_check_make_no_row(void **state)
{
    struct scene *scene = *state;
    for (int i = 0; i < 2; i++) {
        pod_waits(scene, i ? "second" : "first", "a.io/b:1");
        pulling(scene, i ? "second" : "first", "a.io/b:1", 1000);
    }
    pull_runs(scene, "i0", 1000, "a.io/b", "sha256:7");
    expect(scene, "i0", "a.io/b:1! ns/first/c ns/second/c queued=0");
    scene->seconds = 1010;
    pull_ends(scene, "i0", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pulled(scene, "first", "a.io/b:1");
    settle(scene);
    struct pt_pull unnamed = make_unnamed();
    assert_true(is_held_back(scene, "i1", &unnamed)); // it has no name yet
    expect(scene, "ka.io/b:1", "");
    pass(scene, 2);
    expect(scene, "ka.io/b:1", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_pull_without_a_name_is_that_of_the_container_on_turn),
        SCENE_TEST(a_name_that_is_another_one_takes_nothing_back_but_the_phase),
        SCENE_TEST(a_pull_without_a_name_that_fails_has_the_kubelets_words),
        SCENE_TEST(a_pull_without_a_name_that_is_not_heard_of_any_more_stands_for_nothing),
        SCENE_TEST(as_many_pulls_without_a_name_as_were_asked_for_are_of_an_image),
        SCENE_TEST(a_digest_decides_against_what_was_guessed),
        SCENE_TEST(replicas_that_only_check_make_no_row),
    };
    return cmocka_run_group_tests_name("correlate_unnamed", tests, NULL, NULL);
}
