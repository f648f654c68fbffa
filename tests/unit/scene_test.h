// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_SCENE_TEST_H
#define PT_TESTS_SCENE_TEST_H

// Tests that have a scene of their own as their state. A fixture includes this below what it is
// made of: struct scene, scene_begin (which gets any bytes) and scene_end.

#include "check.h"

#include <stdlib.h>

static inline int scene_setup(void **state)
{
    struct scene *scene = malloc(sizeof(*scene));
    assert_non_null(scene);
    scene_begin(scene);
    *state = scene;
    return 0;
}

static inline int scene_teardown(void **state)
{
    scene_end(*state);
    free(*state);
    return 0;
}

// For the next row of a table.
static inline struct scene *scene_anew(void **state)
{
    scene_teardown(state);
    scene_setup(state);
    return *state;
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

#endif
