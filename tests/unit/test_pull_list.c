// SPDX-License-Identifier: Apache-2.0
#include "server/api/pull_list.h"

#include "store_fixture.h"

#include <stdlib.h>

// Whoever gets a list finishes it.
static int select_pulls(struct scene *scene, const char *text, struct pt_pull_list *ret_list)
{
    struct pt_query query;
    struct pt_pull_list_request request;
    assert_int_equal(pt_query_parse(text, &query, NULL), 0);
    int r = pt_pull_list_request_read(&query, &request, &scene->err);
    return r < 0 ? r : pt_pull_list_select(&scene->store, &request, ret_list, &scene->err);
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
        scene_tell_pulls(scene, pulls[i].node, &pull, 1);
    }
}

// The images of the selected pulls, in order.
static const char *names(const struct pt_pull_list *list)
{
    static char text[256];
    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            strcat(text, " ");
        strcat(text, list->pulls[i]->pull.image_ref);
    }
    return text;
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
        check_text(cases[i].query, names(&list), cases[i].wanted);
        pt_pull_list_finish(&list);
    }
}

static void a_page_goes_on_behind_a_pull_that_is_gone(void **state)
{
    struct scene *scene = *state;
    struct pt_pull_list list;
    char next[128];
    fill(scene);
    assert_int_equal(select_pulls(scene, "sort=-imageRef&limit=1", &list), 0);
    check_text("first page", names(&list), "gamma");
    snprintf(next, sizeof(next), "sort=-imageRef&cursor=%s", list.next_cursor);
    pt_pull_list_finish(&list);
    scene_wait(scene, HISTORY_NS / (double)PT_NS_PER_S + 1);
    assert_int_equal(select_pulls(scene, "image=gamma", &list), 0);
    check_int("left of it", (int64_t)list.count, 0);
    pt_pull_list_finish(&list);
    assert_int_equal(select_pulls(scene, next, &list), 0);
    check_text("the rest", names(&list), "delta beta alpha");
    pt_pull_list_finish(&list);
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
        scene_tell_pulls(scene, i % 2 ? "n1" : "n2", &scene->pull, 1);
    }
    for (size_t i = 0; i < COUNT_OF(sorts); i++) {
        char text[512], whole[512] = "", joined[512] = "";
        struct pt_pull_list list;
        snprintf(text, sizeof(text), "sort=%s", sorts[i]);
        assert_int_equal(select_pulls(scene, text, &list), 0);
        strcpy(whole, names(&list));
        assert_null(list.next_cursor);
        pt_pull_list_finish(&list);
        char *cursor = NULL;
        for (int page = 0; page == 0 || cursor; page++) {
            snprintf(text, sizeof(text), "sort=%s&limit=4%s%s", sorts[i], cursor ? "&cursor=" : "",
                     cursor ? cursor : "");
            free(cursor);
            assert_int_equal(select_pulls(scene, text, &list), 0);
            check_int(sorts[i], (int64_t)list.count, page < 5 ? 4 : 3);
            if (page > 0)
                strcat(joined, " ");
            strcat(joined, names(&list));
            cursor = list.next_cursor ? strdup(list.next_cursor) : NULL;
            pt_pull_list_finish(&list);
        }
        check_text(sorts[i], joined, whole);
    }
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
        SCENE_TEST(wrong_parameters_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
