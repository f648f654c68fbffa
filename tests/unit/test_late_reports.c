// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"

// Reports of a node that come in another order than they were sent.

static void a_late_report_turns_nothing_back(void **state)
{
    struct scene *scene = *state;
    scene->layers[0].downloaded_bytes = 50;
    scene_deliver(scene);
    scene->node_skew_ns = -3 * PT_NS_PER_S;
    scene->layers[0].downloaded_bytes = 30;
    scene_deliver(scene);
    check_int("bytes", scene_last(scene)->pull.layers[0].downloaded_bytes, 50);
    scene->pull.phase = PT_PULL_FAILED; // but how it ended is true whenever it comes
    scene_deliver(scene);
    check_int("failed", scene->failed, 1);
}

// What it names and the newer one does not has ended meanwhile, of which its agent has still to
// report.
static void a_late_report_begins_no_pull(void **state)
{
    struct scene *scene = *state;
    scene->run = "ab";
    scene->sequence = 7;
    scene_deliver(scene);
    scene->sequence = 6;
    scene->pull.id = "lease-2";
    scene_deliver(scene);
    check_int("begun", scene->started, 1);
    scene->pull.phase = PT_PULL_FAILED;
    scene_deliver(scene);
    check_int("begun with its end", scene->started, 2);
    check_int("failed", scene->failed, 1);
}

// Reports of one process are numbered; what its node's clock says does not count then.
static void a_report_that_is_overtaken_turns_nothing_back(void **state)
{
    static const struct {
        const char *name;
        const char *run;
        int64_t sequence;
        int64_t skew_s;
        int64_t bytes, wanted;
    } steps[] = {
        {"first", "ab", 7, 0, 20, 20},
        {"its clock goes back", "ab", 8, -3, 30, 30},
        {"it was overtaken", "ab", 6, 0, 10, 30},
        {"the same again", "ab", 8, 0, 10, 30},
        {"another process", "cd", 1, 0, 40, 40},
        {"one that came late of the process before", "ab", 9, -2, 10, 40},
        {"next", "cd", 2, 0, 50, 50},
        {"it does not number them", "ef", 0, 0, 55, 55},
        {"nor the next one", "ef", 0, 0, 57, 57},
        {"one that is late by its clock", "ef", 0, -5, 10, 57},
        {"an agent that does not say", NULL, 0, 0, 60, 60},
        {"and is late by its clock", NULL, 0, -5, 10, 60},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        scene->run = steps[i].run;
        scene->sequence = steps[i].sequence;
        scene->node_skew_ns = steps[i].skew_s * PT_NS_PER_S;
        scene->layers[0].downloaded_bytes = steps[i].bytes;
        scene_deliver(scene);
        check_int(steps[i].name, scene_last(scene)->pull.layers[0].downloaded_bytes,
                  steps[i].wanted);
    }
}

// Somebody else has sent the last number that there is.
static void a_number_that_no_agent_has_silences_none_for_good(void **state)
{
    static const struct {
        const char *name;
        int64_t sequence, wait_s;
        int64_t bytes, wanted;
    } steps[] = {
        {"the agent", 7, 0, 20, 20},        {"another", INT64_MAX, 0, 25, 25},
        {"the agent", 8, 0, 30, 25},        {"which goes on", 9, 40, 40, 25},
        {"and is heard", 10, 20, 50, 50},   {"an older one is not", 9, 0, 40, 50},
        {"the next one is", 11, 0, 60, 60},
    };
    struct scene *scene = *state;
    scene->run = "ab";
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        scene->now_ns += steps[i].wait_s * PT_NS_PER_S;
        scene->sequence = steps[i].sequence;
        scene->layers[0].downloaded_bytes = steps[i].bytes;
        scene_deliver(scene);
        check_int(steps[i].name, scene_last(scene)->pull.layers[0].downloaded_bytes,
                  steps[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_late_report_turns_nothing_back),
        SCENE_TEST(a_late_report_begins_no_pull),
        SCENE_TEST(a_report_that_is_overtaken_turns_nothing_back),
        SCENE_TEST(a_number_that_no_agent_has_silences_none_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
