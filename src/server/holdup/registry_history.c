// SPDX-License-Identifier: Apache-2.0
#include "server/holdup/registry_history.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

#define OTHER (PT_LIMIT_REGISTRIES - 1)

void pt_registry_history_init(struct pt_registry_history *history, int64_t now_ns)
{
    memset(history, 0, sizeof(*history));
    history->step_began_at = now_ns;
}

static size_t place_of(const struct pt_registry_history *history)
{
    return history->step % PT_REGISTRY_STEPS;
}

// A row that nobody has met for all the steps that are kept says nothing any more.
static bool is_free(const struct pt_registry_history *history, size_t index)
{
    const struct pt_registry_past *row = &history->rows[index];
    return !*row->name || history->step - row->used_at >= PT_REGISTRY_STEPS;
}

static uint64_t hash_of(const char *name, size_t length)
{
    uint64_t hash = pt_hash_bytes(PT_HASH_EMPTY, name, length);
    return hash ? hash : 1;
}

static bool is_left_out(const struct pt_registry_history *history, size_t index)
{
    const struct pt_registry_left_out *place = &history->left_out[index];
    return place->name && history->step - place->used_at < PT_REGISTRY_STEPS;
}

static void leave_out(struct pt_registry_history *history, const char *name, size_t length)
{
    uint64_t hash = hash_of(name, length);
    size_t free_place = PT_LIMIT_REGISTRIES_LEFT_OUT, index = 0;
    while (index < PT_LIMIT_REGISTRIES_LEFT_OUT && history->left_out[index].name != hash) {
        if (free_place == PT_LIMIT_REGISTRIES_LEFT_OUT && !is_left_out(history, index))
            free_place = index;
        index++;
    }
    if (index == PT_LIMIT_REGISTRIES_LEFT_OUT)
        index = free_place;
    if (index < PT_LIMIT_REGISTRIES_LEFT_OUT)
        history->left_out[index] = (struct pt_registry_left_out){hash, history->step};
}

size_t pt_registry_history_left_out(const struct pt_registry_history *history)
{
    size_t count = 0;
    for (size_t i = 0; i < PT_LIMIT_REGISTRIES_LEFT_OUT; i++)
        count += is_left_out(history, i);
    return count;
}

static size_t take_row(struct pt_registry_history *history, const char *name, size_t length)
{
    size_t index = 0;
    while (index < OTHER && !is_free(history, index))
        index++;
    struct pt_registry_past *row = &history->rows[index];
    if (index == OTHER) {
        leave_out(history, name, length);
        name = "other";
        length = strlen(name);
    } else {
        memset(row, 0, sizeof(*row));
    }
    snprintf(row->name, sizeof(row->name), "%.*s", (int)length, name);
    if (index >= history->count)
        history->count = index + 1;
    return index;
}

int pt_registry_history_find(struct pt_registry_history *history, const char *repository)
{
    size_t length = repository ? strcspn(repository, "/") : 0, index = 0;
    if (length == 0 || length > PT_LIMIT_NAME_BYTES)
        return -1;
    for (; index < history->count; index++) {
        const char *name = history->rows[index].name;
        if (strncmp(name, repository, length) == 0 && name[length] == '\0')
            break;
    }
    if (index == history->count)
        index = take_row(history, repository, length);
    history->rows[index].used_at = history->step;
    return (int)index;
}

void pt_registry_history_note(struct pt_registry_history *history, size_t index,
                              double bytes_per_second, size_t stalled)
{
    struct pt_registry_step *step = &history->rows[index].steps[place_of(history)];
    step->bytes_per_second += bytes_per_second;
    if (stalled > step->stalled)
        step->stalled = (uint32_t)stalled;
}

void pt_registry_history_note_failed(struct pt_registry_history *history, size_t index)
{
    history->rows[index].steps[place_of(history)].failed++;
}

static void begin_step(struct pt_registry_history *history)
{
    history->step++;
    history->looks[place_of(history)] = 0;
    for (size_t i = 0; i < history->count; i++)
        history->rows[i].steps[place_of(history)] = (struct pt_registry_step){0};
}

void pt_registry_history_end_look(struct pt_registry_history *history, int64_t now_ns)
{
    history->looks[place_of(history)]++;
    int64_t steps = (now_ns - history->step_began_at) / PT_REGISTRY_STEP_NS;
    history->step_began_at += steps * PT_REGISTRY_STEP_NS;
    for (int64_t i = 0; i < steps && i < PT_REGISTRY_STEPS; i++)
        begin_step(history);
}

size_t pt_registry_history_steps(const struct pt_registry_history *history)
{
    return history->step + 1 < PT_REGISTRY_STEPS ? (size_t)history->step + 1 : PT_REGISTRY_STEPS;
}

struct pt_registry_step pt_registry_history_step(const struct pt_registry_history *history,
                                                 size_t index, size_t ago)
{
    size_t place = (size_t)((history->step - ago) % PT_REGISTRY_STEPS);
    struct pt_registry_step step = history->rows[index].steps[place];
    if (history->looks[place] > 0)
        step.bytes_per_second /= history->looks[place];
    return step;
}
