// SPDX-License-Identifier: Apache-2.0
#include "agent/rhythm.h"

#include "check.h"

#define BEGAN 10000
#define ENDED (BEGAN + 20)
#define PACE 1000

static void the_next_look_is_due_a_pace_after_the_last_began(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t eager_until_ms;
        bool has_young;
        int64_t due_ms;
    } cases[] = {
        {"nothing special", 0, false, BEGAN + PACE},
        {"an image record was written", ENDED + 1, false, BEGAN + 150},
        {"and that is long ago", ENDED, false, BEGAN + PACE},
        {"a lease may yet show as a pull", 0, true, BEGAN + 30},
        {"both", ENDED + 1, true, BEGAN + 30},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_rhythm rhythm = {.eager_until_ms = cases[i].eager_until_ms};
        pt_rhythm_begin_look(&rhythm, BEGAN);
        pt_rhythm_end_look(&rhythm, ENDED, PACE, cases[i].has_young);
        check_int(cases[i].what, rhythm.due_ms, cases[i].due_ms);
    }
}

static void a_runtime_that_does_not_answer_is_asked_again_after_a_second(void **state)
{
    (void)state;
    struct pt_rhythm rhythm = {0};
    pt_rhythm_begin_look(&rhythm, BEGAN);
    pt_rhythm_note_trouble(&rhythm, ENDED);
    check_int("due", rhythm.due_ms, ENDED + 1000);
}

static void what_is_new_makes_the_next_look_sooner(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum pt_seen_event_kind kind;
        bool is_known, is_busy;
        int64_t due_ms;
        bool is_first;
    } cases[] = {
        {"an unknown snapshot", PT_SEEN_SNAPSHOT_PREPARED, false, false, BEGAN + 50, false},
        {"while something is pulled", PT_SEEN_SNAPSHOT_PREPARED, false, true, BEGAN + 250, false},
        {"committed, while pulling", PT_SEEN_SNAPSHOT_COMMITTED, false, true, BEGAN + 250, false},
        {"unknown content", PT_SEEN_CONTENT_CREATED, false, false, BEGAN + 50, false},
        {"content, while pulling", PT_SEEN_CONTENT_CREATED, false, true, BEGAN + 50, false},
        {"an image record", PT_SEEN_IMAGE_WRITTEN, false, true, BEGAN + 50, false},
        {"a known snapshot", PT_SEEN_SNAPSHOT_PREPARED, true, true, BEGAN + PACE, false},
        {"its pull's first", PT_SEEN_SNAPSHOT_PREPARED, true, true, BEGAN + 50, true},
        {"an extraction broken off", PT_SEEN_EXTRACTION_REMOVED, true, true, BEGAN + 50, false},
        {"nobody's, broken off", PT_SEEN_EXTRACTION_REMOVED, false, false, BEGAN + PACE, false},
        {"a layer that is known", PT_SEEN_CONTENT_CREATED, true, false, BEGAN + PACE, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_rhythm rhythm = {0};
        const struct pt_seen_event event = {
            .kind = cases[i].kind, .is_known = cases[i].is_known, .is_first = cases[i].is_first};
        pt_rhythm_begin_look(&rhythm, BEGAN);
        pt_rhythm_end_look(&rhythm, ENDED, PACE, false);
        bool is_sooner = pt_rhythm_note_event(&rhythm, ENDED, &event, cases[i].is_busy);
        check_int(cases[i].what, rhythm.due_ms, cases[i].due_ms);
        check_int(cases[i].what, is_sooner, cases[i].due_ms != BEGAN + PACE);
        is_sooner = pt_rhythm_note_event(&rhythm, ENDED + 1, &event, cases[i].is_busy);
        check_int("not as often as things happen", is_sooner, false);
    }
}

static void an_image_record_keeps_the_looks_quick_for_a_second(void **state)
{
    (void)state;
    const struct pt_seen_event event = {.kind = PT_SEEN_IMAGE_WRITTEN};
    struct pt_rhythm rhythm = {0};
    pt_rhythm_note_event(&rhythm, BEGAN, &event, false);
    pt_rhythm_begin_look(&rhythm, BEGAN + 900);
    pt_rhythm_end_look(&rhythm, BEGAN + 999, PACE, false);
    check_int("in its second", rhythm.due_ms, BEGAN + 900 + 150);
    pt_rhythm_begin_look(&rhythm, BEGAN + 990);
    pt_rhythm_end_look(&rhythm, BEGAN + 1000, PACE, false);
    check_int("and behind it", rhythm.due_ms, BEGAN + 990 + PACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_look_is_due_a_pace_after_the_last_began),
        cmocka_unit_test(a_runtime_that_does_not_answer_is_asked_again_after_a_second),
        cmocka_unit_test(what_is_new_makes_the_next_look_sooner),
        cmocka_unit_test(an_image_record_keeps_the_looks_quick_for_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
