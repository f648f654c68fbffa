// SPDX-License-Identifier: Apache-2.0
#include "server/holdup/registry_history.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

static void a_step_is_the_mean_of_its_looks(void **state)
{
    (void)state;
    struct pt_registry_history *history = calloc(1, sizeof(*history));
    pt_registry_history_init(history, 0);
    int index = pt_registry_history_find(history, "a.io/b");
    check_int("index", index, 0);
    for (int second = 1; second <= 30; second++) {
        pt_registry_history_note(history, 0, second <= 15 ? 100 : 0, second == 3 ? 2 : 0);
        pt_registry_history_end_look(history, second * PT_NS_PER_S);
    }
    struct pt_registry_step step = pt_registry_history_step(history, 0, 1);
    check_int("mean", (int64_t)step.bytes_per_second, 50);
    check_int("the most at once", step.stalled, 2);
    check_int("a new one", (int64_t)pt_registry_history_step(history, 0, 0).bytes_per_second, 0);
    free(history);
}

static void half_an_hour_is_kept(void **state)
{
    (void)state;
    struct pt_registry_history *history = calloc(1, sizeof(*history));
    pt_registry_history_init(history, 0);
    pt_registry_history_note_failed(history, (size_t)pt_registry_history_find(history, "a.io/b"));
    pt_registry_history_end_look(history, 59 * PT_REGISTRY_STEP_NS);
    check_int("steps", (int64_t)pt_registry_history_steps(history), 60);
    check_int("kept", pt_registry_history_step(history, 0, 59).failed, 1);
    pt_registry_history_end_look(history, 60 * PT_REGISTRY_STEP_NS);
    check_int("steps", (int64_t)pt_registry_history_steps(history), 60);
    check_int("gone", pt_registry_history_step(history, 0, 59).failed, 0);
    pt_registry_history_end_look(history, 100000 * PT_REGISTRY_STEP_NS); // it slept
    check_int("steps", (int64_t)pt_registry_history_steps(history), 60);
    free(history);
}

// Names that are made up keep no real one out for longer than the history.
static void a_registry_without_history_gives_way(void **state)
{
    (void)state;
    struct pt_registry_history *history = calloc(1, sizeof(*history));
    pt_registry_history_init(history, 0);
    for (int i = 0; i < PT_LIMIT_REGISTRIES + 9; i++) {
        char repository[40];
        snprintf(repository, sizeof(repository), "r%d.io/b", i);
        int wanted = i < PT_LIMIT_REGISTRIES - 1 ? i : PT_LIMIT_REGISTRIES - 1;
        check_int(repository, pt_registry_history_find(history, repository), wanted);
    }
    check_text("the last", history->rows[PT_LIMIT_REGISTRIES - 1].name, "other");
    check_int("left out", (int64_t)pt_registry_history_left_out(history), 10);
    pt_registry_history_end_look(history, 59 * PT_REGISTRY_STEP_NS);
    check_int("r3 is in use", pt_registry_history_find(history, "r3.io/c"), 3);
    pt_registry_history_end_look(history, 60 * PT_REGISTRY_STEP_NS);
    check_int("first free", pt_registry_history_find(history, "new.io/b"), 0);
    check_int("r3 has stayed", pt_registry_history_find(history, "r3.io/b"), 3);
    check_int("no host", pt_registry_history_find(history, "/b"), -1);
    check_int("none", pt_registry_history_find(history, NULL), -1);
    free(history);
}

// A look at a thousand pulls of one registry is one registry, and names without end are bounded.
static void those_that_are_left_out_are_counted_once(void **state)
{
    (void)state;
    struct pt_registry_history *history = calloc(1, sizeof(*history));
    char repository[40];
    pt_registry_history_init(history, 0);
    for (int i = 0; i < PT_LIMIT_REGISTRIES - 1; i++) {
        snprintf(repository, sizeof(repository), "r%d.io/b", i);
        (void)pt_registry_history_find(history, repository);
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(repository, sizeof(repository), "late%d.io/b", i % 3);
        check_int(repository, pt_registry_history_find(history, repository),
                  PT_LIMIT_REGISTRIES - 1);
    }
    check_int("left out", (int64_t)pt_registry_history_left_out(history), 3);
    for (int i = 0; i < 1000; i++) {
        snprintf(repository, sizeof(repository), "made-up%d.io/b", i);
        (void)pt_registry_history_find(history, repository);
    }
    check_int("at most", (int64_t)pt_registry_history_left_out(history),
              PT_LIMIT_REGISTRIES_LEFT_OUT);
    pt_registry_history_end_look(history, 60 * PT_REGISTRY_STEP_NS);
    check_int("half an hour later", (int64_t)pt_registry_history_left_out(history), 0);
    free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_the_mean_of_its_looks),
        cmocka_unit_test(half_an_hour_is_kept),
        cmocka_unit_test(a_registry_without_history_gives_way),
        cmocka_unit_test(those_that_are_left_out_are_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
