// SPDX-License-Identifier: Apache-2.0
#include "server/api/pull_list.h"

#include "store_fixture.h"

#include <stdlib.h>

static int read_request(const char *text, struct pt_query *query,
                        struct pt_pull_list_request *request, struct pt_error *err)
{
    assert_int_equal(pt_query_parse(text, query, NULL), 0);
    return pt_pull_list_request_read(query, request, err);
}

// Pulls of differing start, size, node and image; the last one has completed.
static void fill(struct fixture *f)
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
        assert_int_equal(fixture_tell(f, pulls[i].node, &pull, 1), 0);
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
    (void)state;
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
    struct fixture f;
    fixture_init(&f, 10, 10);
    fill(&f);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_query query;
        struct pt_pull_list_request request;
        struct pt_pull_list list;
        assert_int_equal(read_request(cases[i].query, &query, &request, &f.err), 0);
        assert_int_equal(pt_pull_list_select(&f.store, &request, &list, &f.err), 0);
        check_text(cases[i].query, names(&list), cases[i].wanted);
        pt_pull_list_finish(&list);
    }
    fixture_finish(&f);
}

// Following the cursors gives each pull once and in order, also when the pull a cursor was made of
// has gone meanwhile.
static void pages_join_into_the_whole(void **state)
{
    (void)state;
    static const char *const sorts[] = {"startedAt",  "-startedAt", "nodeName",    "-imageRef",
                                        "totalBytes", "percent",    "bytesPerSec", "completedAt"};
    for (size_t i = 0; i < COUNT_OF(sorts); i++) {
        struct fixture f;
        char text[512], image[16], whole[512] = "", joined[512] = "";
        fixture_init(&f, 100, 100);
        for (int j = 0; j < 23; j++) {
            struct pt_layer layer = make_layer("sha256:a", j % 7);
            snprintf(image, sizeof(image), "i%d", j * 7 % 23);
            struct pt_pull pull = make_pull(image, image, &layer, 1);
            pull.started_at += j % 5 * PT_NS_PER_S;
            assert_int_equal(fixture_tell(&f, j % 2 ? "n1" : "n2", &pull, 1), 0);
        }
        struct pt_query query;
        struct pt_pull_list_request request;
        struct pt_pull_list list;
        snprintf(text, sizeof(text), "sort=%s", sorts[i]);
        assert_int_equal(read_request(text, &query, &request, &f.err), 0);
        assert_int_equal(pt_pull_list_select(&f.store, &request, &list, &f.err), 0);
        strcpy(whole, names(&list));
        assert_null(list.next_cursor);
        pt_pull_list_finish(&list);
        char *cursor = NULL;
        for (int page = 0; page == 0 || cursor; page++) {
            snprintf(text, sizeof(text), "sort=%s&limit=4%s%s", sorts[i], cursor ? "&cursor=" : "",
                     cursor ? cursor : "");
            free(cursor);
            assert_int_equal(read_request(text, &query, &request, &f.err), 0);
            assert_int_equal(pt_pull_list_select(&f.store, &request, &list, &f.err), 0);
            check_int(sorts[i], (int64_t)list.count, page < 5 ? 4 : 3);
            if (page > 0)
                strcat(joined, " ");
            strcat(joined, names(&list));
            cursor = list.next_cursor ? strdup(list.next_cursor) : NULL;
            pt_pull_list_finish(&list);
        }
        check_text(sorts[i], joined, whole);
        fixture_finish(&f);
    }
}

static void wrong_parameters_are_named(void **state)
{
    (void)state;
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
    struct fixture f;
    fixture_init(&f, 10, 10);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_query query;
        struct pt_pull_list_request request;
        struct pt_pull_list list;
        struct pt_error err;
        int r = read_request(cases[i].query, &query, &request, &err);
        if (r == 0)
            r = pt_pull_list_select(&f.store, &request, &list, &err);
        check_int(cases[i].query, r, -EINVAL);
        check_text(cases[i].query, err.message, cases[i].wanted);
    }
    fixture_finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pulls_come_sorted_and_filtered),
        cmocka_unit_test(pages_join_into_the_whole),
        cmocka_unit_test(wrong_parameters_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
