// SPDX-License-Identifier: Apache-2.0
#include "terminal/terminal.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/output.h"
#include "base/text.h"
#include "terminal/estimate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_SCREEN_BYTES (256 * 1024)
#define NAME_COLUMNS 44 // fewer where the rest of the line needs them
#define LEAST_NAME_COLUMNS 20
#define TEXT_COLUMNS 64 // of what stands behind a bar
#define BAR_COLUMNS 24
#define PLAIN_EVERY_NS (5 * PT_NS_PER_S)

struct pt_terminal {
    int fd;
    bool owns_fd;
    bool is_tty;
    unsigned rows, columns;
    int name_columns;
    unsigned drawn;          // lines that the next drawing replaces
    struct pt_buffer lines;  // that are to stay, not written yet
    struct pt_buffer screen; // the last frame, as far as it is not written yet
    size_t written;          // of it
    char trouble[160];
    int64_t plain_at; // when progress was written last
};

int pt_terminal_create(int fd, struct pt_terminal **ret_terminal, struct pt_error *err)
{
    struct pt_terminal *terminal = calloc(1, sizeof(*terminal));
    if (!terminal)
        return pt_error_set(err, ENOMEM, "out of memory");
    terminal->fd = pt_output_open(fd);
    terminal->owns_fd = terminal->fd >= 0;
    if (!terminal->owns_fd)
        terminal->fd = fd;
    terminal->is_tty = isatty(fd) == 1;
    pt_buffer_init(&terminal->lines, MAX_SCREEN_BYTES);
    pt_buffer_init(&terminal->screen, MAX_SCREEN_BYTES);
    *ret_terminal = terminal;
    return 0;
}

// Returns whether the frame is written: the rest has to wait otherwise.
static bool write_frame(struct pt_terminal *terminal)
{
    const struct pt_buffer *screen = &terminal->screen;
    while (terminal->written < screen->length) {
        ssize_t n = write(terminal->fd, screen->data + terminal->written,
                          screen->length - terminal->written);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0 && errno != EINTR)
            break; // nobody looks any more
        terminal->written += n > 0 ? (size_t)n : 0;
    }
    pt_buffer_finish(&terminal->screen);
    terminal->written = 0;
    return true;
}

void pt_terminal_destroy(struct pt_terminal *terminal)
{
    if (!terminal)
        return;
    write_frame(terminal);
    if (terminal->owns_fd)
        close(terminal->fd);
    pt_buffer_finish(&terminal->lines);
    pt_buffer_finish(&terminal->screen);
    free(terminal);
}

// --- words ---

// Registries choose names, and containerd passes on what peers have said: nothing of either may
// steer the terminal.
static const char *clean_words(const char *text, char *out, size_t size)
{
    size_t length = 0;
    for (; *text && length + 1 < size; text++)
        out[length++] = pt_text_clean(*text);
    out[length] = '\0';
    return out;
}

static const char *clean_name(const char *text, char *out, size_t size)
{
    clean_words(text, out, size);
    for (char *space = out; (space = strchr(space, ' '));)
        *space = '?';
    return out;
}

// The end of a name says more than its beginning.
static const char *shorten(const char *name, char *out, size_t columns)
{
    size_t length = strlen(name);
    bool is_long = length > columns;
    snprintf(out, columns + 1, "%s%s", is_long ? "..." : "",
             is_long ? name + length - columns + 3 : name);
    return out;
}

// As on the dashboard: hours and minutes, minutes and seconds, or seconds.
static const char *duration_text(double seconds, char text[static 24])
{
    long whole = seconds < 1e6 ? (long)(seconds + 0.5) : 1000000;
    if (whole >= 3600)
        snprintf(text, 24, "%ld h %ld min", whole / 3600, whole / 60 % 60);
    else if (whole >= 60)
        snprintf(text, 24, "%ld min %ld s", whole / 60, whole % 60);
    else
        snprintf(text, 24, "%ld s", whole);
    return text;
}

// The four tones of a bar, as parts of the whole.
struct tones {
    int64_t there;  // =, before the pull
    int64_t come;   // #
    int64_t remote; // ~, mounted and fetched when it is read
    int64_t total;  // - is the rest
};

static size_t columns_of(int64_t bytes, int64_t total)
{
    double columns = total > 0 ? (double)bytes * BAR_COLUMNS / (double)total : 0;
    return columns < BAR_COLUMNS ? (size_t)columns : BAR_COLUMNS;
}

static void add_bar(struct pt_buffer *out, const struct tones *tones)
{
    char bar[BAR_COLUMNS + 1];
    size_t there = columns_of(tones->there, tones->total);
    size_t come = columns_of(tones->there + tones->come, tones->total);
    size_t all = columns_of(tones->there + tones->come + tones->remote, tones->total);
    memset(bar, '-', BAR_COLUMNS);
    memset(bar, '~', all);
    memset(bar, '#', come);
    memset(bar, '=', there);
    bar[BAR_COLUMNS] = '\0';
    pt_buffer_printf(out, "[%s] ", bar);
}

static struct tones tones_of_layer(const struct pt_layer *layer)
{
    struct tones tones = {.total = layer->total_known ? layer->total_bytes : 0};
    if (layer->source == PT_SOURCE_REMOTE)
        tones.remote = layer->downloaded_bytes;
    else if (layer->cached)
        tones.there = layer->downloaded_bytes;
    else
        tones.come = layer->downloaded_bytes;
    return tones;
}

static struct tones tones_of_pull(const struct pt_totals *totals)
{
    return (struct tones){
        .there = totals->cached_bytes - totals->remote_bytes,
        .come = totals->downloaded_bytes - totals->cached_bytes,
        .remote = totals->remote_bytes,
        .total = totals->total_bytes,
    };
}

static const char *layer_words(const struct pt_layer *layer)
{
    if (layer->source == PT_SOURCE_REMOTE)
        return "on demand";
    return layer->cached ? "already there" : pt_layer_phase_name(layer->phase);
}

// Speed and time left, as far as they are known.
static void add_speed(struct pt_buffer *out, const struct pt_pull_status *status)
{
    char text[24];
    const struct pt_estimate estimate = pt_estimate_pull(status);
    bool is_downloading = status->pull.phase == PT_PULL_DOWNLOADING;
    if (is_downloading && status->bytes_per_second > 0 && !pt_pull_is_silent(&status->pull))
        pt_buffer_printf(out, " %s/s", pt_text_bytes(status->bytes_per_second, text));
    if (estimate.ready_seconds >= 0)
        pt_buffer_printf(out, ", ready in %s", duration_text(estimate.ready_seconds, text));
    else if (estimate.fetched_seconds > 0)
        pt_buffer_printf(out, ", fetched in %s", duration_text(estimate.fetched_seconds, text));
}

// Without a bar if `name_columns` is 0.
static void add_pull(struct pt_buffer *out, const struct pt_pull_status *status, int name_columns)
{
    const struct pt_pull *pull = &status->pull;
    const struct pt_totals *totals = &status->totals;
    char name[256], cut[NAME_COLUMNS + 1], done[PT_TEXT_BYTES_SIZE], total[PT_TEXT_BYTES_SIZE];
    clean_name(status->image_ref, name, sizeof(name));
    if (name_columns) {
        pt_buffer_printf(out, "%-*s ", name_columns, shorten(name, cut, (size_t)name_columns));
        const struct tones tones = tones_of_pull(totals);
        add_bar(out, &tones);
    } else {
        pt_buffer_printf(out, "%s ", name);
    }
    if (pull->total_known)
        pt_buffer_printf(out, "%3.0f%% %s of %s, ", totals->percent,
                         pt_text_bytes((double)totals->downloaded_bytes, done),
                         pt_text_bytes((double)totals->total_bytes, total));
    pt_buffer_append_text(out, pt_pull_phase_name(pull->phase));
    add_speed(out, status);
}

static void add_layer(struct pt_buffer *out, const struct pt_layer *layer, int name_columns)
{
    char digest[20], done[PT_TEXT_BYTES_SIZE], total[PT_TEXT_BYTES_SIZE];
    const char *colon = strchr(layer->digest, ':');
    clean_name(colon ? colon + 1 : layer->digest, digest, 13);
    double percent = layer->total_known && layer->total_bytes > 0
                         ? 100.0 * (double)layer->downloaded_bytes / (double)layer->total_bytes
                         : 0;
    pt_buffer_printf(out, "  %-*s ", name_columns - 2, digest);
    const struct tones tones = tones_of_layer(layer);
    add_bar(out, &tones);
    pt_buffer_printf(out, "%3.0f%% %s of %s, %s", percent,
                     pt_text_bytes((double)layer->downloaded_bytes, done),
                     pt_text_bytes((double)layer->total_bytes, total), layer_words(layer));
}

// --- lines ---

void pt_terminal_note_start(struct pt_terminal *terminal, const struct pt_pull_status *status)
{
    char name[256];
    if (!terminal->is_tty)
        pt_buffer_printf(&terminal->lines, "%s started\n",
                         clean_name(status->image_ref, name, sizeof(name)));
}

void pt_terminal_note_end(struct pt_terminal *terminal, const struct pt_pull_status *status)
{
    const struct pt_pull *pull = &status->pull;
    char name[256], words[512], size[PT_TEXT_BYTES_SIZE], later[PT_TEXT_BYTES_SIZE];
    double seconds = (double)(pull->completed_at - pull->started_at) / PT_NS_PER_S;
    clean_name(status->image_ref, name, sizeof(name));
    if (pull->phase == PT_PULL_COMPLETED && pull->kind == PT_KIND_CHECK) {
        pt_buffer_printf(&terminal->lines, "%s checked: nothing to fetch\n", name);
        return;
    }
    if (pull->phase == PT_PULL_COMPLETED && status->totals.remote_bytes > 0) {
        pt_buffer_printf(&terminal->lines, "%s ready: %s fetched in %.1f s, %s on demand\n", name,
                         pt_text_bytes((double)pull->bytes_fetched, size), seconds,
                         pt_text_bytes((double)status->totals.remote_bytes, later));
        return;
    }
    if (pull->phase == PT_PULL_COMPLETED) {
        pt_buffer_printf(&terminal->lines, "%s completed: %s in %.1f s\n", name,
                         pt_text_bytes((double)status->totals.total_bytes, size), seconds);
        return;
    }
    const char *error = pull->error && *pull->error ? pull->error : "for an unknown reason";
    clean_words(error, words, sizeof(words));
    pt_buffer_printf(&terminal->lines, "%s failed after %.1f s: %s\n", name, seconds, words);
}

void pt_terminal_set_trouble(struct pt_terminal *terminal, const char *trouble)
{
    char words[sizeof(terminal->trouble)];
    clean_words(trouble ? trouble : "", words, sizeof(words));
    if (pt_text_remember(terminal->trouble, sizeof(terminal->trouble), words) && words[0] &&
        !terminal->is_tty)
        pt_buffer_printf(&terminal->lines, "containerd: %s\n", words);
}

// --- drawing ---

static void draw_plain(struct pt_terminal *terminal, const struct pt_pull_status *active,
                       size_t count, int64_t now)
{
    pt_buffer_append(&terminal->screen, terminal->lines.data, terminal->lines.length);
    if (now - terminal->plain_at < PLAIN_EVERY_NS)
        return;
    terminal->plain_at = now;
    for (size_t i = 0; i < count; i++) {
        add_pull(&terminal->screen, &active[i], 0);
        pt_buffer_append_text(&terminal->screen, "\n");
    }
}

static void look_at_size(struct pt_terminal *terminal)
{
    struct winsize size = {0};
    if (ioctl(terminal->fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
        size.ws_row = 24;
        size.ws_col = 100;
    }
    terminal->rows = size.ws_row;
    terminal->columns = size.ws_col;
    int left = (int)size.ws_col - BAR_COLUMNS - TEXT_COLUMNS;
    terminal->name_columns = left < LEAST_NAME_COLUMNS ? LEAST_NAME_COLUMNS
                             : left < NAME_COLUMNS     ? left
                                                       : NAME_COLUMNS;
}

// Ends a line that began at `from`, cut to the width so that it stays one line.
static void end_line(struct pt_terminal *terminal, size_t from)
{
    struct pt_buffer *screen = &terminal->screen;
    if (screen->length > from + terminal->columns - 1) {
        screen->length = from + terminal->columns - 1;
        screen->data[screen->length] = '\0';
    }
    pt_buffer_append_text(screen, "\n");
    terminal->drawn++;
}

static void draw_layers(struct pt_terminal *terminal, const struct pt_pull *pull)
{
    for (size_t i = 0; i < pull->layer_count; i++) {
        size_t from = terminal->screen.length;
        add_layer(&terminal->screen, &pull->layers[i], terminal->name_columns);
        end_line(terminal, from);
    }
}

// Layers are drawn from the first pull on as long as every pull still has its line.
static void draw_pulls(struct pt_terminal *terminal, const struct pt_pull_status *active,
                       size_t count)
{
    size_t room = terminal->rows > 2 ? terminal->rows - 2 : 1;
    size_t spare = room > count ? room - count : 0;
    for (size_t i = 0; i < count; i++) {
        size_t from = terminal->screen.length;
        if (i + 1 == room && count > room) {
            pt_buffer_printf(&terminal->screen, "and %zu more", count - i);
            end_line(terminal, from);
            return;
        }
        add_pull(&terminal->screen, &active[i], terminal->name_columns);
        end_line(terminal, from);
        if (active[i].pull.layer_count <= spare) {
            spare -= active[i].pull.layer_count;
            draw_layers(terminal, &active[i].pull);
        }
    }
    if (count == 0 && !terminal->trouble[0]) {
        size_t from = terminal->screen.length;
        pt_buffer_append_text(&terminal->screen, "no image is being pulled");
        end_line(terminal, from);
    }
}

static void draw_bars(struct pt_terminal *terminal, const struct pt_pull_status *active,
                      size_t count)
{
    look_at_size(terminal);
    if (terminal->drawn)
        pt_buffer_printf(&terminal->screen, "\x1b[%uA", terminal->drawn);
    pt_buffer_append_text(&terminal->screen, "\r\x1b[J");
    pt_buffer_append(&terminal->screen, terminal->lines.data, terminal->lines.length);
    terminal->drawn = 0;
    if (terminal->trouble[0]) {
        size_t from = terminal->screen.length;
        pt_buffer_printf(&terminal->screen, "containerd: %s", terminal->trouble);
        end_line(terminal, from);
    }
    draw_pulls(terminal, active, count);
}

void pt_terminal_draw(struct pt_terminal *terminal, const struct pt_pull_status *active,
                      size_t count, int64_t now)
{
    if (!write_frame(terminal))
        return;
    if (terminal->is_tty)
        draw_bars(terminal, active, count);
    else
        draw_plain(terminal, active, count, now);
    pt_buffer_finish(&terminal->lines);
    write_frame(terminal);
}
