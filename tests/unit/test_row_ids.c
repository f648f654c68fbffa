// SPDX-License-Identifier: Apache-2.0
#include "kube_rows_fixture.h"

// Ids of rows on several servers: each chooses by what it knows of Kubernetes, and the log decides.

#define ID_A "0000000000000000000000000000000a"
#define ID_B "0000000000000000000000000000000b"
#define ID_C "0000000000000000000000000000000c"

// A page that has read all changes, as web/src/state/pulls.ts: it drops what was cancelled.
struct page {
    uint64_t version;
    size_t count;
    struct shown {
        char id[PT_PULL_ID_SIZE];
        enum pt_pull_phase phase;
    } rows[8];
};

static void read_changes(struct page *page, const struct pt_pull_store *store)
{
    size_t cursor;
    struct pt_stored_pull *stored = pt_store_changed_after(store, page->version, &cursor);
    for (; stored; stored = pt_store_changed_next(store, &cursor)) {
        size_t i = 0;
        while (i < page->count && strcmp(page->rows[i].id, stored->id) != 0)
            i++;
        page->count += i == page->count;
        assert_in_range(page->count, 0, COUNT_OF(page->rows));
        snprintf(page->rows[i].id, sizeof(page->rows[i].id), "%s", stored->id);
        page->rows[i].phase = stored->pull.phase;
        if (stored->pull.phase == PT_PULL_CANCELLED)
            page->rows[i] = page->rows[--page->count];
    }
    page->version = pt_store_newest_version(store);
}

static void check_page(struct page *page, struct pair *pair, const char *id,
                       enum pt_pull_phase phase)
{
    read_changes(page, pair->scene.store);
    check_int(id, (int64_t)page->count, 1);
    check_text("id", page->rows[0].id, id);
    check_int(id, page->rows[0].phase, phase);
}

static void take(struct pair *pair, const struct pt_pull *pull, const char *row_id)
{
    struct scene *scene = &pair->scene;
    const struct pt_report report = {.node_name = NODE,
                                     .timestamp = scene->now_ns,
                                     .pulls = (struct pt_pull *)pull,
                                     .pull_count = 1};
    const struct pt_replay replay = {.row_ids = row_id,
                                     .row_ids_length = PT_PULL_ID_LENGTH,
                                     .received_ns = scene->now_ns,
                                     .received_wall_ns = scene->now_ns};
    struct pt_application *application =
        pt_store_replay_begin(scene->store, &report, &replay, &scene->err);
    assert_non_null(application);
    while (pt_store_apply_step(application))
        ;
    assert_int_equal(pt_store_apply_end(application, &scene->err), 0);
    settle(pair);
}

// Two servers have begun the row of a pull that came to both: the one of the later entry has its
// id everywhere in the end.
static void a_page_shows_a_row_under_its_last_id_only(void **state)
{
    struct pair *pair = *state;
    struct page page = {0};
    struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
    static const char *const ids[] = {ID_A, ID_B, ID_A, ID_B};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        pass(pair, 1);
        take(pair, &pull, ids[i]);
        check_page(&page, pair, ids[i], PT_PULL_DOWNLOADING);
    }
    pull.phase = PT_PULL_COMPLETED;
    pull.completed_at = pair->scene.now_ns;
    take(pair, &pull, ID_B);
    check_page(&page, pair, ID_B, PT_PULL_COMPLETED);
    check_int("started", pair->scene.started, 1);
    check_int("completed", pair->scene.completed, 1);
    check_int("failed", pair->scene.failed, 0);
    pass(pair, HISTORY_NS / PT_NS_PER_S + 1);
    check_int("left", (int64_t)pair->scene.store->pulls.count, 0);
}

// The id that was left behind, and that the row has had again meanwhile, is left behind once more.
static void rows_left_behind_are_each_found_under_a_key_of_their_own(void **state)
{
    static const char *const ids[] = {ID_A, ID_B, ID_A, ID_C};
    struct pair *pair = *state;
    struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
    const struct pt_stored_pull *stored;
    size_t cursor = 0;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        pass(pair, 1);
        take(pair, &pull, ids[i]);
    }
    while ((stored = pt_map_next(&pair->scene.store->pulls, &cursor)))
        assert_ptr_equal(pt_node_find_pull(stored->node, stored->key), stored);
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_non_null(pt_store_find(pair->scene.store, ids[i]));
}

// Another server, that has not heard of the pod yet, has begun the pull in a row of its own.
static void a_page_shows_no_row_of_an_image_that_is_pulled_in_another(void **state)
{
    static const struct {
        enum pt_kubelet_word word;
        const char *error;
        enum pt_pull_phase phase;
    } cases[] = {
        {PT_KUBELET_WAITING, NULL, PT_PULL_QUEUED},
        {PT_KUBELET_PULL_FAILED, "no such host", PT_PULL_FAILED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pair *pair = pair_anew(state);
        struct page page = {0};
        pod_says(pair, cases[i].word, cases[i].error);
        pass(pair, 3);
        read_changes(&page, pair->scene.store);
        check_int("rows", (int64_t)page.count, 1);
        check_int("phase", page.rows[0].phase, cases[i].phase);
        struct pt_pull pull = a_pull(pair, "p1", PT_PULL_DOWNLOADING);
        take(pair, &pull, ID_A);
        check_page(&page, pair, ID_A, PT_PULL_DOWNLOADING);
        pull.phase = PT_PULL_COMPLETED;
        pull.completed_at = pair->scene.now_ns;
        take(pair, &pull, ID_A);
        pt_correlate_pod_end(pair->correlate, "u", PT_POD_STARTED);
        pass(pair, 20);
        check_page(&page, pair, ID_A, PT_PULL_COMPLETED);
        check_int("failing", (int64_t)pt_store_figures(pair->scene.store).failing, 0);
    }
}

// The row that is the next to go makes no room for the one that would be left behind.
static void a_full_store_gives_another_id_too(void **state)
{
    struct pair *pair = *state;
    struct pt_pull pull = a_pull(pair, "p1", PT_PULL_FAILED);
    pair->scene.store->settings.max_pulls = 1;
    take(pair, &pull, ID_A);
    take(pair, &pull, ID_B);
    assert_null(pt_store_find(pair->scene.store, ID_A));
    assert_non_null(pt_store_find(pair->scene.store, ID_B));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_page_shows_a_row_under_its_last_id_only),
        TEST(rows_left_behind_are_each_found_under_a_key_of_their_own),
        TEST(a_page_shows_no_row_of_an_image_that_is_pulled_in_another),
        TEST(a_full_store_gives_another_id_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
