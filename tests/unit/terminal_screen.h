// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_TERMINAL_SCREEN_H
#define PT_TESTS_TERMINAL_SCREEN_H

// A terminal that understands what is drawn on it, and the pulls that are drawn.

#include "terminal/terminal.h"
#include "track_fixture.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define MAX_ROWS 200
#define MAX_COLUMNS 300

// What has been written, as somebody before the screen sees it: a terminal that knows just the
// sequences that are used, and fails at any other.
struct screen {
    struct scene scene;
    struct pt_terminal *terminal;
    int reading, writing;
    unsigned columns; // 0: it is a pipe
    char rows[MAX_ROWS][MAX_COLUMNS];
    unsigned row, column;
    unsigned row_count;
};

static inline void screen_begin(struct screen *screen, unsigned rows, unsigned columns)
{
    const struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    int pipes[2];
    *screen = (struct screen){.columns = columns};
    if (columns) {
        assert_int_equal(openpty(&screen->reading, &screen->writing, NULL, NULL, &size), 0);
    } else {
        assert_int_equal(pipe(pipes), 0);
        screen->reading = pipes[0];
        screen->writing = pipes[1];
    }
    scene_begin(&screen->scene);
    assert_int_equal(pt_terminal_create(screen->writing, &screen->terminal, NULL), 0);
    observe(&screen->scene, 0);
}

static inline void screen_end(struct screen *screen)
{
    pt_terminal_destroy(screen->terminal);
    scene_end(&screen->scene);
    close(screen->reading);
    close(screen->writing);
}

static inline void put(struct screen *screen, char c)
{
    if (screen->columns && screen->column == screen->columns) { // as a terminal wraps
        screen->row++;
        screen->column = 0;
    }
    assert_in_range(screen->row, 0, MAX_ROWS - 1);
    assert_in_range(screen->column, 0, MAX_COLUMNS - 2);
    screen->rows[screen->row][screen->column++] = c;
    if (screen->row_count < screen->row + 1)
        screen->row_count = screen->row + 1;
}

// After ESC [: up by so many rows, or all below is cleared.
static const char *control(struct screen *screen, const char *at)
{
    char *end;
    unsigned number = (unsigned)strtoul(at, &end, 10);
    if (*end == 'A') {
        assert_in_range(number, 1, screen->row);
        screen->row -= number;
    } else if (*end == 'J') {
        assert_int_equal(screen->column, 0);
        memset(screen->rows[screen->row], 0, (MAX_ROWS - screen->row) * sizeof(screen->rows[0]));
        screen->row_count = screen->row;
    } else {
        fail_msg("an unknown sequence: %.10s", at);
    }
    return end + 1;
}

// What is written to a terminal comes out piece by piece: a mark behind it shows which is the last
// one.
static inline void show(struct screen *screen)
{
    static const char mark = '\x1e';
    static char text[1024 * 1024];
    size_t length = 0;
    assert_int_equal(write(screen->writing, &mark, 1), 1);
    do {
        ssize_t n = read(screen->reading, text + length, sizeof(text) - length);
        assert_true(n > 0);
        length += (size_t)n;
    } while (text[length - 1] != mark);
    text[length - 1] = '\0';
    for (const char *at = text; *at;) {
        if (strncmp(at, "\x1b[", 2) == 0) {
            at = control(screen, at + 2);
            continue;
        }
        if (*at == '\r')
            screen->column = 0;
        else if (*at == '\n')
            screen->row++;
        else if (*at >= ' ' && *at < 0x7f)
            put(screen, *at);
        else
            fail_msg("byte %02x is written", (unsigned char)*at);
        if (*at == '\n' && !screen->columns)
            screen->column = 0; // a pipe's reader begins a new line
        at++;
    }
}

static inline struct pt_pull_status status_of(const struct pt_pull *pull)
{
    struct pt_pull_status status = pt_pull_status_make(pull);
    pt_pull_totals(pull, &status.totals);
    return status;
}

static inline void note_start(struct screen *screen, const struct pt_pull *pull)
{
    const struct pt_pull_status status = status_of(pull);
    pt_terminal_note_start(screen->terminal, &status);
}

static inline void note_end(struct screen *screen, const struct pt_pull *pull)
{
    const struct pt_pull_status status = status_of(pull);
    pt_terminal_note_end(screen->terminal, &status);
}

// Draws what the tracker follows, without a look at the screen.
static inline void draw_unseen(struct screen *screen, double seconds)
{
    struct pt_pull_status active[MAX_LEASES];
    size_t count = 0;
    const struct pt_tracked *tracked = NULL;
    while ((tracked = pt_tracker_next(screen->scene.tracker, tracked))) {
        if (tracked->finished)
            continue;
        active[count] = status_of(&tracked->pull);
        active[count++].bytes_per_second = tracked->rate.bytes_per_second;
    }
    pt_terminal_draw(screen->terminal, active, count, at(seconds));
}

static inline void draw(struct screen *screen, double seconds)
{
    draw_unseen(screen, seconds);
    show(screen);
}

static inline void check_row(const struct screen *screen, unsigned row, const char *wanted)
{
    if (row >= screen->row_count || strncmp(screen->rows[row], wanted, strlen(wanted)) != 0)
        fail_msg("row %u: got \"%s\", wanted \"%s\"", row, screen->rows[row], wanted);
}

// A pull of two layers with a quarter of its bytes.
static inline struct pt_seen_lease *add_pull(struct scene *scene, const char *id,
                                             const char *repository)
{
    struct pt_seen_lease *lease = add_lease(scene, id, 0.5);
    add_layers(lease, 2);
    lease->repository = (char *)repository;
    fetch(lease, 0, 500);
    lease->layers[0].owns_ingest = false; // the pulls of a scene share it
    return lease;
}

// Two pulls are on the screen; returns the lease of the first one.
static inline struct pt_seen_lease *begin_with_two_pulls(struct screen *screen, const char *first,
                                                         const char *second)
{
    screen_begin(screen, 24, 160);
    struct pt_seen_lease *lease = add_pull(&screen->scene, "a", first);
    add_pull(&screen->scene, "b", second);
    observe(&screen->scene, 1);
    draw(screen, 1);
    return lease;
}

#endif
