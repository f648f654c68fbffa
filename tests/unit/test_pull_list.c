// SPDX-License-Identifier: Apache-2.0
#include "server/api/pull_list.h"

#include "base/limits.h"
#include "server/store/pull_life.h"

#include "store_fixture.h"

#include <stdlib.h>

static struct pt_query query;
static struct pt_pull_list_request request;
static struct pt_memory_share memory;
static struct pt_pull_lists lists = {.memory = &memory};

static int begin(struct scene *scene, const char *text, struct pt_pull_list *ret_list)
{
    assert_int_equal(pt_query_parse(text, &query, NULL), 0);
    int r = pt_pull_list_request_read(&query, &request, &scene->err);
    return r < 0 ? r : pt_pull_list_begin(scene->store, &request, &lists, ret_list, &scene->err);
}

// Whoever gets a list finishes it.
static int select_pulls(struct scene *scene, const char *text, struct pt_pull_list *ret_list)
{
    int r = begin(scene, text, ret_list);
    while (r == 0 && pt_pull_list_scan(ret_list) > 0)
        continue;
    return r;
}

// Finishes the list; returns the images of the selected pulls, in order, and the cursor behind
// them, which the caller frees.
static const char *take_names(struct pt_pull_list *list, size_t *ret_count, char **ret_cursor)
{
    static char text[256];
    struct pt_stored_pull *stored;
    size_t count = 0;
    text[0] = '\0';
    while ((stored = pt_pull_list_next(list))) {
        if (count++ > 0)
            strcat(text, " ");
        strcat(text, stored->pull.image_ref);
    }
    assert_true(pt_pull_list_is_through(list));
    char *cursor = NULL;
    assert_int_equal(pt_pull_list_cursor(list, &cursor), 0);
    if (ret_cursor)
        *ret_cursor = cursor;
    else
        free(cursor);
    if (ret_count)
        *ret_count = count;
    pt_pull_list_finish(list);
    check_int("bytes that are left", lists.bytes, 0);
    return text;
}

// Pulls of differing start, size, node and image; the last one has completed.
static void fill(struct scene *scene)
{
    static const struct {
        const char *node, *image;
        int started, layers;
    } pulls[] = {
        {"n2", "beta", 3, 1},
        {"n1", "delta", 1, 4},
        {"n3", "alpha", 2, 2},
        {"n1", "gamma", 4, 3},
    };
    for (size_t i = 0; i < COUNT_OF(pulls); i++) {
        struct pt_layer layers[4];
        for (int j = 0; j < 4; j++)
            layers[j] = make_layer("sha256:a", 10);
        struct pt_pull pull =
            make_pull(pulls[i].image, pulls[i].image, layers, (size_t)pulls[i].layers);
        pull.started_at += pulls[i].started * PT_NS_PER_S;
        if (i == COUNT_OF(pulls) - 1)
            pull.phase = PT_PULL_COMPLETED;
        scene_deliver_pulls(scene, pulls[i].node, &pull, 1);
    }
}

static void pulls_come_sorted_and_filtered(void **state)
{
    static const struct {
        const char *query, *wanted;
    } cases[] = {
        {"", "gamma beta alpha delta"},
        {"sort=startedAt", "delta alpha beta gamma"},
        {"sort=imageRef", "alpha beta delta gamma"},
        {"sort=-imageRef", "gamma delta beta alpha"},
        {"sort=totalBytes", "beta alpha gamma delta"},
        {"sort=-completedAt&limit=1", "gamma"},
        {"sort=imageRef&node=n1", "delta gamma"},
        {"sort=imageRef&status=active", "alpha beta delta"},
        {"sort=imageRef&status=completed", "gamma"},
        {"sort=imageRef&image=ETA", "beta"},
        {"status=failed", ""},
    };
    struct scene *scene = *state;
    fill(scene);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_pull_list list;
        assert_int_equal(select_pulls(scene, cases[i].query, &list), 0);
        check_text(cases[i].query, take_names(&list, NULL, NULL), cases[i].wanted);
    }
}

static void a_page_goes_on_behind_a_pull_that_is_gone(void **state)
{
    struct scene *scene = *state;
    struct pt_pull_list list;
    char next[128], *cursor;
    size_t count;
    fill(scene);
    assert_int_equal(select_pulls(scene, "sort=-imageRef&limit=1", &list), 0);
    check_text("first page", take_names(&list, NULL, &cursor), "gamma");
    snprintf(next, sizeof(next), "sort=-imageRef&cursor=%s", cursor);
    free(cursor);
    scene_wait(scene, HISTORY_NS / (double)PT_NS_PER_S + 1);
    assert_int_equal(select_pulls(scene, "image=gamma", &list), 0);
    check_text("left of it", take_names(&list, &count, NULL), "");
    check_int("left of it", (int64_t)count, 0);
    assert_int_equal(select_pulls(scene, next, &list), 0);
    check_text("the rest", take_names(&list, NULL, NULL), "delta beta alpha");
}

// Following the cursors gives each pull once and in order.
static void pages_join_into_the_whole(void **state)
{
    static const char *const sorts[] = {"startedAt",  "-startedAt", "nodeName",    "-imageRef",
                                        "totalBytes", "percent",    "bytesPerSec", "completedAt"};
    struct scene *scene = *state;
    for (int i = 0; i < 23; i++) {
        char image[16];
        scene->layers[0].downloaded_bytes = i % 7;
        snprintf(image, sizeof(image), "i%d", i * 7 % 23);
        scene->pull.id = scene->pull.image_ref = image;
        scene->pull.started_at = SCENE_START + i % 5 * PT_NS_PER_S;
        scene_deliver_pulls(scene, i % 2 ? "n1" : "n2", &scene->pull, 1);
    }
    for (size_t i = 0; i < COUNT_OF(sorts); i++) {
        char text[512], whole[512] = "", joined[512] = "";
        struct pt_pull_list list;
        snprintf(text, sizeof(text), "sort=%s", sorts[i]);
        assert_int_equal(select_pulls(scene, text, &list), 0);
        char *cursor;
        strcpy(whole, take_names(&list, NULL, &cursor));
        assert_null(cursor);
        for (int page = 0; page == 0 || cursor; page++) {
            snprintf(text, sizeof(text), "sort=%s&limit=4%s%s", sorts[i], cursor ? "&cursor=" : "",
                     cursor ? cursor : "");
            free(cursor);
            assert_int_equal(select_pulls(scene, text, &list), 0);
            size_t count;
            if (page > 0)
                strcat(joined, " ");
            strcat(joined, take_names(&list, &count, &cursor));
            check_int(sorts[i], (int64_t)count, page < 5 ? 4 : 3);
        }
        check_text(sorts[i], joined, whole);
    }
}

// As many pulls as take several steps.
static void fill_many(struct scene *scene, int count)
{
    static char names[64][32];
    struct pt_pull pulls[64];
    for (int done = 0; done < count; done += 64) {
        char node[16];
        snprintf(node, sizeof(node), "n%d", done / 64);
        for (int i = 0; i < 64; i++) {
            snprintf(names[i], sizeof(names[i]), "i%04d", (done + i) * 7 % count);
            pulls[i] = make_pull(names[i], names[i], scene->layers, 1);
        }
        scene_deliver_pulls(scene, node, pulls, 64);
    }
}

static void a_scan_takes_many_steps_and_the_store_may_change_meanwhile(void **state)
{
    static const char *const queries[] = {"sort=imageRef", "sort=imageRef&limit=1000"};
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        struct pt_pull_list list;
        struct pt_stored_pull *stored;
        int steps = 2;
        fill_many(scene, 768);
        size_t before = scene->store->pulls.count;
        assert_int_equal(begin(scene, queries[i], &list), 0);
        check_int(queries[i], pt_pull_list_scan(&list), 1);
        scene->pull.id = scene->pull.image_ref = i == 0 ? "zzy" : "zzz";
        scene_deliver_pulls(scene, "late", &scene->pull, 1);           // comes meanwhile
        pt_life_remove(scene->store, TAILQ_FIRST(&scene->store->all)); // was looked at
        pt_life_remove(scene->store, list.walk.next);                  // is about to be
        while (pt_pull_list_scan(&list) > 0)
            steps++;
        assert_true(steps >= 4);
        char last[32] = "";
        size_t count = 0;
        while ((stored = pt_pull_list_next(&list))) {
            assert_true(strcmp(last, stored->pull.image_ref) <= 0);
            snprintf(last, sizeof(last), "%s", stored->pull.image_ref);
            count++;
        }
        check_text("the late one", last, scene->pull.image_ref);
        check_int("two less, one more", (int64_t)count, (int64_t)before - 1);
        pt_pull_list_finish(&list);
    }
    check_int("bytes that are left", lists.bytes, 0);
}

static void a_list_holds_no_pull(void **state)
{
    struct scene *scene = *state;
    struct pt_pull_list list;
    fill(scene);
    assert_int_equal(select_pulls(scene, "sort=imageRef", &list), 0);
    scene_wait(scene, HISTORY_NS / (double)PT_NS_PER_S + 1);
    check_int("pulls that are left", (int64_t)scene->store->pulls.count, 3);
    check_text("of four", take_names(&list, NULL, NULL), "alpha beta delta");
}

static void all_lists_together_are_bounded(void **state)
{
    struct scene *scene = *state;
    struct pt_pull_list list;
    fill(scene);
    lists.bytes = PT_LIMIT_LISTS_BYTES - 200;
    assert_int_equal(begin(scene, "sort=imageRef", &list), 0);
    check_int("scan", pt_pull_list_scan(&list), -EDQUOT);
    pt_pull_list_finish(&list);
    check_int("bytes", lists.bytes, PT_LIMIT_LISTS_BYTES - 200);
    lists.bytes = 0;
    pt_memory_share_init(&memory, "answers", 200, NULL);
    assert_int_equal(begin(scene, "", &list), 0);
    check_int("a full memory", pt_pull_list_scan(&list), -EDQUOT);
    pt_pull_list_finish(&list);
    check_int("bytes of memory", memory.used_bytes, 0);
    check_int("refused", (int64_t)memory.refused, 1);
    memory = (struct pt_memory_share){0};
}

static void wrong_parameters_are_named(void **state)
{
    static const struct {
        const char *query, *wanted;
    } cases[] = {
        {"limit=0", "limit: must be a whole number from 1 to 1000"},
        {"limit=1001", "limit: must be a whole number from 1 to 1000"},
        {"sort=name", "sort: must be startedAt, completedAt, percent, bytesPerSec, totalBytes, "
                      "nodeName or imageRef, with - before it for the reverse"},
        {"status=x", "status: must be active, completed or failed"},
        {"layers=maybe", "layers: must be 0 or 1"},
        {"cursor=abc", "cursor: not one of this server, or of another sort"},
        {"sort=percent&cursor=0123456789abcdef0123456789abcdef:node",
         "cursor: not one of this server, or of another sort"},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_pull_list list;
        check_int(cases[i].query, select_pulls(scene, cases[i].query, &list), -EINVAL);
        check_text(cases[i].query, scene->err.message, cases[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(pulls_come_sorted_and_filtered),
        SCENE_TEST(a_page_goes_on_behind_a_pull_that_is_gone),
        SCENE_TEST(pages_join_into_the_whole),
        SCENE_TEST(a_scan_takes_many_steps_and_the_store_may_change_meanwhile),
        SCENE_TEST(a_list_holds_no_pull),
        SCENE_TEST(all_lists_together_are_bounded),
        SCENE_TEST(wrong_parameters_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
