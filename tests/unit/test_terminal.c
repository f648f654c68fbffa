// SPDX-License-Identifier: Apache-2.0
#include "terminal_screen.h"

// --- on a terminal ---

static void bars_take_the_place_of_the_last_ones(void **state)
{
    (void)state;
    struct screen screen;
    screen_begin(&screen, 24, 160);
    draw(&screen, 0);
    check_row(&screen, 0, "no image is being pulled");
    struct pt_seen_lease *lease = add_pull(&screen.scene, "a", "registry.example/app");
    observe(&screen.scene, 1);
    draw(&screen, 1);
    check_int("a pull and its layers", screen.row_count, 3);
    check_row(&screen, 0,
              "registry.example/app                         [######------------------]  25% "
              "500 B of 2.0 KB, downloading");
    if (strstr(screen.rows[0], "/s"))
        fail_msg("a speed, of one look: %s", screen.rows[0]);
    check_row(&screen, 1,
              "  aaaaaaaaaaaa                               [############------------]  50% "
              "500 B of 1.0 KB, downloading");
    check_row(&screen, 2,
              "  aaaaaaaaaaaa                               [------------------------]   0% 0 B of "
              "1.0 KB, queued");
    fetch(lease, 0, 1000);
    observe(&screen.scene, 2);
    draw(&screen, 2);
    check_int("still", screen.row_count, 3);
    check_row(&screen, 0,
              "registry.example/app                         [############------------]  50% "
              "1.0 KB of 2.0 KB, downloading 500 B/s, fetched in 2 s");
    screen_end(&screen);
}

// Mounted layers are ready without having been fetched; of what a snapshotter fetches no speed is
// known.
static void what_a_snapshotter_brings(void **state)
{
    (void)state;
    struct screen screen;
    screen_begin(&screen, 40, 200);
    struct pt_seen_lease *lease = add_lease(&screen.scene, "a", 0.5);
    add_layers(lease, 2);
    lease->brings_layers = lease->may_be_silent = true;
    observe(&screen.scene, 1);
    observe(&screen.scene, 4);
    draw(&screen, 4);
    if (strstr(screen.rows[0], "/s"))
        fail_msg("a speed: %s", screen.rows[0]);
    lease->layers[1].extracted_at = at(4.5);
    lease->layers[1].brought = PT_SOURCE_REMOTE;
    commit(lease, 0, 4.4);
    extract(lease, 0, 4.6, 4.7);
    observe(&screen.scene, 5);
    draw(&screen, 5);
    check_row(&screen, 0,
              "registry.example/app                         [############~~~~~~~~~~~~] 100% ");
    check_row(&screen, 2,
              "  aaaaaaaaaaaa                               [~~~~~~~~~~~~~~~~~~~~~~~~] 100% "
              "1.0 KB of 1.0 KB, on demand");
    end_lease(lease, "registry.example/app:1", 5.5);
    observe(&screen.scene, 6);
    note_end(&screen, first_pull(&screen.scene));
    draw(&screen, 6);
    check_row(&screen, 0,
              "registry.example/app:1 ready: 1.0 KB fetched in 5.0 s, 1.0 KB on demand");
    screen_end(&screen);
}

// One layer was there, one has come and is extracted, one is on its way.
static void what_is_left_is_estimated(void **state)
{
    (void)state;
    struct screen screen;
    screen_begin(&screen, 40, 200);
    struct pt_seen_lease *lease = add_lease(&screen.scene, "a", 0.5);
    add_layers(lease, 3);
    lease->layers[0].blob_at = lease->layers[0].extracted_at = at(-50);
    commit(lease, 1, 0.9);
    fetch(lease, 2, 200);
    observe(&screen.scene, 1);
    extract(lease, 1, 1, 3);
    fetch(lease, 2, 400);
    observe(&screen.scene, 2);
    fetch(lease, 2, 600);
    observe(&screen.scene, 3);
    draw(&screen, 3);
    // 400 B at 200 B/s, then 1000 B at the 500 B/s of the other layer.
    check_row(&screen, 0,
              "registry.example/app                         [========############----]  87% "
              "2.5 KB of 2.9 KB, downloading 200 B/s, ready in 4 s");
    check_row(&screen, 1,
              "  aaaaaaaaaaaa                               [========================] 100% "
              "1.0 KB of 1.0 KB, already there");
    screen_end(&screen);
}

static void what_has_ended_stays_above(void **state)
{
    (void)state;
    struct screen screen;
    struct pt_seen_lease *lease =
        begin_with_two_pulls(&screen, "registry.example/app", "registry.example/other");
    commit(lease, 0, 1.5);
    commit(lease, 1, 1.6);
    end_lease(lease, "registry.example/app:1", 2.5);
    observe(&screen.scene, 3);
    const struct pt_pull *pull = first_pull(&screen.scene);
    note_end(&screen, pull);
    draw(&screen, 3);
    check_row(&screen, 0, "registry.example/app:1 completed: 2.0 KB in 2.0 s");
    check_row(&screen, 1, "registry.example/other ");
    check_int("with its layers", screen.row_count, 4);
    draw(&screen, 4);
    check_row(&screen, 0, "registry.example/app:1 completed: 2.0 KB in 2.0 s");
    check_int("and no more", screen.row_count, 4);
    screen_end(&screen);
}

static void a_check_is_a_line(void **state)
{
    (void)state;
    struct screen screen;
    screen_begin(&screen, 24, 100);
    struct pt_seen_lease *lease = add_lease(&screen.scene, "a", 0.5);
    add_layers(lease, 1);
    lease->layers[0].blob_at = lease->layers[0].extracted_at = at(-50);
    end_lease(lease, "registry.example/app:1", 0.8);
    observe(&screen.scene, 1);
    note_end(&screen, first_pull(&screen.scene));
    draw(&screen, 1);
    check_row(&screen, 0, "registry.example/app:1 checked: nothing to fetch");
    check_row(&screen, 1, "no image is being pulled");
    screen_end(&screen);
}

static const struct {
    const char *name;
    unsigned rows, columns;
    unsigned pulls;
    unsigned drawn;
    const char *last; // the last line
} sizes[] = {
    {"one, with its layers", 24, 100, 1, 3, "  aaaaaaaaaaaa"},
    {"narrow", 24, 20, 1, 3, "  aaaaaaaaaaaa     "},
    {"very narrow", 24, 2, 1, 3, " "},
    {"wide", 24, 250, 1, 3, "  aaaaaaaaaaaa"},
    {"layers of those for which there is room", 12, 100, 7, 9, "registry.example/app"},
    {"no room for layers", 10, 100, 8, 8, "registry.example/app"},
    {"more than there is room for", 10, 100, 30, 8, "and 23 more"},
    {"hardly any room", 3, 100, 30, 1, "and 30 more"},
    {"of unknown size", 0, 0xffff, 30, 22, "and 9 more"},
};

static void the_screen_is_never_passed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct screen screen;
        static char ids[MAX_LEASES][4];
        screen_begin(&screen, sizes[i].rows, sizes[i].columns);
        for (unsigned k = 0; k < sizes[i].pulls; k++) {
            snprintf(ids[k], sizeof(ids[k]), "%u", k);
            add_pull(&screen.scene, ids[k], "registry.example/app");
        }
        for (int second = 1; second < 4; second++) {
            observe(&screen.scene, second);
            draw(&screen, second);
            check_int(sizes[i].name, screen.row_count, sizes[i].drawn);
            check_row(&screen, screen.row_count - 1, sizes[i].last);
            check_int("the cursor is below", screen.row, screen.row_count);
        }
        screen_end(&screen);
    }
}

// The end of a name says most; what would steer a terminal is not passed on.
static void names_are_cut_and_cleaned(void **state)
{
    (void)state;
    struct screen screen;
    begin_with_two_pulls(&screen,
                         "registry.example/a/path/that/is/longer/than/the/column/that/it/has",
                         "evil\x1b[2J\x07\n\xc3\xa9/app");
    check_row(&screen, 0, "...hat/is/longer/than/the/column/that/it/has ");
    check_row(&screen, 3,
              "evil?[2J???"
              "?/app ");
    screen_end(&screen);
}

// containerd's words may hold any byte that a peer has sent.
static void errors_and_trouble_are_cleaned(void **state)
{
    (void)state;
    struct screen screen;
    begin_with_two_pulls(&screen, "registry.example/app", "registry.example/other");
    struct pt_pull pull = *first_pull(&screen.scene);
    pull.error = "it said\x1b]0;title\x07 \xc2\x9b"
                 "2J\n";
    pull.completed_at = pull.started_at;
    pull.phase = PT_PULL_FAILED;
    note_end(&screen, &pull);
    pt_terminal_set_trouble(screen.terminal, "no\x1b[2J answer\x9b");
    draw(&screen, 1);
    check_row(&screen, 0, "registry.example/app failed after 0.0 s: it said?]0;title? ??2J?");
    check_row(&screen, 1, "containerd: no?[2J answer?");
    screen_end(&screen);
}

static void long_trouble_is_shown_once(void **state)
{
    (void)state;
    struct screen screen;
    char words[400];
    memset(words, 'x', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    screen_begin(&screen, 0, 0);
    pt_terminal_set_trouble(screen.terminal, words);
    pt_terminal_set_trouble(screen.terminal, words);
    draw(&screen, 1);
    check_int("one line", screen.row_count, 1);
    screen_end(&screen);
}

static void trouble_is_shown_until_it_is_over(void **state)
{
    (void)state;
    struct screen screen;
    screen_begin(&screen, 24, 100);
    pt_terminal_set_trouble(screen.terminal, "nobody answers");
    draw(&screen, 1);
    check_row(&screen, 0, "containerd: nobody answers");
    check_int("nothing else", screen.row_count, 1);
    pt_terminal_set_trouble(screen.terminal, NULL);
    draw(&screen, 2);
    check_row(&screen, 0, "no image is being pulled");
    check_int("nothing else", screen.row_count, 1);
    screen_end(&screen);
}

// Ctrl-S: the agent goes on, and what is true then is drawn after Ctrl-Q.
static void a_terminal_that_is_stopped_holds_nobody_up(void **state)
{
    (void)state;
    struct screen screen;
    struct pt_seen_lease *lease =
        begin_with_two_pulls(&screen, "registry.example/app", "registry.example/other");
    assert_int_equal(tcflow(screen.writing, TCOOFF), 0);
    for (int second = 2; second < 100; second++)
        draw_unseen(&screen, second);
    commit(lease, 0, 100);
    commit(lease, 1, 100);
    end_lease(lease, "registry.example/app:1", 100.5);
    observe(&screen.scene, 101);
    note_end(&screen, first_pull(&screen.scene));
    draw_unseen(&screen, 101);
    assert_int_equal(tcflow(screen.writing, TCOON), 0);
    draw(&screen, 102);
    check_row(&screen, 0, "registry.example/app:1 completed: 2.0 KB in 100.0 s");
    check_row(&screen, 1, "registry.example/other ");
    check_int("and its layers", screen.row_count, 4);
    assert_int_equal(fcntl(screen.writing, F_GETFL) & O_NONBLOCK, 0); // it is the shell's too
    screen_end(&screen);
}

// --- elsewhere ---

static void a_pipe_that_nobody_reads_holds_nobody_up(void **state)
{
    (void)state;
    struct screen screen;
    screen_begin(&screen, 0, 0);
    assert_int_equal(fcntl(screen.writing, F_SETPIPE_SZ, 4096), 4096);
    add_pull(&screen.scene, "a", "registry.example/app");
    observe(&screen.scene, 1);
    for (int second = 1; second < 1000; second++) {
        note_start(&screen, first_pull(&screen.scene));
        draw_unseen(&screen, second);
    }
    char text[4096];
    assert_true(read(screen.reading, text, sizeof(text)) > 0);
    draw_unseen(&screen, 1000);
    assert_true(read(screen.reading, text, sizeof(text)) > 0);
    screen_end(&screen);
}

static void plain_lines_into_a_pipe(void **state)
{
    (void)state;
    struct screen screen;
    screen_begin(&screen, 0, 0);
    struct pt_seen_lease *lease = add_pull(&screen.scene, "a", "registry.example/app");
    observe(&screen.scene, 1);
    note_start(&screen, first_pull(&screen.scene));
    draw(&screen, 1);
    check_row(&screen, 0, "registry.example/app started");
    check_row(&screen, 1, "registry.example/app  25% 500 B of 2.0 KB, downloading");
    for (int second = 2; second < 6; second++) {
        fetch(lease, 0, 500 + second);
        observe(&screen.scene, second);
        draw_unseen(&screen, second);
    }
    observe(&screen.scene, 6);
    draw(&screen, 6);
    check_int("progress each 5 s", screen.row_count, 3);
    check_row(&screen, 2, "registry.example/app  25% 505 B of 2.0 KB, downloading 1 B/s");
    end_lease(lease, NULL, 7);
    observe(&screen.scene, 7);
    note_end(&screen, first_pull(&screen.scene));
    draw(&screen, 7);
    check_row(&screen, 3,
              "registry.example/app failed after 6.5 s: ended without an image with 0 of 2 layers "
              "fetched, at 505 B of 2.0 KB");
    pt_terminal_set_trouble(screen.terminal, "nobody answers");
    pt_terminal_set_trouble(screen.terminal, "nobody answers");
    draw(&screen, 8);
    check_row(&screen, 4, "containerd: nobody answers");
    check_int("once", screen.row_count, 5);
    screen_end(&screen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bars_take_the_place_of_the_last_ones),
        cmocka_unit_test(what_a_snapshotter_brings),
        cmocka_unit_test(what_is_left_is_estimated),
        cmocka_unit_test(what_has_ended_stays_above),
        cmocka_unit_test(a_check_is_a_line),
        cmocka_unit_test(the_screen_is_never_passed),
        cmocka_unit_test(names_are_cut_and_cleaned),
        cmocka_unit_test(errors_and_trouble_are_cleaned),
        cmocka_unit_test(long_trouble_is_shown_once),
        cmocka_unit_test(trouble_is_shown_until_it_is_over),
        cmocka_unit_test(a_terminal_that_is_stopped_holds_nobody_up),
        cmocka_unit_test(a_pipe_that_nobody_reads_holds_nobody_up),
        cmocka_unit_test(plain_lines_into_a_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
