// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_health.h"

#include "base/clock.h"

#include "check.h"

#define HOUR 3600

static int64_t now_ns;

static int64_t clock_now(void *context)
{
    (void)context;
    return now_ns;
}

static const struct pt_clock the_clock = {clock_now, clock_now, NULL};

enum happening {
    STORY_IS_OVER,
    NOTHING,
    OPENED,   // and reads on where it was
    ENTRY,    // has come
    BROKEN,   // the connection
    TOO_SLOW, // for the log
    GAP,      // in the log: it reads all anew
    CAUGHT_UP,
};

static void let_happen(struct pt_share_health *health, enum happening what)
{
    switch (what) {
    case STORY_IS_OVER:
    case NOTHING:
        break;
    case OPENED:
        pt_share_health_note_state(health, PT_SHARE_BEHIND, NULL);
        break;
    case ENTRY:
        pt_share_health_note_reading(health, true, NULL);
        break;
    case BROKEN:
        pt_share_health_note_state(health, PT_SHARE_AWAY, "it broke");
        break;
    case TOO_SLOW:
        pt_share_health_note_state(health, PT_SHARE_BEHIND, "too slow");
        break;
    case GAP:
        pt_share_health_note_state(health, PT_SHARE_LOADING, "entries are missing");
        break;
    case CAUGHT_UP:
        pt_share_health_note_state(health, PT_SHARE_READY, NULL);
        break;
    }
}

#define MAX_STEPS 16

static const struct {
    const char *name;
    struct {
        int at_s;
        enum happening what;
        bool is_ready; // behind it
    } steps[MAX_STEPS];
} stories[] = {
    {"one that starts is ready when it has caught up",
     {{0, OPENED, false}, {1, ENTRY, false}, {2, CAUGHT_UP, true}, {HOUR, NOTHING, true}}},
    {"one that starts is not ready behind a break",
     {{0, OPENED, false}, {1, ENTRY, false}, {2, BROKEN, false}, {3, OPENED, false}}},
    {"one that was in step is ready as long as Valkey is away, and 5 s",
     {{0, CAUGHT_UP, true},
      {1, BROKEN, true},
      {HOUR, OPENED, true},
      {HOUR, ENTRY, true},
      {HOUR + 4, NOTHING, true},
      {HOUR + 5, NOTHING, false},
      {HOUR + 9, CAUGHT_UP, true}}},
    {"one that is too slow is not ready behind a break either",
     {{0, CAUGHT_UP, true},
      {1, TOO_SLOW, false},
      {2, BROKEN, false},
      {3, OPENED, false},
      {3, ENTRY, false},
      {4, BROKEN, false},
      {HOUR, OPENED, false},
      {HOUR + 1, CAUGHT_UP, true}}},
    {"nor one that has missed entries",
     {{0, CAUGHT_UP, true},
      {1, GAP, false},
      {2, ENTRY, false},
      {3, BROKEN, false},
      {4, OPENED, false},
      {5, CAUGHT_UP, true}}},
    {"nor one that has needed 5 s, and needs longer",
     {{0, CAUGHT_UP, true},
      {1, BROKEN, true},
      {2, OPENED, true},
      {3, ENTRY, true},
      {8, NOTHING, false},
      {9, BROKEN, false},
      {10, OPENED, false}}},
    {"what it reads between breaks is one wait",
     {{0, CAUGHT_UP, true},
      {1, BROKEN, true},
      {2, OPENED, true},
      {2, ENTRY, true},
      {4, BROKEN, true},
      {5, OPENED, true},
      {5, ENTRY, true},
      {7, BROKEN, true},
      {8, OPENED, true},
      {8, ENTRY, true},
      {9, NOTHING, false},
      {9, BROKEN, false},
      {10, CAUGHT_UP, true},
      {11, BROKEN, true}}},
    {"a Valkey that lets nothing be read is as one that is away",
     {{0, CAUGHT_UP, true},
      {1, BROKEN, true},
      {2, OPENED, true},
      {8, NOTHING, true},
      {8, BROKEN, true},
      {9, OPENED, true},
      {15, BROKEN, true},
      {16, OPENED, true}}},
};

static void readiness_ends_and_comes_back_by_the_log_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stories); i++) {
        struct pt_share_health health;
        pt_share_health_init(&health, &the_clock, "valkey://test");
        for (size_t k = 0; k < MAX_STEPS && stories[i].steps[k].what; k++) {
            char name[128];
            snprintf(name, sizeof(name), "%s: step %zu", stories[i].name, k);
            now_ns = (1 + stories[i].steps[k].at_s) * PT_NS_PER_S;
            let_happen(&health, stories[i].steps[k].what);
            check_int(name, pt_share_health_is_ready(&health), stories[i].steps[k].is_ready);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness_ends_and_comes_back_by_the_log_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
